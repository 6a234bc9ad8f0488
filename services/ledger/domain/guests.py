"""Orders of guests: kept under a keyed hash of their e-mail address, and credited when that person has an account.

Example: a guest pays 60.00 EUR on 1 May, gives back 10.00 on 4 May, and signs up with that address on 20 May. Then the
order is credited: 50 points, booked on 20 May, by the rules of 1 May, pending from 1 May. Where they became available
on 15 May, they are available at once, and their expiry clock starts on 20 May. Without an account within the program's
`guests: {keep: 90 days}` the order is forgotten.

What a newcomer would get wrong: it does not matter what arrives first. An address belongs to the first member who told
it, for good; an order that comes later, or came late, is that member's at once. What tells of a refund or a fulfilment
names neither a member nor an address: it finds its order by the order's id, before and after it was credited.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.ledger.domain.edits import edit_order, with_statement
from services.ledger.domain.goal_awards import follow_goals
from services.ledger.domain.keeping import order_of_purchase
from services.ledger.domain.orders import award_purchase, without_contact
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey, Purchase, RefundAt
from services.ledger.domain.using import follow_statement
from shared.events import Event, OrderCancelled, OrderFulfilled, OrderPaid, OrderRefunded, event_type
from shared.orders import order_of, refund_of
from shared.programs import Versions
from shared.rows import Journal, Row, Rows, replace

if TYPE_CHECKING:
    from services.ledger.domain.book import Book

NOBODY = ""
"""The member id of what belongs to no member yet."""


class Address(Row, frozen=True, gc=False):
    """An e-mail address by its hash, and the member who told it first, at `since`."""

    program_id: str
    address: UUID
    member_id: str | None = None
    since: datetime | None = None


class GuestOrder(Row, frozen=True, gc=False):
    """What is known of a guest's order; once it is credited, only whose it is.

    `cause` is the event that stated it. `forget_at` is when it is forgotten if nobody comes for it.
    """

    program_id: str
    order_id: str
    address: UUID | None = None
    member_id: str | None = None
    cause: str | None = None
    kept: Purchase | None = None
    forget_at: datetime | None = None


class Secret:
    """The key of an installation that makes hashes of addresses."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        assert len(key) >= 16, "a short key protects nothing"
        self._key = key

    def address(self, program_id: str, email: str | None) -> UUID | None:
        """What stands for an e-mail address in a program; None for what is none.

        Only spaces around it and its case do not count: `ada+tea@` may be somebody else than `ada@`.
        """
        plain = unicodedata.normalize("NFKC", email or "").strip().casefold()
        local, at, domain = plain.rpartition("@")
        if not (local and at and domain):
            return None
        text = f"guest\0{program_id}\0{plain}"
        return UUID(bytes=hmac.digest(self._key, text.encode(), "sha256")[:16])


class Guests:
    """The part of a batch's book that is about guests: addresses and orders by program, and the key of the hashes."""

    __slots__ = ("addresses", "orders", "secret")

    def __init__(self, journal: Journal, secret: Secret) -> None:
        self.addresses: Rows[str, UUID, Address] = Rows(journal)
        self.orders: Rows[str, str, GuestOrder] = Rows(journal)
        self.secret = secret

    def put_order(self, order: GuestOrder) -> None:
        """Put an order in its place."""
        self.orders.put(order.program_id, order.order_id, order)


def keep_guests(versions: Versions[LedgerProgram]) -> bool:
    """Whether any version of a program keeps orders of guests: one that does not costs its events nothing."""
    return any(version.rules.guest_days is not None for version in versions.all)


def owner_of(event: Event[Any], book: Book) -> MemberKey | None:
    """The member to whom a guest's order was credited; None for nobody (yet)."""
    order = book.guests.orders.get(event.program_id, event.data.order_id) if book.guests else None
    return None if order is None or order.member_id is None else (event.program_id, order.member_id)


def keep(event: Event[Any], book: Book) -> GuestOrder | None:
    """Keep what happened to an order of a guest; None where the program keeps nothing, or knows no address.

    Raises:
        ServiceError: the order or the refund cannot be, as for an order of a member.
    """
    days = book.versions_of(event.program_id).at(event.time).rules.guest_days
    if book.guests is None or days is None:
        return None
    order_id = event.data.order_id
    before = book.guests.orders.get(event.program_id, order_id) or GuestOrder(event.program_id, order_id)
    kept = before.kept or Purchase(event.program_id, NOBODY, order_id)
    address, cause = before.address, before.cause
    if isinstance(event.data, OrderPaid):
        told = book.guests.secret.address(event.program_id, event.data.email)
        is_newest = kept.stated_at is None or event.time >= kept.stated_at
        address = told if told is not None and (is_newest or address is None) else address
        if address is None:
            return None
        cause = event.id if is_newest else cause
    kept = _with(event, book, kept)
    began = kept.paid_at or event.time
    order = replace(before, address=address, cause=cause, kept=kept, forget_at=began + timedelta(days=days))
    book.guests.put_order(order)
    return order


class Holder(Row, frozen=True, gc=False):
    """The member who has an address, and since when."""

    key: MemberKey
    since: datetime


def holder_of(order: GuestOrder, book: Book) -> Holder | None:
    """The member who has the address of an order; None for nobody (any more)."""
    if book.guests is None or order.address is None:
        return None
    address = book.guests.addresses.get(order.program_id, order.address)
    if address is None or address.member_id is None or address.since is None:
        return None
    key = (order.program_id, address.member_id)
    return None if book.member(key).erased_at is not None else Holder(key, address.since)


