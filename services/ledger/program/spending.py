"""Reads what points can be spent on."""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.program import Checkout
from services.ledger.program.reading import Reader
from shared.program_file import Path


def checkout_of(reader: Reader) -> Checkout | None:
    """Points as money, where the program says so."""
    words = reader.section.spend.at_checkout
    if words is None:
        return None
    path: Path = ("ledger", "spend", "at_checkout")
    worth, currency = reader.money(words.are_worth, (*path, "are_worth"))
    least, least_currency = reader.money(words.order_at_least or f"0 {currency}", (*path, "order_at_least"))
    if least_currency != currency:
        reader.fault((*path, "order_at_least"), f"write it in {currency}, as `are_worth`")
    share = Fraction(words.at_most.rstrip(" %")) / 100
    return Checkout(words.points, worth, currency, least, min(share, Fraction(1)), int(words.hold.split()[0]))
