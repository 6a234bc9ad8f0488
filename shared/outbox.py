"""Outgoing messages, written in the transaction of the effects they announce.

One row, a *bundle*, holds all messages of a transaction; `shared.relay` publishes and then deletes it.
What a newcomer would get wrong: the bundle is written after the member rows are locked, so that the ids of two
bundles about one member rise in the order of their effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from shared.cloudevents import encode
from shared.database import AnyConnection
from shared.events import Event, topic_of
from shared.queries import Queries


class Message(NamedTuple):
    """One record to be published."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def message_of(event: Event[Any]) -> Message:
    """An event as the message that announces it."""
    return Message(topic_of(type(event.data)), event.key.encode(), encode(event))


async def write_bundle(connection: AnyConnection, sql: Queries, messages: Sequence[Message]) -> None:
    """Put the messages of this transaction into the outbox; none, no bundle."""
    if messages:
        await connection.execute(sql.insert_bundle, _encoder.encode(messages), len(messages))


def read_bundle(data: bytes) -> list[Message]:
    """The messages of a bundle, in the order they were written."""
    return _decoder.decode(data)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Message])