def tell_address(book: Book, key: MemberKey, email: str | None, at: datetime) -> list[GuestOrder]:
    """A member told an e-mail address: it is theirs if it is nobody's yet. The orders that it brings, oldest first."""
    if book.guests is None:
        return []
    told = book.guests.secret.address(key[0], email)
    if told is None:
        return []
    holder = holder_of(GuestOrder(key[0], NOBODY, told), book)
    if holder is None:
        book.guests.addresses.put(key[0], told, Address(key[0], told, key[1], at))
    elif holder.key != key:
        return []  # the first wins
    orders = [order for order in book.guests.orders.of(key[0]).values() if order.address == told]
    return sorted([order for order in orders if is_creditable(order, at)], key=_age)


def credit(book: Book, key: MemberKey, order: GuestOrder, at: datetime) -> None:
    """The order is this member's from now on: booked at `at`, by the rules of its own time."""
    kept, cause = order.kept, order.cause
    assert kept is not None and kept.paid is not None and cause is not None  # noqa: PT018 - an order that was paid
    assert book.guests is not None, "whoever credits a guest's order has loaded it"
    book.guests.put_order(GuestOrder(order.program_id, order.order_id, member_id=key[1]))
    own = book.purchases.get(key, order.order_id)
    joined = _joined(key, kept, own)
    if own is None or own.paid is None:
        award_purchase(book, key, joined, cause=cause, at=at)
    else:  # the shop has told it of the customer, too: one more statement about the same order
        edit_order(_statement(key, kept, cause), book, key, joined)
    if kept.paid.coupon_codes:
        follow_statement(book, key, book.purchases.get(key, order.order_id) or joined, cause=cause, at=at)
    follow_goals(book, key, order.order_id, cause=cause, at=at)


def is_creditable(order: GuestOrder, at: datetime) -> bool:
    """Whether it was paid, is nobody's, and was not to be forgotten before."""
    is_paid = order.kept is not None and order.kept.paid is not None
    return is_paid and order.member_id is None and (order.forget_at is None or at < order.forget_at)


def statements_of(order: GuestOrder, member_id: str) -> Iterator[Event[Any]]:
    """What is known of a kept order, as if it had been told of this member: what that needs, its crediting needs."""
    kept = order.kept
    if kept is None or kept.paid is None or kept.paid_at is None or kept.stated_at is None:
        return
    key = (order.program_id, member_id)
    for at in {kept.paid_at, kept.stated_at}:
        yield replace(_statement(key, kept, order.cause or order.order_id), time=at)
    for refund in kept.refunds:
        said = replace(refund.said, customer_id=member_id)
        yield Event(
            id=said.refund_id,
            source=NOBODY,
            type=event_type(OrderRefunded),
            program_id=key[0],
            time=refund.at,
            data=said,
        )


def _statement(key: MemberKey, kept: Purchase, cause: str) -> Event[OrderPaid]:
    assert kept.paid is not None and kept.stated_at is not None  # noqa: PT018 - both or neither
    return Event(
        id=cause,
        source=NOBODY,
        type=event_type(OrderPaid),
        program_id=key[0],
        time=kept.stated_at,
        data=replace(kept.paid, customer_id=key[1]),
    )


def _with(event: Event[Any], book: Book, kept: Purchase) -> Purchase:
    """What is known of the order, with one more event about it."""
    versions = book.versions_of(event.program_id)
    match event.data:
        case OrderPaid() if kept.paid is not None:
            return with_statement(event, book, kept)
        case OrderPaid():
            version = versions.at(event.time)
            order_of(event.data, version.rules.currency)
            paid = without_contact(event.data)
            return replace(
                kept, paid=paid, paid_at=event.time, program_version=version.number, stated_at=event.time
            )
        case OrderRefunded() as said if all(known.said.refund_id != said.refund_id for known in kept.refunds):
            order = order_of_purchase(kept, versions)
            if order is not None:
                refund_of(said, order)
            return replace(kept, refunds=(*kept.refunds, RefundAt(event.time, said)))
        case OrderCancelled():
            return replace(kept, cancelled_at=_first(kept.cancelled_at, event.time))
        case OrderFulfilled():
            return replace(kept, fulfilled_at=_first(kept.fulfilled_at, event.time))
    return kept


def _joined(key: MemberKey, kept: Purchase, own: Purchase | None) -> Purchase:
    """What is known of the order from both sides, stated as the member's own side has it, if that was paid."""
    if own is None:
        return replace(kept, member_id=key[1])
    known = {refund.said.refund_id for refund in own.refunds}
    return replace(
        replace(kept, member_id=key[1]) if own.paid is None else own,
        refunds=(*own.refunds, *(each for each in kept.refunds if each.said.refund_id not in known)),
        fulfilled_at=_first(own.fulfilled_at, kept.fulfilled_at),
        cancelled_at=_first(own.cancelled_at, kept.cancelled_at),
    )


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    return min([at for at in (one, other) if at is not None], default=None)


def _age(order: GuestOrder) -> tuple[datetime, str]:
    assert order.kept is not None and order.kept.paid_at is not None  # noqa: PT018 - an order that was paid
    return order.kept.paid_at, order.order_id
