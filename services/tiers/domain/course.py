"""The years of a program: when each begins, and which ladder holds in it.

What a newcomer would get wrong: a version of a program that is applied in June changes nobody's level in June. The
ladder with which a year began holds until it ends, so no member loses sight of a goal on the way to it; the new ladder
holds from the next turn of the year. Only the first ladder of a program holds from the beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from services.tiers.domain.ladder import Ladder, TiersProgram
from shared.calendar import day_of, midnight, midnight_after


class Course:
    """The versions of one program as a course of years; what it works out it keeps."""

    __slots__ = ("_ladder_versions", "_ladders", "_programs", "_starts", "_turns")

    def __init__(self, versions: Sequence[tuple[datetime, TiersProgram]]) -> None:
        """`versions` are pairs of "holds since" and what it says, oldest first."""
        assert versions, "a program has a version"
        self._starts = [since for since, _ in versions]
        self._programs = [program for _, program in versions]
        self._ladder_versions = [(since, rules.ladder) for since, rules in versions if rules.ladder]
        self._turns: dict[int, datetime] = {}
        self._ladders: dict[int, Ladder] = {}

    @property
    def has_ladder(self) -> bool:
        """Whether any version has levels to hold."""
        return bool(self._ladder_versions)

    def program_at(self, time: datetime) -> TiersProgram:
        """What the version says that holds at `time`."""
        return self._programs[max(0, bisect_right(self._starts, time) - 1)]

    def year_of(self, time: datetime) -> int:
        """The calendar year of a moment, in the program's zone."""
        year = time.year  # in UTC, at most one off
        if time < self.turn(year):
            return year - 1
        return year + 1 if time >= self.turn(year + 1) else year

    def turn(self, year: int) -> datetime:
        """The moment at which a year begins, in UTC: what ended with the year before is judged now."""
        known = self._turns.get(year)
        if known is None:
            zone = self.program_at(datetime(year, 1, 1, tzinfo=UTC)).zone
            known = self._turns[year] = midnight(date(year, 1, 1), zone)
        return known

    def ladder(self, year: int) -> Ladder:
        """The ladder that holds in a year: that of the version in force when the year began."""
        known = self._ladders.get(year)
        if known is None:
            turn = self.turn(year)
            earlier = [ladder for since, ladder in self._ladder_versions if since <= turn]
            known = self._ladders[year] = earlier[-1] if earlier else self._ladder_versions[0][1]
        return known

    def midnight_after(self, time: datetime) -> datetime:
        """The midnight that follows a moment, in the program's zone."""
        return midnight_after(time, self.program_at(time).zone)

    def days_before(self, time: datetime, days: int) -> datetime:
        """The midnight so many calendar days before a midnight."""
        zone = self.program_at(time).zone
        return midnight(day_of(time, zone) - timedelta(days=days), zone)
