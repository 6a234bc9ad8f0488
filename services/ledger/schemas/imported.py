"""The shapes of what a member owned and had used up in another system: rewards with their codes, and caps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.imported import IMPORT
from services.ledger.domain.imported_rewards import OldReward
from services.ledger.domain.imported_usage import OldUsage
from services.ledger.domain.issued import canonical
from services.ledger.schemas import MOST_POINTS, Name, Wish, within_reach
from services.ledger.schemas.checkout import AssetText
from services.ledger.schemas.rewards import GrantIn
from shared.events import Grant
from shared.orders import exact

MOST_USES = 1_000  # as many as the catalogue lets a code have


def moment_of(value: Any) -> datetime:
    """A moment as a file says it. A number is none: a spreadsheet writes days since 1900 so.

    Raises:
        ValueError: it is no date and time, or names no time zone.
    """
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise ValueError(f"{value!r} is no moment with a time zone; write it as in 2026-05-04T12:00:00Z")
    return moment


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a whole number is asked for, and not true or false")
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Moment = Annotated[AwareDatetime, BeforeValidator(moment_of), AfterValidator(within_reach)]
Whole = Annotated[int, BeforeValidator(_no_truth)]
"""A whole number, also as the text that a cell of CSV is."""
ExactPoints = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(pattern=r"^[0-9]{1,30}(/[1-9][0-9]{0,29})?$", examples=["480", "133/4"]),
]


class AnyImportRow(Wish):
    """What every row says: its id."""

    row: Name = Field(
        description="Your id of the row, one of its own for the member. The same row again changes nothing.",
        examples=["lot-1"],
    )


class ImportRow(AnyImportRow):
    """What every row about a member says: its id, and whose it is."""

    member_id: Name = Field(examples=["customer-7"])


class OldGrant(GrantIn):
    """What a reward of another system gives."""

    kind: Literal[  # type: ignore[assignment]  # a donation too: it was made there
        "coupon", "free_shipping", "product", "gift_card", "ticket", "credit", "points", "donation"
    ]
    points: Annotated[Whole, Field(ge=1, le=MOST_POINTS)] | None = Field(
        default=None, description="Points that were credited.", examples=[None]
    )
    asset: AssetText | None = None
    charity: Name | None = Field(default=None, examples=[None])

    def require_sound(self) -> None:
        """Let it say what it gives; of what took effect there, what was credited is known as points of its asset.

        Raises:
            ValueError: it does not.
        """
        if self.kind != "donation" and not (self.kind == "credit" and self.points is not None):
            super().require_sound()

    def grant(self) -> Grant:
        """The same as the contract has it."""
        said = self.model_dump(exclude_defaults=True)
        return Grant(**{**said, "kind": self.kind, "products": tuple(self.products)})


class RewardRow(ImportRow):
    """A reward or coupon of a member. `reward` names one of the catalogue, or `gives` says what it is."""

    kind: Literal["reward"]
    reward: Name = Field(
        description="Its name: of the catalogue, or what you call it.", examples=["five off"]
    )
    reward_id: Name | None = Field(
        default=None, description="Absent: made from the row's id.", examples=[None]
    )
    gives: OldGrant | None = Field(
        default=None,
        description="Absent: as the catalogue says. In CSV the columns are `gives.kind`, `gives.amount`, …",
    )
    state: Literal["issued", "used", "expired"] = Field(
        default="issued", description="`issued`: not used up yet."
    )
    code: Name | None = Field(
        default=None, description="As the member knows it; absent: one is made.", examples=["TEA-1234-5678"]
    )
    uses: Annotated[Whole, Field(ge=1, le=MOST_USES)] = Field(
        default=1, description="How often it may be used in all."
    )
    used: Annotated[Whole, Field(ge=0, le=MOST_USES)] | None = Field(
        default=None,
        description="How often it was. Absent: never, or, with `state: used`, as often as it may be.",
    )
    for_anyone: bool = Field(default=False, description="Whether others may use the code, too.")
    asset: AssetText = "points"
    points: Annotated[Whole, Field(ge=0, le=MOST_POINTS)] = Field(
        default=0, description="What the member paid: it returns where it is voided."
    )
    source: Literal["bought", "given", "promised"] = Field(
        default="bought", description="What was bought counts towards how many a member may have."
    )
    issued_at: Moment | None = Field(default=None, description="Absent: now.")
    valid_until: Moment | None = Field(default=None, description="Exclusive; absent: for ever.")
    closed_at: Moment | None = Field(default=None, description="When it was used up, or expired.")
    order_id: Name | None = Field(default=None, description="The order that used it last.")
    reason: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> RewardRow:
        if self.state == "issued" and (self.closed_at or self.order_id):
            raise ValueError("what is still good has no `closed_at` and no `order_id`")
        if self.state != "used" and self.used_up >= self.uses:
            raise ValueError("what has no use left is `state: used`")
        if self.state == "used" and self.used_up < self.uses:
            raise ValueError("what has a use left is not `state: used`")
        if self.code is not None and not canonical(self.code):
            raise ValueError("`code` has no letter and no digit")
        return self

    @property
    def used_up(self) -> int:
        """How many uses are gone."""
        if self.used is not None:
            return self.used
        return self.uses if self.state == "used" else 0

    def brought(self) -> OldReward:
        """What it brings into the book."""
        return OldReward(
            row=self.row,
            reward_id=self.reward_id or f"{IMPORT}:{self.row}",
            reward=self.reward,
            asset=self.asset,
            points=self.points,
            source=self.source,
            state=self.state,
            gives=self.gives.grant() if self.gives is not None else None,
            code=self.code,
            uses=self.uses,
            used=self.used_up,
            anyone=self.for_anyone,
            issued_at=self.issued_at,
            valid_until=self.valid_until,
            closed_at=self.closed_at,
            order_id=self.order_id,
            reason=self.reason,
        )


class UsageRow(ImportRow):
    """What a cap had counted of a rule, such as welcome points that the member has had already."""

    kind: Literal["usage"]
    rule: Name | None = Field(
        default=None,
        description="A rule with a cap; absent: the caps of the program on the asset.",
        examples=["welcome"],
    )
    asset: AssetText = "points"
    times: Annotated[Whole, Field(ge=0, le=10**9)] = Field(
        default=1, description="How often it gave something."
    )
    points: ExactPoints = Field(default="0", description="How much, exactly.")
    at: Moment | None = Field(default=None, description="When: caps of a day, week, month or year need it.")
    product_id: Name | None = Field(default=None, description="Of a cap per product.", examples=[None])
    network: Name | None = Field(default=None, description="Of a cap per network.", examples=[None])
    subject: Name | None = Field(default=None, description="Of a cap per subject.", examples=[None])
    bucket: (
        Annotated[str, Field(max_length=500, pattern=r"^([^|\u0000]{1,100}\|)?(times|points):[^\u0000]+$")]
        | None
    ) = Field(
        default=None,
        description="Where it counts, as an export says it; in the place of `at` and the subjects.",
    )

    @model_validator(mode="after")
    def _says_once_where(self) -> UsageRow:
        if self.bucket is not None and (self.at or self.product_id or self.network or self.subject):
            raise ValueError("say `bucket`, or when and what for, not both")
        if not self.times and not exact(self.points):
            raise ValueError("a row brings something: leave it out")
        return self

    def brought(self) -> OldUsage:
        """What it brings into the book."""
        return OldUsage(
            row=self.row,
            rule=self.rule if self.rule is not None else PROGRAM,
            asset=self.asset,
            times=self.times,
            points=exact(self.points),
            bucket=self.bucket,
            at=self.at,
            product_id=self.product_id,
            network=self.network,
            subject=self.subject,
        )
