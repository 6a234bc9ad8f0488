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
    """An asset that would expire otherwise: what is there may live longer. Only what never expired may live shorter."""

    asset: str = Field(examples=["points"])
    open_lots: int | None = Field(
        description="How many lots hold something; null where they are too many to be counted in time.",
        examples=[12_000],
    )
    points: int | None = Field(description="How much they hold.", examples=[3_400_000])
    looked_at: int = Field(
        default=0,
        description="How many lots the new policy was tried on; where these are not all, what follows is of a sample.",
        examples=[12_000],
    )
    longer_lots: int = Field(
        default=0, description="Of these, how many would expire later.", examples=[11_000]
    )
    longer_points: int = Field(default=0, examples=[3_000_000])
    same_lots: int = Field(default=0, description="How many would expire when they do now.", examples=[1_000])
    same_points: int = Field(default=0, examples=[400_000])
    shorter_lots: int = Field(
        default=0, description="How many never expired, and would from the change on.", examples=[0]
    )
    shorter_points: int = Field(default=0, examples=[0])


class LeftOut(Shape):
    """What the trial does not count, and why."""

    what: str = Field(examples=["caps"])
    why: str = Field(examples=["what is left of them depends on what each member earned otherwise"])


class TrialOut(Shape):
    """What the change says in words, and what past orders earn under the program before and after."""

    sentences: list[str] = Field(
        description="Each rule, reward or word that differs, in words.",
        examples=[["rule `tea` gives 3 points per 1.00 EUR instead of 2 points per 1.00 EUR"]],
    )
    orders: int = Field(description="How many of the newest were tried.", examples=[500])
    skipped: int = Field(description="Of these, what could not be reckoned.", examples=[0])
    since: datetime | None = Field(description="When the oldest of them was paid.")
    assets: list[AssetTried]
    rules: list[RuleTried]
    expiry: list[ExpiryTried]
    left_out: list[LeftOut]
