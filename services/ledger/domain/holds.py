"""Holds: points set aside for a checkout, captured by the order (partly, if need be) or released.

Example: lots A (30, expires soonest) and B (50). A hold of 60 draws 30 from A and 30 from B. A capture of 40 keeps the
soonest draws: 30 of A and 10 of B are spent, 20 go back to B.

What a newcomer would get wrong: a hold draws its lots at once. Held points are out of reach of expiry and reversal;
released ones go back to their lots, and expire at once where the lot has expired meanwhile.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import AVAILABLE, HELD, POINTS, REDEEMED, Book, Draw, Hold, MemberKey
from services.ledger.domain.lots import draw, give_back, open_lots, remove
from services.ledger.errors import HoldClosed, HoldConflict, HoldExceeded, InsufficientPoints, UnknownHold
from shared.events import PointsHeld, PointsReleased, PointsSpent
from shared.rows import replace

OPEN, CAPTURED, RELEASED, TIMED_OUT = "open", "captured", "released", "timed_out"


def hold_points(
    book: Book,
    key: MemberKey,
    *,
    hold_id: str,
    points: int,
    held_until: datetime,
    now: datetime,
    order_id: str | None = None,
) -> Hold:
    """Set points aside until `held_until`. The same hold again is the same hold.

    Raises:
        InsufficientPoints: less is available.
        HoldConflict: a hold with this id has other content.
    """
    before = book.holds.get(key, hold_id)
    if before is not None:
        if (before.points, before.order_id) != (points, order_id):
            raise HoldConflict(f"hold {hold_id} is of {before.points} points; give another hold another id")
        return before
    available = book.balance(key, POINTS).available
    if points > available:
        raise InsufficientPoints(
            f"{points} points asked for, {max(0, available)} available", asked=points, available=available
        )
    draws = draw(points, open_lots(book, key, POINTS))
    remove(book, key, POINTS, draws)
    hold = Hold(*key, hold_id, POINTS, points, OPEN, now, held_until, tuple(draws), order_id=order_id)
    book.put_hold(hold)
    book.schedule(key, held_until)
    transfer = book.post(
        key,
        POINTS,
        "hold",
        AVAILABLE,
        HELD,
        points,
        cause=hold_id,
        at=now,
        order_id=order_id,
        hold_id=hold_id,
    )
    book.announce(transfer, PointsHeld, kind="hold", hold_id=hold_id, held_until=held_until)
    return hold


def capture(
    book: Book,
    key: MemberKey,
    hold_id: str,
    *,
    points: int | None,
    cause: str,
    at: datetime,
    order_id: str | None,
) -> Hold:
    """Spend `points` of the hold (default: all), the soonest draws first; the rest goes back.

    Raises:
        UnknownHold: there is none with this id.
        HoldClosed: it was captured, released or timed out before.
        HoldExceeded: more than is held.
    """
    hold = _open_hold(book, key, hold_id)
    spent = hold.points if points is None else points
    if spent > hold.points:
        raise HoldExceeded(f"hold {hold_id} is of {hold.points} points, {spent} were to be captured")
    hold = replace(hold, state=CAPTURED, captured=spent, order_id=order_id or hold.order_id)
    book.put_hold(hold)
    if spent:
        transfer = book.post(
            key,
            POINTS,
            "capture",
            HELD,
            REDEEMED,
            spent,
            cause=cause,
            at=at,
            order_id=hold.order_id,
            hold_id=hold_id,
        )
        book.announce(transfer, PointsSpent, kind="capture", hold_id=hold_id)
    _free(book, key, hold, spent, cause=cause, at=at)
    return hold


def release(
    book: Book, key: MemberKey, hold_id: str, *, cause: str, at: datetime, state: str = RELEASED
) -> Hold:
    """Set all points of the hold free again.

    Raises:
        UnknownHold: there is none with this id.
        HoldClosed: it was captured, released or timed out before.
    """
    hold = _open_hold(book, key, hold_id)
    hold = replace(hold, state=state)
    book.put_hold(hold)
    _free(book, key, hold, 0, cause=cause, at=at)
    return hold


def _open_hold(book: Book, key: MemberKey, hold_id: str) -> Hold:
    hold = book.holds.get(key, hold_id)
    if hold is None:
        raise UnknownHold(f"there is no hold {hold_id!r}")
    if hold.state != OPEN:
        raise HoldClosed(f"hold {hold_id} was {hold.state.replace('_', ' ')}", state=hold.state)
    return hold


def _free(book: Book, key: MemberKey, hold: Hold, spent: int, *, cause: str, at: datetime) -> None:
    """Return what is held beyond `spent` to its lots, last drawn first."""
    if spent == hold.points:
        return
    transfer = book.post(
        key,
        hold.asset,
        "release",
        HELD,
        AVAILABLE,
        hold.points - spent,
        cause=cause,
        at=at,
        order_id=hold.order_id,
        hold_id=hold.hold_id,
    )
    book.announce(transfer, PointsReleased, kind="release", hold_id=hold.hold_id)
    back = []
    for each in hold.draws:
        kept = min(spent, each.points)
        spent -= kept
        if each.points > kept:
            back.append(Draw(each.lot_no, each.points - kept))
    give_back(book, key, hold.asset, reversed(back), at)
