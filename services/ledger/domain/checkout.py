"""What a checkout does with points: asks what it can use, holds them, and lets the order capture them.

Example: 100 points are worth 1.00 EUR. A checkout holds 500 for the order. The order comes out cheaper and says that
points paid 4.00: 400 are captured, 100 go back.

What a newcomer would get wrong: a paid order counts, whatever became of its hold. One that is unknown, or was released
or timed out before the order came, captures nothing; the points are the member's again, and may be spent by now.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from services.ledger.domain import holds
from services.ledger.domain.book import Book
from services.ledger.domain.holds import CAPTURED, OPEN, spends_of
from services.ledger.domain.keeping import order_of_purchase
from services.ledger.domain.quotes import Quote, quote, require_usable
from services.ledger.domain.records import POINTS, Hold, MemberKey
from services.ledger.domain.returns import return_spent, said_to_be_spent
from services.ledger.domain.spending import HOLD_MINUTES, Checkout, kind_of
from services.ledger.errors import NoCheckout
from shared.events import Event, OrderPaid
from shared.orders import Order, order_of
from shared.rows import replace


def quote_cart(book: Book, key: MemberKey, cart: OrderPaid, *, asset: str, now: datetime) -> Quote:
    """What this cart could use of an asset.

    Raises:
        NoCheckout: the program does not say what it is worth.
        What `order_of` raises for a cart that cannot be.
    """
    checkout = _checkout(book, key, asset, now)
    if checkout is None:
        raise NoCheckout(f"the program does not say what {asset} are worth at a checkout")
    return quote(checkout, _order(book, key, cart, now), book.balance(key, asset).available)


def hold_for_checkout(
    book: Book,
    key: MemberKey,
    *,
    hold_id: str,
    points: int,
    now: datetime,
    minutes: int | None = None,
    asset: str = POINTS,
    order_id: str | None = None,
    cart: OrderPaid | None = None,
) -> Hold:
    """Set points aside, as the program's words about the checkout allow.

    Raises:
        InsufficientPoints, HoldConflict, NotWholeBlocks, NotUsable: see there.
    """
    checkout = _checkout(book, key, asset, now)
    if checkout is not None and book.holds.get(key, hold_id) is None:
        require_usable(checkout, points, _order(book, key, cart, now) if cart is not None else None)
    lasting = minutes or (checkout.hold_minutes if checkout else HOLD_MINUTES)
    return holds.hold_points(
        book,
        key,
        hold_id=hold_id,
        points=points,
        held_until=now + timedelta(minutes=lasting),
        now=now,
        order_id=order_id,
        asset=asset,
    )


def spend_at_once(
    book: Book,
    key: MemberKey,
    *,
    spend_id: str,
    points: int,
    now: datetime,
    asset: str = POINTS,
    order_id: str | None = None,
    cart: OrderPaid | None = None,
) -> Hold:
    """Spend points without a hold; where they pay for an order, as the program's words about the checkout allow.

    Raises:
        InsufficientPoints, SpendConflict, NotWholeBlocks, NotUsable: see there.
    """
    checkout = _checkout(book, key, asset, now) if order_id is not None or cart is not None else None
    if checkout is not None and book.holds.get(key, spend_id) is None:
        require_usable(checkout, points, _order(book, key, cart, now) if cart is not None else None)
    spend = holds.spend_points(
        book, key, spend_id=spend_id, points=points, now=now, order_id=order_id, asset=asset
    )
    return _after_returns(book, key, spend, cause=spend_id, at=now)


def capture_hold(
    book: Book,
    key: MemberKey,
    hold_id: str,
    *,
    points: int | None,
    cause: str,
    at: datetime,
    order_id: str | None,
) -> Hold:
    """Spend a hold, wholly or in part; what a refund of its order took back already comes back at once.

    Raises:
        UnknownHold, HoldClosed, HoldExceeded: see there.
    """
    hold = holds.capture(book, key, hold_id, points=points, cause=cause, at=at, order_id=order_id)
    return _after_returns(book, key, hold, cause=cause, at=at)


def capture_for_order(event: Event[OrderPaid], book: Book, key: MemberKey) -> None:
    """A paid order captures its hold, and those that were made for it where it says that they paid.

    It captures as many points as are worth what `paid_with` says, all where it says nothing. One that was captured
    before is linked to the order.
    """
    paid = event.data
    if not book.holds.of(key):
        return
    for hold in _holds_for(book, key, paid):
        if hold.state == OPEN:
            points = _still_to_capture(book, key, paid.order_id, hold)
            holds.capture(
                book,
                key,
                hold.hold_id,
                points=points,
                cause=event.id,
                at=event.time,
                order_id=paid.order_id,
            )
        elif hold.state == CAPTURED and hold.order_id is None:
            book.put_hold(replace(hold, order_id=paid.order_id))
    return_spent(book, key, paid.order_id, cause=event.id, at=event.time)


def _holds_for(book: Book, key: MemberKey, paid: OrderPaid) -> list[Hold]:
    """The hold that the order names, and the open ones that were made for it, of a kind that paid."""
    kinds = {part.kind for part in paid.paid_with}
    found = [
        hold
        for hold in book.holds.of(key).values()
        if hold.hold_id == paid.hold_id
        or (hold.order_id == paid.order_id and hold.state == OPEN and kind_of(hold.asset) in kinds)
    ]
    return sorted(found, key=lambda hold: (hold.held_at, hold.hold_id))


def _still_to_capture(book: Book, key: MemberKey, order_id: str, hold: Hold) -> int | None:
    """What of the hold the order takes, None for all: what it says that points paid, less what it captured before."""
    purchase, versions = book.purchases.get(key, order_id), book.versions_of(key[0])
    assert purchase is not None, "the order was put in its place first"
    said = said_to_be_spent(purchase, order_of_purchase(purchase, versions), hold, versions)
    if said is None:
        return None
    before = sum(each.captured for each in spends_of(book, key, order_id) if each.asset == hold.asset)
    return max(0, min(hold.points, said - before))


def _after_returns(book: Book, key: MemberKey, hold: Hold, *, cause: str, at: datetime) -> Hold:
    if hold.order_id is not None:
        return_spent(book, key, hold.order_id, cause=cause, at=at)
    return book.holds.get(key, hold.hold_id) or hold


def _checkout(book: Book, key: MemberKey, asset: str, now: datetime) -> Checkout | None:
    return book.versions_of(key[0]).at(now).rules.spending.checkout_for(asset)


def _order(book: Book, key: MemberKey, cart: OrderPaid, now: datetime) -> Order:
    return order_of(cart, book.versions_of(key[0]).at(now).rules.currency)
