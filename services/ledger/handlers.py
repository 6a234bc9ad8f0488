"""The Kafka door of the ledger: what each event means for the book.

What a newcomer would get wrong: before anything else, what fell due for the member up to the event's time is settled
(`_settled`). So a history that is replayed in a minute comes out as if it had been lived. A late event finds the member
settled beyond its time: it is booked as of its time, but undoes no spend, hold or expiry that is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from services.ledger.domain.book import Book
from services.ledger.domain.checkout import capture_for_order
from services.ledger.domain.deeds import (
    ENTRY_REWARD,
    award_deed,
    entry_name,
    pay_grants,
    referral_name,
    take_back_entry_rewards,
    take_back_grants,
    take_back_review,
)
from services.ledger.domain.edits import edit_order
from services.ledger.domain.erasure import erase
from services.ledger.domain.goal_awards import follow_goals
from services.ledger.domain.guests import (
    GuestOrder,
    credit,
    holder_of,
    is_creditable,
    keep,
    owner_of,
    tell_address,
)
from services.ledger.domain.keeping import kept_of, order_of_purchase, unfitting
from services.ledger.domain.lending import lenders_of
from services.ledger.domain.occasions import schedule_occasions
from services.ledger.domain.orders import award_order, bought, follow_refunds, fulfil
from services.ledger.domain.persons import change_segment, remember
from services.ledger.domain.records import Level, MemberKey, Purchase, RefundAt
from services.ledger.domain.settling import settle
from services.ledger.domain.using import come_back_for, follow_statement
from shared.events import (
    ActivityRecorded,
    ContentShared,
    CustomerDeleted,
    CustomerSignedUp,
    CustomerUpdated,
    Event,
    EventData,
    OrderCancelled,
    OrderFulfilled,
    OrderPaid,
    OrderRefunded,
    ReferralApproved,
    ReferralStarted,
    ReferralVoided,
    ReviewPublished,
    ReviewRemoved,
    SegmentEntered,
    SegmentLeft,
    TierKept,
    TierLowered,
    TierRaised,
)
from shared.handlers import Handlers
from shared.logs import get_logger
from shared.money import to_decimal_string
from shared.orders import order_of, refund_of
from shared.rows import replace

on: Handlers[Book] = Handlers()
log = get_logger(__name__)

D = TypeVar("D", bound=EventData)
MemberHandler = Callable[[Event[D], Book, MemberKey], None]


def _settled(handler: MemberHandler[D]) -> Callable[[Event[D], Book], None]:
    """Only for events of a member who is neither erased nor merged into another, and after what fell due before."""

    @wraps(handler)
    def settled(event: Event[Any], book: Book) -> None:
        book.versions_of(event.program_id)
        member_id = event.member_id
        if member_id is None:
            _follow_guest(event, book, handler)
            return
        key = (event.program_id, member_id)
        member = book.member(key)
        if member.erased_at is not None or member.merged_into is not None:
            return  # what reaches a merged member here means the old id alone, see `aliases`
        if member.next_due is not None and member.next_due <= event.time:
            settle(book, key, event.time)
        handler(event, book, key)

    return settled


def _follow_guest(event: Event[Any], book: Book, handler: MemberHandler[Any]) -> None:
    """What happened to an order of a guest: the member's whose it is by now, or kept."""
    key, at = owner_of(event, book), event.time
    order = keep(event, book) if key is None else None
    if order is not None and (holder := holder_of(order, book)) is not None:
        key, at = holder.key, max(at, holder.since)
    if key is None or book.member(key).erased_at is not None:
        return
    settle(book, key, at)
    if order is None:
        handler(event, book, key)
    elif is_creditable(order, at):
        _credit_guest(book, key, order, at)


@on(OrderPaid)
@_settled
def earn_for_order(event: Event[OrderPaid], book: Book, key: MemberKey) -> None:
    """A paid order earns, unless a refund that overtook it already took everything back; it captures what paid it."""
    before = book.purchases.get(key, event.data.order_id)
    if before is None or before.paid is None:
        award_order(event, book, key)
    else:
        edit_order(event, book, key, before)
    capture_for_order(event, book, key)
    gone = before.paid.coupon_codes if before is not None and before.paid is not None else ()
    if event.data.coupon_codes or gone:
        _use_codes(event, book, key, gone)
    follow_goals(book, key, event.data.order_id, cause=event.id, at=event.time)
    if before is not None and before.refunds:
        _warn_of_early_refunds(book, key, event.data.order_id)


