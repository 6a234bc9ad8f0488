"""Reads for whom a rule is."""

from __future__ import annotations

from services.ledger.domain.conditions import Condition, OneOf
from services.ledger.domain.persons import InSegment, JoinedWithin, NearBirthday
from services.ledger.words.kinds import Wanted
from services.ledger.words.persons import Audience


def audience_of(words: Audience) -> list[Condition]:
    """The conditions about the member."""
    found: list[Condition] = []
    for name, excluded in (("level", False), ("not_level", True)):
        if (levels := getattr(words, name)) is not None:
            found.append(OneOf("level", _set(levels), excluded))
    for name, excluded in (("segment", False), ("not_segment", True)):
        if (segments := getattr(words, name)) is not None:
            found.append(InSegment(_set(segments), excluded))
    if words.joined_within is not None:
        found.append(JoinedWithin(_days(words.joined_within)))
    if words.birthday_within is not None:
        found.append(NearBirthday(_days(words.birthday_within)))
    return found


def _days(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def _set(wanted: Wanted) -> frozenset[str]:
    return frozenset([wanted] if isinstance(wanted, str) else wanted)
