"""Lots: which points are spent first, where they go back to, and how they expire.

Example: lots A (50, expires 31 May), B (30, expires 30 April), C (20, never). Spending 60 draws 30 from B, then 30
from A. Giving back 40 of these returns 30 to A, then 10 to B: last drawn, first returned.

What a newcomer would get wrong: a deficit and a spendable lot never exist together. Whatever is credited fills the
deficit first, and only the rest opens a lot.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from services.ledger.domain.activity import kept_alive
from services.ledger.domain.book import Book
from services.ledger.domain.expiring import first_look, without_past
from services.ledger.domain.records import AVAILABLE, EXPIRED, Draw, Lot, MemberKey, Transfer
from services.ledger.domain.switching import follow_late
from services.ledger.errors import InsufficientPoints
from shared.events import PointsExpired
from shared.rows import replace

NEVER = datetime.max.replace(tzinfo=UTC)


def spending_order(lot: Lot) -> tuple[datetime, datetime, int]:
    """Soonest expiry first, then the oldest by activation; what never expires goes last."""
    return (lot.expires_at or NEVER, lot.opened_at, lot.lot_no)


def draw(points: int, lots: Iterable[Lot]) -> list[Draw]:
    """Take `points` from the lots that expire soonest.

    Soonest-first is the kindest order to the member: no other order lets fewer points expire unused.

    Raises:
        InsufficientPoints: the lots hold less than `points`.
    """
    draws, missing = take(points, sorted(lots, key=spending_order))
    if missing:
        raise InsufficientPoints(f"{points} points asked for, {points - missing} available")
    return draws


def take(points: int, lots: Iterable[Lot]) -> tuple[list[Draw], int]:
    """Take up to `points` from the lots in the order given: the draws, and how much was missing."""
    draws = []
    for lot in lots:
        part = min(points, lot.remaining)
        if part:
            draws.append(Draw(lot.lot_no, part))
            points -= part
        if not points:
            break
    return draws, points


def open_lots(book: Book, key: MemberKey, asset: str) -> list[Lot]:
    """The member's lots of the asset that still hold something."""
    assert key in book.detailed, f"the lots of {key} were not loaded"
    return [lot for (of, _), lot in book.lots.of(key).items() if of == asset and lot.remaining]


def remove(book: Book, key: MemberKey, asset: str, draws: Iterable[Draw]) -> None:
    """Write the draws into the lots."""
    for each in draws:
        lot = _lot(book, key, asset, each.lot_no)
        book.put_lot(replace(lot, remaining=lot.remaining - each.points))


def give_back(book: Book, key: MemberKey, asset: str, draws: Iterable[Draw], at: datetime) -> None:
    """Return drawn points to the lots they came from, after they were credited to available.

    What fills a deficit is in no lot, and a lot that has expired meanwhile expires at once.
    """
    touched = []
    for each in draws:
        lot = _lot(book, key, asset, each.lot_no)
        touched.append(each.lot_no)
        back = replace(lot, remaining=lot.remaining + each.points)
        book.put_lot(back if lot.remaining else without_past(book, back, at))
    lots = open_lots(book, key, asset)
    owed = sum(lot.remaining for lot in lots) - max(0, book.balance(key, asset).available)
    remove(book, key, asset, take(owed, sorted(lots, key=spending_order))[0])
    for lot_no in touched:
        lot = _lot(book, key, asset, lot_no)
        if lot.remaining:
            note_return(book, lot, lot_no)
        if lot.remaining and lot.expires_at is not None and lot.expires_at <= at:
            expire(book, lot, at)
        elif lot.remaining:
            book.schedule(key, first_look(book, lot))


def note_return(book: Book, lot: Lot, home_no: int) -> None:
    """Something came back to a lot, or into it in the place of lot `home_no`: where that is another's, it goes home."""
    if not _ever_shared(book, lot.program_id):
        return
    key, place = (lot.program_id, lot.member_id), (lot.asset, lot.lot_no)
    book.came_back.append((*key, *place, home_no))
    home = book.borrowed.get(key, (lot.asset, home_no))
    if home is not None and home_no != lot.lot_no:
        book.borrowed.put(key, place, replace(home, lot_no=lot.lot_no))


def open_lot(book: Book, transfer: Transfer, expires_at: datetime | None) -> Lot | None:
    """The lot that a credit into available opens; None if all of it filled a deficit."""
    amount = min(transfer.amount, transfer.available)
    if amount <= 0:
        return None
    key = (transfer.program_id, transfer.member_id)
    lot = Lot(
        *key,
        transfer.asset,
        transfer.version,
        transfer.award_id,
        transfer.order_id,
        transfer.happened_at,
        expires_at,
        amount,
        amount,
    )
    lot = kept_alive(book, key, follow_late(book, key, lot))
    book.put_lot(lot)
    if lot.expires_at is not None:
        book.schedule(key, first_look(book, lot))
    return lot


def expire(book: Book, lot: Lot, at: datetime) -> None:
    """What remains in the lot expires, in one transfer."""
    left = lot.remaining
    book.put_lot(replace(lot, remaining=0, expired=lot.expired + left))
    transfer = book.post(
        (lot.program_id, lot.member_id),
        lot.asset,
        "expiry",
        AVAILABLE,
        EXPIRED,
        left,
        cause=f"lot:{lot.lot_no}",
        at=at,
        award_id=lot.award_id,
        order_id=lot.order_id,
    )
    book.announce(transfer, PointsExpired, kind="expiry")


def _ever_shared(book: Book, program_id: str) -> bool:
    """Whether any version of the program has pools; what comes back is noted for these alone."""
    found = book.sharing.get(program_id)
    if found is None:
        versions = book.versions_of(program_id).all
        found = book.sharing[program_id] = any(each.rules.pools is not None for each in versions)
    return found


def _lot(book: Book, key: MemberKey, asset: str, lot_no: int) -> Lot:
    lot = book.lots.get(key, (asset, lot_no))
    assert lot is not None, f"lot {lot_no} of {key} was not loaded"
    return lot
