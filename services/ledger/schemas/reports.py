"""The shapes of a merchant's reports: rows that a spreadsheet can hold, too."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from services.ledger.schemas import Shape

R = TypeVar("R", bound="Row")

By = Literal["day", "week", "month", "year"]
Asset = Annotated[str, Field(examples=["points"])]
PeriodDay = Annotated[
    date, Field(description="The first day of the period, in the program's zone.", examples=["2026-05-01"])
]
Worth = Annotated[
    str | None,
    Field(
        description="At the checkout's rate of today, rounded down; null where the program says none.",
        examples=["1330.00"],
    ),
]
Currency = Annotated[str | None, Field(examples=["EUR"])]


class Row(Shape):
    """One row of a report."""


class Report(Shape, Generic[R]):
    """A report: what it covers, when it was made, and its rows."""

    program: str = Field(examples=["demo"])
    first: date | None = Field(
        default=None, description="The first day it covers; absent = all.", examples=["2026-01-01"]
    )
    last: date | None = Field(
        default=None, description="The last day it covers, included; absent = all.", examples=["2026-05-04"]
    )
    by: By | None = None
    as_of: datetime = Field(description="The moment that it shows.")
    rows: list[R]


class LiabilityRow(Row):
    """What a program owes its members in one asset."""

    asset: Asset
    pending: int = Field(description="Awarded, and not available yet.", examples=[12_000])
    available: int = Field(examples=[120_000])
    held: int = Field(description="Set aside for checkouts.", examples=[1_000])
    outstanding: int = Field(description="The three together.", examples=[133_000])
    worth: Worth
    currency: Currency
    owed: int = Field(description="What members owe; not set against the others.", examples=[250])
    members: int = Field(description="Who has some.", examples=[840])


class ExpiringRow(Row):
    """What of an asset expires in one month."""

    asset: Asset
    month: date | None = Field(description="Its first day; null = never expires.", examples=["2027-05-01"])
    points: int = Field(examples=[9_300])
    worth: Worth
    currency: Currency
    lots: int = Field(examples=[120])
    members: int = Field(examples=[77])


class Liability(Report[LiabilityRow]):
    """What a program owes its members, and when that would expire."""

    ageing: list[ExpiringRow] | None = Field(
        description="What is available, by the month in which it expires. Null for a moment in the past: when lots "
        "were drawn from is not kept day by day."
    )


class BreakageRow(Row):
    """What became of what became available in one period."""

    period: PeriodDay
    asset: Asset
    lots: int = Field(examples=[310])
    issued: int = Field(description="What the lots of the period held at first.", examples=[41_000])
    expired: int = Field(examples=[4_100])
    used: int = Field(description="Spent, held, given away or taken back.", examples=[30_000])
    remaining: int = Field(examples=[6_900])
    rate: str = Field(description="Expired of issued, until now.", examples=["0.1000"])


class RuleCostRow(Row):
    """What one rule gave in one period."""

    period: PeriodDay
    asset: Asset
    kind: str = Field(
        description="`award` for earning rules, else what gave it, such as `referral`.", examples=["award"]
    )
    rule: str | None = Field(description="Null where no rule gave it.", examples=["base"])
    awards: int = Field(description="In how many it had a part.", examples=[512])
    awarded: int = Field(examples=[30_720])
    reversed: int = Field(
        description="Taken back until now; below 0 where a rule gives more of what was kept of an order than before.",
        examples=[1_200],
    )
    net: int = Field(examples=[29_520])
    worth: Worth
    currency: Currency


class RedemptionRow(Row):
    """What members took of one reward, or used at the checkout, in one period."""

    period: PeriodDay
    what: Literal["reward", "checkout"]
    reward: str | None = Field(description="Null for the checkout.", examples=["five off"])
    source: str | None = Field(
        description="`bought`, `given` by hand or `promised` by an event.", examples=["bought"]
    )
    asset: Asset
    redeemed: int = Field(description="How often.", examples=[41])
    points: int = Field(description="What was paid.", examples=[20_500])
    returned: int | None = Field(
        description="Of points at the checkout, what refunds of the period gave back.", examples=[None]
    )
    used: int | None = Field(description="Of these rewards, until now.", examples=[30])
    unused: int | None = Field(examples=[8])
    expired: int | None = Field(examples=[2])
    voided: int | None = Field(examples=[1])


class DonationRow(Row):
    """What one charity was given in one period."""

    period: PeriodDay
    charity: str = Field(examples=["Sea Rescue"])
    asset: Asset
    giver: Literal["member", "merchant"]
    donations: int = Field(examples=[12])
    members: int = Field(examples=[11])
    points: int = Field(examples=[6_000])
    returned: int = Field(examples=[0])
    worth: Worth
    currency: Currency
