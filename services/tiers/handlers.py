"""The Kafka door: what each event means for a member's standing.

What a newcomer would get wrong: topics overtake each other, so no handler may expect another event to have come before.
Whoever is first heard of through an order has joined; a refund of an order that is not here yet waits in its row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.tiers.domain.book import Book, Member, MemberKey, Needs
from services.tiers.domain.judging import Trigger, join, settle, weigh
from services.tiers.domain.merging import merge
from services.tiers.domain.purchases import (
    Purchase,
    kept_spend,
    with_cancellation,
    with_payment,
    with_refund,
)
from shared.events import (
    CustomerDeleted,
    CustomerSignedUp,
    Event,
    MemberMerged,
    OrderCancelled,
    OrderPaid,
    OrderRefunded,
)
from shared.handlers import Handlers

on = Handlers[Book]()


def needs(events: Sequence[Event[Any]], homes: Mapping[MemberKey, MemberKey]) -> Needs:
    """The rows that these events are decided on; orders of guests need none.

    `homes` says into whom members were merged. Where the batch itself merges members, an event may be either one's.
    """
    merges = {
        (event.program_id, event.data.merged_id): (event.program_id, event.data.member_id)
        for event in events
        if isinstance(event.data, MemberMerged)
    }
    links = merges | dict(homes)
    members: set[MemberKey] = set()
    orders: set[tuple[str, str, str]] = set()
    for event in events:
        if event.member_id is not None and type(event.data) in on.classes:
            names = way_home((event.program_id, event.member_id), links)
            members.update(names)
            if isinstance(event.data, OrderPaid | OrderRefunded | OrderCancelled):
                orders.update((*name, event.data.order_id) for name in names)
    whole = {name for key in merges for name in way_home(key, links) + way_home(merges[key], links)}
    return Needs(sorted(members | whole), sorted(orders), sorted(whole))


def way_home(key: MemberKey, links: Mapping[MemberKey, MemberKey]) -> list[MemberKey]:
    """A member, into whom they were merged, and so on to the end."""
    names = [key]
    while (home := links.get(names[-1])) is not None and home not in names:
        names.append(home)
    return names


@on(CustomerSignedUp)
def welcome(event: Event[CustomerSignedUp], book: Book) -> None:
    """Somebody opened an account: they stand on the base level from the start."""
    key = _begin(event, book)
    if key is not None:
        join(book, key, event.time, _trigger(event))


@on(OrderPaid)
def count_order(event: Event[OrderPaid], book: Book) -> None:
    """A paid order counts for its year, and may lift the member at once."""
    key = _begin(event, book)
    if key is None:
        return
    join(book, key, event.time, _trigger(event))
    before = book.purchase(key, event.data.order_id)
    _rebook(event, book, key, before, with_payment(before, event, _currency(event, book, before)))


@on(OrderRefunded)
def shrink_order(event: Event[OrderRefunded], book: Book) -> None:
    """A refund shrinks what its order counts, in the order's year; without its order it waits."""
    key = _begin(event, book)
    if key is not None:
        before = book.purchase(key, event.data.order_id)
        _rebook(event, book, key, before, with_refund(before, event, _currency(event, book, before)))


@on(OrderCancelled)
def drop_order(event: Event[OrderCancelled], book: Book) -> None:
    """An order that was called off counts nothing."""
    key = _begin(event, book)
    if key is not None:
        before = book.purchase(key, event.data.order_id)
        _rebook(event, book, key, before, with_cancellation(before, event))


@on(MemberMerged)
def join_members(event: Event[MemberMerged], book: Book) -> None:
    """Two members are one person: what both spent is the survivor's, and the other id is another name of theirs."""
    book.course(event.program_id)
    survivor = book.home((event.program_id, event.data.member_id))
    merge(book, survivor, (event.program_id, event.data.merged_id), event.time, _trigger(event))


@on(CustomerDeleted)
def erase(event: Event[CustomerDeleted], book: Book) -> None:
    """Forget the member: what is left is that they asked for it, so that later events book nothing.

    Of an id that was merged into another member it forgets nobody: shops delete what they merged away.
    """
    key = (event.program_id, event.data.customer_id)
    book.course(event.program_id)
    member = book.member(key)
    if member.erased_at is None and member.merged_into is None:
        book.put_member(Member(program_id=key[0], member_id=key[1], erased_at=event.time))


def _begin(event: Event[Any], book: Book) -> MemberKey | None:
    """The member of an event, with all settled that was due before it; None for guests and for whoever was erased.

    Raises:
        UnknownProgram: nobody applied the program.
    """
    book.course(event.program_id)
    if event.member_id is None:
        return None
    key = book.home((event.program_id, event.member_id))
    if book.member(key).erased_at is not None:
        return None
    settle(book, key, event.time, _trigger(event))
    return key


def _rebook(event: Event[Any], book: Book, key: MemberKey, before: Purchase, after: Purchase) -> None:
    """Move what the order counts from where it counted to where it counts now, then weigh the member."""
    if after == before:
        return
    course = book.course(event.program_id)
    if after.paid_at is not None:
        minor = kept_spend(after, course.program_at(after.paid_at).currency)
        after = replace(after, year=course.year_of(after.paid_at), kept_minor=minor)
    book.purchases.put(key, after.order_id, after)
    if (before.year, before.kept_minor) == (after.year, after.kept_minor):
        return
    if before.year is not None:
        book.add_spend(key, before.year, -before.kept_minor)
    if after.year is not None:
        book.add_spend(key, after.year, after.kept_minor)
    weigh(book, key, event.time, _trigger(event))


def _currency(event: Event[Any], book: Book, purchase: Purchase) -> str:
    """The program's currency when the order was paid."""
    return book.course(event.program_id).program_at(purchase.paid_at or event.time).currency


def _trigger(event: Event[Any]) -> Trigger:
    return Trigger(event.id, event.replayed)
