"""Reads what an earning rule gives: which asset, and how many of its smallest unit.

Example: `cashback: 5 %` gives 1/20 of `credit:EUR` for each cent of the basis; `gives: 1 stamp`, `per: item` gives 1 of
`stamps` for each item; `credit: 2.00 EUR` gives 200 of `credit:EUR`.

What a newcomer would get wrong: a multiplier multiplies one asset only, `points` unless `of` names another.
"""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.donations import donated_in
from services.ledger.domain.records import POINTS
from services.ledger.program.assets import Amount, amount_of, asset_named, credit_in
from services.ledger.program.reading import Reader
from services.ledger.words.earning import EarnRule
from shared.program_file import Path

CASHBACK = "cashback"


def giving_of(reader: Reader, words: EarnRule, path: Path) -> Amount:
    """The asset of a rule and its rate: what one step gives, or by what it multiplies."""
    if words.times is not None:
        return _multiplied(reader, words, path), Fraction(words.times)
    if words.cashback is not None:
        share = Fraction(words.cashback.rstrip(" %")) / 100
        if not 0 < share <= 1:
            reader.fault((*path, "cashback"), "give back more than 0 % and at most 100 %")
        return credit_in(cashback_currency(reader, words)), share
    if words.gives is not None:
        return amount_of(reader, words.gives, (*path, "gives"))
    if words.credit is not None:
        return amount_of(reader, words.credit, (*path, "credit"))
    if words.donate is not None:
        minor, currency = reader.money(words.donate, (*path, "donate"))
        return donated_in(currency), Fraction(minor)
    return POINTS, Fraction(words.points or "0")


def cashback_currency(reader: Reader, words: EarnRule) -> str:
    """The currency of orders that earn cashback, and of the credit they earn."""
    return words.if_.currency or reader.head.currency


def _multiplied(reader: Reader, words: EarnRule, path: Path) -> str:
    if words.of == CASHBACK:
        return credit_in(cashback_currency(reader, words))
    return asset_named(reader, words.of, (*path, "of")) if words.of else POINTS
