"""The shapes of the HTTP door."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.referrals.domain.model import State
from shared.events import Grant

_ID = "018f6d3e-5b0a-8c55-9d7e-0f5f5a3f6a10"
_REFERRAL: dict[str, Any] = {
    "referral_id": _ID,
    "role": "advocate",
    "state": "approved",
    "started_at": "2026-10-01T09:30:00Z",
    "due_at": None,
    "approved_at": "2026-10-17T22:00:00Z",
    "voided_at": None,
    "rewards": [{"kind": "points", "asset": "points", "points": 500}],
    "reasons": [],
    "counterpart_id": "customer-1042",
}


class Side(Enum):
    """On which side of a referral somebody is."""

    ADVOCATE = "advocate"
    FRIEND = "friend"


class Referral(BaseModel):
    """One referral as one of its two sides sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REFERRAL]})

    referral_id: UUID
    role: Side = Field(description="The side of the member who was asked about.")
    state: State
    started_at: datetime
    due_at: datetime | None = Field(description="While pending: when it is approved, if the order is kept.")
    approved_at: datetime | None
    voided_at: datetime | None
    rewards: list[Grant] = Field(description="What this side got at approval.")
    reasons: list[str] = Field(
        description="What ended it, or speaks against it; in broad words for a member."
    )
    counterpart_id: str | None = Field(
        description="The other side; null for a member's token, and for somebody who was erased."
    )


BroughtBy = Referral


class Attempt(BaseModel):
    """A code that was named and did not count."""

    at: datetime
    via: str = Field(examples=["sign_up"])
    code: str | None = Field(description="Null where the text can be no code.")
    order_id: str | None
    reasons: list[str] = Field(examples=[["ordered_before"]])


class MemberReferrals(BaseModel):
    """A member's code and link, whom they brought and who brought them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "member_id": "customer-7",
                    "code": "7Q4N0KX2MB",
                    "link": "https://refer.tea-and-cup.example/r/7Q4N0KX2MB",
                    "counts": {"approved": 1},
                    "brought": [_REFERRAL],
                    "brought_by": [],
                    "attempts": [],
                    "next": None,
                }
            ]
        }
    )

    member_id: str
    code: str
    link: str
    counts: dict[str, int] = Field(description="How many this member brought, by state.")
    brought: list[Referral] = Field(description="Whom this member brought, newest first.")
    brought_by: list[Referral] = Field(description="What brought this member; what ended stays listed.")
    attempts: list[Attempt] = Field(
        description="Codes this member named that did not count; empty for a member's token."
    )
    next: str | None = Field(description="Pass it as `cursor` for the next page of `brought`.")


class ReferralDetails(BaseModel):
    """One referral with both sides."""

    referral_id: UUID
    friend_id: str
    advocate_id: str | None
    code: str | None
    state: State
    started_at: datetime
    order_id: str | None = Field(description="The order that counts.")
    due_at: datetime | None
    approved_at: datetime | None
    voided_at: datetime | None
    reasons: list[str]
    friend_rewards: list[Grant]
    advocate_rewards: list[Grant]
