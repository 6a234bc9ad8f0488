"""What comes out of a trial, as numbers: months, rules, members. Points are whole, shares exact.

What a newcomer would get wrong: what flows in a month (issued, spent, expired) adds up over months, what stands at its
end (pending, available, held) does not. `merged` knows which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise

from services.ledger.simulation.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month, or several together: what flowed in it, and what members had at its end."""

    label: str
    first_day: date
    issued: int
    spent: int
    expired: int
    taken_back: int
    pending: int
    available: int
    held: int

    @property
    def owed(self) -> int:
        """What members had at the end."""
        return self.pending + self.available + self.held


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one rule gave of one asset, in how many awards, and its share of all that was given of it."""

    rule: str
    asset: str
    amount: int
    times: int
    share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What became of one asset in the whole time."""

    asset: str
    issued: int
    spent: int
    expired: int
    taken_back: int
    owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Who got how much: `tenths` are the shares of ten equal groups of members, those who got least first.

    `gini` is 0 where all get the same, and near 1 where one gets all. Empty where there are no members.
    """

    members: int
    earners: int
    median: int
    p90: int
    p99: int
    most: int
    mean: Fraction
    gini: Fraction
    tenths: tuple[Fraction, ...]
    reached_block: int | None
    """Members who once had enough to pay with; None where the program has no blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that one trial comes to. Money in minor units of the program's currency.

    `months`, `members` are about the trial's own asset, `others` are what it gives beside it.
    """

    trial: Trial
    orders: int
    guest_orders: int
    customers: int
    revenue_minor: int
    other_revenue: dict[str, tuple[int, int]]
    """Orders in other currencies: how many, and their minor units."""
    first_day: date
    last_day: date
    closing_day: date
    months: tuple[Month, ...]
    rules: tuple[RuleFigures, ...]
    silent_rules: tuple[tuple[str, str], ...]
    """Rules that gave nothing, each with its trigger."""
    others: tuple[Totals, ...]
    members: Distribution

    @property
    def total(self) -> Month:
        """The whole time as one."""
        return merged("all", self.months)

    @property
    def totals(self) -> tuple[Totals, ...]:
        """What became of each asset, the trial's own first."""
        total = self.total
        own = Totals(
            asset=self.trial.asset,
            issued=total.issued,
            spent=total.spent,
            expired=total.expired,
            taken_back=total.taken_back,
            owed=total.owed,
        )
        return (own, *self.others)

    @property
    def cost_share(self) -> Fraction | None:
        """What all that was issued is worth, as a share of revenue; None where that is not known."""
        return self._share_of_revenue(lambda each: each.issued)

    @property
    def lasting_share(self) -> Fraction | None:
        """What is spent or still owed, as a share of revenue: what expired costs nothing."""
        return self._share_of_revenue(lambda each: each.spent + each.owed)

    @property
    def breakage(self) -> Fraction:
        """Which share of what was issued expired."""
        return _share(self.total.expired, self.total.issued)

    def is_priced(self, asset: str) -> bool:
        """Whether the asset has a worth in the currency of the revenue."""
        value = self.trial.values.get(asset)
        return value is not None and value.currency == self.trial.rules.currency

    def _share_of_revenue(self, amount: Callable[[Totals], int]) -> Fraction | None:
        """Of all assets with a worth; None where the trial's own has none, or there is no revenue."""
        if not self.revenue_minor or not self.is_priced(self.trial.asset):
            return None
        priced = [each for each in self.totals if self.is_priced(each.asset)]
        return (
            sum((self.trial.values[each.asset].minor * amount(each) for each in priced), Fraction(0))
            / self.revenue_minor
        )


def merged(label: str, months: Sequence[Month]) -> Month:
    """Several months as one: flows add up, what stands is that of the last."""
    last = months[-1]
    return Month(
        label=label,
        first_day=months[0].first_day,
        issued=sum(month.issued for month in months),
        spent=sum(month.spent for month in months),
        expired=sum(month.expired for month in months),
        taken_back=sum(month.taken_back for month in months),
        pending=last.pending,
        available=last.available,
        held=last.held,
    )


def distribution_of(points: Sequence[int], reached_block: int | None) -> Distribution:
    """How points are spread over members; percentiles are by nearest rank.

    Example: 0, 10, 10, 20 points: the median is 10, the p90 20, the Gini coefficient 3/8.
    """
    ordered = sorted(points)
    count, whole = len(ordered), sum(ordered)
    weighted = sum(rank * each for rank, each in enumerate(ordered, 1))
    return Distribution(
        members=count,
        earners=sum(1 for each in ordered if each),
        median=_nearest(ordered, Fraction(1, 2)),
        p90=_nearest(ordered, Fraction(9, 10)),
        p99=_nearest(ordered, Fraction(99, 100)),
        most=ordered[-1] if ordered else 0,
        mean=_share(whole, count),
        gini=Fraction(2 * weighted, count * whole) - Fraction(count + 1, count) if whole else Fraction(0),
        tenths=_tenths(ordered, whole),
        reached_block=reached_block,
    )


def _nearest(ordered: Sequence[int], quantile: Fraction) -> int:
    if not ordered:
        return 0
    rank = -(-quantile.numerator * len(ordered) // quantile.denominator)
    return ordered[rank - 1]


def _tenths(ordered: Sequence[int], whole: int) -> tuple[Fraction, ...]:
    count = len(ordered)
    if not whole or count < 10:
        return ()
    cuts = [count * tenth // 10 for tenth in range(11)]
    return tuple(Fraction(sum(ordered[start:end]), whole) for start, end in pairwise(cuts))


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)
