"""Which event types exist: type string, topic and data class of each, and the envelope they travel in.

What a newcomer would get wrong: `Event` is not CloudEvents on the wire (that is `shared.cloudevents`); it is
what a service works with once a record was read, whatever form the record had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from shared.errors import Kind, ServiceError


class EventData(Protocol):
    """What every data class of the contract gives."""

    @property
    def member_id(self) -> str | None:
        """Whom the event is about; None for an order of a guest."""


D_co = TypeVar("D_co", bound=EventData, covariant=True)
C = TypeVar("C", bound=type[Any])


class Event(msgspec.Struct, Generic[D_co], frozen=True, kw_only=True, gc=False):
    """One thing that happened, with who says so, in which program, and when.

    `source` and `id` together name it for good. `time` is when it happened, aware and in UTC.
    `replayed` is true where an operator had the past handled again: nobody is written to because of it.
    `traceparent` is the W3C trace context it came with.
    """

    id: str
    source: str
    type: str
    program_id: str
    time: datetime
    data: D_co
    subject: str | None = None
    replayed: bool = False
    traceparent: str | None = None

    @property
    def member_id(self) -> str | None:
        """Whom the event is about; None for an order of a guest."""
        return self.data.member_id

    @property
    def key(self) -> str:
        """The record key: all that concerns one member has one key, and so keeps its order within a topic.

        What concerns a guest's order is kept together by the order.
        """
        member_id = self.data.member_id
        if member_id is not None:
            return f"{self.program_id}:{member_id}"
        return f"{self.program_id}:guest:{getattr(self.data, 'order_id', '')}"


class UnknownEventType(ServiceError):
    """No event of this type is part of the contract."""

    kind = Kind.INVALID
    code = "unknown_event_type"


@dataclass(frozen=True, slots=True)
class Registration:
    """One event type of the contract."""

    event_type: str
    topic: str
    data_class: type[Any]


_by_type: dict[str, Registration] = {}
_by_class: dict[type[Any], Registration] = {}
_topics: dict[str, tuple[str, ...]] = {}

EVENT_TYPES: Mapping[str, Registration] = MappingProxyType(_by_type)
"""Every event type of the contract."""

TOPICS: Mapping[str, tuple[str, ...]] = MappingProxyType(_topics)
"""Every topic of the contract with the event types that travel on it."""


def event(type_: str, *, topic: str) -> Callable[[C], C]:
    """Register a data class as the data of events of `type_`, which travel on `topic`."""

    def register(data_class: C) -> C:
        assert type_ not in _by_type, f"{type_} is registered twice"
        registration = Registration(type_, topic, data_class)
        _by_type[type_] = registration
        _by_class[data_class] = registration
        _topics[topic] = (*_topics.get(topic, ()), type_)
        return data_class

    return register


def event_type(data_class: type[Any]) -> str:
    """The type string of a data class, such as `order.paid.v1`."""
    return _by_class[data_class].event_type


def topic_of(data_class: type[Any]) -> str:
    """The topic on which events with this data travel."""
    return _by_class[data_class].topic


def data_class(type_: str) -> type[Any]:
    """The data class of a type string.

    Raises:
        UnknownEventType: the contract has no such type.
    """
    registration = _by_type.get(type_)
    if registration is None:
        raise UnknownEventType(f"No event of type {type_[:200]!r} is part of the contract.", type=type_[:200])
    return registration.data_class
