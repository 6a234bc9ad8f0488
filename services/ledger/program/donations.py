"""Reads which charity the merchant's donations go to."""

from __future__ import annotations

from services.ledger.domain.donations import DONATION, donated_in
from services.ledger.domain.program import Wait
from services.ledger.program.reading import Reader


def charities_of(reader: Reader) -> dict[str, str]:
    """Who gets what is donated, by asset: one charity for each currency."""
    found: dict[str, str] = {}
    for number, words in enumerate(reader.section.earn):
        if words.donate is None or words.to is None:
            continue
        asset = donated_in(words.donate.rpartition(" ")[2])
        if found.setdefault(asset, words.to) != words.to:
            reader.fault(
                ("ledger", "earn", number, "to"),
                f"another rule donates in this currency to {found[asset]!r}; one charity gets all of a currency",
            )
    return found


def donation_waits_of(reader: Reader) -> dict[str, dict[str, Wait]]:
    """Donations wait for nothing, whatever members' points wait for."""
    triggers = {words.on for words in reader.section.earn if words.donate is not None}
    return {DONATION: dict.fromkeys(sorted(triggers), Wait())} if triggers else {}
