"""What level a spend earns, and until when: the rules of a ladder over calendar years.

Up at once, down only at the turn of a year. The worked example (end of next year, one level): 1,000 spent in 2025 →
top level until the end of 2026; 400 spent in 2026 → at the turn to 2027 one step down, valid to the end of 2027;
nothing in 2027 → base at the turn to 2028.

What a newcomer would get wrong: `due_standing` knows nothing of what a member was told. It is what the sums of spend
alone lead to, whatever the order in which they became known, and what everything else is measured against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from services.tiers.domain.course import Course
from services.tiers.domain.ladder import KeepUntil, Ladder, Level

# A program that moves to another time zone moves its turns of the year by hours; a level still ends at one of them.
_SAME_TURN = timedelta(days=1)


class Held(NamedTuple):
    """A level and the moment at which it ends, exclusive; None for the base, which never does."""

    level: Level
    until: datetime | None

    def is_less_than(self, other: Held) -> bool:
        """Whether it is a lower level than the other, or the same for a shorter time."""
        if self.level.rank != other.level.rank:
            return self.level.rank < other.level.rank
        return self.until is not None and other.until is not None and self.until < other.until


class Entry(NamedTuple):
    """A level that was entered from below, and the year in which."""

    level: Level
    year: int


@dataclass(frozen=True, slots=True)
class Due:
    """What the spend of all years leads to, and the levels that were entered on the way, first to last."""

    held: Held
    entries: tuple[Entry, ...]


def due_standing(course: Course, spent: Mapping[int, int], through: int) -> Due:
    """The standing in the year `through`, after its turn, that `spent` (minor units by year) leads to."""
    first = min((year for year in spent if year <= through), default=through)
    held = Held(course.ladder(first).base, None)
    entries: list[Entry] = []
    for year in range(first, through + 1):
        for step in (at_turn, reached) if year > first else (reached,):
            after = step(course, held, year, spent.get(year - 1 if step is at_turn else year, 0))
            if after.level.rank > 0:
                entries += entered(course.ladder(year), held.level, after.level, year)
            held = after
    return Due(held, tuple(entries))


def reached(course: Course, held: Held, year: int, spent_minor: int) -> Held:
    """What somebody holds whose spend of this year came to `spent_minor`: up at once, never down."""
    ladder = course.ladder(year)
    met = ladder.met(spent_minor)
    if met.rank <= held.level.rank:
        return held
    years = 2 if ladder.keep_until is KeepUntil.END_OF_NEXT_YEAR else 1
    return Held(met, course.turn(year + years))


def at_turn(course: Course, held: Held, year: int, spent_last_year: int) -> Held:
    """What somebody holds after the turn to `year`, under the ladder that holds from then on.

    A level that is met again is kept through the new year, one that ended drops by the ladder's step. Where a level
    holds to the end of its own year, it is judged on the year that begins, in which nothing has been spent.
    """
    ladder = course.ladder(year)
    level = ladder.successor_of(held.level)
    met = ladder.met(spent_last_year if ladder.keep_until is KeepUntil.END_OF_NEXT_YEAR else 0)
    end = course.turn(year + 1)
    if met.rank > level.rank:
        return Held(met, end)
    if level.is_base:
        return Held(level, None)
    if held.until is not None and held.until - course.turn(year) >= _SAME_TURN:
        return Held(level, held.until)
    if met.rank == level.rank:
        return Held(level, end)
    lower = ladder.after_drop(level, met)
    return Held(lower, None if lower.is_base else end)


def secured(course: Course, held: Held, year: int, spent_minor: int) -> Held:
    """The same level with the end that the turn after `year` will give it, if it is met again already.

    Two ways to one level may differ in the end that was told so far, and not in this.
    """
    ladder = course.ladder(year)
    if held.until is None or ladder.met(spent_minor).rank < held.level.rank:
        return held
    years = 2 if ladder.keep_until is KeepUntil.END_OF_NEXT_YEAR else 1
    return Held(held.level, max(held.until, course.turn(year + years)))


def entered(ladder: Ladder, before: Level, after: Level, year: int) -> list[Entry]:
    """The levels entered by a rise, skipped ones too, lowest first; none by a drop."""
    start = ladder.successor_of(before).rank
    return [Entry(level, year) for level in ladder.levels[start + 1 : after.rank + 1]]
