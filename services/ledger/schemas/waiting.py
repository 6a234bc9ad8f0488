"""The shape of an order that has not come."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.ledger.schemas import Shape


class WaitingOrderOut(Shape):
    """An order of which something came, and not its payment."""

    member_id: str = Field(examples=["c-17"])
    order_id: str = Field(examples=["1001"])
    first_seen_at: datetime = Field(description="When the first of it came in.")
    refunds: list[str] = Field(description="The ids of the refunds that wait.", examples=[["r-1"]])
    fulfilled: bool = Field(description="Whether a fulfilment waits.")
    cancelled: bool = Field(description="Whether a cancellation waits.")
