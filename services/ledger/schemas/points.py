"""The shapes of what a member has and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.ledger.schemas import AssetBalance, Shape


class Balances(Shape):
    """All balances of a member."""

    member_id: str = Field(examples=["customer-7"])
    as_of: datetime | None = Field(default=None, description="By when it happened; absent = now.")
    balances: list[AssetBalance]


class LotOut(Shape):
    """Points that became available together."""

    lot_no: int = Field(examples=[12])
    asset: str = Field(examples=["points"])
    amount: int = Field(examples=[133])
    remaining: int = Field(examples=[33])
    opened_at: datetime
    expires_at: datetime | None = Field(description="Absent = never.")
    order_id: str | None = Field(examples=["order-1001"])


class Lots(Shape):
    """What a member has available, in the order in which it will be spent."""

    member_id: str
    lots: list[LotOut]
    next: str | None = Field(
        default=None, description="Pass it as `cursor` for the next page; null on the last."
    )


class Entry(Shape):
    """One transfer, with the balances after it."""

    version: int = Field(examples=[17])
    asset: str = Field(examples=["points"])
    kind: str = Field(
        description="What it was: `award`, `activation`, `reversal`, `hold`, `capture`, `release`, `spend`, `return` "
        "(spent points come back), `expiry`, …",
        examples=["award"],
    )
    from_account: str = Field(examples=["issued"])
    to_account: str = Field(examples=["pending"])
    amount: int = Field(examples=[133])
    order_id: str | None = Field(examples=["order-1001"])
    cause: str = Field(description="The id of the event or request that led to it.", examples=["evt-1"])
    happened_at: datetime
    written_at: datetime
    pending: int
    available: int
    held: int


class RuleAnswer(Shape):
    """What one rule said."""

    rule: str = Field(examples=["tea counts double"])
    matched: bool
    points: str = Field(description="Exact points, before the award is rounded once.", examples=["23.08"])
    why_not: str | None = Field(
        default=None, examples=["items after discounts are 59.99 EUR, 60.00 EUR asked for"]
    )
    left: str | None = Field(
        default=None,
        description="Where something of the order came back: what the rule gives for what is kept, exactly.",
        examples=["23.08"],
    )


class CapAnswer(Shape):
    """What a cap or a budget left of what was wanted when the event was decided."""

    rule: str | None = Field(description="Absent = all earning rules together.", examples=["base"])
    cap: str = Field(examples=["500 per month"])
    used: str | None = Field(
        description="What the member had used of it before; absent for a budget that everybody shares.",
        examples=["480"],
    )
    wanted: str = Field(examples=["80"])
    room: str = Field(description="What it left; it bounds this award ever after.", examples=["20"])


class AwardOut(Shape):
    """What an event earned in one asset, and what it still holds."""

    award_id: str = Field(examples=["order:order-1001:points"])
    asset: str = Field(examples=["points"])
    points: int = Field(examples=[133])
    reversed: int = Field(description="Taken back since, by refunds or a removal.", examples=[87])
    expired: int = Field(
        default=0,
        description="Of what was taken back, what had expired unused and counted first.",
        examples=[0],
    )
    borne: int = Field(
        default=0,
        description="Of what was taken back, what the program bore by its policy, since it was spent.",
        examples=[0],
    )
    state: Literal["waiting", "pending", "available", "cancelled"]
    due_at: datetime | None = Field(description="When it becomes available, or its wait is cancelled.")
    program_version: int = Field(examples=[1])
    by_line: list[int] = Field(
        description="The split of the award over the lines of the order.", examples=[[46, 37]]
    )
    bonus: int = Field(description="What of it no line earned.", examples=[50])
    earn_times: str = Field(description="The multiplier of the level held then.", examples=["1"])
    rules: list[RuleAnswer]
    caps: list[CapAnswer] = Field(
        default_factory=list, description="What was cut, and by which cap or budget."
    )


class GoalAnswer(Shape):
    """How far the member is now towards what a rule gives for the spend of a period."""

    rule: str = Field(examples=["five per hundred"])
    period: str = Field(description="The period and its first day.", examples=["month:2026-05-01"])
    matched: bool = Field(description="Whether this order counts towards it.")
    why_not: str | None = Field(
        default=None, description="Why it does not.", examples=["channel is web, app asked for"]
    )
    counted: str = Field(
        description="What of this order counts, of what is kept of it.", examples=["35.00 EUR"]
    )
    spent: str = Field(
        description="What all orders of the period count together, rounded down.", examples=["185.00 EUR"]
    )
    asked: str = Field(examples=["100.00 EUR"])
    times: int = Field(description="How often it is reached.", examples=[1])


class Decision(Shape):
    """What one event did to a member, rule by rule; that of a refund or an edit is the decision on its order."""

    event_id: str = Field(examples=["evt-1"])
    member_id: str
    happened_at: datetime
    awards: list[AwardOut]
    goals: list[GoalAnswer] = Field(
        default_factory=list, description="For an order: the goals of the periods that it counts in."
    )
