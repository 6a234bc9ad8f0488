"""The shapes of what is brought in from another system."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from services.ledger.domain.imported_members import OldMember, OldSegment
from services.ledger.domain.imported_pools import OldOwner
from services.ledger.domain.importing import NEVER_EXPIRES, Brought, OldEntry, OldOrder, Opening
from services.ledger.domain.persons import SEGMENTS_REMEMBERED, Celebrated
from services.ledger.domain.records import Level
from services.ledger.schemas import MOST_POINTS, Name, Shape, Wish, within_reach
from services.ledger.schemas.checkout import AssetText
from services.ledger.schemas.imported import (
    ImportRow,
    Moment,
    RewardRow,
    UsageRow,
    Whole,
    moment_of,
)
from services.ledger.schemas.imported_program import BudgetRow, CouponRow, PoolRow
from shared.calendar import UnknownTimeZone, zone
from shared.events import OrderLine, OrderPaid
from shared.events.fields import NO_NUL

MOST_ROWS = 1_000
Money = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$", examples=["80.00"])]


def _moment_or_never(value: Any) -> datetime | str:
    if value == NEVER_EXPIRES:
        return NEVER_EXPIRES
    try:
        return within_reach(moment_of(value))
    except ValueError as fault:
        raise ValueError(f"{fault}; what never expires says `{NEVER_EXPIRES}`") from None


MomentOrNever = Annotated[AwareDatetime | Literal["never"], BeforeValidator(_moment_or_never)]


class PointsRow(ImportRow):
    """An opening balance, or one lot of it."""

    kind: Literal["points"]
    asset: AssetText = "points"
    points: Annotated[Whole, Field(ge=-MOST_POINTS, le=MOST_POINTS, examples=[300])] = Field(
        description="Below 0 where the member owes."
    )
    earned_at: Moment | None = Field(default=None, description="When they became available.")
    expires_at: MomentOrNever | None = Field(
        default=None, description="Absent: as points expire that became available at `earned_at`."
    )
    available_at: Moment | None = Field(default=None, description="They are pending until then.")
    order_id: Name | None = Field(default=None, description="The order that earned them, if it has a row.")
    belongs_to: Name | None = Field(
        default=None, description="Another member of the household, whose they are: they go home at once."
    )
    pool_id: Name | None = Field(default=None, description="The household in which they came here.")

    @model_validator(mode="after")
    def _makes_sense(self) -> PointsRow:
        if self.points == 0:
            raise ValueError("a row brings something: leave it out")
        if self.points < 0 and (self.earned_at or self.expires_at or self.available_at or self.order_id):
            raise ValueError("what the member owes has no date and no order")
        if (self.belongs_to is None) != (self.pool_id is None):
            raise ValueError("`belongs_to` and `pool_id` come together")
        if self.belongs_to and (self.points < 0 or self.available_at):
            raise ValueError("what `belongs_to` another member is available")
        if self.available_at and (self.order_id or self.earned_at or self.expires_at):
            raise ValueError(
                "points that are pending expire by the program; those of an order come with its row"
            )
        return self

    def brought(self) -> Brought:
        """What it brings into the book."""
        facts = (self.earned_at, self.expires_at, self.available_at, self.order_id)
        owner = OldOwner(self.belongs_to, self.pool_id) if self.belongs_to and self.pool_id else None
        return Opening(self.row, self.asset, self.points, *facts, owner)


class LineRow(Wish):
    """A line of an order, named by refunds."""

    line_id: Name = Field(examples=["1"])
    total: Money
    product_id: Name | None = None
    quantity: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$")] = "1"


class OrderRow(ImportRow):
    """What a still refundable order holds."""

    kind: Literal["order"]
    order_id: Name = Field(examples=["order-1001"])
    total: Money = Field(description="What the customer keeps of it now, items after discounts.")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, description="Absent: the program's."
    )
    paid_at: Moment
    asset: AssetText = "points"
    points: Annotated[Whole, Field(ge=0, le=MOST_POINTS)] = Field(
        description="What it holds for that now.", examples=[120]
    )
    available_at: Moment | None = Field(default=None, description="Its points are pending until then.")
    waits_until: Moment | None = Field(
        default=None, description="Its points wait for the fulfilment until this deadline."
    )
    lines: Annotated[list[LineRow], Field(max_length=1_000)] = Field(
        default_factory=list,
        description="Where refunds name lines. In CSV each is a row of `kind` `line` below its order.",
    )

    @model_validator(mode="after")
    def _waits_for_one_thing(self) -> OrderRow:
        if self.available_at and self.waits_until:
            raise ValueError(
                "points wait for a day (`available_at`) or a fulfilment (`waits_until`), not both"
            )
        if self.lines and (worth := sum(Decimal(each.total) for each in self.lines)) != Decimal(self.total):
            raise ValueError(f"the lines make {worth} together, `total` says {self.total}")
        return self

    def brought(self) -> Brought:
        """What it brings into the book."""
        lines = tuple(
            OrderLine(
                line_id=each.line_id, total=each.total, product_id=each.product_id, quantity=each.quantity
            )
            for each in self.lines
        )
        stated = OrderPaid(
            customer_id=self.member_id,
            order_id=self.order_id,
            total=self.total,
            currency=self.currency,
            lines=lines,
        )
        waits = (self.available_at, self.waits_until)
        return OldOrder(self.row, self.asset, self.points, self.paid_at, stated, *waits)


class SegmentIn(Wish):
    """A segment that the member is in, or is not any more."""

    segment: Name = Field(examples=["tea lovers"])
    since: Moment | None = Field(default=None, description="Absent: since the import.")
    is_in: bool = True


class LevelIn(Wish):
    """A level that the member had from then on."""

    level: Name = Field(examples=["Gold"])
    since: Moment
    earn_times: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?$", examples=["1.5"])] = "1"


def _segment(value: Any) -> Any:
    return {"segment": value} if isinstance(value, str) else value


class MemberRow(ImportRow):
    """What was known of a member. What levels and segments are is the tiers service's; here they earn by them."""

    kind: Literal["member"]
    joined_at: Moment | None = None
    birthday: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}$", examples=["03-14"])] | None = None
    time_zone: Annotated[str, Field(max_length=64, examples=["Europe/Paris"])] | None = None
    celebrated: dict[Literal["birthday", "signup_anniversary", "first_purchase_anniversary"], date] = Field(
        default_factory=dict,
        description="The latest day on which each was rewarded there: it is not rewarded again in that year.",
        examples=[{"birthday": "2026-03-14"}],
    )
    segments: Annotated[
        list[Annotated[SegmentIn, BeforeValidator(_segment)]], Field(max_length=SEGMENTS_REMEMBERED)
    ] = Field(
        default_factory=list,
        description="With their dates, or names alone; in CSV names with `|` between them.",
    )
    levels: Annotated[list[LevelIn], Field(max_length=100)] = Field(
        default_factory=list, description="With their dates. Not in CSV."
    )
    first_paid_at: Moment | None = Field(
        default=None, description="When they paid their first order, for its anniversary."
    )

    @field_validator("birthday")
    @classmethod
    def _is_a_day(cls, birthday: str | None) -> str | None:
        if birthday is not None:
            date.fromisoformat(f"2000-{birthday}")
        return birthday

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                zone(name)
            except UnknownTimeZone as error:
                raise ValueError(str(error)) from None
        return name

    def brought(self) -> Brought:
        """What it brings into the book."""
        celebrated = tuple(Celebrated(name, day) for name, day in self.celebrated.items())
        segments = tuple(OldSegment(each.segment, each.since, each.is_in) for each in self.segments)
        levels = tuple(Level(each.since, each.level, each.earn_times) for each in self.levels)
        told = (self.joined_at, self.birthday, self.time_zone, celebrated, segments, levels)
        return OldMember(self.row, *told, self.first_paid_at)


