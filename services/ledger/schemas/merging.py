"""The shapes of a merge of two members."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from services.ledger.schemas import AssetBalance, Name, Shape, Why, Wish


class MergeIn(Wish):
    """Whom to merge into the member of the address."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Name = Field(
        alias="from",
        description="The member whose id becomes another name of the one in the address.",
        examples=["customer-3"],
    )
    reason: Why | None = Field(default=None, examples=["two accounts of one person"])


class MergeOut(Shape):
    """A merge: who was merged into whom, and what they had."""

    member_id: str = Field(description="The survivor at that time.", examples=["customer-7"])
    merged_id: str = Field(examples=["customer-3"])
    merged_at: datetime
    merged_by: str = Field(description="The subject of the token.", examples=["ana"])
    reason: str | None = Field(examples=["two accounts of one person"])
    moved: list[AssetBalance] = Field(
        description="What the merged member had of each asset, and the number of their last transfer before."
    )


class Merges(Shape):
    """Who was merged into a member, the latest first."""

    member_id: str = Field(examples=["customer-7"])
    merges: list[MergeOut]
