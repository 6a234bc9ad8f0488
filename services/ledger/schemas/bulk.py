"""The shapes of many writes in one request: each item is the body of the single one, with its member and its own id."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from services.ledger.schemas import Name, Shape, Wish
from services.ledger.schemas.adjustments import AdjustmentIn, DecisionIn
from services.ledger.schemas.checkout import CaptureIn, HoldIn, SpendIn
from services.ledger.schemas.coupons import CouponUseIn, ReleaseIn, ReserveIn
from services.ledger.schemas.gifts import TransferIn
from services.ledger.schemas.leaving import EraseIn
from services.ledger.schemas.merging import MergeIn
from services.ledger.schemas.pools import InvitationIn, JoinIn, PoolNewIn
from services.ledger.schemas.rewards import GiftIn, RedemptionIn, UseIn, VoidIn
from shared.http.bulk import MOST_ITEMS

I = TypeVar("I", bound=Wish)  # noqa: E741 - an item
O = TypeVar("O", bound=Shape)  # noqa: E741 - what an item is answered with

Member = Annotated[Name, Field(examples=["customer-7"])]


class BulkAdjustment(AdjustmentIn):
    """Points to give or take by hand."""

    member_id: Member


class BulkSpend(SpendIn):
    """Points to spend at once."""

    member_id: Member


class BulkHold(HoldIn):
    """Points to set aside."""

    member_id: Member
    hold_id: Name = Field(
        description="Your id of it; the same id again is the same hold.", examples=["checkout-88"]
    )


class BulkCapture(CaptureIn):
    """A hold to spend, wholly or in part."""

    member_id: Member
    hold_id: Name = Field(examples=["checkout-88"])


class BulkRelease(Wish):
    """A hold to set free."""

    member_id: Member
    hold_id: Name = Field(examples=["checkout-88"])


class BulkRedemption(RedemptionIn):
    """What a member buys."""

    member_id: Member
    reward_id: Name = Field(
        description="Your id of what is issued; the same id again is the same purchase.",
        examples=["redemption-17"],
    )


class BulkGift(GiftIn):
    """What a person gives a member, and why."""

    member_id: Member
    gift_id: Name = Field(
        description="Your id of it; the same id again is the same gift.", examples=["gift-3"]
    )


class BulkTransfer(TransferIn):
    """Points from one member to another."""

    member_id: Member


class BulkRewardUse(UseIn):
    """A reward to hand over."""

    member_id: Member
    reward_id: Name = Field(examples=["redemption-17"])


class BulkRewardVoid(VoidIn):
    """A reward to take back, and why."""

    member_id: Member
    reward_id: Name = Field(examples=["redemption-17"])


class BulkCouponReservation(ReserveIn):
    """One use of a code to keep for a checkout."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])
    reservation_id: Name = Field(
        description="Your id of it, such as the checkout's; the same id again keeps it longer.",
        examples=["checkout-88"],
    )


class BulkCouponRelease(ReleaseIn):
    """A reservation to set free, or the use of an order to give back."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])


class BulkCouponUse(CouponUseIn):
    """A code to use for an order."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])


class BulkCouponVoid(VoidIn):
    """A code to make good for nothing, and why."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])


class BulkApproval(DecisionIn):
    """A proposal of somebody else to agree to, or to refuse."""

    adjustment_id: Name = Field(examples=["ticket-4711"])


class BulkMerge(MergeIn):
    """Two members who are one person."""

    member_id: Name = Field(description="Who survives.", examples=["customer-7"])


class BulkErasure(EraseIn):
    """A member to forget, and why."""

    member_id: Member


class BulkPool(PoolNewIn):
    """A new household with this member in it."""

    member_id: Member


class BulkInvitation(InvitationIn):
    """Whom to invite to the household of a member."""

    member_id: Member


class BulkJoin(JoinIn):
    """A household to join."""

    member_id: Member


class BulkLeave(Wish):
    """Whose household to leave, or to dissolve."""

    member_id: Member


class BulkPoolSpend(BulkSpend):
    """Points to spend at once, with the help of the household."""


class BulkPoolHold(BulkHold):
    """Points to set aside, with the help of the household."""


class BulkPoolRedemption(BulkRedemption):
    """What a member buys with the help of the household."""


class BulkIn(Wish, Generic[I]):
    """What to do, in this order."""

    items: Annotated[list[I], Field(min_length=1, max_length=MOST_ITEMS)]


class ItemOut(Shape, Generic[O]):
    """What became of one item: what its own request would have been answered with."""

    status: int = Field(examples=[201])
    result: O | None = Field(default=None, description="Absent where it was refused.")
    problem: dict[str, Any] | None = Field(
        default=None, description="Why it was refused; absent otherwise.", examples=[None]
    )
    replayed: bool = Field(
        default=False,
        description="An earlier request with the same `Idempotency-Key` did it, and this is its answer; absent "
        "otherwise.",
        examples=[False],
    )


class BulkOut(Shape, Generic[O]):
    """What became of each item, in their order."""

    succeeded: int = Field(examples=[999])
    failed: int = Field(examples=[1])
    dry_run: bool
    items: list[ItemOut[O]]
