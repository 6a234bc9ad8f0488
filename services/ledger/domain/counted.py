"""What caps and budgets have counted of an award, and under which version of the program.

Example: an order of 60 points counted in the month of version 2. Its first statement comes last and belongs to version
1, whose rule gives 90 and counts by the week: the week counts the 30 that came on top, and no further time. Stored with
the award: `[[2, "base", 1, "60", "0"], [1, "base", 0, "30", "0"]]`.

What a newcomer would get wrong: today's version of an award does not say where it counted. What was counted under a
version that the award has left stays counted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award
from shared.orders import Share
from shared.orders.paid import plain
from shared.rows import Row, replace

COUNTED = "counted"
"""Under which name it is stored with an award; one that was never decided again counted what its rules gave."""


class Counted(Row, frozen=True, gc=False):
    """What caps counted of a rule (or, where it is empty, of all rules together) under one version, exact.

    `given` is what budgets of that version gave, or would have, had it some. Points on top of what was counted before
    are no further time.
    """

    version: int
    rule: str
    times: int = 0
    points: Share = 0
    given: Share = 0


def counted_of(award: Award, program: LedgerProgram) -> list[Counted]:
    """What was counted of an award until now; `program` is its version. What the program refused wholly was not."""
    stored = award.breakdown.get(COUNTED)
    if stored is not None:
        return [
            Counted(version, rule, times, plain(Fraction(points)), plain(Fraction(given)))
            for version, rule, times, points, given in stored
        ]
    if award.breakdown.get("room", {}).get(PROGRAM) == "0":
        return []
    number, capped = award.program_version, {rule.name for each in program.capped.values() for rule in each}
    exact = [
        (rule, plain(Fraction(points) / unit))
        for rule, points, unit in award.breakdown.get("rules", [])
        if rule in capped and points
    ]
    if award.asset in program.bounded and award.points:
        exact.append((PROGRAM, award.points))
    return [Counted(number, rule, 1, points, points) for rule, points in exact]


def sums(counted: Iterable[Counted]) -> dict[str, Share]:
    """What caps have counted of each rule, under whichever version."""
    found: dict[str, Share] = {}
    for each in counted:
        found[each.rule] = plain(found.get(each.rule, 0) + each.points)
    return found


def more(counted: Sequence[Counted], added: Counted) -> list[Counted]:
    """With what was counted on top; one row for each version and rule."""
    for place, each in enumerate(counted):
        if (each.version, each.rule) == (added.version, added.rule):
            joined = replace(
                each,
                times=each.times + added.times,
                points=plain(each.points + added.points),
                given=plain(each.given + added.given),
            )
            return [*counted[:place], joined, *counted[place + 1 :]]
    return [*counted, added]


def as_stored(counted: Iterable[Counted]) -> dict[str, Any]:
    """The part of an award's explanation that says so."""
    rows = [[each.version, each.rule, each.times, str(each.points), str(each.given)] for each in counted]
    return {COUNTED: rows}
