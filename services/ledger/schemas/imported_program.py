"""The shapes of what another system kept beside members: codes of nobody, what budgets had given, households."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.ledger.domain.imported_budgets import OldBudget
from services.ledger.domain.imported_codes import OldCode, OldUse
from services.ledger.domain.imported_pools import OldPool
from services.ledger.domain.issued import canonical
from services.ledger.schemas import Name, Wish
from services.ledger.schemas.checkout import AssetText
from services.ledger.schemas.imported import AnyImportRow, ExactPoints, Moment, OldGrant
from shared.orders import exact

MOST_OLD_USES = 100_000  # each is a row of its own; a code that more have used is better without a bound
MOST_IN_POOL = 100  # more than any program lets into a pool


class ProgramRow(AnyImportRow):
    """What every row says that is about no single member: its id alone."""

    @property
    def member_id(self) -> str:
        """Nobody's."""
        return ""


class UseRow(Wish):
    """One use of a code."""

    member_id: Name | None = Field(default=None, description="Who used it, for the limit `per_member`.")
    order_id: Name | None = Field(
        default=None, description="For which order: where it comes back, so does the use."
    )
    at: Moment | None = None
    named: bool = Field(default=False, description="Whether the order's own event names the code.")

    def brought(self) -> OldUse:
        """The same as a value."""
        return OldUse(self.member_id, self.order_id, self.at, self.named)


class CouponRow(ProgramRow):
    """A code that is nobody's reward: of a campaign, or, without `gives`, one of the shop's that waits in a `pool`."""

    kind: Literal["coupon"]
    code: Name = Field(description="As customers know it.", examples=["SUMMER-10"])
    gives: OldGrant | None = Field(
        default=None, description="What it is worth. In CSV the columns are `gives.kind`, `gives.percent`, …"
    )
    pool: Name | None = Field(default=None, description="The pool of the shop's codes.", examples=[None])
    uses: Annotated[int, Field(ge=1, le=10**9)] | Literal["any"] = Field(
        default=1, description="How often it may be used in all, or `any`."
    )
    used: Annotated[int, Field(ge=0, le=MOST_OLD_USES)] | None = Field(
        default=None, description="How often it was. Absent: as often as `used_by` says, or never."
    )
    used_by: Annotated[list[UseRow], Field(max_length=MOST_OLD_USES)] = Field(
        default_factory=list, description="Those uses of which more is known. Not in CSV."
    )
    per_member: Annotated[int, Field(ge=1, le=1000)] | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = Field(default=None, description="Exclusive; absent: for ever.")
    made_at: Moment | None = Field(
        default=None, description="Absent: now. A pool hands its oldest out first."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> CouponRow:
        if not canonical(self.code):
            raise ValueError("`code` has no letter and no digit")
        if self.gives is None and self.pool is None:
            raise ValueError("say what it `gives`, or in which `pool` it waits")
        if self.gives is None and (self.used or self.used_by or self.valid_until or self.valid_from):
            raise ValueError(
                "a code that waits in a pool was never used, and has no end yet; say what it `gives`"
            )
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("`valid_until` is not after `valid_from`")
        if isinstance(self.uses, int) and self.used_up > self.uses:
            raise ValueError(f"it was used {self.used_up} times, of {self.uses} `uses`")
        if self.used is not None and self.used < len(self.used_by):
            raise ValueError(f"`used` is {self.used}, but `used_by` lists {len(self.used_by)}")
        return self

    @property
    def used_up(self) -> int:
        """How many uses are gone."""
        return self.used if self.used is not None else len(self.used_by)

    def brought(self) -> OldCode:
        """What it brings into the book."""
        return OldCode(
            row=self.row,
            code=self.code.strip(),
            gives=self.gives.grant() if self.gives is not None else None,
            pool=self.pool,
            uses=None if self.uses == "any" else self.uses,
            used=self.used_up,
            used_by=tuple(each.brought() for each in self.used_by),
            per_member=self.per_member,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            made_at=self.made_at,
        )


class BudgetRow(ProgramRow):
    """What was given of a budget for everybody; what is left follows from its amount in the program's file."""

    kind: Literal["budget"]
    rule: Name | None = Field(default=None, description="The budget of this rule.", examples=["welcome"])
    partner: Name | None = Field(default=None, description="The budget of this partner.", examples=[None])
    asset: AssetText = Field(default="points", description="Without either: the program's own on this asset.")
    used: ExactPoints = Field(description="Points that were given, or times where it counts times.")
    at: Moment | None = Field(default=None, description="When: a budget of a period needs it.")
    bucket: Annotated[str, Field(max_length=200, pattern=r"^(times|points):[^\u0000]+$")] | None = Field(
        default=None, description="Where it counts, as an export says it; in the place of `at`."
    )

    @model_validator(mode="after")
    def _says_once_which(self) -> BudgetRow:
        if self.rule is not None and self.partner is not None:
            raise ValueError("a budget is of a `rule` or of a `partner`, not of both")
        if self.bucket is not None and self.at is not None:
            raise ValueError("say `bucket` or `at`, not both")
        if not exact(self.used):
            raise ValueError("a row brings something: leave it out")
        return self

    def brought(self) -> OldBudget:
        """What it brings into the book."""
        return OldBudget(
            row=self.row,
            used=exact(self.used),
            asset=self.asset,
            rule=self.rule,
            partner=self.partner,
            bucket=self.bucket,
            at=self.at,
        )


class PoolRow(ProgramRow):
    """A household, with its members in the order in which they joined."""

    kind: Literal["pool"]
    pool_id: Name = Field(examples=["home"])
    members: Annotated[
        list[Name], Field(min_length=1, max_length=MOST_IN_POOL, examples=[["ana", "ben"]])
    ] = Field(description="The first one owns it. In CSV with `|` between them.")

    @model_validator(mode="after")
    def _names_each_once(self) -> PoolRow:
        if len(set(self.members)) < len(self.members):
            raise ValueError("`members` names somebody twice")
        return self

    def brought(self) -> OldPool:
        """What it brings into the book."""
        return OldPool(self.row, self.pool_id, tuple(self.members))
