"""Merge of two members who are one person: one survives, the id of the other is another name of the survivor.

Example: `ana` has 300 available and owes nothing; `old-7` has 40 pending and owes 120 after a refund. Afterwards `ana`
has 40 pending and 180 available: 40 passed from one to the other through `in_transit`, and 120 the other way, drawn
from the lots that expire soonest. `old-7` has nothing and owes nothing. Had both used 300 of a cap of 500 a month,
`ana` has used 600 of it: nothing is taken back, and nothing more is given until the next month.

What a newcomer would get wrong: the rows of the other member (orders, awards, lots, holds, rewards) are the survivor's
already when this is decided; the store gives them their new owner, since there may be many and nothing about them is to
be decided. What is decided here is what two have of the same kind: balances, usage, level, person.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from services.ledger.domain.book import SOURCE, Book
from services.ledger.domain.occasions import schedule_occasions
from services.ledger.domain.persons import Person, SegmentChange, latest
from services.ledger.domain.records import (
    AVAILABLE,
    HELD,
    PENDING,
    Balance,
    Level,
    Member,
    MemberKey,
    Transfer,
    Usage,
)
from services.ledger.domain.switching import catch_up
from services.ledger.domain.transit import IN_TRANSIT, fill_deficit
from shared.cloudevents import derived_id
from shared.events import Event, MemberMerged, PointsTransferred, event_type
from shared.rows import Row, replace

MERGE = "merge"
ACCOUNTS = (PENDING, HELD, AVAILABLE)


class Merged(Row, frozen=True, gc=False):
    """A merge as it is kept: `member_id` was merged into `survivor_id`, by whom and why, and what moved."""

    program_id: str
    member_id: str
    survivor_id: str
    merged_at: datetime
    merged_by: str
    reason: str | None = None
    moved: tuple[Balance, ...] = ()
    """What the merged member had of each asset, and the number of their last transfer before."""


def merge(book: Book, wanted: Merged, *, aliases: Iterable[MemberKey] = ()) -> Merged:
    """Join what both have of the same kind; both are settled, and the other rows have their new owner.

    `aliases` are those who were merged into the other one before: they lead to the survivor from now on.
    """
    survivor, other = (wanted.program_id, wanted.survivor_id), (wanted.program_id, wanted.member_id)
    at, before = wanted.merged_at, sorted(book.balances.of(other).values(), key=lambda each: each.asset)
    for balance in before:
        _move_balance(book, survivor, other, balance, at)
        fill_deficit(book, survivor, balance.asset)
    _join_usage(book, survivor, other)
    _join_persons(book, survivor, other, at)
    _join_members(book, survivor, other, at)
    catch_up(book, survivor, at)
    for alias in aliases:
        book.members.put(alias, "", replace(book.member(alias), merged_into=survivor[1]))
    made = replace(wanted, moved=tuple(before))
    book.outgoing.append(_announcement(made))
    return made


def _move_balance(book: Book, survivor: MemberKey, other: MemberKey, balance: Balance, at: datetime) -> None:
    """Empty every account of the other member; what was owed there is paid by the survivor."""
    for account in ACCOUNTS:
        points = getattr(balance, account)
        if points > 0:
            _pass_on(book, other, survivor, balance.asset, account, points, at, other)
        elif points < 0:
            _pass_on(book, survivor, other, balance.asset, account, -points, at, other)


def _pass_on(
    book: Book, sender: MemberKey, receiver: MemberKey, asset: str, account: str, points: int, at: datetime,
    merged: MemberKey,
) -> None:  # fmt: skip
    cause = f"{MERGE}:{derived_id(MERGE, *merged)}"
    sent = book.post(sender, asset, MERGE, account, IN_TRANSIT, points, cause=cause, at=at)
    received = book.post(receiver, asset, MERGE, IN_TRANSIT, account, points, cause=cause, at=at)
    _announce(book, sent, "sent", receiver)
    _announce(book, received, "received", sender)


def _announce(book: Book, transfer: Transfer, direction: str, counterpart: MemberKey) -> None:
    book.announce(transfer, PointsTransferred, kind=MERGE, direction=direction, counterpart_id=counterpart[1])


def _join_usage(book: Book, survivor: MemberKey, other: MemberKey) -> None:
    """Caps count both together."""
    for place, used in list(book.usage.of(other).items()):
        mine = book.usage.get(survivor, place) or Usage(*survivor, *place)
        joined = replace(mine, times=mine.times + used.times, points=mine.points + used.points)
        book.usage.put(survivor, place, joined)
        book.usage.put(other, place, replace(used, times=0, points=0))


def _join_members(book: Book, survivor: MemberKey, other: MemberKey, at: datetime) -> None:
    """The survivor is a member since the earlier sign-up, and has the level that multiplies by more.

    Where one's lots have followed fewer changes of the expiry policy, all follow from there: again changes nothing.
    """
    mine, theirs = book.member(survivor), book.member(other)
    levels = mine.levels
    better = _better_level(mine, theirs)
    if better is not None:
        levels = (*levels, replace(better, since=at))
    joined_at = min((each for each in (mine.joined_at, theirs.joined_at) if each is not None), default=None)
    followed = min(mine.lots_version, theirs.lots_version)
    known = replace(mine, joined_at=joined_at, levels=levels, lots_version=followed)
    book.members.put(survivor, "", known)
    book.schedule(survivor, theirs.next_due)
    schedule_occasions(book, survivor)
    gone = replace(theirs, joined_at=None, levels=(), next_due=None, merged_into=survivor[1])
    book.members.put(other, "", gone)
    book.homes[other] = survivor


def _better_level(mine: Member, theirs: Member) -> Level | None:
    """The present level of the other one, where the survivor has none or one that multiplies by less."""
    if not theirs.levels:
        return None
    level = theirs.levels[-1]
    if not mine.levels or Fraction(level.earn_times) > Fraction(mine.levels[-1].earn_times):
        return level
    return None


def _join_persons(book: Book, survivor: MemberKey, other: MemberKey, at: datetime) -> None:
    """What is known of either; of what is known of both, the survivor's. Segments are those of both from now on."""
    mine, theirs = book.person(survivor), book.person(other)
    if theirs == Person(*other):
        return
    entered = theirs.segments_at(at) - mine.segments_at(at)
    told = theirs if mine.birthday is None else mine
    active = max(mine, theirs, key=lambda each: (each.active_until is not None, each.active_until))
    first = [each for each in (mine.first_paid_at, theirs.first_paid_at) if each is not None]
    joined = replace(
        mine,
        birthday=told.birthday,
        birthday_since=told.birthday_since,
        time_zone=mine.time_zone or theirs.time_zone,
        first_paid_at=min(first, default=None),
        segments=(*mine.segments, *(SegmentChange(at, each, True) for each in sorted(entered))),
        celebrated=latest([*mine.celebrated, *theirs.celebrated]),
        active_from=active.active_from,
        active_until=active.active_until,
    )
    book.persons.put(survivor, "", joined)
    book.persons.put(other, "", Person(*other))


def _announcement(made: Merged) -> Event[MemberMerged]:
    return Event(
        id=derived_id("ledger", MERGE, made.program_id, made.member_id),
        source=SOURCE,
        type=event_type(MemberMerged),
        program_id=made.program_id,
        time=made.merged_at,
        data=MemberMerged(member_id=made.survivor_id, merged_id=made.member_id, reason=made.reason),
    )
