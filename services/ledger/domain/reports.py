"""What a merchant's reports mean: which days they cover, what points are worth, how rules share an award.

Worked example: an order gave 133 points: `base` 60, `tea counts double` 23.08, `big basket` 50, together 133.08. A
report says whole points that add up: 60, 23 and 50, by largest remainder. Of the 133, the cup takes 87 back: the
basket's 50 and 37 of `base`, as the rules of the award say of what is kept (`returned_shares`). With 100 points worth
1.00 EUR the other 46 points cost 0.46 EUR.

What a newcomer would get wrong: what expires at the midnight after 30 April expires in April, for the member and for
the report. And a report never rounds before it adds: shares stay exact until they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from services.ledger.domain.spending import Checkout
from shared.calendar import add_months, day_of, midnight, midnight_after
from shared.errors import InvalidInput
from shared.money import largest_remainder

MONTHS_COVERED = 12  # a year up to today, where nobody says more
MOST_MONTHS = 120
MOST_MONTHS_BY_DAY = 12  # a row for each day and rule of more is no longer read by people
BY_DAY = "day"


@dataclass(frozen=True, slots=True)
class Covered:
    """The days that a report covers, both included, in the program's zone; `by` is day, week (ISO), month or year."""

    first: date
    last: date
    by: str
    zone: ZoneInfo

    @property
    def begins(self) -> datetime:
        """The first moment that counts."""
        return midnight(self.first, self.zone)

    @property
    def ends(self) -> datetime:
        """The first moment that no longer counts."""
        return midnight_after(self.last, self.zone)


def covered(first: date | None, last: date | None, by: str, *, zone: ZoneInfo, now: datetime) -> Covered:
    """The days that somebody asked for: until today and for twelve months, whole ones, where they did not say.

    Raises:
        InvalidInput: they end before they begin, or are too many.
    """
    end = last or day_of(now, zone)
    start = first or add_months(end.replace(day=1), 1 - MONTHS_COVERED)
    if end < start:
        raise InvalidInput(f"the period ends on {end}, before it begins on {start}")
    most = MOST_MONTHS_BY_DAY if by == BY_DAY else MOST_MONTHS
    if add_months(start, most) <= end:
        raise InvalidInput(f"a report by {by} covers at most {most} months; ask for two of them")
    return Covered(start, end, by, zone)


def worth_minor(points: int, checkout: Checkout | None) -> int | None:
    """What so many are worth at the checkout, in minor units rounded down; parts of blocks count, since they are owed.

    None where the program does not say what they are worth.
    """
    if checkout is None:
        return None
    return points * checkout.block_minor // checkout.block_points


@dataclass(frozen=True, slots=True)
class RuleShare:
    """What one rule gave in one period: how many awards it had a part in, and its exact part of their points.

    `rule` is None where no rule gave it: a reward of a level, of a referral.
    """

    period: date
    asset: str
    kind: str
    rule: str | None
    awards: int
    awarded: Fraction
    reversed: Fraction


@dataclass(frozen=True, slots=True)
class RuleCost:
    """The same in whole points; those of a period, asset and kind add up to what its awards are."""

    share: RuleShare
    awarded: int
    reversed: int

    @property
    def kept(self) -> int:
        """What members have left of it, or spent."""
        return self.awarded - self.reversed


def rule_costs(shares: Sequence[RuleShare]) -> list[RuleCost]:
    """Whole points for each share, in the same order; nothing is lost between the rules of a group."""
    groups: dict[tuple[date, str, str], list[int]] = {}
    for place, share in enumerate(shares):
        groups.setdefault((share.period, share.asset, share.kind), []).append(place)
    found: dict[int, RuleCost] = {}
    for places in groups.values():
        awarded = _whole([shares[place].awarded for place in places])
        kept = _whole([shares[place].awarded - shares[place].reversed for place in places])
        for place, gave, left in zip(places, awarded, kept, strict=True):
            found[place] = RuleCost(shares[place], gave, gave - left)
    return [found[place] for place in range(len(shares))]


def _whole(parts: Sequence[Fraction]) -> list[int]:
    """Whole numbers in the ratio of the parts, with their sum, which is whole but for the digits of a division."""
    return largest_remainder(round(sum(parts)), parts)


def outstanding(balances: Mapping[str, int]) -> int:
    """What a program owes its members: pending, available and held; what members owe is not set against it."""
    return balances["pending"] + balances["available"] + balances["held"]
