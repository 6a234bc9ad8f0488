"""The Kafka door: what each event means here. Pure; works on what the batch brought in."""

from __future__ import annotations

from services.referrals.domain.book import Book
from services.referrals.domain.forgetting import forget
from services.referrals.domain.intake import file_paper, learn_email, see, touch
from services.referrals.domain.model import MemberKey, OrderData
from services.referrals.domain.referring import Moment, review
from shared.events import (
    CustomerDeleted,
    CustomerSignedUp,
    CustomerUpdated,
    Event,
    EventData,
    OrderCancelled,
    OrderFulfilled,
    OrderPaid,
    OrderRefunded,
)
from shared.handlers import Handlers

on = Handlers[Book]()


@on(CustomerSignedUp)
def welcome_member(event: Event[CustomerSignedUp], book: Book) -> None:
    """A new account: it has a code of its own, and may have come through somebody else's."""
    key = _member(event, book)
    if key is None:
        return
    news = see(book, key, event.time, signed_up=True)
    news |= learn_email(book, key, event.data.email, event.time)
    touch(book, key, event, event.data.referral_code)
    _review(book, key, event, news=news)


@on(CustomerUpdated)
def learn_address(event: Event[CustomerUpdated], book: Book) -> None:
    """A new e-mail address may show that a friend and an advocate are one person."""
    key = _member(event, book)
    if key is None:
        return
    news = see(book, key, event.time)
    news |= learn_email(book, key, event.data.email, event.time)
    _review(book, key, event, news=news)


@on(OrderPaid)
def count_order(event: Event[OrderPaid], book: Book) -> None:
    """An order may be the one that counts, may name a code, or may show that a friend had been a customer before."""
    key = _member(event, book)
    if key is None:
        return
    news = see(book, key, event.time)
    news |= learn_email(book, key, event.data.email, event.time)
    file_paper(book, key, event)
    touch(book, key, event, event.data.referral_code, event.data.order_id)
    _review(book, key, event, news=news)


@on(OrderFulfilled, OrderRefunded, OrderCancelled)
def follow_order(event: Event[OrderData], book: Book) -> None:
    """What happens to an order may start the wait, or void the referral; it may also come before the order itself."""
    key = _member(event, book)
    if key is None:
        return
    news = see(book, key, event.time)
    file_paper(book, key, event)
    _review(book, key, event, news=news)


@on(CustomerDeleted)
def forget_member(event: Event[CustomerDeleted], book: Book) -> None:
    """A customer is to be forgotten."""
    key = _member(event, book)
    if key is not None:
        forget(book, key, _moment(event))


def _member(event: Event[EventData], book: Book) -> MemberKey | None:
    """Whom the event is about; None for a guest, for somebody who was erased, and for the mere name of somebody.

    Raises:
        UnknownProgram: nobody applied the program.
    """
    book.versions_of(event.program_id)
    if event.member_id is None:
        return None
    key = event.program_id, event.member_id
    member = book.member(key)
    return None if member.erased_at is not None or member.merged_into is not None else key


def _review(book: Book, key: MemberKey, event: Event[EventData], *, news: bool) -> None:
    """Judge the member's own referral, and where there is news about them, those of friends who named their code."""
    review(book, key, _moment(event))
    if news:
        from_afar = Moment(event.time, event.id, replayed=event.replayed)
        for friend in book.followers(book.member(key)):
            if friend != key:
                review(book, friend, from_afar)


def _moment(event: Event[EventData]) -> Moment:
    return Moment(event.time, event.id, horizon=event.time, replayed=event.replayed)
