"""Reads whether and how members may give points to each other."""

from __future__ import annotations

from services.ledger.domain.gift_terms import GiftLimit, GiftTerms
from services.ledger.program.assets import asset_named
from services.ledger.program.reading import Reader
from shared.calendar import Period
from shared.program_file import Path

PLACE: Path = ("ledger", "transfers")


def gifts_of(reader: Reader) -> GiftTerms | None:
    """The terms of gifts; None where there are none."""
    words = reader.section.transfers
    if words is None:
        return None
    if words.largest is not None and words.largest < words.smallest:
        reader.fault((*PLACE, "largest"), f"it is below `smallest`, {words.smallest}: nothing could be given")
    assets = [
        asset_named(reader, name, (*PLACE, "assets", number)) for number, name in enumerate(words.assets)
    ]
    return GiftTerms(
        frozenset(assets),
        reader.zone,
        int(words.older_than.split(" ")[0]),
        words.smallest,
        words.largest,
        _limits_of(reader, words.at_most),
    )


def _limits_of(reader: Reader, said: str | list[str] | None) -> tuple[GiftLimit, ...]:
    limits: dict[str, GiftLimit] = {}
    for number, text in enumerate([said] if isinstance(said, str) else said or []):
        count, _, period = text.split(" ")
        place: Path = (*PLACE, "at_most") if isinstance(said, str) else (*PLACE, "at_most", number)
        if period in limits:
            reader.fault(place, f"there is a limit per {period} already; keep the smaller one")
        limits[period] = GiftLimit(int(count), None if period == "lifetime" else Period(period))
    return tuple(limits.values())
