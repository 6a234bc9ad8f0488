"""Reads what points can be spent on, and what comes back of them."""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.records import POINTS
from services.ledger.domain.spending import CREDIT, Checkout, Spending
from services.ledger.program.assets import asset_named
from services.ledger.program.reading import Reader
from services.ledger.words.spending import AlsoAtCheckout, CheckoutTerms
from shared.money import DIGITS
from shared.program_file import Path

PLACE: Path = ("ledger", "spend")


def spending_of(reader: Reader) -> Spending:
    """How points, credit and whatever else are spent, and come back."""
    words = reader.section.spend
    pays = {}
    if words.at_checkout is not None:
        path = (*PLACE, "at_checkout")
        pays[POINTS] = _checkout(
            reader, words.at_checkout, words.at_checkout.points, words.at_checkout.are_worth, path
        )
    for name, terms in words.also_at_checkout.items():
        path = (*PLACE, "also_at_checkout", name)
        asset = asset_named(reader, name, path)
        if asset in pays:
            reader.fault(
                path, f"{asset} stand here twice" if asset != POINTS else "write it in `at_checkout`"
            )
        pays[asset] = _also(reader, terms, asset, path)
    return Spending(pays, words.spent_points_back, int(words.grace.split()[0]))


def _also(reader: Reader, terms: AlsoAtCheckout, asset: str, path: Path) -> Checkout:
    if terms.units is not None and terms.are_worth is not None:
        return _checkout(reader, terms, terms.units, terms.are_worth, path)
    currency = asset.removeprefix(CREDIT)
    if currency not in DIGITS:
        reader.fault(path, f"say what {asset} are worth: so many `units`, and what they `are_worth`")
        return Checkout(1, 1, reader.head.currency)
    return _with_terms(reader, terms, Checkout(1, 1, currency), path)


def _checkout(reader: Reader, terms: CheckoutTerms, units: int, are_worth: str, path: Path) -> Checkout:
    worth, currency = reader.money(are_worth, (*path, "are_worth"))
    if not worth:
        reader.fault((*path, "are_worth"), "write something more than nothing")
    return _with_terms(reader, terms, Checkout(units, max(worth, 1), currency), path)


def _with_terms(reader: Reader, terms: CheckoutTerms, checkout: Checkout, path: Path) -> Checkout:
    currency, least = checkout.currency, 0
    if terms.order_at_least is not None:
        least, least_currency = reader.money(terms.order_at_least, (*path, "order_at_least"))
        if least_currency != currency:
            reader.fault((*path, "order_at_least"), f"write it in {currency}, as `are_worth`")
    share = Fraction(terms.at_most.rstrip(" %")) / 100
    if not 0 < share <= 1:
        reader.fault((*path, "at_most"), "write more than 0 % and at most 100 %")
    minutes = int(terms.hold.split()[0])
    if not minutes:
        reader.fault((*path, "hold"), "write at least 1 minute")
    return Checkout(
        checkout.block_points, checkout.block_minor, currency, least, share, minutes, terms.at_least
    )
