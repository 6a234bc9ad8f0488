"""The shapes of what partners credit, take back and settle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from services.ledger.schemas import MOST_POINTS, Moment, Name, Shape, Whole, Wish
from shared.events import Amount, Currency

MOST_AT_ONCE = 1_000
SomePoints = Annotated[Whole, Field(ge=0, le=MOST_POINTS)]
Transaction = Annotated[Name, Field(description="Your own id of the purchase.", examples=["rb-2026-0001"])]


class CreditIn(Wish):
    """One purchase of one of our members at the partner."""

    transaction_id: Transaction
    member_id: Name = Field(examples=["customer-7"])
    amount: Amount | None = Field(
        default=None, description="What was paid; where the agreement has a rate.", examples=["24.00"]
    )
    currency: Currency | None = Field(default=None, description="Absent = that of the agreement.")
    points: SomePoints | None = Field(
        default=None, description="How many are given; where the agreement leaves that to you."
    )
    happened_at: Moment | None = Field(
        default=None,
        description="When it was paid; its terms and budget are of that moment. Absent = now.",
        examples=["2026-05-04T10:00:00Z"],
    )

    @model_validator(mode="after")
    def _tells_one(self) -> CreditIn:
        if (self.amount is None) == (self.points is None):
            raise ValueError("send `amount` or `points`, whichever the agreement asks for")
        return self


class CreditsIn(Wish):
    """Purchases to credit, at most 1,000."""

    credits: Annotated[list[CreditIn], Field(min_length=1, max_length=MOST_AT_ONCE)]


class ReversalIn(Wish):
    """How much of a purchase is kept; nothing, where neither is told."""

    transaction_id: Transaction
    kept_amount: Amount | None = Field(
        default=None,
        description="What is kept of what was paid, in the currency of the credit.",
        examples=["9.00"],
    )
    kept_points: SomePoints | None = Field(
        default=None, description="What is kept of the points, where you said how many."
    )

    @model_validator(mode="after")
    def _tells_one(self) -> ReversalIn:
        if self.kept_amount is not None and self.kept_points is not None:
            raise ValueError("send `kept_amount` or `kept_points`, not both")
        return self


class ReversalsIn(Wish):
    """Credits to take back, at most 1,000."""

    reversals: Annotated[list[ReversalIn], Field(min_length=1, max_length=MOST_AT_ONCE)]


class CreditOut(Shape):
    """What became of a purchase."""

    transaction_id: str = Field(examples=["rb-2026-0001"])
    member_id: str = Field(examples=["customer-7"])
    asset: str = Field(examples=["points"])
    amount: str | None = Field(examples=["24.00"])
    currency: str | None = Field(examples=["EUR"])
    points: int = Field(description="Credited.", examples=[12])
    reversed: int = Field(description="Of them taken back since.", examples=[0])
    program_version: int = Field(examples=[1])
    happened_at: datetime
    booked_at: datetime = Field(description="It belongs to the settlement of this moment.")


class ResultOut(Shape):
    """What became of one item of a request."""

    transaction_id: str = Field(examples=["rb-2026-0001"])
    result: Literal["done", "unchanged", "refused"] = Field(
        description="`unchanged`: it was so before, as when the same is sent again.", examples=["done"]
    )
    credit: CreditOut | None
    problem: dict[str, Any] | None = Field(
        description="Why it was refused: `code`, `status`, `title`, `detail`. The others took effect.",
        examples=[None],
    )


class ResultsOut(Shape):
    """What became of each item, in their order."""

    results: list[ResultOut]


class SettlementLine(Shape):
    """What was credited and taken back of one asset at one price."""

    asset: str = Field(examples=["points"])
    price: str | None = Field(
        description="For one, exactly; absent where the agreement has none.", examples=["0.008"]
    )
    currency: str | None = Field(examples=["EUR"])
    credits: int = Field(description="How many purchases.", examples=[2000])
    credited: int = Field(description="Their points.", examples=[24_000])
    reversals: int = Field(examples=[10])
    reversed: int = Field(
        description="Points taken back, also of purchases credited earlier.", examples=[120]
    )
    amount: str | None = Field(description="What it makes, exactly.", examples=["191.04"])


class DueOut(Shape):
    """What is due in one currency."""

    currency: str = Field(examples=["EUR"])
    amount: str = Field(description="Below 0 = the program owes it to the partner.", examples=["191.04"])


class SettlementOut(Shape):
    """What a partner owes for what was booked in a span of time: added up exactly, rounded once."""

    partner: str = Field(examples=["river-bank"])
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to", description="Not included.")
    lines: list[SettlementLine]
    due: list[DueOut]
