"""The rows of rewards and coupons: what was issued to whom, the codes, and who used them for which order.

What a newcomer would get wrong: a coupon that belongs to a reward is changed only while its member's row is locked, and
any other only while its own row is. So whoever holds these locks sees the truth about the last use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.ledger.domain.records import Draw, MemberKey
from shared.events import Grant
from shared.rows import Entries, Journal, Row, Rows

ISSUED, USED, VOIDED, EXPIRED = "issued", "used", "voided", "expired"
"""States of a reward; the last two are for good."""
BOUGHT, GIVEN, PROMISED = "bought", "given", "promised"
"""Where a reward came from: points, a person, or another service (a referral, a level)."""
POOLED, OPEN, CLOSED = "pooled", "open", "voided"
"""States of a coupon; a pooled one waits in the pool of the shop's codes."""
RESERVED, IN_USE, RELEASED, REFUSED = "reserved", "used", "released", "refused"
"""States of one use. `refused`: an order names a code that it had no right to; it is kept for people to see."""


class Issued(Row, frozen=True, gc=False, kw_only=True):
    """One reward of one member. `due_at` is when it expires by itself; None once it is closed, or for never.

    `draws` are the lots that its price came from, `changes` numbers what happened to it.
    """

    program_id: str
    member_id: str
    reward_id: str
    reward: str
    source: str
    gives: Grant
    state: str = ISSUED
    asset: str = "points"
    price: int = 0
    draws: tuple[Draw, ...] = ()
    code: str | None = None
    stocked: bool = False
    program_version: int = 1
    cause: str
    reason: str | None = None
    issued_at: datetime
    valid_until: datetime | None = None
    due_at: datetime | None = None
    closed_at: datetime | None = None
    order_id: str | None = None
    changes: int = 1


class Coupon(Row, frozen=True, gc=False, kw_only=True):
    """One code, in the one namespace of its program: `code` as it is looked up, `shown` as members read it.

    `member_id` and `reward_id` name the reward behind it; only that member may use it unless it is for `anyone`.
    `uses` None = as often as one likes. `used` counts only where `uses` bounds it.
    """

    program_id: str
    code: str
    shown: str
    state: str = OPEN
    gives: Grant | None = None
    pool: str | None = None
    member_id: str | None = None
    reward_id: str | None = None
    anyone: bool = True
    uses: int | None = 1
    per_member: int | None = None
    used: int = 0
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    made_at: datetime


class CouponUse(Row, frozen=True, gc=False, kw_only=True):
    """One use of a code, or a reservation for one. `named`: the order's own event names the code."""

    program_id: str
    code: str
    use_id: str
    state: str
    member_id: str | None = None
    order_id: str | None = None
    named: bool = False
    reason: str | None = None
    changed_at: datetime
    reserved_until: datetime | None = None

    def is_live(self, at: datetime) -> bool:
        """Whether it is a reservation that has not timed out."""
        return self.state == RESERVED and self.reserved_until is not None and self.reserved_until > at


def canonical(text: str) -> str:
    """A code as it is looked up: capital letters, without the spaces and hyphens that people add or leave out."""
    return "".join(letter for letter in text.upper() if letter not in " -\t\r\n")


@dataclass(slots=True)
class ShelfNeeds:
    """What a batch needs of rewards and coupons, by key; an open reward of a detailed member is there anyway.

    `rewards` by member and id, `named` by member and name (to count them), `stocks` and `pools` by program and name,
    `codes` by program, code, order and member (empty = none), `orders` by program: all that an order uses, `uses` by
    program, code and id.
    """

    rewards: set[tuple[MemberKey, str]] = field(default_factory=set)
    named: set[tuple[MemberKey, str]] = field(default_factory=set)
    stocks: set[tuple[str, str]] = field(default_factory=set)
    pools: set[tuple[str, str]] = field(default_factory=set)
    codes: set[tuple[str, str, str, str]] = field(default_factory=set)
    orders: set[tuple[str, str]] = field(default_factory=set)
    uses: set[tuple[str, str, str]] = field(default_factory=set)

    def add_codes(self, key: MemberKey, order_id: str, texts: Iterable[str]) -> None:
        """An order of this member names these codes."""
        self.codes.update((key[0], canonical(text), order_id, key[1]) for text in texts)


class StockChange(Row, frozen=True, gc=False):
    """So many of a reward left the shelf, or (below 0) came back to it."""

    program_id: str
    reward: str
    change: int


class Shelf:
    """The part of a batch's book that is about rewards and coupons.

    `coupons` and `uses` are by program and code, `sold` is how many of a stocked reward are gone, where that was asked
    for. `draw_number` draws a number from 0 up to below its argument, unguessable.
    """

    __slots__ = ("coupons", "draw_number", "rewards", "sold", "stock_changes", "uses")

    def __init__(self, journal: Journal) -> None:
        self.rewards: Rows[MemberKey, str, Issued] = Rows(journal)
        self.coupons: Rows[str, str, Coupon] = Rows(journal)
        self.uses: Rows[tuple[str, str], str, CouponUse] = Rows(journal)
        self.sold: Rows[str, str, int] = Rows(journal)
        self.stock_changes: Entries[StockChange] = Entries(journal)
        self.draw_number: Callable[[int], int] = _nowhere

    def put_reward(self, reward: Issued) -> None:
        """Put a reward in its place."""
        self.rewards.put((reward.program_id, reward.member_id), reward.reward_id, reward)

    def put_coupon(self, coupon: Coupon) -> None:
        """Put a coupon in its place."""
        self.coupons.put(coupon.program_id, coupon.code, coupon)

    def put_use(self, use: CouponUse) -> None:
        """Put a use in its place."""
        self.uses.put((use.program_id, use.code), use.use_id, use)

    def coupon_of(self, reward: Issued) -> Coupon | None:
        """The code that a reward was handed over as, None where it has none."""
        return None if reward.code is None else self.coupons.get(reward.program_id, reward.code)

    def take_stock(self, program_id: str, reward: str, change: int) -> None:
        """So many leave the shelf, or (below 0) come back to it."""
        self.stock_changes.append(StockChange(program_id, reward, change))
        self.sold.put(program_id, reward, (self.sold.get(program_id, reward) or 0) + change)


def _nowhere(below: int) -> int:
    raise AssertionError(f"nobody said where numbers below {below} are drawn from")
