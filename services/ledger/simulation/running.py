"""Past orders, lived through: each member's events in the order of their times, on a book in memory.

Example: an order of 5 March in a program that waits 14 days: the member signs up, pays, and at the end of the closing
day the points have become available on 20 March; what expired until then has expired.

What a newcomer would get wrong: a book holds some hundred members and is thrown away when it was measured, so memory
does not grow with what happens in the trial, only with the orders that were read. A budget that everybody shares cannot
be lived through so: then all members are in one book, and their events in the one order of time, first come, first
served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from heapq import heappop, heappush
from typing import Any
from zoneinfo import ZoneInfo

from services.ledger.domain.book import Book
from services.ledger.domain.holds import hold_points
from services.ledger.domain.records import POINTS, Member, MemberKey
from services.ledger.domain.settling import settle
from services.ledger.domain.spending import Checkout
from services.ledger.handlers import on
from services.ledger.simulation.orders import PastLine, PastOrder
from services.ledger.simulation.trial import Assumptions, Trial
from shared.errors import InvalidInput
from shared.events import CustomerSignedUp, Event, OrderFulfilled, OrderLine, OrderPaid, PaidWith, event_type
from shared.money import to_decimal_string

MEMBERS_AT_ONCE = 500  # some megabytes of rows
MIDDAY = time(12)  # when an order happened that says its day alone
CHECKOUT = timedelta(minutes=1)  # points are held and captured at one moment; any time above none will do
SOURCE = "simulate"
SIGNED_UP, PAID, FULFILLED = "signed up", "paid", "fulfilled"

Placed = tuple[datetime, PastOrder]
"""An order with its moment in UTC."""
Own = tuple[str, list[Placed]]
"""A customer with their orders, soonest first."""


def placed(orders: Iterable[PastOrder], trial: Trial, assumptions: Assumptions) -> list[Placed]:
    """The orders until the closing day, with their moments."""
    zone, closing = trial.rules.zone, trial.closing(assumptions)
    found = ((_moment(order.when, zone), order) for order in orders)
    return [(moment, order) for moment, order in found if moment < closing]


Deed = tuple[datetime, MemberKey, str, PastOrder]
"""When, whose, what (`SIGNED_UP`, `PAID`, `FULFILLED`), and of which order."""


def batches(orders: Iterable[Placed], trial: Trial) -> list[list[Own]]:
    """The orders by member, some hundred members together (all, where they share a budget); guests are in none."""
    members: dict[str, list[Placed]] = {}
    for moment, order in orders:
        if order.customer_id is not None:
            members.setdefault(order.customer_id, []).append((moment, order))
    histories = [(customer_id, sorted(own, key=lambda each: each[0])) for customer_id, own in members.items()]
    together = max(1, len(histories)) if trial.rules.has_budgets else MEMBERS_AT_ONCE
    return [histories[start : start + together] for start in range(0, len(histories), together)]


def lived(trial: Trial, histories: Iterable[Own], assumptions: Assumptions) -> Book:
    """The book of these members, settled to the end of the closing day.

    Raises:
        InvalidInput: an order that no worker would accept.
    """
    book = Book({trial.program_id: trial.versions})
    closing = trial.closing(assumptions)
    deeds: list[Deed] = []
    for customer_id, orders in histories:
        key = (trial.program_id, customer_id)
        book.members.load(key, "", Member(*key))
        book.stored_due[key] = None
        book.detailed.add(key)
        deeds += _deeds(key, orders, trial, assumptions)
    for deed in _in_turn(book, deeds, closing) if trial.rules.has_budgets else deeds:
        _do(book, deed, trial, assumptions)
    for key in book.detailed:
        settle(book, key, closing)
    book.journal.mark()  # nothing is taken back any more; without this, the book would outlive its measuring
    return book


def _deeds(
    key: MemberKey, orders: Sequence[Placed], trial: Trial, assumptions: Assumptions
) -> Iterator[Deed]:
    """What a member did, and the shop for them, until the closing day, soonest first."""
    if assumptions.sign_ups:
        yield orders[0][0], key, SIGNED_UP, orders[0][1]
    deeds = [(moment, key, PAID, order) for moment, order in orders]
    if trial.waits_for_fulfilment:
        closing, after = trial.closing(assumptions), assumptions.fulfilled_after
        deeds += [
            (moment + after, key, FULFILLED, order) for moment, order in orders if moment + after < closing
        ]
        deeds.sort(key=lambda deed: (deed[0], deed[2] == FULFILLED))
    yield from deeds


def _in_turn(book: Book, deeds: Iterable[Deed], closing: datetime) -> Iterator[Deed]:
    """The deeds of all members in the order of time; what falls due for anybody before the next one is done before."""
    dues: list[tuple[datetime, MemberKey]] = []
    noted: dict[MemberKey, datetime] = {}

    def note(key: MemberKey) -> None:
        due = book.member(key).next_due
        if due is not None and noted.get(key) != due:
            noted[key] = due
            heappush(dues, (due, key))

    def settle_until(moment: datetime) -> None:
        while dues and dues[0][0] <= moment:
            due, key = heappop(dues)
            if noted.get(key) == due:
                settle(book, key, due)
                note(key)

    for deed in sorted(deeds, key=lambda deed: deed[0]):
        settle_until(deed[0])
        yield deed
        note(deed[1])
    settle_until(closing)


def _do(book: Book, deed: Deed, trial: Trial, assumptions: Assumptions) -> None:
    moment, key, what, order = deed
    if what == SIGNED_UP:
        _tell(book, key, "signed-up", moment, CustomerSignedUp(customer_id=key[1]))
    elif what == PAID:
        _pay(book, key, trial, moment, order, assumptions)
    else:
        data = OrderFulfilled(order_id=order.order_id, customer_id=key[1])
        _tell(book, key, f"{order.order_id}-fulfilled", moment, data)


def _tell(book: Book, key: MemberKey, event_id: str, at: datetime, data: Any) -> None:
    event = Event(
        id=event_id, source=SOURCE, type=event_type(type(data)), program_id=key[0], time=at, data=data
    )
    for refusal in on.run([event], book).values():
        raise InvalidInput(f"{event_id} of customer {key[1]}: {refusal.message}")


def _pay(
    book: Book, key: MemberKey, trial: Trial, at: datetime, order: PastOrder, assumptions: Assumptions
) -> None:
    """Tell the order as the shop would, with what the member pays of it in points."""
    points, worth_minor = 0, 0
    if assumptions.redeemed_share:
        settle(book, key, at)
        willing = int(book.balance(key, POINTS).available * assumptions.redeemed_share)
        points, worth_minor = _payable(trial.rules.checkout, order, willing)
    hold_id = f"{order.order_id}-points" if points else None
    if hold_id is not None:
        hold_points(book, key, hold_id=hold_id, points=points, held_until=at + CHECKOUT, now=at)
    data = OrderPaid(
        order_id=order.order_id,
        customer_id=key[1],
        total=to_decimal_string(order.total_minor, order.currency),
        currency=order.currency,
        lines=tuple([_line(line, order.currency) for line in order.lines]),
        channel=order.channel,
        payment_method=order.payment_method,
        hold_id=hold_id,
        paid_with=(PaidWith(kind="points", amount=to_decimal_string(worth_minor, order.currency)),)
        if points
        else (),
    )
    _tell(book, key, f"{order.order_id}-paid", at, data)


def _payable(checkout: Checkout | None, order: PastOrder, willing: int) -> tuple[int, int]:
    """What a member who would spend so many points can pay of an order: whole blocks, as points and as money."""
    items = order.total_minor
    if checkout is None or checkout.currency != order.currency or items < checkout.order_at_least_minor:
        return 0, 0
    worth = int(items * checkout.largest_share)
    whole = max(0, willing) // checkout.block_points * checkout.block_points
    points = min(whole, checkout.points_within(worth))
    return (points, checkout.worth_of(points)) if points >= checkout.at_least else (0, 0)


def _line(line: PastLine, currency: str) -> OrderLine:
    return OrderLine(
        total=to_decimal_string(line.total_minor, currency),
        quantity=line.quantity,
        sku=line.sku,
        product_id=line.product_id,
        brand=line.brand,
        categories=line.categories,
    )


def _moment(when: date | datetime, zone: ZoneInfo) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, MIDDAY)
    return when.replace(tzinfo=when.tzinfo or zone).astimezone(UTC)
