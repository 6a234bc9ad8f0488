"""Agreements with partners: other companies whose cards and shops credit points to our members.

Example: `gives: 1 point per 2.00 EUR`, `price: 0.008 EUR per point`, `budget: 100000 points per month`. A purchase of
25.90 EUR is 12 points, for which the partner owes 0.096 EUR.

What a newcomer would get wrong: what is due is added up exactly and rounded once, at the end of the settlement. A
million credits of one point at 0.008 EUR are 8,000.00 EUR, and not 10,000.00.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from services.ledger.domain.budgets import Budget
from services.ledger.errors import AgreementNotValid, CreditInvalid
from shared.money import Rounding, minor_units, rounded
from shared.rows import Row

PARTNER = "partner"
"""The kind of an award, and of its transfer, that a partner credits."""
MOST_POINTS = 10**12  # of one purchase; more is a mistake, and a sum of millions of these still fits


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one partner may credit, and what it pays for it.

    `per_minor` is how much is given for one smallest unit of `currency`; None where the partner says how many points
    they are. `price` is what the partner owes for one unit of the asset, in whole `price_currency`.
    """

    name: str
    asset: str
    per_minor: Fraction | None = None
    currency: str | None = None
    budget: Budget | None = None
    price: Fraction | None = None
    price_currency: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def account(self) -> str:
        """The account that its credits come from, and that reversals go back to."""
        return account_of(self.name)

    def minor_of(self, amount: str | None, currency: str | None) -> int | None:
        """What was paid, in smallest units; None where the partner says the points, and no amount.

        Raises:
            CreditInvalid: there is an amount where the partner says the points, or none where it does not, or one in
                another currency.
            InvalidAmount: it is none of this currency.
        """
        if self.currency is None:
            if amount is not None:
                raise CreditInvalid(
                    f"{self.name} says how many {self.asset} it gives; send points, no amount"
                )
            return None
        if amount is None:
            raise CreditInvalid(f"{self.name} gives by what was paid; send the amount, no points")
        if currency not in (None, self.currency):
            raise CreditInvalid(f"{self.name} gives for {self.currency}, not for {currency}")
        return minor_units(amount, self.currency)

    def worth(self, minor: int, how: Rounding) -> int:
        """How many points a purchase of so much is.

        Raises:
            CreditInvalid: so many that nobody can mean it.
        """
        assert self.per_minor is not None, f"{self.name} says the points itself"
        points = rounded(minor * self.per_minor, how)
        if points > MOST_POINTS:
            raise CreditInvalid(f"that would be {points} {self.asset} for one purchase")
        return points

    def check_valid(self, at: datetime) -> None:
        """Make sure that it holds at this moment.

        Raises:
            AgreementNotValid: it has not begun, or is over.
        """
        if self.start is not None and at < self.start:
            raise AgreementNotValid(f"the agreement with {self.name} has not begun at that moment")
        if self.end is not None and at >= self.end:
            raise AgreementNotValid(f"the agreement with {self.name} is over at that moment")


def account_of(partner: str) -> str:
    """The program's account of a partner: below 0 by as many points as it credited and did not take back."""
    return f"partner:{partner}"


class Line(Row, frozen=True, gc=False, kw_only=True):
    """What a partner credited and took back in a span of time, of one asset and at one price."""

    asset: str
    price: Fraction | None
    currency: str | None
    credits: int = 0
    credited: int = 0
    reversals: int = 0
    reversed: int = 0

    @property
    def amount(self) -> Fraction | None:
        """What the partner owes for it, exactly; below 0 where more was taken back. None without a price."""
        return None if self.price is None else (self.credited - self.reversed) * self.price


def amounts_due(lines: Iterable[Line], scales: Mapping[str, int]) -> dict[str, int]:
    """What is owed by currency in minor units: added up exactly, rounded half up, once.

    `scales` says how many minor units one of each currency has. Below 0 = the program owes the partner.
    """
    exact: dict[str, Fraction] = {}
    for line in lines:
        if line.amount is not None and line.currency is not None:
            exact[line.currency] = exact.get(line.currency, Fraction(0)) + line.amount
    return {currency: _half_up(amount * scales[currency]) for currency, amount in sorted(exact.items())}


def in_decimals(value: Fraction) -> str:
    """A price, or a multiple of one, written out exactly: 1/125 is `0.008`."""
    digits = 0
    while value.denominator != 1:
        value, digits = value * 10, digits + 1
    sign, text = "-" if value < 0 else "", str(abs(value.numerator)).rjust(digits + 1, "0")
    return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)


def _half_up(amount: Fraction) -> int:
    whole = rounded(abs(amount), Rounding.HALF_UP)
    return -whole if amount < 0 else whole
