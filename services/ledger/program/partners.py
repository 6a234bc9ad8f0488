"""Reads agreements with partners.

Example: `gives: 1 point per 2.00 EUR` is 1/200 of a point for a cent; `price: 0.008 EUR per point` is 8/1000 of a euro.
"""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from services.ledger.domain.agreements import Agreement, account_of
from services.ledger.domain.budgets import Budget
from services.ledger.program.assets import amount_of, asset_named
from services.ledger.program.caps import BUDGET
from services.ledger.program.reading import Reader
from services.ledger.words.partners import Partner
from shared.calendar import Period, midnight
from shared.money import DIGITS
from shared.program_file import Path

RATE = re.compile(r"(?P<given>.+?) per (?P<money>\d{1,12}(\.\d{1,4})? [A-Z]{3})")
PRICE = re.compile(
    r"(?P<amount>\d{1,9}(\.\d{1,9})?) (?P<currency>[A-Z]{3}) per (?P<asset>[a-z][a-z_:A-Z]{0,34})"
)


def partners_of(reader: Reader) -> dict[str, Agreement]:
    """The agreements, by the name of the partner."""
    found: dict[str, Agreement] = {}
    for number, words in enumerate(reader.section.partners):
        path: Path = ("ledger", "partners", number)
        if words.partner in found:
            reader.fault((*path, "partner"), f"there is an agreement with {words.partner!r} already")
        found[words.partner] = _agreement(reader, words, path)
    return found


def _agreement(reader: Reader, words: Partner, path: Path) -> Agreement:
    asset, per_minor, currency = _gives(reader, words.gives, (*path, "gives"))
    price, price_currency = _price(reader, words.price, asset, (*path, "price"))
    return Agreement(
        words.partner,
        asset,
        per_minor,
        currency,
        _budget(reader, words, asset, (*path, "budget")),
        price,
        price_currency,
        midnight(words.from_, reader.zone) if words.from_ else None,
        midnight(words.until + timedelta(days=1), reader.zone) if words.until else None,
    )


def _gives(reader: Reader, text: str, path: Path) -> tuple[str, Fraction | None, str | None]:
    found = RATE.fullmatch(text)
    if found is None:
        if " " in text:
            reader.fault(path, f"write `1 point per 2.00 EUR`, or `points` alone, not {text!r}")
            return "points", None, None
        return asset_named(reader, text, path), None, None
    asset, count = amount_of(reader, found["given"], path)
    minor, currency = reader.money(found["money"], path)
    if not minor or not count:
        reader.fault(path, "it gives something for something; neither is 0")
        return asset, None, None
    return asset, count / minor, currency


def _price(reader: Reader, text: str | None, asset: str, path: Path) -> tuple[Fraction | None, str | None]:
    if text is None:
        return None, None
    found = PRICE.fullmatch(text)
    if found is None:
        reader.fault(path, f"write `0.008 EUR per point`, not {text!r}")
        return None, None
    if found["currency"] not in DIGITS:
        reader.fault(path, f"{found['currency']!r} is no currency of ISO 4217 that has minor units")
        return None, None
    if asset_named(reader, found["asset"], path) != asset:
        reader.fault(path, f"the partner gives {asset}; say what it pays for one of these")
    return Fraction(found["amount"]), found["currency"]


def _budget(reader: Reader, words: Partner, asset: str, path: Path) -> Budget | None:
    if words.budget is None:
        return None
    found = BUDGET.fullmatch(words.budget)
    assert found is not None, "any text is an amount, perhaps with a period"
    of, amount = amount_of(reader, found["amount"], path)
    if of != asset:
        reader.fault(path, f"the partner gives {asset}; say how many of these")
    if amount.denominator != 1 or not amount:
        reader.fault(path, f"say a whole number of {asset}, above 0")
        return None
    period = Period(found["period"]) if found["period"] else None
    return Budget(account_of(words.partner), int(amount), period=period, rejects=True)
