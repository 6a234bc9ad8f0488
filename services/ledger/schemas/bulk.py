"""The shapes of many writes in one request: each item is the body of the single one, with its member and its own id."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from services.ledger.schemas import Name, Shape, Wish
from services.ledger.schemas.adjustments import AdjustmentIn
from services.ledger.schemas.checkout import CaptureIn, HoldIn, SpendIn
from services.ledger.schemas.coupons import CouponUseIn
from services.ledger.schemas.gifts import TransferIn
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


class BulkCouponUse(CouponUseIn):
    """A code to use for an order."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])


class BulkCouponVoid(VoidIn):
    """A code to make good for nothing, and why."""

    code: Name = Field(examples=["K7QF-M3TW-9XHC"])


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


class BulkOut(Shape, Generic[O]):
    """What became of each item, in their order."""

    succeeded: int = Field(examples=[999])
    failed: int = Field(examples=[1])
    dry_run: bool
    items: list[ItemOut[O]]
