"""Threshold credit: reach a spend in a period, and there is credit. Here is what a goal is, and when it is reached.

Example: 5.00 EUR for each 100.00 EUR spent in a month. Orders of May in the order of their payment: 60, 70, 90.
Together 60, 130, 220: the second order reaches the first hundred, the third the second. Half of the 70 comes back: 60,
95, 185, so the first hundred is reached by the third order now, and nobody reaches a second.

What a newcomer would get wrong: an order counts by the time it was paid, whenever it arrives, and under the program's
version of that time. So what a member reaches is a function of the orders and of what is kept of them, whatever their
order of arrival; where the terms change within a period, what is not rewarded yet counts on towards the new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.ledger.domain.conditions import Condition, LineIn, OrderAtLeast
from services.ledger.domain.when import When
from shared.calendar import Period, day_of, first_day
from shared.events import OrderLine
from shared.orders import ITEMS, Basis, Kept, Order, Share, basis_by_line
from shared.programs import Versions
from shared.rows import Row, replace

LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class Goal:
    """A rule that gives `reward` of an asset for reaching `spend_minor` in a period (None: in a lifetime).

    `repeats` gives it again for each further such amount, at most `most_steps` times a period.
    """

    name: str
    asset: str
    reward: int
    spend_minor: int
    currency: str
    period: Period | None = None
    repeats: bool = False
    most_steps: int | None = None
    basis: Basis = ITEMS
    conditions: tuple[Condition, ...] = ()
    line_conditions: tuple[LineIn, ...] = ()

    def period_of(self, day: date) -> str:
        """The period that a day of the program's zone falls into, such as `month:2026-05-01`."""
        return LIFETIME if self.period is None else f"{self.period}:{first_day(self.period, day)}"

    @property
    def lasting_conditions(self) -> tuple[Condition, ...]:
        """What reads the lines or their value: asked anew whenever less is kept. The others are asked once."""
        return tuple(
            each
            for each in self.conditions
            if isinstance(each, OrderAtLeast) or (isinstance(each, When) and each.reads_value)
        )

    def spent_on(self, order: Order, left: Kept | None) -> Share:
        """What of an order counts, in minor units, of what is kept of it."""
        if order.currency != self.currency:
            return 0
        parts = basis_by_line(order, self.basis, left)
        return sum(part for part, line in zip(parts, order.lines, strict=True) if self._covers(line.item))

    def uncounted(self, order: Order) -> str | None:
        """Why no part of an order can count, whoever paid it and whatever is kept of it; None where some can."""
        if order.currency != self.currency:
            return f"the order is in {order.currency}, {self.currency} asked for"
        if not any(self._covers(line.item) for line in order.lines):
            return f"no line has {' and '.join(each.wanted() for each in self.line_conditions)}"
        return None

    def _covers(self, item: OrderLine) -> bool:
        return all(condition.meets(item) for condition in self.line_conditions)


class Part(Row, frozen=True, gc=False):
    """What one order counts towards a goal in a period. `admitted`: the conditions on person and time held.

    `why_not` says why they did not, `cause` is the event that told of the order first.
    """

    program_id: str
    member_id: str
    rule: str
    period: str
    order_id: str
    paid_at: datetime
    program_version: int
    admitted: bool
    spent: Share
    fulfilled_at: datetime | None = None
    cause: str | None = None
    why_not: str | None = None


class Reached(Row, frozen=True, gc=False):
    """The awards of a member, goal and period: `ends[i]` is up to which step `awards[i]` reaches.

    `joined`: two members' awards stand here, since one was merged into the other; what they hold rises only with an
    order that counts more.
    """

    program_id: str
    member_id: str
    rule: str
    period: str
    ends: tuple[int, ...] = ()
    awards: tuple[str, ...] = ()
    joined: bool = False

    def with_award(self, award_id: str, end: int) -> Reached:
        """One award more, which reaches up to this step."""
        return replace(self, ends=(*self.ends, end), awards=(*self.awards, award_id))


class Step(Row, frozen=True, gc=False):
    """A run of steps that one order reaches: `first` and the `count - 1` after it, each worth `reward`."""

    first: int
    count: int
    reward: int
    by: Part


def steps_of(parts: Iterable[Part], goal_at: Callable[[int], Goal | None]) -> list[Step]:
    """The steps that a member reached, in the order of the payments; `goal_at` knows the goal of a program version.

    What an order adds counts towards its own version's goal, together with all before it that no step has used up.
    """
    steps: list[Step] = []
    reached = 0
    unused: Share = 0
    for part in sorted(parts, key=lambda each: (each.paid_at, each.order_id)):
        goal = goal_at(part.program_version)
        if goal is None:
            continue
        unused += part.spent
        count = _bounded(goal, int(unused // goal.spend_minor), reached)
        if count:
            unused -= count * goal.spend_minor
            steps.append(Step(reached, count, goal.reward, part))
            reached += count
    return steps


def worth(steps: Sequence[Step], first: int, end: int) -> int:
    """What the steps from `first` to before `end` are worth together."""
    return sum(
        step.reward * max(0, min(end, step.first + step.count) - max(first, step.first)) for step in steps
    )


def reaching(steps: Sequence[Step], number: int) -> Part:
    """The order that reaches the step of this number (from 0)."""
    return next(step.by for step in steps if step.first <= number < step.first + step.count)


class Progress(Row, frozen=True, gc=False):
    """How far a member is in a period, and what one order adds: minor units of `goal.currency`.

    `why_not` says why the order adds nothing, None where it counts.
    """

    goal: Goal
    period: str
    counted: Share
    spent: Share
    steps: int
    why_not: str | None


def progress_of(
    parts: Sequence[Part], goal: Goal, part: Part, goal_at: Callable[[int], Goal | None], why_not: str | None
) -> Progress:
    """How far the member is in the period of one order's part; `why_not` is why that counts nothing."""
    alike = [each for each in parts if (each.rule, each.period) == (part.rule, part.period)]
    steps = sum(step.count for step in steps_of(alike, goal_at))
    spent = sum(each.spent for each in alike)
    return Progress(goal, part.period, part.spent, spent, steps, why_not)


def have_goals(versions: Versions[Any]) -> bool:
    """Whether any version of a program has a goal: one that has none costs its events nothing."""
    return any(version.rules.goals for version in versions.all)


def periods_of(versions: Versions[Any], times: Iterable[datetime]) -> set[tuple[str, str]]:
    """The goals and periods that an order may count in that was paid at one of these times, under any version."""
    moments = list(times)
    return {
        (goal.name, goal.period_of(day_of(moment, version.rules.zone)))
        for version in versions.all
        for goal in version.rules.goals
        for moment in moments
    }


def _bounded(goal: Goal, count: int, reached: int) -> int:
    most = goal.most_steps if goal.repeats else 1
    return count if most is None else max(0, min(count, most - reached))
