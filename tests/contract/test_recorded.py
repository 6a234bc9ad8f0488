"""Events recorded in the past are still read, and still mean the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from shared.cloudevents import decode, encode
from shared.events import EVENT_TYPES
from tests.contract.records import AT, Recorded, recorded

RECORDS = recorded()


def recorded_part(read: Any, said: Any) -> Any:
    """What was read, less the fields that came into the contract after the recording."""
    if isinstance(read, dict) and isinstance(said, dict):
        return {name: recorded_part(read[name], said[name]) for name in read.keys() & said.keys()}
    if isinstance(read, list) and isinstance(said, list) and len(read) == len(said):
        return [recorded_part(*pair) for pair in zip(read, said, strict=True)]
    return read


@pytest.mark.parametrize("record", RECORDS, ids=[record.name for record in RECORDS])
def test_a_recorded_event_still_means_the_same(record: Recorded) -> None:
    event = record.event()
    read = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "program_id": event.program_id,
        "time": event.time.isoformat(),
        "member_id": event.member_id,
        "data": msgspec.json.decode(msgspec.json.encode(event.data)),
    }
    assert recorded_part(read, record.reads_as) == record.reads_as


@pytest.mark.parametrize("record", RECORDS, ids=[record.name for record in RECORDS])
def test_what_is_written_again_is_read_as_the_same_event(record: Recorded) -> None:
    event = record.event()
    assert decode(encode(event), topic="elsewhere", key=None, timestamp=AT) == event


def test_every_type_was_recorded_and_every_form() -> None:
    assert {record.reads_as["type"] for record in RECORDS} == set(EVENT_TYPES)
    forms = {record.name.rsplit(".", 1)[1] for record in RECORDS}
    assert forms == {"structured", "binary", "bare"}


def test_a_recorded_event_is_one_readable_file() -> None:
    assert all(json.dumps(record.value) for record in RECORDS)
