"""Who may give points to whom, how many, and how old they have to be: the values of the program's section `transfers`.

Example: `{older_than: 30 days, at_most: 5000 per month}`: points that became available on 1 May may be given away from
31 May on, and a member who gave 4,800 in June has 200 left to give until July.

What a newcomer would get wrong: a program that does not say `transfers` allows none. And the age is that of the lot
for good: what was given to Ben may be passed on by him at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.calendar import Period, day_of, start_of

OLDER_THAN_DAYS = 30  # the usual return window


@dataclass(frozen=True, slots=True)
class GiftLimit:
    """So many points of an asset one member gives at most, in a period of the calendar or (None) ever."""

    points: int
    period: Period | None = None

    def since(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """From when on gifts count; None for all."""
        return start_of(self.period, at, zone) if self.period is not None else None

    def __str__(self) -> str:
        return f"{self.points} per {self.period.value if self.period is not None else 'lifetime'}"


@dataclass(frozen=True, slots=True)
class GiftTerms:
    """What may be given, in one gift and in all, and how many days it has to be old."""

    assets: frozenset[str]
    zone: ZoneInfo
    older_than_days: int = OLDER_THAN_DAYS
    smallest: int = 1
    largest: int | None = None
    limits: tuple[GiftLimit, ...] = ()

    def is_old_enough(self, opened_at: datetime, at: datetime) -> bool:
        """Whether points that became available at `opened_at` may be given away at this moment."""
        age = timedelta(days=self.older_than_days)
        return day_of(opened_at, self.zone) + age <= day_of(at, self.zone)

    def room(self, given: Sequence[int]) -> tuple[int, GiftLimit] | None:
        """How many points the tightest limit leaves, where so many were given of each; None for no limit."""
        rooms = [(limit.points - used, limit) for limit, used in zip(self.limits, given, strict=True)]
        return min(rooms, key=lambda room: room[0], default=None)
