"""What members can pay with, and how it comes back: the values of the program's section `spend`.

Example: `at_checkout: {points: 100, are_worth: 1.00 EUR, order_at_least: 20.00 EUR, at_most: 50 %}`: whole blocks of
100 points, each worth one euro, in orders from 20 euros on, for up to half of the items after discounts.

What a newcomer would get wrong: store credit needs no words. One unit of `credit:EUR` is a cent, in a program that says
nothing about it, too; points are worth nothing at a checkout until the program says what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

HOLD_MINUTES = 30  # a checkout that takes longer was left
GRACE_DAYS = 30
CREDIT = "credit:"
"""How the asset of store credit begins; its currency follows."""


class SpentBack(Enum):
    """What a refund gives back of the points that were spent on its order."""

    PROPORTIONAL = "proportional"  # in the share in which the items came back
    FULL_ONLY = "full_only"  # only where nothing of the order is kept
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Checkout:
    """An asset as money: whole blocks of `block_points` are worth `block_minor` each.

    `at_least` is the smallest number of points that pays at all, `largest_share` which part of the items after
    discounts they may pay.
    """

    block_points: int
    block_minor: int
    currency: str
    order_at_least_minor: int = 0
    largest_share: Fraction = Fraction(1)
    hold_minutes: int = HOLD_MINUTES
    at_least: int = 0

    def worth_of(self, points: int) -> int:
        """What whole blocks of so many points are worth, in minor units."""
        return points // self.block_points * self.block_minor

    def points_within(self, minor: int) -> int:
        """The most points, in whole blocks, that are worth no more than this."""
        return minor // self.block_minor * self.block_points

    def points_for(self, minor: int) -> int:
        """The fewest points, in whole blocks, that are worth at least this."""
        return -(-minor // self.block_minor) * self.block_points


@dataclass(frozen=True, slots=True)
class Spending:
    """How points, credit and whatever else are spent, and come back."""

    at_checkout: Mapping[str, Checkout] = field(default_factory=dict)
    spent_back: SpentBack = SpentBack.PROPORTIONAL
    grace_days: int = GRACE_DAYS
    """How long what comes back into a lot that has expired lives."""

    def checkout_for(self, asset: str) -> Checkout | None:
        """How this asset pays for an order; None where it does not."""
        found = self.at_checkout.get(asset)
        if found is None and asset.startswith(CREDIT):
            return Checkout(1, 1, asset.removeprefix(CREDIT))
        return found


def kind_of(asset: str) -> str | None:
    """What `paid_with` of an order calls this asset; None where it has no word for it."""
    if asset.startswith(CREDIT):
        return "credit"
    return "points" if asset == "points" else None
