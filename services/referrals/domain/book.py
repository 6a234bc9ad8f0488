"""The book of a batch: rows in memory, and where to find them.

What a newcomer would get wrong: only of `friends` (members who named a code) all papers are in memory. Of everybody
else's orders just those of the batch are here, and nothing may be concluded from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.referrals.domain.hashes import Secret
from services.referrals.domain.model import Member, MemberKey, Paper, Referral, Signal, Touch
from services.referrals.domain.program import ReferralProgram
from shared.events import Event
from shared.programs import Versions, unknown
from shared.rows import Entries, Journal, Rows

CodeKey = tuple[str, str]
"""Program and code."""


@dataclass(slots=True)
class Book:
    """All rows of a batch.

    `owners` says whose each code is, None for a code that nobody has yet; `further_codes` are those of members who were
    merged into somebody. `newcomers` were first seen by this batch.
    """

    programs: Mapping[str, Versions[ReferralProgram]]
    secret: Secret
    journal: Journal = field(default_factory=Journal)
    owners: dict[CodeKey, str | None] = field(default_factory=dict)
    further_codes: dict[MemberKey, set[str]] = field(default_factory=dict)
    newcomers: set[MemberKey] = field(default_factory=set)
    friends: set[MemberKey] = field(default_factory=set)
    members: Rows[MemberKey, str, Member] = field(init=False)
    signals: Rows[MemberKey, tuple[str, UUID], Signal] = field(init=False)
    touches: Rows[MemberKey, UUID, Touch] = field(init=False)
    papers: Rows[MemberKey, tuple[str, UUID], Paper] = field(init=False)
    referrals: Rows[MemberKey, UUID, Referral] = field(init=False)
    outgoing: Entries[Event[Any]] = field(init=False)
    erased: Entries[MemberKey] = field(init=False)
    _followers: dict[CodeKey, dict[MemberKey, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("members", "signals", "touches", "papers", "referrals"):
            setattr(self, name, Rows(self.journal))
        self.outgoing = Entries(self.journal)
        self.erased = Entries(self.journal)

    def versions_of(self, program_id: str) -> Versions[ReferralProgram]:
        """The versions of a program.

        Raises:
            UnknownProgram: nobody applied it.
        """
        versions = self.programs.get(program_id)
        if versions is None:
            raise unknown(program_id)
        return versions

    def rules_at(self, program_id: str, time: datetime) -> ReferralProgram:
        """The program that holds for something that happened at `time`.

        Raises:
            UnknownProgram: nobody applied it.
        """
        return self.versions_of(program_id).at(time).rules

    def member(self, key: MemberKey) -> Member:
        """The member's row; the store has made sure that it is there."""
        member = self.members.get(key, "")
        assert member is not None, f"member {key} was not loaded"
        return member

    def owner(self, touch: Touch) -> Member | None:
        """The member whose code a touch named, None as long as nobody has it."""
        if touch.code is None:
            return None
        member_id = self.owners.get((touch.program_id, touch.code))
        return None if member_id is None else self.member((touch.program_id, member_id))

    def load_touch(self, touch: Touch) -> None:
        """Bring in a touch as the database has it."""
        self.touches.load((touch.program_id, touch.member_id), touch.touch_id, touch)
        self._follow(touch)

    def put_touch(self, touch: Touch) -> None:
        """Put a touch in its place."""
        self.touches.put((touch.program_id, touch.member_id), touch.touch_id, touch)
        self._follow(touch)

    def put_referral(self, referral: Referral) -> None:
        """Put a referral in its place."""
        self.referrals.put(referral.key, referral.referral_id, referral)

    def followers(self, member: Member) -> list[MemberKey]:
        """The friends in memory who named this member's code, or one of whoever was merged into them."""
        codes = {member.code} | self.further_codes.get(member.key, set())
        found = (self._followers.get((member.program_id, code), {}) for code in sorted(codes))
        return list(dict.fromkeys(friend for friends in found for friend in friends))

    def emails(self, key: MemberKey) -> set[UUID]:
        """The hashes of all addresses that the member was ever known by."""
        return {digest for kind, digest in self.signals.of(key) if kind == "email"}

    def _follow(self, touch: Touch) -> None:
        if touch.code is not None:
            friends = self._followers.setdefault((touch.program_id, touch.code), {})
            friends[touch.program_id, touch.member_id] = None
