"""A message: one thing said to one member on one channel, and what became of it.

What a newcomer would get wrong: the id *is* the promise "never twice". It follows from program, member, cause, name and
channel, so that the same cause, however often it comes, meets the row that is there.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from services.notifier.domain.members import Key
from services.notifier.domain.rules import Channel

_NAMESPACE: Final = uuid.UUID("5a0f6f5e-50c1-4c62-8f0c-2f4d8b1f7f0a")
"""Changing it would make every message a new one, and send it again."""


class State(Enum):
    """Where a message stands. Only the first three are on their way."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    """A sender has it in hand, and has not begun."""
    SENDING = "sending"
    """The sender has begun: if it dies now, nobody knows whether the mail went out."""
    SENT = "sent"
    SUPPRESSED = "suppressed"
    FAILED = "failed"


class Why(Enum):
    """Why a message waits, or why it was not sent."""

    QUIET = "quiet_hours"
    DIGEST = "digest"
    NO_ADDRESS = "no_address"
    RETRY = "retry"
    STALE = "stale"
    UNSUBSCRIBED = "unsubscribed"
    ADDRESS_INVALID = "address_invalid"
    ADDRESS_SUPPRESSED = "address_suppressed"
    ADDRESS_REFUSED = "address_refused"
    REFUSED = "refused"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_RENDERABLE = "not_renderable"
    ERASED = "erased"
    MERGED = "merged"
    """It became part of another digest, when two members were merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.

    `happened_at` is the time of its cause (of the latest one, in a digest), `due_at` when somebody is to look at it
    next; None once it is settled. `facts` are plain JSON values: what the templates may use.
    """

    program_id: str
    member_id: str
    message_id: uuid.UUID
    cause: str
    name: str
    template: str
    purpose: str
    channel: Channel
    language: str
    state: State
    why: Why | None = None
    happened_at: datetime
    created_at: datetime
    due_at: datetime | None = None
    settled_at: datetime | None = None
    attempts: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Program and member."""
        return self.program_id, self.member_id


def message_id(key: Key, cause: str, name: str, channel: Channel) -> uuid.UUID:
    """The id of the message that this cause has under this name on this channel."""
    return uuid.uuid5(_NAMESPACE, "\0".join((*key, cause, name, channel.value)))


def digest_cause(asset: str, day: date) -> str:
    """What stands for the cause of a day's digest of one asset."""
    return f"digest:{asset}:{day.isoformat()}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as a reader sees it: with what only the database knows. `facts` None: its text was forgotten."""

    message: Message
    read_at: datetime | None
    is_forgotten: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message that a sender had in hand.

    `attempts` is added to those counted: -1 where an attempt never reached the server's ears.
    """

    message: Message
    token: UUID
    server_said: str | None = None
    attempts: int = 0
