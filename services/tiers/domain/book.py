"""The book of a batch: the rows of its members in memory, and what it announces.

What a newcomer would get wrong: `Member.level` is what the member was told, by name; what the spend leads to is worked
out anew each time (`standing.due_standing`). The two differ between a refund and the midnight after it, nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.tiers.domain.course import Course
from services.tiers.domain.purchases import Purchase
from shared.cloudevents import derived_id
from shared.events import Event, event_type
from shared.events.loyalty import Grant
from shared.programs import unknown
from shared.rows import Entries, Journal, Rows

MemberKey = tuple[str, str]
"""Program and member: the group of every row."""

SOURCE = "habitue/tiers"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch touches: members, and orders by program, member and id; all sorted."""

    members: list[MemberKey]
    orders: list[tuple[str, str, str]]
    whole: list[MemberKey] = field(default_factory=list)
    """Members of whom every order is needed: two of them are merged."""


@dataclass(frozen=True, slots=True)
class EntryReward:
    """What was given for entering a level in a window (a year), and was not taken back."""

    level: str
    year: int
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member and the level they hold; `level` is None for somebody of whom only a refund is known.

    `valid_until` is exclusive. Everything that was due up to `settled_until` is done. `judge_at` is the midnight at
    which a level is judged again that a refund may have taken the ground from; `warned_until` is the end of the level
    that the member was last warned of; `changes` counts announcements, the last of which was of `told_at`. Nothing
    falls due before `next_due`. Whoever was `merged_into` somebody is another name of theirs, and holds nothing.
    """

    program_id: str
    member_id: str
    joined_at: datetime | None = None
    level: str | None = None
    since: datetime | None = None
    valid_until: datetime | None = None
    settled_until: datetime | None = None
    judge_at: datetime | None = None
    warned_until: datetime | None = None
    next_due: datetime | None = None
    entry_rewards: tuple[EntryReward, ...] = ()
    changes: int = 0
    told_at: datetime | None = None
    erased_at: datetime | None = None
    merged_into: str | None = None

    @property
    def key(self) -> MemberKey:
        """Program and member."""
        return self.program_id, self.member_id


@dataclass(frozen=True, slots=True)
class YearSpend:
    """What a member's orders of one year count together, in minor units of the program's currency."""

    program_id: str
    member_id: str
    year: int
    spend_minor: int


@dataclass(slots=True)
class Book:
    """All rows of a batch; `now` is when it is handled. What belonged to whoever `moved` is another member's now."""

    courses: Mapping[str, Course]
    now: datetime
    journal: Journal = field(default_factory=Journal)
    members: Rows[MemberKey, str, Member] = field(init=False)
    purchases: Rows[MemberKey, str, Purchase] = field(init=False)
    years: Rows[MemberKey, int, YearSpend] = field(init=False)
    outgoing: Entries[Event[Any]] = field(init=False)
    moved: Entries[MemberKey] = field(init=False)

    def __post_init__(self) -> None:
        self.members = Rows(self.journal)
        self.purchases = Rows(self.journal)
        self.years = Rows(self.journal)
        self.outgoing = Entries(self.journal)
        self.moved = Entries(self.journal)

    def course(self, program_id: str) -> Course:
        """The years of a program.

        Raises:
            UnknownProgram: nobody applied it.
        """
        course = self.courses.get(program_id)
        if course is None:
            raise unknown(program_id)
        return course

    def member(self, key: MemberKey) -> Member:
        """The member's row; the store has made sure that it is there."""
        member = self.members.get(key, "")
        assert member is not None, f"member {key} was not loaded"
        return member

    def home(self, key: MemberKey) -> MemberKey:
        """The member whose name this id is: itself, unless it was merged into another one."""
        while (into := self.member(key).merged_into) is not None:
            key = (key[0], into)
        return key

    def put_member(self, member: Member) -> None:
        """Put a member's row in its place."""
        self.members.put(member.key, "", member)

    def purchase(self, key: MemberKey, order_id: str) -> Purchase:
        """What is known of an order; nothing at first."""
        known = self.purchases.get(key, order_id)
        return known or Purchase(program_id=key[0], member_id=key[1], order_id=order_id)

    def spent(self, key: MemberKey) -> dict[int, int]:
        """What the member's orders count, by year."""
        return {year: row.spend_minor for year, row in self.years.of(key).items()}

    def add_spend(self, key: MemberKey, year: int, minor: int) -> None:
        """Add to what a year counts; negative takes away."""
        before = self.years.get(key, year)
        total = (before.spend_minor if before else 0) + minor
        assert total >= 0, f"the orders of {key} in {year} count {total}"
        self.years.put(key, year, YearSpend(*key, year, total))

    def announce(
        self, member: Member, data: type[Any], at: datetime, *, replayed: bool = False, **said: Any
    ) -> Member:
        """Tell the world of a change of this member's standing; the row that counted it, put in its place.

        The id follows from the number of the change, so that telling twice is telling once. What is told of a member
        never goes back in time: what a late event led to is told as of the last change, so that whoever sorts by time
        ends at the level that is held.
        """
        time = at if member.told_at is None else max(at, member.told_at)
        counted = replace(member, changes=member.changes + 1, told_at=time)
        self.put_member(counted)
        self.outgoing.append(
            Event(
                id=derived_id("tiers", *member.key, str(counted.changes)),
                source=SOURCE,
                type=event_type(data),
                program_id=member.program_id,
                time=time,
                data=data(member_id=member.member_id, **said),
                replayed=replayed,
            )
        )
        return counted
