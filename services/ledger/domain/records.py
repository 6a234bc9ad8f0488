"""The rows of the ledger: members, what they have, and what became of their orders, awards, lots and holds.

What a newcomer would get wrong: a row is a frozen value. It changes by putting another in its place in the `Book`,
which can take that back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.events import OrderPaid, OrderRefunded
from shared.orders import Share
from shared.rows import Row

MemberKey = tuple[str, str]
"""Program and member: the group of every row."""

POINTS = "points"

PENDING, AVAILABLE, HELD = "pending", "available", "held"
ISSUED, REDEEMED, EXPIRED, REVERSED = "issued", "redeemed", "expired", "reversed"
WAITING, CANCELLED = "waiting", "cancelled"
MEMBER_ACCOUNTS = frozenset({PENDING, AVAILABLE, HELD})


class Level(Row, frozen=True, gc=False):
    """A level that a member held from `since` on, and by what it multiplies what an order earns."""

    since: datetime
    name: str
    earn_times: str


class Member(Row, frozen=True, gc=False):
    """One member. Nothing of theirs falls due before `next_due`, which may be too early but never too late."""

    program_id: str
    member_id: str
    joined_at: datetime | None = None
    levels: tuple[Level, ...] = ()
    next_due: datetime | None = None
    erased_at: datetime | None = None
    merged_into: str | None = None
    lots_version: int = 0
    """Up to which version of the program their lots have followed a change of the expiry policy."""

    def level_before(self, time: datetime) -> Level | None:
        """The level held just before `time`, None for none."""
        held = None
        for level in self.levels:
            if level.since < time:
                held = level
        return held


class Balance(Row, frozen=True, gc=False):
    """What a member has of one asset, and the number of their last transfer in it."""

    program_id: str
    member_id: str
    asset: str
    pending: int = 0
    available: int = 0
    held: int = 0
    version: int = 0


class Transfer(Row, frozen=True, gc=False):
    """One entry of the book, with the member's balances after it."""

    program_id: str
    member_id: str
    asset: str
    version: int
    kind: str
    from_account: str
    to_account: str
    amount: int
    award_id: str | None
    order_id: str | None
    hold_id: str | None
    cause: str
    happened_at: datetime
    pending: int
    available: int
    held: int


class RefundAt(Row, frozen=True, gc=False):
    """A refund as the shop told it, and when it was: refund policies are those of its time."""

    at: datetime
    said: OrderRefunded


class Purchase(Row, frozen=True, gc=False):
    """What is known of an order. `paid` is None while a refund or a fulfilment waits for the order itself."""

    program_id: str
    member_id: str
    order_id: str
    paid: OrderPaid | None = None
    paid_at: datetime | None = None
    program_version: int | None = None
    stated_at: datetime | None = None
    fulfilled_at: datetime | None = None
    cancelled_at: datetime | None = None
    refunds: tuple[RefundAt, ...] = ()
    removed_lines: tuple[str, ...] = ()


class Award(Row, frozen=True, gc=False):
    """What one event earned one member.

    `points` were awarded, `reversed` of them taken back, `written_off` of those without a transfer (they had expired
    unused, or the program bears them). `due_at` is when a waiting award is cancelled, or a pending one activated.
    """

    program_id: str
    member_id: str
    award_id: str
    asset: str
    kind: str
    order_id: str | None
    cause: str
    happened_at: datetime
    program_version: int
    points: int
    state: str
    breakdown: Mapping[str, Any]
    reversed: int = 0
    written_off: int = 0
    due_at: datetime | None = None

    @property
    def asked_at(self) -> datetime:
        """When the rules and caps were asked: an order of a guest is booked later than it was paid."""
        said = self.breakdown.get("asked_at")
        return datetime.fromisoformat(said) if said else self.happened_at

    @property
    def held_points(self) -> int:
        """What the order (or event) holds now: awarded less reversed."""
        return self.points - self.reversed


class Lot(Row, frozen=True, gc=False):
    """Points that became available together, and when what remains of them expires."""

    program_id: str
    member_id: str
    asset: str
    lot_no: int
    award_id: str | None
    order_id: str | None
    opened_at: datetime
    expires_at: datetime | None
    amount: int
    remaining: int
    expired: int = 0
    told_at: datetime | None = None
    """Up to when nothing is left to be told of its expiry."""
    received: bool = False
    """Whether it came out of another member's lot, where it was issued."""


class Draw(Row, frozen=True, gc=False):
    """So many points out of one lot."""

    lot_no: int
    points: int


class Hold(Row, frozen=True, gc=False):
    """Points set aside for a checkout, with the lots they were drawn from, in the order of drawing.

    The first `captured` of them were spent, and the last `returned` of these came back. `borne` of what came back
    should have been spent again and was not: the program bears it.
    """

    program_id: str
    member_id: str
    hold_id: str
    asset: str
    points: int
    state: str
    held_at: datetime
    held_until: datetime
    draws: tuple[Draw, ...]
    captured: int = 0
    order_id: str | None = None
    returned: int = 0
    borne: int = 0

    @property
    def spent(self) -> int:
        """What of it is spent now, as far as the order is concerned."""
        return self.captured - self.returned + self.borne


class Usage(Row, frozen=True, gc=False):
    """How much of a rule's cap a member has used in one bucket; points are exact."""

    program_id: str
    member_id: str
    rule: str
    bucket: str
    times: int = 0
    points: Share = 0