@on(OrderRefunded)
@_settled
def take_back_for_refund(event: Event[OrderRefunded], book: Book, key: MemberKey) -> None:
    """The order holds what the customer keeps of it; a refund that overtook its order waits on its row."""
    purchase = _purchase(book, key, event.data.order_id)
    if any(known.said.refund_id == event.data.refund_id for known in purchase.refunds):
        return
    if purchase.paid is not None:
        currency = book.versions_of(key[0]).at(event.time).rules.currency
        refund_of(event.data, order_of(purchase.paid, currency, purchase.removed_lines))
    purchase = replace(purchase, refunds=(*purchase.refunds, RefundAt(event.time, event.data)))
    book.put_purchase(purchase)
    come_back_for(book, purchase, cause=event.id, at=event.time)
    follow_refunds(book, key, purchase, cause=event.id, at=event.time)
    follow_goals(book, key, purchase.order_id, cause=event.id, at=event.time)
    _warn_of_excess(book, purchase)


def _warn_of_early_refunds(book: Book, key: MemberKey, order_id: str) -> None:
    """Refunds that waited for this order: of one that does not fit it, and where they come to more than it cost."""
    purchase = book.purchases.get(key, order_id)
    order = order_of_purchase(purchase, book.versions_of(key[0])) if purchase is not None else None
    if purchase is None or order is None:
        return
    for refund_id, error in unfitting(purchase, order):
        log.warning(
            "refund_does_not_fit",
            program_id=key[0],
            order_id=order_id,
            refund_id=refund_id,
            code=error.code,
            why=error.message,
        )
    _warn_of_excess(book, purchase)


def _warn_of_excess(book: Book, purchase: Purchase) -> None:
    """More was given back than the order cost: it holds nothing, and somebody should look at it."""
    order = order_of_purchase(purchase, book.versions_of(purchase.program_id))
    left = kept_of(purchase, order) if order is not None else None
    if order is not None and left is not None and left.excess:
        log.warning(
            "refunds_exceed_order",
            program_id=purchase.program_id,
            order_id=purchase.order_id,
            excess=to_decimal_string(math.ceil(left.excess), order.currency),
            currency=order.currency,
        )


@on(OrderCancelled)
@_settled
def take_back_for_cancellation(event: Event[OrderCancelled], book: Book, key: MemberKey) -> None:
    """Nothing of a cancelled order is kept."""
    purchase = _purchase(book, key, event.data.order_id)
    if purchase.cancelled_at is None:
        purchase = replace(purchase, cancelled_at=event.time)
        book.put_purchase(purchase)
        come_back_for(book, purchase, cause=event.id, at=event.time)
        follow_refunds(book, key, purchase, cause=event.id, at=event.time)
        follow_goals(book, key, purchase.order_id, cause=event.id, at=event.time)


@on(OrderFulfilled)
@_settled
def start_waiting(event: Event[OrderFulfilled], book: Book, key: MemberKey) -> None:
    """The first fulfilment, by its time, starts the wait of an award that waits for it."""
    purchase = _purchase(book, key, event.data.order_id)
    if purchase.fulfilled_at is None or event.time < purchase.fulfilled_at:
        purchase = replace(purchase, fulfilled_at=event.time)
        book.put_purchase(purchase)
        if purchase.paid is not None:
            fulfil(book, key, purchase, cause=event.id, at=event.time)
            follow_goals(book, key, purchase.order_id, cause=event.id, at=event.time)


@on(CustomerSignedUp)
@_settled
def welcome(event: Event[CustomerSignedUp], book: Book, key: MemberKey) -> None:
    """The member joined; a second sign-up of the same customer only tells what an update would."""
    member = book.member(key)
    remember(book, key, event.data, event.time)
    if member.joined_at is None:
        book.members.put(key, "", replace(member, joined_at=event.time))
        award_deed(event, book, key)
    schedule_occasions(book, key)
    _bring_orders(event, book, key)


@on(CustomerUpdated)
@_settled
def note_person(event: Event[CustomerUpdated], book: Book, key: MemberKey) -> None:
    """Birth month and day and time zone are kept, nothing else; the next birthday may come sooner."""
    remember(book, key, event.data, event.time)
    schedule_occasions(book, key)
    _bring_orders(event, book, key)


@on(SegmentEntered, SegmentLeft)
@_settled
def follow_segment(event: Event[Any], book: Book, key: MemberKey) -> None:
    """Rules for a segment ask who was in it at the time of the event."""
    is_in = isinstance(event.data, SegmentEntered)
    change_segment(book, key, event.data.segment, is_in=is_in, at=event.time)


