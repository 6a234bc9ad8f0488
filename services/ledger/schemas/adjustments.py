"""The shapes of adjustments by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator

from services.ledger.schemas import MOST_POINTS, Name, Shape, Whole, Why, Wish
from services.ledger.schemas.checkout import AssetText

State = Literal["applied", "proposed", "rejected"]


class AdjustmentIn(Wish):
    """Points to give or take by hand."""

    adjustment_id: Name = Field(
        description="Your id of it, one of its own in the program; the same id again is the same adjustment.",
        examples=["ticket-4711"],
    )
    points: Annotated[Whole, Field(ge=-MOST_POINTS, le=MOST_POINTS)] = Field(
        description="Above 0 to give, below 0 to take.", examples=[300]
    )
    asset: AssetText = "points"
    reason: Why = Field(
        description="Why; the statement's readers and auditors see it.", examples=["late parcel"]
    )

    @field_validator("points")
    @classmethod
    def _is_something(cls, points: int) -> int:
        if points == 0:
            raise ValueError("an adjustment gives or takes something")
        return points


class DecisionIn(Wish):
    """What the second person says."""

    reason: Why | None = Field(default=None, examples=["seen the receipt"])


class AdjustmentOut(Shape):
    """An adjustment: who wanted what and why, and what became of it."""

    adjustment_id: str = Field(examples=["ticket-4711"])
    member_id: str = Field(examples=["customer-7"])
    asset: str = Field(examples=["points"])
    points: int = Field(examples=[300])
    moved: int = Field(
        description="What it moved; less was taken where the program says `to_zero`.", examples=[300]
    )
    state: State
    reason: str = Field(
        description="Empty once the member was erased: it may have held personal data.",
        examples=["late parcel"],
    )
    proposed_by: str = Field(description="The subject of the token.", examples=["ana"])
    proposed_at: datetime
    decided_by: str | None = Field(
        description="Absent where no second person was asked for.", examples=["ben"]
    )
    decided_at: datetime | None
    decision_reason: str | None
