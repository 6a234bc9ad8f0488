"""What another system knew of a member beside points: since when, birthday, time zone, segments, level, first order.

Example: in `tea lovers` since 3 March, level Gold since January, which earns 1.5 times as much. The next order earns by
both, although the tiers service may tell of them only tomorrow, when it has reckoned anew.

What a newcomer would get wrong: segments and levels are the tiers service's, and what it tells later goes on from here.
So they come with their dates: an order of February that arrives late finds the member outside the segment.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.occasions import schedule_occasions
from services.ledger.domain.persons import Celebrated, change_segment, latest, remember
from services.ledger.domain.records import Level, MemberKey
from services.ledger.errors import ImportFault
from shared.events import CustomerUpdated
from shared.rows import Row, replace


class OldSegment(Row, frozen=True, gc=False):
    """The member is in a segment (or, where not `is_in`, is so no more) since then; None: since the import."""

    segment: str
    since: datetime | None = None
    is_in: bool = True


class OldMember(Row, frozen=True, gc=False):
    """What was known of the member: since when, birth month and day, time zone, segments, levels.

    `celebrated` are occasions (`birthday`) that were rewarded there, with the latest day.
    """

    row: str
    joined_at: datetime | None = None
    birthday: str | None = None
    time_zone: str | None = None
    celebrated: tuple[Celebrated, ...] = ()
    segments: tuple[OldSegment, ...] = ()
    levels: tuple[Level, ...] = ()
    first_paid_at: datetime | None = None


def bring_member(book: Book, key: MemberKey, said: OldMember, now: datetime) -> None:
    """Write what was known of a member, beside what is known here.

    Raises:
        ImportFault: a date lies in the future.
    """
    _require_past(said, now)
    _bring_joined(book, key, said)
    birthday = f"--{said.birthday}" if said.birthday is not None else None
    told = CustomerUpdated(customer_id=key[1], birthday=birthday, time_zone=said.time_zone)
    remember(book, key, told, now)
    if said.celebrated:
        person = book.person(key)
        book.persons.put(key, "", replace(person, celebrated=latest([*person.celebrated, *said.celebrated])))
    for each in said.segments:
        change_segment(book, key, each.segment, is_in=each.is_in, at=each.since or now)
    _bring_levels(book, key, said.levels)
    _bring_first_order(book, key, said.first_paid_at)
    schedule_occasions(book, key)


def _require_past(said: OldMember, now: datetime) -> None:
    moments = [("joined_at", said.joined_at), ("first_paid_at", said.first_paid_at)]
    moments += [("segments", each.since) for each in said.segments]
    moments += [("levels", each.since) for each in said.levels]
    for name, moment in moments:
        if moment is not None and moment > now:
            raise ImportFault(f"`{name}` lies in the future")


def _bring_joined(book: Book, key: MemberKey, said: OldMember) -> None:
    member = book.member(key)
    if said.joined_at is not None and (member.joined_at is None or said.joined_at < member.joined_at):
        book.members.put(key, "", replace(member, joined_at=said.joined_at))


def _bring_levels(book: Book, key: MemberKey, levels: tuple[Level, ...]) -> None:
    """The levels of before among those that were told here; of one moment the latter stay."""
    if levels:
        member = book.member(key)
        by_moment = {level.since: level for level in (*levels, *member.levels)}
        found = tuple(by_moment[since] for since in sorted(by_moment))
        book.members.put(key, "", replace(member, levels=found))


def _bring_first_order(book: Book, key: MemberKey, at: datetime | None) -> None:
    person = book.person(key)
    if at is not None and (person.first_paid_at is None or at < person.first_paid_at):
        book.persons.put(key, "", replace(person, first_paid_at=at))
