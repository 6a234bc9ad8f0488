"""Quiet hours: when a member is left in peace.

What a newcomer would get wrong: they are hours on the member's wall, not a stretch of elapsed time. Where the clock is
put forward over their end they end at the jump; where it is put back, an hour between them may be passed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` (inclusive) to `end` (exclusive) on the wall; over midnight where `end` is the earlier."""

    start: time
    end: time

    def cover(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether it is quiet at a moment in a zone."""
        wall = moment.astimezone(zone).time().replace(fold=0)
        if self.start <= self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end

    def first_moment_from(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment, not before this one, at which it is not quiet; in UTC, to the second."""
        if not self.cover(moment, zone):
            return moment
        end = self._next_end(moment, zone)
        jump = _clock_change(moment, end, zone)
        if jump is not None and not self.cover(jump, zone):
            return jump
        return end

    def _next_end(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment after this one at which the wall shows `end`, and it is quiet no more."""
        today = moment.astimezone(zone).date()
        ends = sorted(
            datetime.combine(today + days * _DAY, self.end, tzinfo=zone).replace(fold=fold).astimezone(UTC)
            for days in range(4)
            for fold in (0, 1)
        )
        return next(end for end in ends if end > moment and not self.cover(end, zone))


def _clock_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment of the new clock, if the clock is changed within (after, until]; at most one change in so few
    hours is assumed. In UTC, to the second."""

    def offset(moment: datetime) -> timedelta | None:
        return moment.astimezone(zone).utcoffset()

    low, high = after.astimezone(UTC).replace(microsecond=0), until.astimezone(UTC)
    if offset(low) == offset(high):
        return None
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if offset(middle) == offset(until):
            high = middle
        else:
            low = middle
    return high
