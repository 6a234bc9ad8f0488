"""How a reward comes into being: it is paid, handed over as a code or in effect at once, and told.

Example: 420 points in lot A (300, expires soonest) and B (120). `five off` costs 400: 300 are drawn from A and 100
from B, they go to `redeemed`, and a coupon is issued that is good until the end of the sixtieth day.

What a newcomer would get wrong: store credit, points and donations take effect as they are issued. They are used at
once, so nothing of them can be voided; everything else is handed over as a code. A donation goes to the account
`charity:<name>` instead of `redeemed`.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain import coupons
from services.ledger.domain.activity import was_active
from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import (
    AT_ONCE,
    BY_CODE,
    DONATION,
    Codes,
)
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.issued import (
    ISSUED,
    OPEN,
    POOLED,
    USED,
    Coupon,
    Issued,
)
from services.ledger.domain.lots import open_lot, remove
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import AVAILABLE, POINTS, REDEEMED, Draw, MemberKey
from services.ledger.domain.records import ISSUED as MADE
from services.ledger.domain.rewards import tell
from services.ledger.errors import (
    PoolEmpty,
)
from shared.events import Grant, PointsDonated, PointsEarned, PointsSpent, RewardIssued
from shared.rows import Row, replace

REDEMPTION, REWARD = "redemption", "reward"
"""Kinds of transfers: a price that is paid, and credit or points that a reward gives."""


class Issuing(Row, frozen=True, gc=False, kw_only=True):
    """What is to be issued to a member, before it has a code."""

    reward_id: str
    reward: str
    source: str
    gives: Grant
    cause: str
    at: datetime
    program_version: int
    codes: Codes = Codes()
    valid_until: datetime | None = None
    asset: str = "points"
    price: int = 0
    draws: tuple[Draw, ...] = ()
    stocked: bool = False
    reason: str | None = None


def issue(book: Book, key: MemberKey, program: LedgerProgram, wish: Issuing) -> Issued:
    """The reward with its code, told to the world; what takes effect at once has done so.

    Raises:
        PoolEmpty: the codes of its pool have run out.
    """
    before = book.shelf.rewards.get(key, wish.reward_id)
    at_once = wish.gives.kind in AT_ONCE
    coupon = _coupon(book, key, wish) if wish.gives.kind in BY_CODE else None
    if wish.price:
        _pay(book, key, wish)
    issued = Issued(
        program_id=key[0],
        member_id=key[1],
        reward_id=wish.reward_id,
        reward=wish.reward,
        source=wish.source,
        gives=wish.gives,
        state=USED if at_once else ISSUED,
        asset=wish.asset,
        price=wish.price,
        draws=wish.draws,
        code=coupon.code if coupon else None,
        stocked=wish.stocked,
        program_version=wish.program_version,
        cause=wish.cause,
        reason=wish.reason,
        issued_at=wish.at,
        valid_until=wish.valid_until,
        due_at=None if at_once else wish.valid_until,
        closed_at=wish.at if at_once else None,
        changes=before.changes + 1 if before else 1,
    )
    book.shelf.put_reward(issued)
    if wish.stocked:
        book.shelf.take_stock(key[0], wish.reward, 1)
    book.schedule(key, issued.due_at)
    tell(book, issued, RewardIssued, cause=wish.cause, at=wish.at, reason=wish.reason)
    if wish.gives.points and wish.gives.kind != DONATION:
        _credit(book, key, program, issued)
    return issued


def _coupon(book: Book, key: MemberKey, wish: Issuing) -> Coupon:
    """The code that the reward is handed over as: a new one, or one of the shop's own.

    Raises:
        PoolEmpty: the shop's codes have run out.
    """
    if wish.codes.pool is not None:
        blank = _pooled(book, key[0], wish.codes.pool)
    else:
        code = coupons.new_code(book.shelf.draw_number)
        blank = Coupon(program_id=key[0], code=code, shown=coupons.shown(code), made_at=wish.at)
    coupon = replace(
        blank,
        state=OPEN,
        gives=wish.gives,
        member_id=key[1],
        reward_id=wish.reward_id,
        anyone=wish.codes.anyone,
        uses=wish.codes.uses,
        valid_until=wish.valid_until,
    )
    book.shelf.put_coupon(coupon)
    return coupon


def _pooled(book: Book, program_id: str, pool: str) -> Coupon:
    for coupon in book.shelf.coupons.of(program_id).values():
        if coupon.state == POOLED and coupon.pool == pool:
            return coupon
    raise PoolEmpty(f"the pool {pool!r} has no code left; upload further ones", pool=pool)


def _pay(book: Book, key: MemberKey, wish: Issuing) -> None:
    """The price leaves the lots that it was drawn from."""
    remove(book, key, wish.asset, wish.draws)
    charity = wish.gives.charity
    account = f"charity:{charity}" if charity else REDEEMED
    transfer = book.post(
        key, wish.asset, REDEMPTION, AVAILABLE, account, wish.price, cause=wish.cause, at=wish.at
    )
    if charity:
        book.announce(transfer, PointsDonated, kind="donation", charity=charity)
    else:
        book.announce(transfer, PointsSpent, kind=REDEMPTION, reward_id=wish.reward_id)
    was_active(book, key, wish.at)


def _credit(book: Book, key: MemberKey, program: LedgerProgram, issued: Issued) -> None:
    """Store credit, or points: available at once, as long as the reward or else the program says."""
    asset, points = issued.gives.asset or POINTS, issued.gives.points or 0
    at = issued.issued_at
    transfer = book.post(key, asset, REWARD, MADE, AVAILABLE, points, cause=issued.cause, at=at)
    expires_at = issued.valid_until or expiry_of(program.policy_for(asset), at)
    open_lot(book, transfer, expires_at)
    book.announce(transfer, PointsEarned, kind=REWARD, expires_at=expires_at)
    was_active(book, key, at)