class HistoryRow(ImportRow):
    """An entry of the old statement: shown, told apart, and without effect on any balance."""

    kind: Literal["history"]
    asset: AssetText = "points"
    points: Annotated[Whole, Field(ge=-MOST_POINTS, le=MOST_POINTS)]
    at: Moment
    text: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)] = Field(
        examples=["Spring campaign"]
    )

    def brought(self) -> Brought:
        """What it brings into the book."""
        return OldEntry(self.row, self.asset, self.points, self.at, self.text)


AnyRow = (
    PointsRow | OrderRow | MemberRow | RewardRow | UsageRow | HistoryRow | CouponRow | BudgetRow | PoolRow
)
ROW: TypeAdapter[AnyRow] = TypeAdapter(Annotated[AnyRow, Field(discriminator="kind")])


class ImportIn(Wish):
    """Rows to bring in; as JSON lines each is a line, as CSV the columns are their names."""

    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ROWS)]


class FaultOut(Shape):
    """What is wrong with a row."""

    line: int = Field(description="The line of the file, from 1; in JSON the place in `rows`.", examples=[17])
    path: str = Field(description="Where in the row.", examples=["expires_at"])
    message: str = Field(examples=["these points expired on 2026-03-31T22:00:00+00:00; leave the row out"])


class ImportOut(Shape):
    """What an import did; with `dry_run`, what it would do and every fault."""

    imported: int = Field(description="Rows that were new.", examples=[2])
    known: int = Field(description="Rows that were taken before, and changed nothing now.", examples=[0])
    faults: list[FaultOut]


class HistoryOut(Shape):
    """An entry of the statement of the system before this one."""

    row_id: str = Field(examples=["old-1"])
    asset: str = Field(examples=["points"])
    points: int = Field(examples=[50])
    happened_at: AwareDatetime
    text: str = Field(examples=["Spring campaign"])
