"""The shapes of what a change of the program would do."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.ledger.schemas import Shape


class AssetTried(Shape):
    """What the orders earn of one asset, within caps and budgets, goals that they reach included."""

    asset: str = Field(examples=["points"])
    before: int = Field(description="Under the version in force.", examples=[12_500])
    after: int = Field(description="Under the one that is wanted.", examples=[15_000])
    kept_before: int = Field(
        description="What of `before` the orders hold after all that came back of them until now.",
        examples=[11_900],
    )
    kept_after: int = Field(description="What of `after` they hold then.", examples=[14_200])


class RuleTried(Shape):
    """What one rule gives of it when orders are paid; the rules add up to what the asset says."""

    rule: str = Field(examples=["tea counts double"])
    asset: str = Field(examples=["points"])
    before: int = Field(examples=[0])
    after: int = Field(examples=[2_500])


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

    what: str = Field(examples=["spending"])
    why: str = Field(
        examples=["nobody knows what members would spend otherwise, so only what they earn is tried"]
    )


class AtMost(Shape):
    """A bound of the trial's work."""

    what: str = Field(examples=["orders"])
    at_most: int = Field(examples=[500])


class TrialOut(Shape):
    """What the change says in words, and what past orders earn under the program before and after."""

    sentences: list[str] = Field(
        description="Each rule, reward or word that differs, in words.",
        examples=[["rule `tea` gives 3 points per 1.00 EUR instead of 2 points per 1.00 EUR"]],
    )
    orders: int = Field(description="How many of the newest were tried.", examples=[500])
    earlier_orders: int = Field(
        description="How many orders of the same members were played before them, on both sides and without being "
        "counted here, since caps and goals count them, too.",
        examples=[1_204],
    )
    skipped: int = Field(description="Of these, what could not be reckoned.", examples=[0])
    since: datetime | None = Field(description="When the oldest of them was paid.")
    assets: list[AssetTried]
    rules: list[RuleTried]
    expiry: list[ExpiryTried]
    left_out: list[LeftOut] = Field(description="Empty where all that differs was reckoned.")
    limits: list[AtMost] = Field(description="How much a trial looks at.")
