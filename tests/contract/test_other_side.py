"""The CloudEvents SDK is the other side: what it writes we read, and what we write it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka,
    to_binary,
    to_structured,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.cloudevents import STRUCTURED_HEADERS, decode, encode, read_data
from shared.contract import example_event
from shared.events import EVENT_TYPES, Event, OrderLine, OrderPaid
from tests.contract.records import AT

Writer = Callable[[CloudEvent, JSONFormat], KafkaMessage]
TIME = datetime(2026, 11, 5, 9, 59, 58, 123456, tzinfo=UTC)
DATA = {"order_id": "1001", "customer_id": "c-17", "total": "64.90", "lines": [{"total": "64.90"}]}
ATTRIBUTES = {
    "id": "evt-1",
    "source": "/shops/demo",
    "type": "order.paid.v1",
    "time": TIME,
    "subject": "1001",
    "datacontenttype": "application/json",
    "programid": "demo",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
EXPECTED = Event(
    id="evt-1",
    source="/shops/demo",
    type="order.paid.v1",
    program_id="demo",
    time=TIME,
    subject="1001",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    data=OrderPaid(
        order_id="1001",
        customer_id="c-17",
        total="64.90",
        lines=(OrderLine(total="64.90"),),
    ),
)


def read(message: KafkaMessage) -> Event[OrderPaid]:
    return decode(message.value, list(message.headers.items()), topic="shop.orders", key=None, timestamp=AT)


@pytest.mark.parametrize("write", [to_structured, to_binary])
def test_what_the_sdk_writes_is_read(write: Writer) -> None:
    assert read(write(CloudEvent(ATTRIBUTES, DATA), JSONFormat())) == EXPECTED


@pytest.mark.parametrize("write", [to_structured, to_binary])
def test_data_that_the_sdk_writes_as_bytes_is_read(write: Writer) -> None:
    message = write(CloudEvent(ATTRIBUTES, json.dumps(DATA).encode()), JSONFormat())
    assert read(message) == EXPECTED


@pytest.mark.parametrize("write", [to_structured, to_binary])
def test_a_replayed_event_of_the_sdk_is_known_as_such(write: Writer) -> None:
    assert read(write(CloudEvent({**ATTRIBUTES, "replayed": True}, DATA), JSONFormat())).replayed


@pytest.mark.parametrize("type_", sorted(EVENT_TYPES))
def test_what_is_written_is_read_by_the_sdk(type_: str) -> None:
    ours = decode(json.dumps(example_event(type_)).encode(), topic="t", key=None, timestamp=AT)
    theirs = from_kafka(
        KafkaMessage(headers=dict(STRUCTURED_HEADERS), key=ours.key, value=encode(ours)), JSONFormat()
    )
    assert (theirs.get_id(), theirs.get_source(), theirs.get_type()) == (ours.id, ours.source, type_)
    assert theirs.get_time() == ours.time
    assert theirs.get_extension("programid") == "demo"
    assert theirs.get_extension("partitionkey") == ours.key
    assert read_data(type_, json.dumps(theirs.get_data()).encode()) == ours.data
