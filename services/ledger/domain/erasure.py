"""Erasure: a member is forgotten, and the books stay balanced.

Example: 40 pending, 100 available, 20 held: the hold is released, then 40 and 120 go to `expired`; the member's
balances are 0, and later events of that person book nothing. What they had of others in their household, held or not,
goes home before that.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.holds import OPEN, release
from services.ledger.domain.joining import forget
from services.ledger.domain.lots import open_lots
from services.ledger.domain.records import AVAILABLE, CANCELLED, EXPIRED, PENDING, MemberKey
from services.ledger.domain.rewards import void_all
from shared.events import PointsExpired
from shared.rows import replace

ERASURE = "erasure"
"""The kind of what it moves."""


def erase(book: Book, key: MemberKey, *, cause: str, at: datetime) -> None:
    """Release what is held, void unused rewards, leave the household, let what is left expire.

    From now on nothing is booked.
    """
    for hold in list(book.holds.of(key).values()):
        if hold.state == OPEN:
            release(book, key, hold.hold_id, cause=cause, at=at)
    void_all(book, key, cause=cause, at=at)
    forget(book, key, cause=cause, at=at)
    for award in list(book.awards.of(key).values()):
        if award.due_at is not None:
            book.put_award(replace(award, state=CANCELLED, due_at=None, reversed=award.points))
    for asset in list(book.balances.of(key)):
        _empty(book, key, asset, cause=cause, at=at)
    book.members.put(
        key, "", replace(book.member(key), erased_at=at, next_due=None, levels=(), joined_at=None)
    )


def _empty(book: Book, key: MemberKey, asset: str, *, cause: str, at: datetime) -> None:
    for lot in open_lots(book, key, asset):
        book.put_lot(replace(lot, remaining=0, expired=lot.expired + lot.remaining))
    for account in (PENDING, AVAILABLE):
        balance = book.balance(key, asset)
        left = balance.pending if account == PENDING else balance.available
        if left > 0:
            transfer = book.post(key, asset, ERASURE, account, EXPIRED, left, cause=cause, at=at)
            book.announce(transfer, PointsExpired, kind=ERASURE)
        elif left < 0:
            book.post(key, asset, ERASURE, EXPIRED, account, -left, cause=cause, at=at)
