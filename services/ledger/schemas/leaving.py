"""The shapes of leaving: everything about a member, and what an erasure took."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from services.ledger.schemas import Shape, Why, Wish


class EraseIn(Wish):
    """Why a member is erased."""

    reason: Why = Field(
        description="Kept with who asked; say nothing of the person in it.", examples=["asked by letter"]
    )


class Expired(Shape):
    """What a member had of an asset, which is nobody's any more."""

    asset: str = Field(examples=["points"])
    points: int = Field(description="Below 0 where the member owed.", examples=[160])


class ErasureOut(Shape):
    """What was erased. The entries of the book stay, under an id that means nobody."""

    member_id: str = Field(examples=["customer-7"])
    erased_at: datetime
    expired: list[Expired]
    holds_released: int = Field(examples=[1])
    rewards_voided: int = Field(examples=[0])
    awards_cancelled: int = Field(description="Awards that were still pending.", examples=[1])
    facts_forgotten: list[str] = Field(
        description="What was known of the person and is no more.", examples=[["birthday", "time_zone"]]
    )


class ExportOut(Shape):
    """Everything that the ledger keeps about a member, table by table."""

    member_id: str = Field(examples=["customer-7"])
    exported_at: datetime
    tables: dict[str, list[dict[str, Any]]] = Field(
        examples=[{"balance": [{"asset": "points", "pending": 0, "available": 160, "held": 0, "version": 3}]}]
    )
