"""What a cart would earn: the order that it would be is handled on a book that nobody saves.

Example: 1 point per 1.00 EUR, `500 per month` on that rule, and a member who had 480 of them in May. A cart of 60.00
EUR in May would earn 20, and the explanation names the cap; asked for the first of June, it would earn 60.

What a newcomer would get wrong: there is no second reckoning for previews, which would differ from the first one some
day. The same handling runs, and what it leaves in the book is read like what an order left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from services.ledger.domain.book import SOURCE, Book
from services.ledger.domain.goal_awards import follow_goals
from services.ledger.domain.orders import award_order
from services.ledger.domain.records import ISSUED, Award, Member, MemberKey, Purchase
from shared.events import Event, OrderPaid, event_type
from shared.rows import Row

NOBODY = ""
"""Whose cart it is where nobody is named; no member is called so."""


class Preview(Row, frozen=True, gc=False):
    """What a cart would earn: points per asset, goals that it would reach included, and its awards."""

    event: Event[OrderPaid]
    purchase: Purchase
    earns: Mapping[str, int]
    awards: tuple[Award, ...]


def as_event(cart: OrderPaid, program_id: str, at: datetime) -> Event[OrderPaid]:
    """The event that would tell of the order, were it paid at this moment."""
    return Event(
        id=f"preview:{cart.order_id}",
        source=SOURCE,
        type=event_type(OrderPaid),
        program_id=program_id,
        time=at.astimezone(UTC),
        data=cart,
    )


def book_of_newcomer(book: Book, key: MemberKey) -> None:
    """Put somebody into the book of whom nothing is known."""
    book.members.load(key, "", Member(*key))
    book.stored_due[key] = None
    book.detailed.add(key)


def preview(book: Book, key: MemberKey, event: Event[OrderPaid]) -> Preview:
    """Handle the order that a cart would be, on a book that is thrown away afterwards; its id is of no other order.

    Raises:
        ServiceError: the cart cannot be reckoned, as the same order could not.
    """
    before = len(book.transfers)
    award_order(event, book, key)
    order_id = event.data.order_id
    follow_goals(book, key, order_id, cause=event.id, at=event.time)
    earns: Counter[str] = Counter()
    for transfer in list(book.transfers)[before:]:
        if transfer.from_account == ISSUED:
            earns[transfer.asset] += transfer.amount
    awards = [award for award in book.awards.of(key).values() if award.order_id == order_id]
    purchase = book.purchases.get(key, order_id)
    assert purchase is not None, "an order that was handled is in the book"
    return Preview(event, purchase, dict(earns), tuple(awards))
