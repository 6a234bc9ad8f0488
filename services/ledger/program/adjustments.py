"""Reads who may adjust balances by hand."""

from __future__ import annotations

from services.ledger.program.assets import amount_of
from services.ledger.program.reading import Reader
from shared.program_file import Path


def four_eyes_of(reader: Reader) -> dict[str, int]:
    """Above how many an adjustment needs a second person, by asset."""
    said = reader.section.adjustments.four_eyes_above
    texts = [said] if isinstance(said, str) else said or []
    bounds: dict[str, int] = {}
    for number, text in enumerate(texts):
        path: Path = ("ledger", "adjustments", "four_eyes_above")
        place: Path = path if isinstance(said, str) else (*path, number)
        asset, count = amount_of(reader, text, place)
        if count.denominator != 1:
            reader.fault(place, f"write whole {asset}, not {text!r}")
        elif asset in bounds:
            reader.fault(place, f"there is an amount of {asset} already; write one")
        else:
            bounds[asset] = int(count)
    return bounds
