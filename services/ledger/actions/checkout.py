"""What the checkout asks for: hold, capture, release."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.ledger.actions import Actions
from services.ledger.domain import holds
from services.ledger.domain.book import Book, Hold, MemberKey
from shared.database import AnyConnection


async def hold(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    hold_id: str,
    points: int,
    minutes: int | None,
    order_id: str | None,
    now: datetime,
) -> tuple[Hold, Book]:
    """Set points aside for a checkout.

    Raises:
        UnknownMember, MemberErased, InsufficientPoints, HoldConflict: see there.
    """
    async with actions.command(connection, key, now) as book:
        checkout = book.versions_of(key[0]).at(now).rules.checkout
        lasting = minutes or (checkout.hold_minutes if checkout else 30)
        hold = holds.hold_points(
            book,
            key,
            hold_id=hold_id,
            points=points,
            held_until=now + timedelta(minutes=lasting),
            now=now,
            order_id=order_id,
        )
    return hold, book


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
        UnknownHold, HoldClosed, HoldExceeded: see there.
    """
    async with actions.command(connection, key, now) as book:
        hold = holds.capture(book, key, hold_id, points=points, cause=cause, at=now, order_id=order_id)
    return hold, book


async def release(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, hold_id: str, cause: str, now: datetime
) -> tuple[Hold, Book]:
    """Set a hold free.

    Raises:
        UnknownHold, HoldClosed: see there.
    """
    async with actions.command(connection, key, now) as book:
        hold = holds.release(book, key, hold_id, cause=cause, at=now)
    return hold, book
