"""What a batch touches: named before anything is read, so that all of it is loaded and locked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.referrals.domain.book import CodeKey
from services.referrals.domain.hashes import read_code
from services.referrals.domain.model import MemberKey
from shared.events import Event


@dataclass(slots=True)
class Needs:
    """The members of a batch with the time at which each is first seen in it, the codes that are named, who names one,
    and whose e-mail address is told."""

    members: dict[MemberKey, datetime] = field(default_factory=dict)
    codes: set[CodeKey] = field(default_factory=set)
    friends: set[MemberKey] = field(default_factory=set)
    told: set[MemberKey] = field(default_factory=set)
    names: set[MemberKey] = field(default_factory=set)
    """Those among the members who are known to be other names of somebody."""

    def see(self, key: MemberKey, at: datetime) -> None:
        """A member is part of the batch."""
        known = self.members.get(key)
        if known is None or at < known:
            self.members[key] = at


def needs_of(events: Sequence[Event[Any]]) -> Needs:
    """What these events touch."""
    needs = Needs()
    for event in events:
        if event.member_id is None:
            continue
        key = event.program_id, event.member_id
        needs.see(key, event.time)
        if getattr(event.data, "email", None):
            needs.told.add(key)
        named = getattr(event.data, "referral_code", None)
        if named:
            needs.friends.add(key)
            code = read_code(named)
            if code is not None:
                needs.codes.add((event.program_id, code))
    return needs
