"""What came from Kafka, and what a service makes of a batch of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from shared.database import AnyConnection
from shared.errors import ServiceError
from shared.events import Event

Header = tuple[str, bytes | None]
"""Kafka lets the value of a header be null."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it lies in Kafka."""

    topic: str
    partition: int
    offset: int
    time: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()

    @property
    def place(self) -> str:
        """Where it lies, for messages to people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A record that could be read, with the keys by which the inbox knows it."""

    record: Record
    event: Event[Any]
    event_key: UUID
    payload_hash: UUID


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was refused for good, and why."""

    record: Record
    error: ServiceError


@dataclass(slots=True)
class Outcome:
    """What a service made of a batch: the events it refuses (by their place in the batch), and what it announces."""

    refused: dict[int, ServiceError] = field(default_factory=dict)
    outgoing: Sequence[Event[Any]] = ()


class HandleBatch(Protocol):
    """How a service handles a batch: load, decide, save, on the connection of the open transaction."""

    async def __call__(
        self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime
    ) -> Outcome: ...


def time_of(timestamp_ms: int) -> datetime:
    """A Kafka timestamp as an aware time."""
    return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC)
