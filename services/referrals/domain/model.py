"""What is known: members, touches, papers of orders, referrals. A change is a new row in the place of the old one.

What a newcomer would get wrong: a touch is never "the referral". A friend may have many touches; at most one of them
is behind a referral that lives, the others say what speaks against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from shared.events import Grant, OrderCancelled, OrderFulfilled, OrderPaid, OrderRefunded

MemberKey = tuple[str, str]
"""Program and member: the group of every row."""


class State(Enum):
    """Where a referral stands."""

    STARTED = "started"
    PENDING = "pending"
    FLAGGED = "flagged"
    APPROVED = "approved"
    VOIDED = "voided"


class Via(Enum):
    """How a code came in. Of two touches at one instant, the sign-up is the earlier one."""

    SIGN_UP = "sign_up"
    ORDER = "order"


class Reason(Enum):
    """What speaks against a touch, or ended a referral."""

    CODE_UNREADABLE = "code_unreadable"
    CODE_UNKNOWN = "code_unknown"
    CODE_TOO_YOUNG = "code_too_young"
    """Its member was first seen later than the attribution window after the touch."""
    NOT_OFFERED = "not_offered"
    SAME_MEMBER = "same_member"
    SAME_EMAIL = "same_email"
    ORDERED_BEFORE = "ordered_before"
    ACCOUNT_TOO_OLD = "account_too_old"
    ADVOCATE_ERASED = "advocate_erased"
    NOT_FIRST_TOUCH = "not_first_touch"
    ALREADY_REFERRED = "already_referred"
    FIRST_ORDER_DOES_NOT_QUALIFY = "first_order_does_not_qualify"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_REFUNDED = "order_refunded"
    NOT_FULFILLED = "not_fulfilled"
    EARLIER_ORDER = "earlier_order"
    """An earlier order came in late: the approval by a later one does not hold, and the referral waits anew."""
    FRIEND_ERASED = "friend_erased"


@dataclass(frozen=True, slots=True)
class Member:
    """A member, with the code that names them to their friends."""

    program_id: str
    member_id: str
    code: str
    first_seen_at: datetime
    signed_up_at: datetime | None = None
    erased_at: datetime | None = None
    merged_into: str | None = None
    """Another name of this member; their code is that member's too."""

    @property
    def key(self) -> MemberKey:
        """The group of all rows about this member."""
        return self.program_id, self.member_id


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that can be compared between members: its kind (`email`) and keyed hash."""

    program_id: str
    member_id: str
    kind: str
    digest: UUID
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Touch:
    """A member named a code. `code` is None where it can be none; `open`: the advocate's side may still change it."""

    program_id: str
    member_id: str
    touch_id: UUID
    at: datetime
    via: Via
    code: str | None
    order_id: str | None = None
    reasons: tuple[Reason, ...] = ()
    open: bool = True

    @property
    def rank(self) -> tuple[datetime, bool, UUID]:
        """Touches sort by it: first touch first."""
        return self.at, self.via is Via.ORDER, self.touch_id


OrderData = OrderPaid | OrderFulfilled | OrderRefunded | OrderCancelled


@dataclass(frozen=True, slots=True)
class Paper:
    """One thing the shop told about an order, without contact data."""

    program_id: str
    member_id: str
    order_id: str
    paper_id: UUID
    at: datetime
    data: OrderData


@dataclass(frozen=True, slots=True)
class Referral:
    """One member brought another. It is kept with the friend, `member_id`.

    `due_at` is when a pending one is approved, or voided where it waits for a fulfilment that does not come. The
    rewards are what each side got at approval. `version` counts what was announced.
    """

    program_id: str
    member_id: str
    referral_id: UUID
    advocate_id: str | None
    touch_id: UUID | None
    code: str | None
    state: State
    started_at: datetime
    version: int = 0
    order_id: str | None = None
    due_at: datetime | None = None
    approved_at: datetime | None = None
    voided_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    friend_rewards: tuple[Grant, ...] = ()
    advocate_rewards: tuple[Grant, ...] = ()

    @property
    def key(self) -> MemberKey:
        """The friend's group."""
        return self.program_id, self.member_id

    @property
    def is_fixed(self) -> bool:
        """True once a qualifying order is paid: no better touch replaces it any more."""
        return self.state in (State.PENDING, State.FLAGGED, State.APPROVED)
