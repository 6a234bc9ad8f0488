"""The goals of two members who turn out to be one: which awards a period has then, and how far each reaches.

Example, 5.00 EUR for each 100.00 EUR of a month. `ana` paid 150 and got 100 back, so her 5.00 EUR went; `old-7` paid
150 and holds 5.00 EUR. Together they keep 200, two steps. The merge gives nothing: 5.00 EUR stay. With the next order
of the month, of 20, the second step is there, and gives 5.00 EUR. Had 10 of the 150 come back instead, 190 are kept:
one step, 5.00 EUR as before.

What a newcomer would get wrong: an award comes along with the steps that it holds *now*. What a refund took of it
before stays taken, or the joined orders would hold it again, and a merge would make points out of a refund.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.goal_awards import hold_reached
from services.ledger.domain.goals import Reached, steps_of
from services.ledger.domain.records import MemberKey

Period = tuple[str, str]
"""A rule with a goal, and a period."""


def join_reached(
    book: Book, survivor: MemberKey, other: MemberKey, period: Period, names: Mapping[str, str]
) -> Reached:
    """The awards of both in a period, the survivor's first; the rows are still each one's own.

    `names` are the new ids of the other one's awards that cannot keep theirs.
    """
    joined = Reached(*survivor, *period, joined=True)
    theirs = [(names.get(award_id, award_id), count) for award_id, count in _held_steps(book, other, period)]
    end = 0
    for award_id, count in (*_held_steps(book, survivor, period), *theirs):
        end += count
        joined = joined.with_award(award_id, end)
    return joined


def hold_joined(
    book: Book, survivor: MemberKey, periods: Iterable[Period], *, cause: MemberKey, at: datetime
) -> None:
    """Take back what the one person has not reached, such as a credit of once a period that both had; give nothing."""
    for rule, period in periods:
        hold_reached(book, survivor, rule, period, is_less=True, cause=f"merge:{cause[1]}", at=at)


def _held_steps(book: Book, key: MemberKey, period: Period) -> list[tuple[str, int]]:
    """The awards of a member's period, and how many steps of each are reached now."""
    versions, reached = book.versions_of(key[0]), book.goals_reached.get(key, period)
    if reached is None:
        return []
    parts = [part for part in book.goal_parts.of(key).values() if (part.rule, part.period) == period]
    steps = steps_of(parts, lambda number: versions.numbered(number).rules.goal(period[0]))
    total = sum(step.count for step in steps)
    firsts = (0, *reached.ends)
    return [
        (award_id, max(0, min(end, total) - first))
        for award_id, first, end in zip(reached.awards, firsts, reached.ends, strict=False)
    ]