@on(ContentShared, ActivityRecorded)
@_settled
def earn_for_deed(event: Event[Any], book: Book, key: MemberKey) -> None:
    """A share or an activity earns what its rules give, within their caps."""
    award_deed(event, book, key)


@on(ReviewPublished)
@_settled
def earn_for_review(event: Event[ReviewPublished], book: Book, key: MemberKey) -> None:
    """A review earns once, unless its removal overtook it; it is verified by the app's word, else by our own orders."""
    known = any(award_id.startswith(f"review:{event.data.review_id}:") for award_id in book.awards.of(key))
    if not known and not book.removed_reviews_hold(key, event.data.review_id):
        award_deed(event, book, key, verified_purchase=bought(book, key, event.data.product_id))
    book.forget_waiting_for_review(key, event.data.review_id)


@on(ReviewRemoved)
@_settled
def take_back_for_removal(event: Event[ReviewRemoved], book: Book, key: MemberKey) -> None:
    """What the review earned is taken back; a removal that overtook its review is remembered."""
    if not take_back_review(event, book, key):
        book.remember_removed_review(key, event.data.review_id, event.time)


@on(TierRaised, TierKept, TierLowered)
@_settled
def follow_level(event: Event[Any], book: Book, key: MemberKey) -> None:
    """What later orders earn is multiplied by the level; the ledger pays its entry rewards."""
    member, data = book.member(key), event.data
    level = Level(event.time, data.level, data.earn_times)
    if not member.levels or (member.levels[-1].name, member.levels[-1].earn_times) != (
        level.name,
        level.earn_times,
    ):
        levels = sorted((*member.levels, level), key=lambda each: each.since)
        book.members.put(key, "", replace(member, levels=tuple(levels)))
    if isinstance(data, TierRaised):
        name = entry_name(event)
        pay_grants(book, key, data.rewards, kind=ENTRY_REWARD, name=name, cause=event.id, at=event.time)
    elif isinstance(data, TierLowered):
        take_back_entry_rewards(book, key, data.rewards_taken_back, cause=event.id, at=event.time)


@on(ReferralStarted)
@_settled
def welcome_friend(event: Event[ReferralStarted], book: Book, key: MemberKey) -> None:
    """The friend gets the welcome that was promised, once; it is worth nothing without an order."""
    name = referral_name(event.data)
    pay_grants(book, key, event.data.rewards, kind="referral", name=name, cause=event.id, at=event.time)


@on(ReferralApproved)
@_settled
def pay_referral(event: Event[ReferralApproved], book: Book, key: MemberKey) -> None:
    """The ledger pays what the referral promised this side, once."""
    name = referral_name(event.data)
    pay_grants(book, key, event.data.rewards, kind="referral", name=name, cause=event.id, at=event.time)


@on(ReferralVoided)
@_settled
def take_back_referral(event: Event[ReferralVoided], book: Book, key: MemberKey) -> None:
    """A referral that was paid and no longer counts gives back what this side got."""
    name = referral_name(event.data)
    take_back_grants(book, key, name, cause=event.id, at=event.time)


@on(CustomerDeleted)
@_settled
def forget_member(event: Event[CustomerDeleted], book: Book, key: MemberKey) -> None:
    """Holds are released, what is left expires, and the books stay balanced; others get back what is theirs."""
    for owner in lenders_of(book, key):
        settle(book, owner, event.time)
    erase(book, key, cause=event.id, at=event.time)


def _use_codes(event: Event[OrderPaid], book: Book, key: MemberKey, gone: tuple[str, ...]) -> None:
    """The order uses the codes that its newest statement names."""
    purchase = _purchase(book, key, event.data.order_id)
    gone += event.data.coupon_codes
    follow_statement(book, key, purchase, gone=gone, cause=event.id, at=event.time)


def _purchase(book: Book, key: MemberKey, order_id: str) -> Purchase:
    return book.purchases.get(key, order_id) or Purchase(*key, order_id)


def _bring_orders(event: Event[Any], book: Book, key: MemberKey) -> None:
    """Whoever tells an e-mail address brings the orders that a guest with that address paid."""
    for order in tell_address(book, key, event.data.email, event.time):
        _credit_guest(book, key, order, event.time)


def _credit_guest(book: Book, key: MemberKey, order: GuestOrder, at: datetime) -> None:
    credit(book, key, order, at)
    if order.kept is not None and order.kept.refunds:
        _warn_of_early_refunds(book, key, order.order_id)
