"""Contact data of a member, and what the member agreed to.

What a newcomer would get wrong: an account may be told of out of order. What an older event says about a field only
fills it where nothing newer did; what a newer one does not mention stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

Key = tuple[str, str]
"""Program and member."""

EVERY_CHANNEL: Final = "*"
OPT_IN_PURPOSES: Final = frozenset({"marketing"})
"""What needs a yes first; everything else may be sent until somebody says no."""

DETAILS: Final = ("email", "phone", "name", "language", "time_zone", "country")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whom the notifier knows, and how to reach them. An erased member keeps nothing but the fact."""

    program_id: str
    member_id: str
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    language: str | None = None
    time_zone: str | None = None
    country: str | None = None
    changed_at: datetime | None = None
    erased_at: datetime | None = None
    merged_into: str | None = None
    """Another name of this member, under which nothing else is kept."""

    @property
    def key(self) -> Key:
        """Program and member."""
        return self.program_id, self.member_id

    def told(self, details: Mapping[str, str | None], at: datetime) -> Member:
        """After an event of time `at` said these details: None says nothing, an empty text clears."""
        if self.erased_at is not None:
            return self
        said: dict[str, Any] = {
            name: value or None for name in DETAILS if (value := details.get(name)) is not None
        }
        if self.changed_at is None or at >= self.changed_at:
            return replace(self, **said, changed_at=at)
        return replace(self, **{name: value for name, value in said.items() if getattr(self, name) is None})

    def erased(self, at: datetime) -> Member:
        """After the customer was deleted."""
        return Member(program_id=self.program_id, member_id=self.member_id, erased_at=self.erased_at or at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The last word of a member about one purpose on one channel (`*`: on all)."""

    program_id: str
    member_id: str
    purpose: str
    channel: str
    granted: bool
    since: datetime
    proof: str | None = None

    @property
    def key(self) -> Key:
        """Program and member."""
        return self.program_id, self.member_id


def wants(preferences: Iterable[Preference], purpose: str, channel: str) -> bool:
    """Whether the member is to get messages of this purpose on this channel: the latest word counts.

    Of two words of the same moment, the one for the channel counts more than the one for all; then the no.
    """
    said = [
        each for each in preferences if each.purpose == purpose and each.channel in {channel, EVERY_CHANNEL}
    ]
    if not said:
        return purpose not in OPT_IN_PURPOSES
    return max(said, key=lambda each: (each.since, each.channel == channel, not each.granted)).granted


# Longer than nearly every name; what is longer is a message to somebody, in our mail.
_LONGEST_NAME = 60
_NOT_IN_NAMES = frozenset('/\\@<>{}[]|=#$%^*_~"')


def name_to_greet(name: str | None) -> str | None:
    """The name as a mail may show it, or None where there is none that could be shown.

    Somebody may open an account in a stranger's address, with an advertisement as its name; our mail must not carry
    it. So a name with the marks of an address, or of unusual length, is left out.
    """
    if name is None:
        return None
    plain = " ".join(name.split())
    if not plain or len(plain) > _LONGEST_NAME or not plain.isprintable():
        return None
    if _NOT_IN_NAMES & set(plain) or "www." in plain.lower():
        return None
    return plain
