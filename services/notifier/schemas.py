"""The shapes of the notifier's HTTP door."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.http.paging import Page

_ENTRY: dict[str, Any] = {
    "message_id": "0c9f5a52-2d0e-5b1d-9a37-6a1f2f8f6f10",
    "name": "points.earned",
    "title": "Vous avez gagné 133 points",
    "text": "Votre compte a été crédité de 133 points. Votre solde : 383 points.",
    "language": "fr",
    "facts": {"asset": "points", "points": 133, "balance": 383, "times": 1},
    "happened_at": "2026-11-05T10:00:00Z",
    "read_at": None,
}


class InboxEntry(BaseModel):
    """One entry of a member's inbox, in the member's language of now."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    message_id: UUID
    name: str = Field(description="What the program calls this message.")
    title: str
    text: str
    language: str
    facts: dict[str, Any] = Field(description="What the text is made of, for a shop that words it itself.")
    happened_at: datetime = Field(description="When what it tells of happened.")
    read_at: datetime | None


class Inbox(Page[InboxEntry]):
    """One page of a member's inbox, newest first."""

    unread: int = Field(description="How many entries the member has not read, on all pages.", examples=[3])


class MessageOut(BaseModel):
    """One message to a member on one channel, and what became of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message_id": "6a1f2f8f-2d0e-5b1d-9a37-0c9f5a52f610",
                    "name": "tier.raised",
                    "channel": "email",
                    "language": "fr",
                    "title": "Vous avez atteint le niveau Habitué",
                    "cause": "b7f1c3de-6f3b-5f0e-8f43-0f1d8a6c2e55",
                    "state": "waiting",
                    "reason": "quiet_hours",
                    "happened_at": "2026-11-05T21:12:00Z",
                    "created_at": "2026-11-05T21:12:01Z",
                    "due_at": "2026-11-06T07:00:00Z",
                    "settled_at": None,
                    "read_at": None,
                    "attempts": 0,
                }
            ]
        }
    )

    message_id: UUID
    name: str
    channel: str = Field(description="`email` or `inbox`.")
    language: str
    title: str | None = Field(description="Its subject; null where the member was erased.")
    cause: str = Field(description="The id of the event that led to it.")
    state: str = Field(description="`waiting`, `claimed`, `sending`, `sent`, `suppressed` or `failed`.")
    reason: str | None = Field(description="Why it waits, or why it was not sent.")
    happened_at: datetime
    created_at: datetime
    due_at: datetime | None = Field(description="When it is looked at next; null once it is settled.")
    settled_at: datetime | None = Field(description="When it was sent, or given up.")
    read_at: datetime | None
    attempts: int
