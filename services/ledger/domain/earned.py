"""What an event earned, as the rules say it: exact points by rule, whole points by line, and what is frozen of them.

`earn` fills these shapes; caps, awards, refunds and explanations read them.

What a newcomer would get wrong: the room of a cap is part of the answer. It is stored with the award and bounds it
ever after, so a refund finds the same room whatever was earned since.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Protocol

from services.ledger.domain.rules import Rule
from shared.orders import Share
from shared.rows import Row

PROGRAM = ""  # in the place of a rule's name: what bounds all rules together
LEVEL = "level"  # how the level's own multiplier is called in explanations
ONCE = Fraction(1)


class Frozen(Row, frozen=True, gc=False):
    """What was true for person and history when the event was decided, and stays so for refunds.

    `room` is what the caps of a rule left at that time, in exact points; a rule that is not in it had no bound.
    """

    earn_times: Fraction = ONCE
    room: Mapping[str, Share] = {}

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:  # noqa: ARG002 - the room was found for good
        """What the caps of the rule left; None for no bound."""
        return self.room.get(rule.name)

    def whole_room(self, asset: str, points: int) -> int | None:  # noqa: ARG002 - as above
        """What the program's own caps left, in whole points; None for no bound."""
        room = self.room.get(PROGRAM)
        return None if room is None else int(room)


class Caps(Protocol):
    """Who is asked how much a rule with a cap may give: when an event is decided, the member's usage."""

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:
        """The exact points that it may give where it wants to give so many; None for no bound."""

    def whole_room(self, asset: str, points: int) -> int | None:
        """The whole points of an asset that all rules together may give; None for no bound."""


class Answer(Row, frozen=True, gc=False):
    """What one rule said: `points / unit` exact points (for a multiplier what it added), or why it does not match."""

    rule: str
    points: Share = 0
    unit: int = 1
    why_not: str | None = None

    @property
    def exact(self) -> Fraction:
        """The exact points."""
        return Fraction(self.points) / self.unit


class Earned(Row, frozen=True, gc=False):
    """The points of one asset: the whole award, its split over lines and bonus, and the answers of the rules.

    `room` is what the caps of rules left, where they left a bound.
    """

    asset: str
    points: int
    by_line: tuple[int, ...]
    bonus: int
    answers: tuple[Answer, ...]
    room: Mapping[str, Share] = {}


NOT_FROZEN = Frozen()


def per(points: Share, unit: int) -> Share:
    """Exactly `points / unit`."""
    whole, rest = divmod(points, unit)
    return Fraction(points) / unit if rest else int(whole)
