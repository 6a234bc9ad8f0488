"""Holds: points set aside for a checkout, captured by the order (partly, if need be) or released; and spends at once.

Example: lots A (30, expires soonest) and B (50). A hold of 60 draws 30 from A and 30 from B. A capture of 40 keeps the
soonest draws: 30 of A and 10 of B are spent, 20 go back to B.

What a newcomer would get wrong: a hold draws its lots at once. Held points are out of reach of expiry and reversal;
released ones go back to their lots, and expire at once where the lot has expired meanwhile. And a spend at once is kept
as a hold that was captured when it was made: what comes back of it comes back in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.ledger.domain.activity import was_active
from services.ledger.domain.book import Book
from services.ledger.domain.lots import draw, give_back, open_lots, remove
from services.ledger.domain.records import AVAILABLE, HELD, POINTS, REDEEMED, Draw, Hold, MemberKey, Transfer
from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    HoldExceeded,
    InsufficientPoints,
    SpendConflict,
    UnknownHold,
)
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
    asset: str = POINTS,
) -> Hold:
    """Set points aside until `held_until`. The same hold again is the same hold.

    Raises:
        InsufficientPoints: less is available.
        HoldConflict: a hold with this id has other content.
    """
    before = book.holds.get(key, hold_id)
    if before is not None:
        if not _is_alike(before, points, asset, order_id):
            raise HoldConflict(
                f"hold {hold_id} is of {before.points} {before.asset}; give another hold another id"
            )
        return before
    draws = _draw(book, key, asset, points)
    hold = Hold(*key, hold_id, asset, points, OPEN, now, held_until, draws, order_id=order_id)
    book.put_hold(hold)
    book.schedule(key, held_until)
    transfer = post_of_hold(book, hold, "hold", AVAILABLE, HELD, points, cause=hold_id, at=now)
    book.announce(transfer, PointsHeld, kind="hold", hold_id=hold_id, held_until=held_until)
    return hold


def spend_points(
    book: Book,
    key: MemberKey,
    *,
    spend_id: str,
    points: int,
    now: datetime,
    order_id: str | None = None,
    asset: str = POINTS,
) -> Hold:
    """Spend points at once. The same spend again is the same spend.

    Raises:
        InsufficientPoints: less is available.
        SpendConflict: a spend with this id has other content, or it is the id of a hold.
    """
    before = book.holds.get(key, spend_id)
    if before is not None:
        if before.held_until != before.held_at or not _is_alike(before, points, asset, order_id):
            raise SpendConflict(
                f"{spend_id} is of {before.points} {before.asset}; give another spend another id"
            )
        return before
    draws = _draw(book, key, asset, points)
    spend = Hold(*key, spend_id, asset, points, CAPTURED, now, now, draws, points, order_id)
    book.put_hold(spend)
    _post_spent(book, spend, "spend", AVAILABLE, points, cause=spend_id, at=now)
    return spend


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
        _post_spent(book, hold, "capture", HELD, spent, cause=cause, at=at)
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


def spends_of(book: Book, key: MemberKey, order_id: str) -> list[Hold]:
    """What was spent on an order, in the order of drawing, whether it came back or not."""
    found = [hold for hold in book.holds.of(key).values() if hold.order_id == order_id and hold.captured]
    return sorted(found, key=lambda hold: (hold.held_at, hold.hold_id))


def spent_on(book: Book, key: MemberKey, order_id: str | None, asset: str) -> int | None:
    """What of an asset is spent on an order now; None without an order."""
    if order_id is None:
        return None
    return sum(hold.spent for hold in spends_of(book, key, order_id) if hold.asset == asset)


def drawn(hold: Hold, first: int, last: int) -> Iterator[Draw]:
    """The draws of the points from place `first` up to `last` (exclusive), in the order of drawing."""
    place = 0
    for each in hold.draws:
        part = min(last, place + each.points) - max(first, place)
        if part > 0:
            yield Draw(each.lot_no, part)
        place += each.points


def _is_alike(before: Hold, points: int, asset: str, order_id: str | None) -> bool:
    """Whether the same is asked for once more; the order may be known only since."""
    return (before.points, before.asset) == (points, asset) and order_id in (None, before.order_id)


def _draw(book: Book, key: MemberKey, asset: str, points: int) -> tuple[Draw, ...]:
    """Take points out of the lots that expire soonest.

    Raises:
        InsufficientPoints: less is available; below 0 nothing is, whatever the policy for reversals.
    """
    available = book.balance(key, asset).available
    if points > available:
        raise InsufficientPoints(
            f"{points} {asset} asked for, {max(0, available)} available", asked=points, available=available
        )
    draws = draw(points, open_lots(book, key, asset))
    remove(book, key, asset, draws)
    return tuple(draws)


def _open_hold(book: Book, key: MemberKey, hold_id: str) -> Hold:
    hold = book.holds.get(key, hold_id)
    if hold is None:
        raise UnknownHold(f"there is no hold {hold_id!r}")
    if hold.state != OPEN:
        raise HoldClosed(f"hold {hold_id} was {hold.state.replace('_', ' ')}", state=hold.state)
    return hold


def post_of_hold(
    book: Book,
    hold: Hold,
    kind: str,
    from_account: str,
    to_account: str,
    points: int,
    *,
    cause: str,
    at: datetime,
) -> Transfer:
    """Move points of a hold, or of what was spent through it: `Book.post` with all that it concerns."""
    return book.post(
        (hold.program_id, hold.member_id),
        hold.asset,
        kind,
        from_account,
        to_account,
        points,
        cause=cause,
        at=at,
        order_id=hold.order_id,
        hold_id=hold.hold_id,
    )


def _post_spent(
    book: Book, hold: Hold, kind: str, account: str, points: int, *, cause: str, at: datetime
) -> None:
    key = (hold.program_id, hold.member_id)
    transfer = post_of_hold(book, hold, kind, account, REDEEMED, points, cause=cause, at=at)
    spent = spent_on(book, key, hold.order_id, hold.asset)
    book.announce(transfer, PointsSpent, kind=kind, hold_id=hold.hold_id, order_spent=spent)
    was_active(book, key, at)


def _free(book: Book, key: MemberKey, hold: Hold, spent: int, *, cause: str, at: datetime) -> None:
    """Return what is held beyond `spent` to its lots, last drawn first."""
    if spent == hold.points:
        return
    freed = hold.points - spent
    transfer = post_of_hold(book, hold, "release", HELD, AVAILABLE, freed, cause=cause, at=at)
    book.announce(transfer, PointsReleased, kind="release", hold_id=hold.hold_id)
    back = list(drawn(hold, spent, hold.points))
    give_back(book, key, hold.asset, reversed(back), at)
