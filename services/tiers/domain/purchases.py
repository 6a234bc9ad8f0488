"""What an order counts for a ladder: the items after discounts that the customer keeps, in the program's currency.

What a newcomer would get wrong: an order is one row from the first thing that is heard of it. A refund or a
cancellation that overtakes its order waits in that row, and counts when the order comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from shared.errors import ServiceError
from shared.events import Event, OrderCancelled, OrderLine, OrderPaid, OrderRefunded
from shared.money import rounded
from shared.orders import ITEMS, Order, Refund, basis_by_line, kept, order_of, refund_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What is known of one order of a member.

    `paid` is None while a refund or a cancellation waits for the order. `paid_at` is the time of the first payment: an
    edit changes what was bought, not when. `stated_at` is the time of the newest edit. `year` and `kept_minor` are what
    it counts now, and where.
    """

    program_id: str
    member_id: str
    order_id: str
    paid: OrderPaid | None = None
    paid_at: datetime | None = None
    stated_at: datetime | None = None
    removed_lines: tuple[str, ...] = ()
    refunds: tuple[OrderRefunded, ...] = ()
    cancelled_at: datetime | None = None
    year: int | None = None
    kept_minor: int = 0


def with_payment(purchase: Purchase, event: Event[OrderPaid], currency: str) -> Purchase:
    """The order was paid, or edited: the newest statement counts, at the time of the first.

    Raises:
        DuplicateLine, InvalidAmount, UnknownCurrency: an edit cannot be read.
    """
    if purchase.paid is None or purchase.paid_at is None or purchase.stated_at is None:
        return replace(purchase, paid=needed_of(event.data), paid_at=event.time, stated_at=event.time)
    new, paid_at = order_of(event.data, currency), min(purchase.paid_at, event.time)
    known = {line.id for line in order_of(purchase.paid, currency).lines} | set(purchase.removed_lines)
    if event.time < purchase.stated_at:
        removed = {line.id for line in new.lines} | set(purchase.removed_lines)
        return replace(purchase, paid_at=paid_at, removed_lines=tuple(sorted(removed)))
    return replace(
        purchase,
        paid=needed_of(event.data),
        paid_at=paid_at,
        stated_at=event.time,
        removed_lines=tuple(sorted(known - {line.id for line in new.lines})),
    )


def with_refund(purchase: Purchase, event: Event[OrderRefunded], currency: str) -> Purchase:
    """The order was refunded, in part or whole; a refund that is known by its id changes nothing.

    Raises:
        UnknownLine, CurrencyMismatch, NothingRefunded, InvalidAmount: it does not fit its order, where that is known.
    """
    if any(refund.refund_id == event.data.refund_id for refund in purchase.refunds):
        return purchase
    if purchase.paid is not None:
        refund_of(event.data, order_of(purchase.paid, currency, purchase.removed_lines))
    return replace(purchase, refunds=(*purchase.refunds, event.data))


def with_cancellation(purchase: Purchase, event: Event[OrderCancelled]) -> Purchase:
    """The order was called off, for good: an edit that arrives later does not revive it."""
    return purchase if purchase.cancelled_at is not None else replace(purchase, cancelled_at=event.time)


def joined(one: Purchase, other: Purchase) -> Purchase:
    """One order of which parts were told under two ids of a person; at most one of them says what was paid."""
    paid, waiting = (one, other) if one.paid is not None else (other, one)
    known = {refund.refund_id for refund in paid.refunds}
    more = tuple(refund for refund in waiting.refunds if refund.refund_id not in known)
    return replace(
        paid, refunds=(*paid.refunds, *more), cancelled_at=paid.cancelled_at or waiting.cancelled_at
    )


def kept_spend(purchase: Purchase, currency: str) -> int:
    """What the order counts, in minor units of the program's currency; 0 where it is in another, or not paid yet.

    Raises:
        DuplicateLine, InvalidAmount, UnknownCurrency: the order cannot be read.
    """
    if purchase.paid is None or purchase.cancelled_at is not None:
        return 0
    order = order_of(purchase.paid, currency, purchase.removed_lines)
    if order.currency != currency:
        return 0
    return rounded(sum(basis_by_line(order, ITEMS, kept(order, _fitting(purchase.refunds, order)))))


def needed_of(paid: OrderPaid) -> OrderPaid:
    """What the arithmetic of an order reads, and nothing about a person."""
    return OrderPaid(
        order_id=paid.order_id,
        total=paid.total,
        currency=paid.currency,
        lines=tuple(
            OrderLine(
                line_id=line.line_id,
                total=line.total,
                quantity=line.quantity,
                tax=line.tax,
                gift_card=line.gift_card,
            )
            for line in paid.lines
        ),
        discount=paid.discount,
        shipping=paid.shipping,
        tax=paid.tax,
        tax_included=paid.tax_included,
        paid_with=paid.paid_with,
    )


def _fitting(refunds: tuple[OrderRefunded, ...], order: Order) -> list[Refund]:
    """The refunds that fit the order. One that waited for its order and turns out not to fit must not keep the order
    itself from counting."""
    fitting = []
    for refunded in refunds:
        try:
            fitting.append(refund_of(refunded, order))
        except ServiceError:
            continue
    return fitting
