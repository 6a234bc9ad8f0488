"""The shapes of gifts from member to member."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from services.ledger.schemas import AssetBalance, Name, Points, Shape, Wish
from services.ledger.schemas.checkout import AssetText
from shared.events.fields import NO_NUL

Message = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]


class TransferIn(Wish):
    """Points to give to another member."""

    transfer_id: Name = Field(
        description="Your id of it, one of its own for this member; the same id again is the same gift.",
        examples=["gift-31"],
    )
    to: Name = Field(description="The member who gets them.", examples=["customer-8"])
    points: Points = Field(examples=[200])
    asset: AssetText = "points"
    message: Message | None = Field(
        default=None,
        description="Words for the receiver. They go into `points.transferred` as its `reason` and are not kept.",
        examples=["happy birthday"],
    )


class TransferOut(Shape):
    """A gift, and what the giver has after it."""

    transfer_id: str = Field(examples=["gift-31"])
    member_id: str = Field(description="Who gave.", examples=["customer-7"])
    to: str = Field(examples=["customer-8"])
    points: int = Field(examples=[200])
    asset: str = Field(examples=["points"])
    given_at: datetime
    balance: AssetBalance
