"""What the checkout asks for: what could a cart use, hold, capture, release, spend at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from pydantic import BaseModel

from services.ledger.actions import Actions
from services.ledger.actions.together import Command
from services.ledger.domain import checkout, holds
from services.ledger.domain.book import Book
from services.ledger.domain.quotes import Quote
from services.ledger.domain.records import POINTS, Hold, MemberKey
from shared.database import AnyConnection
from shared.events import OrderPaid

AnswerWith = Callable[[Hold, Book], BaseModel]
"""The shape in which the door tells of a hold or spend, with the balance after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Points that a checkout wants: under which id, how many of what, and what is known of their order.

    `cart` is the order so far, where the caller tells of it; it is looked at, never kept.
    """

    id: str
    points: int
    asset: str = POINTS
    order_id: str | None = None
    cart: OrderPaid | None = None


async def quote(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, cart: OrderPaid, asset: str, now: datetime
) -> Quote:
    """What a cart could use; nothing is locked or written.

    Raises:
        UnknownMember, MemberErased, NoCheckout: see there.
    """
    book = await actions.look(connection, key, now)
    return checkout.quote_cart(book, key, cart, asset=asset, now=now)


def hold(key: MemberKey, wanted: Wanted, *, minutes: int | None, answer: AnswerWith) -> Command:
    """Set points aside for a checkout.

    Refused with UnknownMember, MemberErased, InsufficientPoints, HoldConflict, NotWholeBlocks, NotUsable.
    """

    def decide(book: Book, key: MemberKey, now: datetime) -> BaseModel:
        made = checkout.hold_for_checkout(
            book,
            key,
            hold_id=wanted.id,
            points=wanted.points,
            now=now,
            minutes=minutes,
            asset=wanted.asset,
            order_id=wanted.order_id,
            cart=wanted.cart,
        )
        return answer(made, book)

    return Command(key, decide, HTTPStatus.CREATED, holds=(wanted.id,))


async def capture(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    hold_id: str,
    points: int | None,
    order_id: str | None,
    cause: str,
    now: datetime,
) -> tuple[Hold, Book]:
    """Spend a hold, wholly or in part.

    Raises:
        UnknownMember, MemberErased, UnknownHold, HoldClosed, HoldExceeded: see there.
    """
    order = order_id or await actions.store.order_of_hold(connection, key, hold_id)
    orders = [] if order is None else [order]
    async with actions.command(connection, key, now, orders=orders, holds=[hold_id]) as book:
        made = checkout.capture_hold(
            book, key, hold_id, points=points, cause=cause, at=now, order_id=order_id
        )
    return made, book


async def release(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, hold_id: str, cause: str, now: datetime
) -> tuple[Hold, Book]:
    """Set a hold free.

    Raises:
        UnknownMember, MemberErased, UnknownHold, HoldClosed: see there.
    """
    async with actions.command(connection, key, now, holds=[hold_id]) as book:
        made = holds.release(book, key, hold_id, cause=cause, at=now)
    return made, book


def spend(key: MemberKey, wanted: Wanted, *, answer: AnswerWith) -> Command:
    """Spend points at once.

    Refused with UnknownMember, MemberErased, InsufficientPoints, SpendConflict, NotWholeBlocks, NotUsable.
    """

    def decide(book: Book, key: MemberKey, now: datetime) -> BaseModel:
        made = checkout.spend_at_once(
            book,
            key,
            spend_id=wanted.id,
            points=wanted.points,
            now=now,
            asset=wanted.asset,
            order_id=wanted.order_id,
            cart=wanted.cart,
        )
        return answer(made, book)

    orders = () if wanted.order_id is None else (wanted.order_id,)
    return Command(key, decide, HTTPStatus.CREATED, orders=orders, holds=(wanted.id,))
