"""The shapes of what a cart would earn."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.ledger.schemas import Moment, Name, Shape, Wish
from services.ledger.schemas.cart import CartIn
from services.ledger.schemas.points import CapAnswer, GoalAnswer, RuleAnswer


class PreviewIn(CartIn, Wish):
    """What would this cart earn?"""

    member_id: Name | None = Field(
        default=None,
        description="Whose cart it is; absent = a visitor's (with a member's own token: that member's).",
        examples=["customer-7"],
    )
    at: Moment | None = Field(
        default=None, description="When it would be paid; absent = now.", examples=["2026-12-24T09:00:00Z"]
    )
    channel: Name | None = Field(default=None, examples=["app"])
    payment_method: Name | None = Field(default=None, examples=["card"])
    card_partner: Name | None = Field(default=None, examples=["bank-a"])


class AssetPoints(Shape):
    """So many of one asset."""

    asset: str = Field(examples=["points"])
    points: int = Field(examples=[133])


class WouldEarn(Shape):
    """What the cart would earn in one asset, and why; the shapes are those of a decision."""

    asset: str = Field(examples=["points"])
    points: int = Field(examples=[133])
    state: Literal["waiting", "pending", "available", "cancelled"]
    due_at: datetime | None = Field(description="When it would become available, where that is known.")
    by_line: list[int] = Field(
        description="The split over the lines of the cart, in their order.", examples=[[46, 37]]
    )
    bonus: int = Field(description="What of it no line earns.", examples=[50])
    earn_times: str = Field(description="The multiplier of the member's level.", examples=["1"])
    rules: list[RuleAnswer]
    caps: list[CapAnswer]


class PreviewOut(Shape):
    """What a cart would earn if it were paid, rule by rule. It promises nothing: caps and budgets go on being used."""

    member_id: str | None = Field(examples=["customer-7"])
    member_known: bool = Field(
        description="False where the ledger has not heard of the member: then this is what a newcomer would earn."
    )
    at: datetime
    program_version: int = Field(examples=[1])
    earns: list[AssetPoints] = Field(
        description="All together by asset, with what goals would give that it reaches."
    )
    awards: list[WouldEarn]
    goals: list[GoalAnswer] = Field(description="How far the member would be in the periods it counts in.")
