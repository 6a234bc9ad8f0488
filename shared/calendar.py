"""Days, weeks, months and years in a time zone.

Pure. A moment is an aware datetime and comes back in UTC; a day is a `date` and belongs to a zone.

What a newcomer would get wrong: a day has 23, 24 or 25 hours, and in some zones some days begin at one
o'clock, since the clock is put forward at midnight. So a day's beginning is never reached by adding hours to
another's.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from shared.errors import Kind, ServiceError

_DAY: Final = timedelta(days=1)
_MIDNIGHTS_REMEMBERED: Final = 4_096  # ten years of days in one zone, under a megabyte


class UnknownTimeZone(ServiceError):
    """A time zone is not in the IANA database."""

    kind = Kind.INVALID
    code = "unknown_time_zone"


class Period(StrEnum):
    """A stretch of the calendar that begins at a midnight."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        UnknownTimeZone: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UnknownTimeZone(f"{name[:80]!r} is no time zone of the IANA database.") from None


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day on which a moment falls in a zone."""
    assert moment.tzinfo is not None, "a moment is aware"
    return moment.astimezone(zone).date()


@lru_cache(maxsize=_MIDNIGHTS_REMEMBERED)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day begins, in UTC.

    Where the clock is put forward over midnight, the day begins when the clock jumps; where it is put back
    over midnight, the day begins at the first of its two midnights.
    """
    # With fold=0 a time that does not exist is reckoned with the offset before the jump, and so comes out one
    # jump later on the new clock: for midnight that is exactly the moment of the jump.
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def midnight_after(at: date | datetime, zone: ZoneInfo) -> datetime:
    """The midnight that follows: the end of a day, or of the day on which a moment falls, in UTC.

    A moment that is itself a midnight belongs to the day that begins, so the next midnight follows.
    """
    day = day_of(at, zone) if isinstance(at, datetime) else at
    return midnight(day + _DAY, zone)


def due_in_days(days: int, since: datetime, zone: ZoneInfo) -> datetime:
    """When something is due that is due `days` after a moment: at the midnight that follows."""
    return _midnight_after_days(days, day_of(since, zone), zone)


@lru_cache(maxsize=_MIDNIGHTS_REMEMBERED)
def _midnight_after_days(days: int, day: date, zone: ZoneInfo) -> datetime:
    return midnight_after(day + timedelta(days=days), zone)


def first_day(period: Period, day: date) -> date:
    """The day on which the period of a day begins; a week is ISO's and begins on Monday."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.QUARTER:
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case Period.YEAR:
            return day.replace(month=1, day=1)


def last_day(period: Period, day: date) -> date:
    """The day on which the period of a day ends, inclusive."""
    first = first_day(period, day)
    match period:
        case Period.DAY:
            return first
        case Period.WEEK:
            return first + timedelta(days=6)
        case Period.MONTH:
            return add_months(first, 1) - _DAY
        case Period.QUARTER:
            return add_months(first, 3) - _DAY
        case Period.YEAR:
            return first.replace(month=12, day=31)


def start_of(period: Period, moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the period began that a moment falls into, in UTC."""
    return midnight(first_day(period, day_of(moment, zone)), zone)


def end_of(period: Period, at: date | datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a period ends that a day or moment falls into, exclusive, in UTC."""
    day = day_of(at, zone) if isinstance(at, datetime) else at
    return midnight_after(last_day(period, day), zone)


def add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day where it is shorter: 31 January + 1 = 28
    February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def anniversary(month: int, day: int, year: int) -> date:
    """The day of a birthday or anniversary in a year; 29 February falls on the 28th in common years."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def month_and_day(birthday: str) -> tuple[int, int]:
    """Month and day of a birthday as events carry it, `--MM-DD` or `YYYY-MM-DD`; the year is dropped."""
    return int(birthday[-5:-3]), int(birthday[-2:])
