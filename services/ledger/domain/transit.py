"""Points on the way from one member to another: two transfers through `in_transit`, and lots that stay what they were.

Example: Ana has lots of 30 (expires 31 May, opened in January) and 50 (never, opened in March) and gives 40. She has 40
of the second left; Ben gets 30 that expire on 31 May and 10 that never do, opened in January and March. Had Ben owed
25, the soonest 25 would have filled that, and 15 would be in his lots.

What a newcomer would get wrong: a lot is numbered by the transfer that opened it, and one transfer brings many lots
here. So a lot that came from another member has a number below 0. Nor does it keep its award: a refund of the order
behind it is the affair of whoever earned it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.expiring import first_look, without_past
from services.ledger.domain.lots import open_lots, remove, spending_order, take
from services.ledger.domain.records import AVAILABLE, Draw, Lot, MemberKey, Transfer
from shared.rows import replace

IN_TRANSIT = "in_transit"
"""The program's account that points pass on their way; empty after each transaction."""


def send_lots(
    book: Book, sender: MemberKey, receiver: MemberKey, draws: Sequence[Draw], asset: str,
    *, kind: str, cause: str, at: datetime,
) -> tuple[Transfer, Transfer]:  # fmt: skip
    """Move what was drawn from the lots of one member to another; the entry of each side.

    What the receiver owes is filled first, with what expires soonest.
    """
    points = sum(each.points for each in draws)
    parts = [(_lot(book, sender, asset, each), each.points) for each in draws]
    remove(book, sender, asset, draws)
    sent = book.post(sender, asset, kind, AVAILABLE, IN_TRANSIT, points, cause=cause, at=at)
    received = book.post(receiver, asset, kind, IN_TRANSIT, AVAILABLE, points, cause=cause, at=at)
    _open_like(book, receiver, asset, parts, at)
    fill_deficit(book, receiver, asset)
    return sent, received


def fill_deficit(book: Book, key: MemberKey, asset: str) -> None:
    """What the lots hold beyond what is available fills a deficit: soonest expiry first."""
    lots = sorted(open_lots(book, key, asset), key=spending_order)
    owed = sum(lot.remaining for lot in lots) - max(0, book.balance(key, asset).available)
    remove(book, key, asset, take(owed, lots)[0])


def next_lot_no(book: Book, key: MemberKey, asset: str) -> int:
    """The number of the next lot that comes from another member: below 0, and below all before it."""
    numbers = [lot_no for of, lot_no in book.lots.of(key) if of == asset]
    return min([0, *numbers]) - 1


def _open_like(
    book: Book, key: MemberKey, asset: str, parts: Iterable[tuple[Lot, int]], at: datetime
) -> None:
    for like, points in parts:
        number = next_lot_no(book, key, asset)
        lot = Lot(*key, asset, number, None, None, like.opened_at, like.expires_at, points, points)
        lot = without_past(book, replace(lot, told_at=like.told_at, received=True), at)
        book.put_lot(lot)
        book.schedule(key, first_look(book, lot))


def _lot(book: Book, key: MemberKey, asset: str, draw: Draw) -> Lot:
    lot = book.lots.get(key, (asset, draw.lot_no))
    assert lot is not None, f"lot {draw.lot_no} of {key} was not loaded"
    return lot
