"""Quiet hours: what a member's wall says, also on the two days a year on which it jumps."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from services.notifier.domain.quiet import QuietHours

PARIS = ZoneInfo("Europe/Paris")
NIGHT = QuietHours(time(21), time(8))
MINUTE = timedelta(minutes=1)
ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "UTC",
]
# Around changes of the clock in these zones, and an ordinary day.
DAYS = [
    datetime(2026, 3, 28, tzinfo=UTC),
    datetime(2026, 10, 24, tzinfo=UTC),
    datetime(2026, 3, 7, tzinfo=UTC),
    datetime(2026, 10, 31, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC),
    datetime(2018, 11, 3, tzinfo=UTC),
    datetime(2026, 6, 15, tzinfo=UTC),
]

hours = st.builds(
    QuietHours,
    st.times(timezones=st.none()).map(
        lambda t: t.replace(second=0, microsecond=0, minute=t.minute // 15 * 15)
    ),
    st.times(timezones=st.none()).map(
        lambda t: t.replace(second=0, microsecond=0, minute=t.minute // 15 * 15)
    ),
).filter(lambda quiet: quiet.start != quiet.end)
moments = st.builds(
    lambda day, minutes: day + minutes * MINUTE, st.sampled_from(DAYS), st.integers(0, 3 * 24 * 60)
)


@given(hours, moments, st.sampled_from(ZONES))
@example(QuietHours(time(21), time(2, 30)), datetime(2026, 3, 28, 22, tzinfo=UTC), "Europe/Paris")
@example(QuietHours(time(2, 30), time(8)), datetime(2026, 10, 25, 0, 45, tzinfo=UTC), "Europe/Paris")
@example(QuietHours(time(1, 30), time(2, 30)), datetime(2026, 10, 25, 0, 0, tzinfo=UTC), "Europe/Paris")
def test_the_answer_is_the_first_minute_that_is_not_quiet(
    quiet: QuietHours, moment: datetime, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    answer = quiet.first_moment_from(moment, zone)
    looked = moment
    while quiet.cover(looked, zone):
        looked += MINUTE
    assert answer == looked


def test_over_midnight_the_evening_waits_for_the_next_morning_and_the_small_hours_for_this_one() -> None:
    evening = datetime(2026, 6, 1, 22, 0, tzinfo=PARIS)
    small_hours = datetime(2026, 6, 2, 3, 0, tzinfo=PARIS)
    morning = datetime(2026, 6, 2, 8, 0, tzinfo=PARIS)
    assert NIGHT.first_moment_from(evening, PARIS) == morning
    assert NIGHT.first_moment_from(small_hours, PARIS) == morning


def test_the_start_is_quiet_and_the_end_is_not() -> None:
    assert NIGHT.cover(datetime(2026, 6, 1, 21, 0, tzinfo=PARIS), PARIS)
    assert not NIGHT.cover(datetime(2026, 6, 2, 8, 0, tzinfo=PARIS), PARIS)


def test_on_the_night_the_clock_is_put_forward_eight_o_clock_comes_an_hour_sooner() -> None:
    before = datetime(2026, 3, 28, 21, 0, tzinfo=PARIS)
    answer = NIGHT.first_moment_from(before, PARIS)
    assert answer - before.astimezone(UTC) == timedelta(hours=10)
    assert answer == datetime(2026, 3, 29, 6, 0, tzinfo=UTC)


def test_an_end_that_the_clock_jumps_over_ends_the_quiet_at_the_jump() -> None:
    quiet = QuietHours(time(21), time(2, 30))
    answer = quiet.first_moment_from(datetime(2026, 3, 28, 22, tzinfo=UTC), PARIS)
    assert answer == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_what_is_not_quiet_is_answered_as_it_came() -> None:
    noon = datetime(2026, 6, 1, 12, 0, 0, 123, tzinfo=UTC)
    assert NIGHT.first_moment_from(noon, PARIS) is noon
