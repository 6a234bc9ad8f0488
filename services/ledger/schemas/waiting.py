"""The shape of what came before what it belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.ledger.schemas import Shape


class WaitingOut(Shape):
    """An order or a review that has not come, and what came of it."""

    waits_for: Literal["order", "review"]
    member_id: str | None = Field(description="Absent for a guest.", examples=["c-17"])
    id: str = Field(description="The id of the order or the review.", examples=["1001"])
    since: datetime = Field(
        description="When the first of it came in; of a review, when it was removed.",
    )
    reported_at: datetime | None = Field(
        description="When people were told that it never came: after the program's `early: {wait: 30 days}`.",
    )
    refunds: list[str] = Field(description="The ids of the refunds that wait.", examples=[["r-1"]])
    fulfilled: bool = Field(description="Whether a fulfilment waits.")
    cancelled: bool = Field(description="Whether a cancellation waits.")
