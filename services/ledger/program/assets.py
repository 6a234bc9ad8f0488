"""Reads what is counted: the assets that a program knows, how each lives, and amounts of them.

Example: `1 stamp` is one of `stamps`; `5.00 EUR` are 500 of `credit:EUR`; `40 points` are 40 of `points`.

What a newcomer would get wrong: an asset is counted in its smallest unit, store credit in cents. So 5 % cashback on
1.00 EUR are 5 of `credit:EUR`, and every rule downstream is the same as for points.
"""

from __future__ import annotations

import re
from fractions import Fraction

from services.ledger.domain.program import COMMON_ASSETS, CREDIT, PointsPolicy, Wait
from services.ledger.domain.records import POINTS
from services.ledger.program.points import policy_of
from services.ledger.program.reading import Reader
from services.ledger.program.waiting import waits_of
from services.ledger.words.assets import Asset
from shared.money import DIGITS
from shared.program_file import Path

MONEY = re.compile(r"\d{1,12}(\.\d{1,4})? [A-Z]{3}")
COUNT = re.compile(r"(?P<count>\d{1,12}(\.\d{1,6})?) (?P<asset>[a-z][a-z_]{0,30}(:[A-Z]{3})?)")

Amount = tuple[str, Fraction]
"""An asset, and how many of its smallest unit."""


def policies_of(reader: Reader) -> dict[str, PointsPolicy]:
    """How each asset with an entry of its own lives; `credit` stands for store credit of every currency."""
    return {
        name: policy_of(reader, _beside_points(reader, words), ("ledger", "assets", name), words)
        for name, words in reader.section.assets.items()
        if _may_have_entry(reader, name)
    }


def asset_waits_of(reader: Reader) -> dict[str, dict[str, Wait]]:
    """How long awards of an asset are pending, where its entry says so, by asset and trigger."""
    return {
        name: waits_of(reader, words.pending, ("ledger", "assets", name, "pending"))
        for name, words in reader.section.assets.items()
        if words.pending
    }


def asset_named(reader: Reader, name: str, path: Path) -> str:
    """The asset that a word means: `stamp` and `stamps` are one, `credit` is in the program's currency."""
    if name == CREDIT:
        return credit_in(reader.head.currency)
    if name.startswith(f"{CREDIT}:"):
        return name
    known = [*COMMON_ASSETS, *(each for each in reader.section.assets if ":" not in each)]
    for each in known:
        if name in (each, each.removesuffix("s")):
            return each
    listed = ", ".join(sorted({*known, CREDIT} - {""}))
    reader.fault(path, f"there is no asset {name!r}; name it under `assets`, or write one of {listed}")
    return POINTS


def amount_of(reader: Reader, text: str, path: Path) -> Amount:
    """An amount of something such as `500 points`, `1 stamp` or, in store credit, `5.00 EUR`."""
    if MONEY.fullmatch(text):
        minor, currency = reader.money(text, path)
        return credit_in(currency), Fraction(minor)
    found = COUNT.fullmatch(text)
    if found is None:
        reader.fault(path, f"write how many of what, such as `1 stamp` or `5.00 EUR`, not {text!r}")
        return POINTS, Fraction(0)
    return asset_named(reader, found["asset"], path), Fraction(found["count"])


def credit_in(currency: str) -> str:
    """Store credit of a currency."""
    return f"{CREDIT}:{currency}"


def _beside_points(reader: Reader, words: Asset) -> Asset:
    """The words of an asset, with those of the points where it says nothing itself."""
    said = {name: getattr(words, name) for name in words.model_fields_set}
    points = reader.section.points
    return Asset.model_construct(**{name: getattr(points, name) for name in type(points).model_fields} | said)


def _may_have_entry(reader: Reader, name: str) -> bool:
    path: Path = ("ledger", "assets", name)
    kind, _, currency = name.partition(":")
    if name == POINTS:
        reader.fault(path, "points have the section `points`; write it there")
    elif currency and kind != CREDIT:
        reader.fault(path, f"only store credit has a currency, as in `credit:{currency}`")
    elif currency and currency not in DIGITS:
        reader.fault(path, f"{currency!r} is no currency of ISO 4217 that has minor units")
    else:
        return True
    return False
