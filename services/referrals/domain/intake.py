"""Takes what an event tells into the book: a member seen, an address, a touch, a paper of an order.

What a newcomer would get wrong: nothing is decided here. Facts are written down as they were told; `referring.review`
makes of them what they come to.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from services.referrals.domain.book import Book
from services.referrals.domain.hashes import read_code
from services.referrals.domain.model import MemberKey, OrderData, Paper, Signal, Touch, Via
from services.referrals.domain.purchases import purchases_of
from shared.events import Event, EventData, OrderPaid, OrderRefunded
from shared.orders import order_of, refund_of
from shared.rows import replace as replace_in_struct

EMAIL = "email"


def see(book: Book, key: MemberKey, at: datetime, *, signed_up: bool = False) -> bool:
    """A member was seen at that time, perhaps signing up. True where that is news to those who named their code."""
    member = book.member(key)
    earlier = at < member.first_seen_at
    after = member
    if earlier:
        after = replace(after, first_seen_at=at)
    if signed_up and (member.signed_up_at is None or at < member.signed_up_at):
        after = replace(after, signed_up_at=at)
    if after != member:
        book.members.put(key, "", after)
    return earlier or key in book.newcomers


def learn_email(book: Book, key: MemberKey, address: str | None, at: datetime) -> bool:
    """Keep the keyed hash of an address; True where it was not known of this member."""
    digest = book.secret.email(key[0], address) if address else None
    if digest is None or book.signals.get(key, (EMAIL, digest)) is not None:
        return False
    book.signals.put(key, (EMAIL, digest), Signal(*key, EMAIL, digest, at))
    return True


def touch(
    book: Book, key: MemberKey, event: Event[EventData], code: str | None, order_id: str | None = None
) -> None:
    """Note that the member named a code, if they did."""
    if code:
        touch_id = fact_id(event, "touch")
        via = Via.SIGN_UP if order_id is None else Via.ORDER
        book.put_touch(Touch(*key, touch_id, event.time, via, read_code(code), order_id))


def file_paper(book: Book, key: MemberKey, event: Event[OrderData]) -> None:
    """Put a paper into its order's file, without contact data.

    Raises:
        ServiceError: the order cannot be reckoned with, or the refund does not fit its order.
    """
    data = event.data
    currency = book.rules_at(event.program_id, event.time).currency
    if isinstance(data, OrderPaid):
        order_of(data, currency)
        data = replace_in_struct(data, email=None, signals=None)
    elif isinstance(data, OrderRefunded):
        _check_refund(book, key, data, currency)
    paper = Paper(*key, data.order_id, fact_id(event, "paper"), event.time, data)
    book.papers.put(key, (paper.order_id, paper.paper_id), paper)


def fact_id(event: Event[EventData], what: str) -> UUID:
    """The id of a fact that an event told: the same whenever it comes in again."""
    return uuid5(NAMESPACE_OID, "\0".join((event.program_id, event.source, event.id, what)))


def _check_refund(book: Book, key: MemberKey, refunded: OrderRefunded, currency: str) -> None:
    papers = [paper for paper in book.papers.of(key).values() if paper.order_id == refunded.order_id]
    for purchase in purchases_of(papers):
        refund_of(refunded, purchase.order(currency))
