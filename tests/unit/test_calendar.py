"""Days and periods in a zone, also where a day has 23 hours or begins at one o'clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calendar import (
    Period,
    UnknownTimeZone,
    add_months,
    anniversary,
    day_of,
    due_in_days,
    end_of,
    first_day,
    last_day,
    midnight,
    midnight_after,
    month_and_day,
    start_of,
    zone,
)

PARIS = zone("Europe/Paris")
zones = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata", "Asia/Beirut",
     "America/Sao_Paulo", "Pacific/Auckland", "Pacific/Kiritimati", "Australia/Lord_Howe"]
).map(zone)  # fmt: skip
moments = st.integers(946_684_800, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
days = st.dates(date(2000, 1, 1), date(2060, 1, 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "name", "begins"),
    [
        (date(2026, 11, 5), "Europe/Paris", "2026-11-04T23:00"),
        (date(2026, 3, 29), "Europe/Paris", "2026-03-28T23:00"),
        (date(2026, 3, 30), "Europe/Paris", "2026-03-29T22:00"),
        # The clock jumps from midnight to one, so the day begins at one.
        (date(2026, 3, 8), "America/Havana", "2026-03-08T05:00"),
        # The clock goes from one back to midnight: of the two midnights the first is meant.
        (date(2026, 11, 1), "America/Havana", "2026-11-01T04:00"),
        # The clock goes from midnight back to eleven, so the hour before it comes twice.
        (date(2026, 10, 30), "Africa/Cairo", "2026-10-29T22:00"),
    ],
)
def test_a_day_begins_at_its_first_moment(day: date, name: str, begins: str) -> None:
    assert midnight(day, zone(name)) == utc(begins)


@given(moments, zones)
def test_the_next_midnight_follows_and_begins_the_next_day(moment: datetime, place: ZoneInfo) -> None:
    after = midnight_after(moment, place)
    assert moment < after <= moment + timedelta(hours=25)
    assert day_of(after, place) == day_of(moment, place) + timedelta(days=1)
    assert day_of(after - timedelta(microseconds=1), place) == day_of(moment, place)


def test_a_moment_at_midnight_belongs_to_the_day_that_begins() -> None:
    assert midnight_after(utc("2026-11-04T23:00"), PARIS) == utc("2026-11-05T23:00")
    assert midnight_after(date(2026, 11, 5), PARIS) == utc("2026-11-05T23:00")


def test_fourteen_days_fall_due_at_the_midnight_that_follows() -> None:
    assert due_in_days(14, utc("2026-11-05T10:00"), PARIS) == utc("2026-11-19T23:00")
    # Across the end of summer time it is still a midnight there.
    assert due_in_days(14, utc("2026-10-20T10:00"), PARIS) == utc("2026-11-03T23:00")


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (Period.DAY, date(2026, 11, 5), date(2026, 11, 5)),
        (Period.WEEK, date(2026, 11, 2), date(2026, 11, 8)),
        (Period.MONTH, date(2026, 11, 1), date(2026, 11, 30)),
        (Period.QUARTER, date(2026, 10, 1), date(2026, 12, 31)),
        (Period.YEAR, date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_has_a_first_and_a_last_day(period: Period, first: date, last: date) -> None:
    day = date(2026, 11, 5)
    assert (first_day(period, day), last_day(period, day)) == (first, last)


def test_a_week_across_new_year_is_isos() -> None:
    assert first_day(Period.WEEK, date(2027, 1, 1)) == date(2026, 12, 28)


@given(moments, zones, st.sampled_from(Period))
def test_a_moment_lies_in_its_period_and_periods_meet(
    moment: datetime, place: ZoneInfo, period: Period
) -> None:
    start, end = start_of(period, moment, place), end_of(period, moment, place)
    assert start <= moment < end
    assert start_of(period, end, place) == end
    assert start_of(period, end - timedelta(microseconds=1), place) == start


def test_new_year_of_a_program_is_in_its_zone() -> None:
    assert start_of(Period.YEAR, utc("2026-12-31T23:30"), PARIS) == utc("2026-12-31T23:00")
    assert end_of(Period.YEAR, date(2026, 12, 31), PARIS) == utc("2026-12-31T23:00")


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_are_added_and_clamped_to_the_months_last_day(day: date, months: int, then: date) -> None:
    assert add_months(day, months) == then


@given(days, st.integers(0, 600), st.integers(0, 600))
def test_a_later_month_is_a_later_day(day: date, fewer: int, more: int) -> None:
    if fewer < more:
        assert add_months(day, fewer) < add_months(day, more)


def test_a_birthday_on_a_leap_day_falls_on_the_28th_in_common_years() -> None:
    assert anniversary(*month_and_day("--02-29"), 2027) == date(2027, 2, 28)
    assert anniversary(*month_and_day("1992-02-29"), 2028) == date(2028, 2, 29)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "/etc/passwd", "Europe"])
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimeZone):
        zone(name)
