"""The shapes of points at the checkout."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.ledger.schemas import MOST_POINTS, AssetBalance, Name, Points, Shape, Whole, Wish
from services.ledger.schemas.cart import CartIn
from shared.events import Asset

AssetText = Annotated[Asset, Field(description="What pays: `points`, `credit:EUR`, …", examples=["points"])]
Cart = Annotated[
    CartIn | None,
    Field(
        description="The order so far. Where it is told, points are held to what the program lets it use.",
        examples=[{"total": "64.90", "shipping": "4.90"}],
    ),
]


class QuoteIn(CartIn):
    """What could this cart use?"""

    asset: AssetText = "points"


class LimitOut(Shape):
    """One thing that limits what a cart can use."""

    limit: str = Field(
        description="`balance`, `at_most` (of the items), `to_pay`, `order_at_least`, `at_least` or `currency`.",
        examples=["at_most"],
    )
    points: int = Field(description="What it allows, in whole blocks.", examples=[3000])
    stops: bool = Field(description="True where it is what allows no more.", examples=[True])
    why: str = Field(examples=["at most 50 % of the items after discounts, 60.00 EUR: 30.00 EUR"])


class QuoteOut(Shape):
    """What a cart can use now, and what stops it from using more."""

    asset: str = Field(examples=["points"])
    points: int = Field(description="What can be used, in whole blocks.", examples=[3000])
    blocks: int = Field(examples=[30])
    worth: str = Field(examples=["30.00"])
    currency: str = Field(examples=["EUR"])
    block_points: int = Field(description="The points of one block.", examples=[100])
    block_worth: str = Field(examples=["1.00"])
    limits: list[LimitOut]


class HoldIn(Wish):
    """Points to set aside."""

    hold_id: Name | None = Field(
        default=None,
        description="Your id of it, such as the checkout's; the same id again is the same hold. Absent = made here.",
        examples=["checkout-88"],
    )
    points: Points = Field(description="In whole blocks, as the program says.", examples=[500])
    asset: AssetText = "points"
    minutes: Annotated[Whole, Field(ge=1, le=10_080)] | None = Field(
        default=None, description="How long; absent = as the program says.", examples=[30]
    )
    order_id: Name | None = Field(default=None, examples=["order-1002"])
    cart: Cart = None


class SpendIn(Wish):
    """Points to spend at once."""

    spend_id: Name = Field(
        description="Your id of it, such as the receipt's; the same id again is the same spend.",
        examples=["till-3-receipt-1077"],
    )
    points: Points = Field(examples=[500])
    asset: AssetText = "points"
    order_id: Name | None = Field(
        default=None,
        description="The order that they pay for: a refund of it gives them back. Then in whole blocks.",
        examples=["order-1002"],
    )
    cart: Cart = None


class CaptureIn(Wish):
    """How much of a hold to spend."""

    points: Annotated[Whole, Field(ge=0, le=MOST_POINTS)] | None = Field(
        default=None, description="Absent = all.", examples=[400]
    )
    order_id: Name | None = Field(default=None, examples=["order-1002"])


class HoldOut(Shape):
    """A hold, and what the member has after it."""

    hold_id: str = Field(examples=["checkout-88"])
    asset: str = Field(examples=["points"])
    points: int = Field(examples=[500])
    captured: int = Field(examples=[0])
    returned: int = Field(description="What of it came back, after refunds of its order.", examples=[0])
    state: Literal["open", "captured", "released", "timed_out"]
    held_at: datetime
    held_until: datetime
    order_id: str | None = None
    balance: AssetBalance


class SpendOut(Shape):
    """A spend, and what the member has after it."""

    spend_id: str = Field(examples=["till-3-receipt-1077"])
    asset: str = Field(examples=["points"])
    points: int = Field(examples=[500])
    returned: int = Field(description="What of it came back, after refunds of its order.", examples=[0])
    spent_at: datetime
    order_id: str | None = None
    balance: AssetBalance
