"""Builders: events of a shop, in which a test says only what matters to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.cloudevents import encode
from shared.events import (
    ContentShared,
    CustomerSignedUp,
    Event,
    OrderCancelled,
    OrderFulfilled,
    OrderLine,
    OrderPaid,
    OrderRefunded,
    ReviewPublished,
    ReviewRemoved,
    event_type,
    topic_of,
)
from shared.worker.records import Record

PROGRAM = "demo"
MEMBER = "customer-7"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
"""A Monday."""

_numbers = itertools.count(1)


def an_event(
    data: Any, *, at: datetime = NOON, event_id: str | None = None, program: str = PROGRAM
) -> Event[Any]:
    """An event around any data of the contract."""
    return Event(
        id=event_id or f"evt-{next(_numbers)}",
        source="test-shop",
        type=event_type(type(data)),
        program_id=program,
        time=at,
        data=data,
    )


def a_line(total: str = "10.00", **more: Any) -> OrderLine:
    """One line of an order."""
    return OrderLine(total=total, **more)


def an_order_paid(
    total: str = "42.00",
    *,
    order_id: str | None = None,
    member: str = MEMBER,
    lines: Sequence[OrderLine] = (),
    at: datetime = NOON,
    event_id: str | None = None,
    program: str = PROGRAM,
    **more: Any,
) -> Event[OrderPaid]:
    """A paid order; with a total alone it is one line."""
    order = order_id or f"order-{next(_numbers)}"
    data = OrderPaid(order_id=order, customer_id=member, total=total, lines=tuple(lines), **more)
    return an_event(data, at=at, event_id=event_id, program=program)


def a_refund(
    order: Event[OrderPaid], *, at: datetime | None = None, event_id: str | None = None, **more: Any
) -> Any:
    """A refund of an order; say `amount`, `lines`, `shipping`, ..."""
    number = more.pop("refund_id", None) or f"refund-{next(_numbers)}"
    data = OrderRefunded(
        order_id=order.data.order_id, customer_id=order.data.customer_id, refund_id=number, **more
    )
    return an_event(data, at=at or order.time, event_id=event_id, program=order.program_id)


def a_cancellation(order: Event[OrderPaid], *, at: datetime | None = None) -> Event[Any]:
    """The whole order is called off."""
    data = OrderCancelled(order_id=order.data.order_id, customer_id=order.data.customer_id)
    return an_event(data, at=at or order.time, program=order.program_id)


def a_fulfilment(order: Event[OrderPaid], *, at: datetime | None = None) -> Event[Any]:
    """The order is handed over."""
    data = OrderFulfilled(order_id=order.data.order_id, customer_id=order.data.customer_id)
    return an_event(data, at=at or order.time, program=order.program_id)


def a_sign_up(member: str = MEMBER, *, at: datetime = NOON, **more: Any) -> Event[Any]:
    """Somebody opens an account."""
    return an_event(CustomerSignedUp(customer_id=member, **more), at=at)


def a_share(
    member: str = MEMBER, *, network: str = "facebook", at: datetime = NOON, **more: Any
) -> Event[Any]:
    """A customer shares something."""
    return an_event(ContentShared(customer_id=member, network=network, **more), at=at)


def a_review(
    member: str = MEMBER,
    *,
    product: str = "tea-1",
    at: datetime = NOON,
    review_id: str | None = None,
    **more: Any,
) -> Event[Any]:
    """A review goes public."""
    data = ReviewPublished(
        customer_id=member, review_id=review_id or f"review-{next(_numbers)}", product_id=product, **more
    )
    return an_event(data, at=at)


def a_review_removed(review: Event[Any], *, at: datetime | None = None) -> Event[Any]:
    """That review is no longer public."""
    data = ReviewRemoved(customer_id=review.data.customer_id, review_id=review.data.review_id)
    return an_event(data, at=at or review.time)


def a_record(event: Event[Any], *, offset: int, partition: int = 0) -> Record:
    """The event as a record of its topic."""
    return Record(
        topic=topic_of(type(event.data)),
        partition=partition,
        offset=offset,
        time=event.time,
        key=event.key.encode(),
        value=encode(event),
    )
