"""The shapes of budgets that everybody shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.ledger.schemas import Shape


class BudgetOut(Shape):
    """How much of a budget is given in one of its periods."""

    rule: str | None = Field(
        description="Absent = all earning rules of the asset, or a partner.", examples=["base"]
    )
    partner: str | None = Field(
        default=None, description="Whose credits it bounds, where it is a partner's.", examples=[None]
    )
    asset: str | None = Field(
        description="What it bounds; absent where the program in force has no such rule.", examples=["points"]
    )
    counts: Literal["points", "times"] = Field(description="The asset's smallest unit, or contributions.")
    period: str = Field(description="The period and its first day, or `ever`.", examples=["month:2026-05-01"])
    amount: int = Field(examples=[100_000])
    used: str = Field(description="Exact.", examples=["81250.5"])
    left: str = Field(
        description="Exact; 0 where the budget was lowered below what is used.", examples=["18749.5"]
    )
