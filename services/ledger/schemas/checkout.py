"""The shapes of points at the checkout."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.ledger.schemas import AssetBalance, Name, Points, Shape, Wish


class HoldIn(Wish):
    """Points to set aside."""

    hold_id: Name | None = Field(
        default=None,
        description="Your id of it, such as the checkout's; the same id again is the same hold. Absent = made here.",
        examples=["checkout-88"],
    )
    points: Points = Field(examples=[500])
    minutes: Annotated[int, Field(ge=1, le=10_080)] | None = Field(
        default=None, description="How long; absent = as the program says.", examples=[30]
    )
    order_id: Name | None = Field(default=None, examples=["order-1002"])


class CaptureIn(Wish):
    """How much of a hold to spend."""

    points: Annotated[int, Field(ge=0, le=10**15)] | None = Field(
        default=None, description="Absent = all.", examples=[400]
    )
    order_id: Name | None = Field(default=None, examples=["order-1002"])


class HoldOut(Shape):
    """A hold, and what the member has after it."""

    hold_id: str = Field(examples=["checkout-88"])
    points: int = Field(examples=[500])
    captured: int = Field(examples=[0])
    state: Literal["open", "captured", "released", "timed_out"]
    held_at: datetime
    held_until: datetime
    order_id: str | None = None
    balance: AssetBalance
