"""When points expire: never, a fixed time after activation, at a date of the calendar, or when a member stays away.

Examples, a program in Paris: opened on 31 January with `1 month` rounded to the month = the end of 28 (29) February.
`every 31 december`, at least 90 days: what was opened on 2 October lives to the end of this year, what was opened on
3 October to the end of the next. `after 12 months without activity`: every activity of 4 May moves all open lots to
the end of 4 May of the next year.

What a newcomer would get wrong: the *date* of activation plus the months, not the moment; and a day ends at the
midnight that follows it in the program's zone, which is not always 24 hours later.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.ledger.domain.program import PointsPolicy
from shared.calendar import Period, add_months, anniversary, day_of, end_of, midnight_after

DAYS_REMEMBERED = 4_096  # ten years of one policy, under a megabyte


def expiry_of(policy: PointsPolicy, opened_at: datetime) -> datetime | None:
    """When points that became available (or whose member was active) at `opened_at` expire, None for never."""
    if policy.expire_months is not None:
        day = day_of(opened_at, policy.zone)
        return _end_after(policy.expire_months, day, policy.expiry_rounded_to, policy.zone)
    if policy.expire_on is not None:
        day = day_of(opened_at, policy.zone)
        return _end_of_next(*policy.expire_on, policy.least_days, day, policy.zone)
    return None


@lru_cache(maxsize=DAYS_REMEMBERED)
def _end_after(months: int, day: date, rounded_to: Period, zone: ZoneInfo) -> datetime:
    return end_of(rounded_to, add_months(day, months), zone)


@lru_cache(maxsize=DAYS_REMEMBERED)
def _end_of_next(month: int, day_of_month: int, least_days: int, opened: date, zone: ZoneInfo) -> datetime:
    """The end of the first such day that lies at least so many days after the one of the opening."""
    year = opened.year
    while (anniversary(month, day_of_month, year) - opened).days < least_days:
        year += 1
    return midnight_after(anniversary(month, day_of_month, year), zone)
