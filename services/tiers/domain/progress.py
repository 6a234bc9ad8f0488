"""Where a member stands, in words and numbers: how far to the next level, what keeps this one, where a drop leads.

What a newcomer would get wrong: a level that is valid to the end of next year is judged on next year's spend. So what
keeps it is asked of that year, and nothing spent this year counts towards it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from services.tiers.domain.book import Member
from services.tiers.domain.course import Course
from services.tiers.domain.judging import held_in
from services.tiers.domain.ladder import KeepUntil, Level
from services.tiers.domain.standing import Held, at_turn
from shared.money import to_decimal_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is missing for something by the end of a day, and the same in words."""

    level: Level
    missing_minor: int
    by: date
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Where a member lands if nothing more is spent, and when."""

    level: Level
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A standing, with what has been spent in the running year and what it may become."""

    level: Level
    since: datetime
    valid_until: datetime | None
    currency: str
    year: int
    spent_minor: int
    next: Step | None
    to_stay: Step | None
    on_drop: Drop | None


def progress_of(course: Course, member: Member, spent: Mapping[int, int], now: datetime) -> Progress:
    """The progress of a member who holds a level."""
    assert member.since is not None and member.settled_until is not None, "nobody holds nothing"  # noqa: PT018
    year = course.year_of(max(now, member.settled_until))
    held, currency = held_in(course, member, year), course.program_at(now).currency
    return Progress(
        level=held.level,
        since=member.since,
        valid_until=held.until,
        currency=currency,
        year=year,
        spent_minor=spent.get(year, 0),
        next=_next(course, held, year, spent.get(year, 0), currency),
        to_stay=_to_stay(course, held, year, spent, currency),
        on_drop=_on_drop(course, held, spent),
    )


def _next(course: Course, held: Held, year: int, spent_minor: int, currency: str) -> Step | None:
    """The next level up within this year; None at the top."""
    above = course.ladder(year).above(held.level)
    if above is None:
        return None
    missing, by = max(0, above.from_minor - spent_minor), date(year, 12, 31)
    words = f"{_money(missing, currency)} to {above.name} by {_day(by)}"
    return Step(level=above, missing_minor=missing, by=by, words=words)


def _to_stay(course: Course, held: Held, year: int, spent: Mapping[int, int], currency: str) -> Step | None:
    """What keeps the level beyond its end; None for the base, and where each year begins anew."""
    if held.until is None:
        return None
    ends = course.year_of(held.until)
    ladder = course.ladder(ends)
    if ladder.keep_until is KeepUntil.END_OF_THIS_YEAR:
        return None
    judged, level = ends - 1, ladder.successor_of(held.level)
    missing, by = max(0, level.from_minor - spent.get(judged, 0)), date(judged, 12, 31)
    if not missing:
        words = f"{level.name} is kept through {ends}"
    elif judged > year:
        words = f"{_money(missing, currency)} in {judged} keeps {level.name} through {ends}"
    else:
        words = f"{_money(missing, currency)} by {_day(by)} keeps {level.name} through {ends}"
    return Step(level=level, missing_minor=missing, by=by, words=words)


def _on_drop(course: Course, held: Held, spent: Mapping[int, int]) -> Drop | None:
    """Where the end of the level leads with what has been spent so far; None if it would be kept."""
    if held.until is None:
        return None
    ends = course.year_of(held.until)
    after = at_turn(course, held, ends, spent.get(ends - 1, 0))
    if after.level.rank >= course.ladder(ends).successor_of(held.level).rank:
        return None
    return Drop(level=after.level, at=held.until)


def _money(minor: int, currency: str) -> str:
    return f"{to_decimal_string(minor, currency)} {currency}"


def _day(day: date) -> str:
    # A window is a calendar year, so its last day has one name; words for members are the notifier's to translate.
    return f"{day.day} December"
