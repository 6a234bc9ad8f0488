"""What the ledger knows of a person beside points: birth month and day, time zone, segments. No contact data.

Example: born on 29 February, in Lisbon, in the segment `tea lovers` since May. An order of April finds them outside
that segment, however late it arrives: a segment has a history, as levels have.

What a newcomer would get wrong: these facts are looked at once, when an event is decided, and kept with its award. A
birthday that is told later, or a segment that is left, changes no award that was made (`person_facts`, `kept_facts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from services.ledger.domain.conditions import Facts
from services.ledger.domain.records import Member, MemberKey
from shared.calendar import UnknownTimeZone, anniversary, day_of, month_and_day, zone
from shared.events import CustomerSignedUp, CustomerUpdated
from shared.rows import Row, replace

if TYPE_CHECKING:
    from services.ledger.domain.book import Book
    from services.ledger.domain.program import LedgerProgram

SEGMENTS_REMEMBERED = 100  # changes kept of one member; the oldest that are overtaken go first
SEGMENTS, DAYS_AS_MEMBER, DAYS_FROM_BIRTHDAY = "segments", "days_as_member", "days_from_birthday"


class SegmentChange(Row, frozen=True, gc=False):
    """From `since` on, the member is in a segment, or is not."""

    since: datetime
    segment: str
    is_in: bool


class Celebrated(Row, frozen=True, gc=False):
    """The latest day (of the member's own calendar) on which an occasion was celebrated."""

    trigger: str
    day: date


class Person(Row, frozen=True, gc=False):
    """One member's own facts. `birthday` is month and day, known since `birthday_since`."""

    program_id: str
    member_id: str
    birthday: tuple[int, int] | None = None
    birthday_since: datetime | None = None
    time_zone: str | None = None
    first_paid_at: datetime | None = None
    segments: tuple[SegmentChange, ...] = ()
    celebrated: tuple[Celebrated, ...] = ()
    active_from: datetime | None = None
    active_until: datetime | None = None
    """Kept where points live by activity: the latest stretch of it in which no gap let anything expire."""

    def zone_or(self, other: ZoneInfo) -> ZoneInfo:
        """The member's own time zone, else this one."""
        return zone(self.time_zone) if self.time_zone is not None else other

    def segments_at(self, time: datetime) -> frozenset[str]:
        """The segments that the member is in at this time."""
        latest = {change.segment: change.is_in for change in self.segments if change.since <= time}
        return frozenset(segment for segment, is_in in latest.items() if is_in)


@dataclass(frozen=True, slots=True)
class InSegment:
    """The member is in one of these segments (or, where `excluded`, in none of them)."""

    segments: frozenset[str]
    excluded: bool = False
    counts_orders: bool = False
    asks: frozenset[str] = frozenset({SEGMENTS})

    def holds(self, facts: Facts) -> bool:
        return self.segments.isdisjoint(facts.segments) is self.excluded

    def reason(self, facts: Facts) -> str:  # noqa: ARG002 - which others they are in concerns nobody
        wanted = " or ".join(sorted(self.segments))
        return (
            f"the member is in the segment {wanted}"
            if self.excluded
            else f"the member is not in the segment {wanted}"
        )


@dataclass(frozen=True, slots=True)
class JoinedWithin:
    """The member signed up at most so many calendar days ago."""

    days: int
    counts_orders: bool = False
    asks: frozenset[str] = frozenset({DAYS_AS_MEMBER})

    def holds(self, facts: Facts) -> bool:
        return facts.days_as_member is not None and facts.days_as_member <= self.days

    def reason(self, facts: Facts) -> str:
        if facts.days_as_member is None:
            return "the member has not signed up"
        return f"the member signed up {facts.days_as_member} days ago, at most {self.days} asked for"


@dataclass(frozen=True, slots=True)
class NearBirthday:
    """The nearest birthday of the member is at most so many days away, before or after."""

    days: int
    counts_orders: bool = False
    asks: frozenset[str] = frozenset({DAYS_FROM_BIRTHDAY})

    def holds(self, facts: Facts) -> bool:
        return facts.days_from_birthday is not None and facts.days_from_birthday <= self.days

    def reason(self, facts: Facts) -> str:
        if facts.days_from_birthday is None:
            return "the member's birthday is not known"
        return f"the birthday is {facts.days_from_birthday} days away, at most {self.days} asked for"


def person_facts(
    program: LedgerProgram, member: Member, person: Person | None, at: datetime
) -> dict[str, Any]:
    """What the rules of the program ask about the person, as it is at this time; nothing where they ask nothing."""
    asked = program.asks_of_persons
    person = person or Person(member.program_id, member.member_id)
    found: dict[str, Any] = {}
    if SEGMENTS in asked:
        found[SEGMENTS] = person.segments_at(at)
    if DAYS_AS_MEMBER in asked and member.joined_at is not None:
        joined = day_of(member.joined_at, program.zone)
        found[DAYS_AS_MEMBER] = (day_of(at, program.zone) - joined).days
    if DAYS_FROM_BIRTHDAY in asked and person.birthday is not None:
        found[DAYS_FROM_BIRTHDAY] = _days_from(person.birthday, day_of(at, person.zone_or(program.zone)))
    return found


def kept_with_award(facts: Facts) -> dict[str, Any]:
    """The same facts as they are stored with an award; empty where there are none."""
    found: dict[str, Any] = {}
    if facts.segments:
        found[SEGMENTS] = sorted(facts.segments)
    if facts.days_as_member is not None:
        found[DAYS_AS_MEMBER] = facts.days_as_member
    if facts.days_from_birthday is not None:
        found[DAYS_FROM_BIRTHDAY] = facts.days_from_birthday
    return found


def kept_facts(breakdown: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that were stored with an award."""
    found = dict(breakdown.get("person", {}))
    if SEGMENTS in found:
        found[SEGMENTS] = frozenset(found[SEGMENTS])
    return found


def remember(book: Book, key: MemberKey, told: CustomerSignedUp | CustomerUpdated, at: datetime) -> None:
    """Keep what a customer told of themselves; what is absent stays. Nothing else of the event is kept.

    A birthday that was told before a newer one changes nothing. An unknown time zone is as none.
    """
    before = book.person(key)
    after = before
    if told.birthday is not None:
        after = _with_birthday(after, month_and_day(told.birthday), at)
    if told.time_zone is not None and _is_known(told.time_zone):
        after = replace(after, time_zone=told.time_zone)
    if after != before:
        book.persons.put(key, "", after)


def latest(celebrated: Iterable[Celebrated]) -> tuple[Celebrated, ...]:
    """Of each occasion the latest day: none comes a second time in a year."""
    days = {each.trigger: each for each in sorted(celebrated, key=lambda each: each.day)}
    return tuple(days.values())


def change_segment(book: Book, key: MemberKey, segment: str, *, is_in: bool, at: datetime) -> None:
    """From this time on the member is in the segment, or is not."""
    person = book.person(key)
    changes = sorted((*person.segments, SegmentChange(at, segment, is_in)), key=lambda each: each.since)
    book.persons.put(key, "", replace(person, segments=_without_old(changes)))


def _with_birthday(person: Person, birthday: tuple[int, int], at: datetime) -> Person:
    since = person.birthday_since
    if since is not None and at < since:
        return replace(person, birthday_since=at) if birthday == person.birthday else person
    if birthday == person.birthday:
        return person
    return replace(person, birthday=birthday, birthday_since=at)


def _is_known(name: str) -> bool:
    try:
        zone(name)
    except UnknownTimeZone:
        return False
    return True


def _days_from(birthday: tuple[int, int], day: date) -> int:
    """To the nearest birthday, be it past or to come."""
    years = [
        year for year in (day.year - 1, day.year, day.year + 1) if date.min.year <= year <= date.max.year
    ]
    return min(abs((anniversary(*birthday, year) - day).days) for year in years)


def _without_old(changes: list[SegmentChange]) -> tuple[SegmentChange, ...]:
    """The changes in their order; where there are too many, the oldest that a later one overtook go."""
    spare = len(changes) - SEGMENTS_REMEMBERED
    latest = {change.segment: place for place, change in enumerate(changes)}
    kept = []
    for place, change in enumerate(changes):
        if spare > 0 and latest[change.segment] != place:
            spare -= 1
        else:
            kept.append(change)
    return tuple(kept)
