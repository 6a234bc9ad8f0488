"""A ladder: its levels in order, what each asks for and gives, and how long a level is kept.

What a newcomer would get wrong: a threshold is inclusive, and levels are compared by `rank` within one ladder only. Two
versions of a program are two ladders; `successor_of` finds a level's place in the other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from shared.events.loyalty import Grant


class KeepUntil(Enum):
    """How long a level is valid that was reached in a calendar year."""

    END_OF_THIS_YEAR = "end of this year"
    END_OF_NEXT_YEAR = "end of next year"


class StepDown(Enum):
    """How far a member drops who did not meet the level again."""

    ONE_LEVEL = "one level"
    TO_WHAT_IS_MET = "to what is met"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level; `rank` is its place in the ladder (0 = the base, which everybody has).

    `from_minor` is the spend of a window that reaches it, inclusive; `on_entry` is what reaching it gives once.
    """

    name: str
    rank: int
    from_minor: int
    earn_times: str = "1"
    entitles: Mapping[str, Any] = field(default_factory=dict)
    on_entry: tuple[Grant, ...] = ()

    @property
    def is_base(self) -> bool:
        """True for the level that asks for nothing, and so never ends."""
        return self.rank == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Levels in order, base first, over the spend of a calendar year."""

    levels: tuple[Level, ...]
    keep_until: KeepUntil = KeepUntil.END_OF_NEXT_YEAR
    step_down: StepDown = StepDown.ONE_LEVEL
    warn_days: int = 30
    """How many days before a drop the member is told; 0 = never."""

    @property
    def base(self) -> Level:
        """The level that everybody has."""
        return self.levels[0]

    def met(self, spent_minor: int) -> Level:
        """The highest level that this spend of a window reaches."""
        found = self.levels[0]
        for level in self.levels:
            if level.from_minor > spent_minor:
                break
            found = level
        return found

    def above(self, level: Level) -> Level | None:
        """The next level up, None at the top."""
        return self.levels[level.rank + 1] if level.rank + 1 < len(self.levels) else None

    def after_drop(self, level: Level, met: Level) -> Level:
        """Where somebody lands who held `level` and whose spend only reaches `met`."""
        if self.step_down is StepDown.TO_WHAT_IS_MET:
            return met
        return self.levels[max(met.rank, level.rank - 1)]

    def named(self, name: str) -> Level | None:
        """The level of this name."""
        for level in self.levels:
            if level.name == name:
                return level
        return None

    def successor_of(self, level: Level) -> Level:
        """Where a level of another version stands here: under its name, else by its threshold."""
        return self.named(level.name) or self.met(level.from_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class TiersProgram:
    """What this service reads in a program file; a program without the section has no ladder."""

    currency: str
    zone: ZoneInfo
    ladder: Ladder | None = None
