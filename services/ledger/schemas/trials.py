"""The shapes of what a change of the program would do."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.ledger.schemas import Shape


class AssetTried(Shape):
    """What the orders earn of one asset."""

    asset: str = Field(examples=["points"])
    before: int = Field(examples=[12_500])
    after: int = Field(examples=[15_000])


class RuleTried(Shape):
    """What one rule gives of it, exact."""

    rule: str = Field(examples=["tea counts double"])
    asset: str = Field(examples=["points"])
    before: str = Field(examples=["0"])
    after: str = Field(examples=["2500.5"])


class ExpiryTried(Shape):
    """An asset that would expire otherwise; what is there may live longer, never shorter."""

    asset: str = Field(examples=["points"])
    open_lots: int | None = Field(
        description="How many lots that may move; null where they are too many to be counted in time."
    )
    points: int | None


class TrialOut(Shape):
    """Past orders under the program before and after, without caps, budgets, goals and refunds."""

    orders: int = Field(description="How many of the newest were tried.", examples=[500])
    skipped: int = Field(description="Of these, what could not be reckoned.", examples=[0])
    since: datetime | None = Field(description="When the oldest of them was paid.")
    assets: list[AssetTried]
    rules: list[RuleTried]
    expiry: list[ExpiryTried]
