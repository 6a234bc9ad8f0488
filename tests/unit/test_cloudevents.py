"""A record is read in three forms, or refused for a reason that has a code."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cloudevents import (
    MAX_EVENT_BYTES,
    STRUCTURED_HEADERS,
    EventTooLarge,
    InvalidEventData,
    NotACloudEvent,
    ProgramMissing,
    UndecodableEvent,
    decode,
    derived_id,
    encode,
    event_key,
    payload_hash,
)
from shared.errors import ServiceError
from shared.events import Event, OrderCancelled, OrderPaid, OrderRefunded, ReviewRemoved, UnknownEventType
from shared.events.fields import MAX_ID_LENGTH, bounded_id

AT = datetime(2026, 11, 5, 10, 0, tzinfo=UTC)
DATA = {"order_id": "1001", "customer_id": "c-17", "total": "64.90"}
BARE = {"id": "evt-1", "type": "order.paid.v1", **DATA}
STRUCTURED = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "/shops/demo",
    "type": "order.paid.v1",
    "programid": "demo",
    "time": "2026-11-05T11:59:58+02:00",
    "data": DATA,
}
BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt-1"),
    ("ce_source", b"/shops/demo"),
    ("ce_type", b"order.paid.v1"),
    ("ce_programid", b"demo"),
    ("ce_time", b"2026-11-05T11:59:58+02:00"),
]
EXPECTED = Event(
    id="evt-1",
    source="/shops/demo",
    type="order.paid.v1",
    program_id="demo",
    time=datetime(2026, 11, 5, 9, 59, 58, tzinfo=UTC),
    data=OrderPaid(order_id="1001", customer_id="c-17", total="64.90"),
)


def read(value: Any, headers: Any = (), **more: Any) -> Event[Any]:
    raw = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return decode(raw, headers, **{"topic": "shop.orders", "key": b"demo:c-17", "timestamp": AT, **more})


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in names}


def test_structured_and_binary_mode_are_the_same_event() -> None:
    assert read(STRUCTURED) == read(STRUCTURED, STRUCTURED_HEADERS) == read(DATA, BINARY) == EXPECTED


def test_the_bare_form_takes_the_rest_from_its_record() -> None:
    event = read(BARE)
    assert (event.time, event.source, event.program_id) == (AT, "shop.orders", "demo")
    assert event.data == EXPECTED.data


def test_the_bare_form_may_grow_any_field() -> None:
    event = read(
        {
            **BARE,
            "time": "2026-11-05T09:59:58Z",
            "source": "/shops/demo",
            "programid": "demo",
            "channel": "app",
        }
    )
    assert event.time == EXPECTED.time
    assert event.data.channel == "app"


def test_a_bare_refund_gives_back_its_total_under_its_own_id() -> None:
    event = read({**BARE, "type": "order.refunded.v1", "total": "5.00"})
    assert event.data == OrderRefunded(order_id="1001", customer_id="c-17", refund_id="evt-1", amount="5.00")
    removed = read({"id": "rv-1", "type": "review.removed.v1", "customer_id": "c-17"})
    assert removed.data == ReviewRemoved(customer_id="c-17", review_id="rv-1")


def test_data_in_base64_is_read() -> None:
    data = base64.b64encode(json.dumps(DATA).encode()).decode()
    assert read({**without(STRUCTURED, "data"), "data_base64": data}) == EXPECTED
    with pytest.raises(UndecodableEvent):
        read({**without(STRUCTURED, "data"), "data_base64": "%%%"})


def test_the_program_is_the_attributes_then_the_keys_then_the_default() -> None:
    nameless = without(STRUCTURED, "programid")
    assert read(STRUCTURED, key=b"other:c-17").program_id == "demo"
    assert read(nameless, key=b"other:c-17", default_program="third").program_id == "other"
    assert read(nameless, key=b"c-17", default_program="third").program_id == "third"
    for key in (None, b"c-17", b"NOT A PROGRAM:c-17", b"\xff:c"):
        with pytest.raises(ProgramMissing):
            read(nameless, key=key)


def test_an_events_time_is_its_own_or_its_records() -> None:
    assert read(without(STRUCTURED, "time")).time == AT
    for moment in (
        "2026-11-05T10:00:00",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        5,
    ):
        with pytest.raises(NotACloudEvent):
            read({**STRUCTURED, "time": moment})


def test_what_is_written_is_read_as_the_same_event() -> None:
    event = read({**STRUCTURED, "subject": "1001", "replayed": True, "traceparent": "00-ab-cd-01"})
    assert (event.subject, event.replayed, event.traceparent) == ("1001", True, "00-ab-cd-01")
    assert decode(encode(event), STRUCTURED_HEADERS, topic="t", key=None, timestamp=AT) == event
    assert json.loads(encode(event))["specversion"] == "1.0"


def test_the_key_keeps_together_what_concerns_one_member_or_one_guests_order() -> None:
    assert read(STRUCTURED).key == "demo:c-17"
    guests = read({**STRUCTURED, "data": without(DATA, "customer_id")})
    assert (guests.member_id, guests.key) == (None, "demo:guest:1001")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, UndecodableEvent),
        (b"", UndecodableEvent),
        (b"\xff\xfe", UndecodableEvent),
        (b'{"id": "\xff"}', UndecodableEvent),
        (b'{"id": "evt-1",', UndecodableEvent),
        (b'{"x":' * 5_000 + b"1" + b"}" * 5_000, UndecodableEvent),
        (b"[1]", NotACloudEvent),
        (b"null", NotACloudEvent),
        ({"hello": "world"}, NotACloudEvent),
        (without(STRUCTURED, "id"), NotACloudEvent),
        (without(STRUCTURED, "source"), NotACloudEvent),
        ({**STRUCTURED, "id": ""}, NotACloudEvent),
        ({**STRUCTURED, "id": "x" * 201}, NotACloudEvent),
        ({**STRUCTURED, "id": "a\u0000b"}, NotACloudEvent),
        ({**STRUCTURED, "id": 5}, NotACloudEvent),
        ({**STRUCTURED, "programid": "a:b"}, NotACloudEvent),
        ({**STRUCTURED, "specversion": "0.3"}, NotACloudEvent),
        ({**STRUCTURED, "datacontenttype": "text/xml"}, NotACloudEvent),
        ({**STRUCTURED, "type": "order.eaten.v1"}, UnknownEventType),
        ({**STRUCTURED, "type": "order.paid.v2"}, UnknownEventType),
        (without(STRUCTURED, "data"), UndecodableEvent),
        ({**STRUCTURED, "data": None}, InvalidEventData),
        ({**STRUCTURED, "data": {**DATA, "total": 64.9}}, InvalidEventData),
        ({**STRUCTURED, "data": {**DATA, "total": "1e900000"}}, InvalidEventData),
        ({**STRUCTURED, "data": {**DATA, "order_id": "a\u0000b"}}, InvalidEventData),
        (b"x" * 10_000_000, EventTooLarge),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_record_is_refused_for_a_reason_that_has_a_code(value: Any, error: type[ServiceError]) -> None:
    with pytest.raises(error) as refusal:
        read(value)
    assert not refusal.value.is_retryable
    assert refusal.value.code == error.code
    assert len(refusal.value.message) < 1_000


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", b"application/cloudevents-batch+json")],
        [*BINARY, ("content-type", b"text/plain")],
        [*BINARY, ("ce_subject", b"\xff")],
        [*BINARY, ("ce_subject", b"a\0b")],
        [("ce_specversion", b"0.3"), *BINARY[1:]],
        [header for header in BINARY if header[0] != "ce_source"],
        [header for header in BINARY if header[0] != "ce_id"],
        [*BINARY[:-1], ("ce_time", b"yesterday")],
    ],
)
def test_headers_of_no_cloudevent_are_refused(headers: Any) -> None:
    with pytest.raises(NotACloudEvent):
        read(DATA, headers)


def test_headers_of_others_are_ignored() -> None:
    assert (
        read(STRUCTURED, [("b3", b"\xff"), ("content-type", b"application/json"), ("empty", None)])
        == EXPECTED
    )
    assert (
        read(DATA, [*BINARY, ("Content-Type", b"application/json; charset=utf-8"), ("ce_shop", b"1")])
        == EXPECTED
    )


def test_a_fault_lists_all_that_is_wrong_but_not_two_thousand_lines() -> None:
    lines = [{"total": "x"}] * 2_000
    with pytest.raises(InvalidEventData, match="and 1981 more") as refusal:
        read({**STRUCTURED, "data": {**DATA, "total": "", "lines": lines}})
    assert len(refusal.value.extra["faults"]) == 20  # type: ignore[arg-type]


def test_a_faults_message_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidEventData) as refusal:
        read({**STRUCTURED, "data": {**DATA, "email": ["anna@example.com"]}})
    assert "anna" not in refusal.value.message


def test_a_text_that_only_looks_like_nul_is_read() -> None:
    assert read(
        {**STRUCTURED, "type": "order.cancelled.v1", "data": {"order_id": "\\u0000"}}
    ).data == OrderCancelled(order_id="\\u0000")


def test_nul_in_a_field_that_nobody_knows_is_ignored_with_it() -> None:
    assert read({**STRUCTURED, "later": "a\u0000b", "data": {**DATA, "later": "a\u0000b"}}) == EXPECTED


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(value: bytes) -> None:
    with pytest.raises(ServiceError):
        read(value)


@given(
    st.dictionaries(
        st.sampled_from([*STRUCTURED, "subject", "replayed"]), st.none() | st.text() | st.integers()
    )
)
def test_any_attributes_are_read_or_refused_and_nothing_else_happens(attributes: dict[str, Any]) -> None:
    with suppress(ServiceError):
        assert read({**STRUCTURED, **attributes}).program_id


def test_the_same_bytes_have_the_same_hash_and_others_another() -> None:
    value = encode(EXPECTED)
    assert payload_hash(value) == payload_hash(bytes(value))
    assert payload_hash(value) != payload_hash(value + b" ")
    assert len(payload_hash(value).bytes) == 16


def test_an_events_name_keeps_its_parts_apart() -> None:
    names = {
        event_key("p", "s", "i"),
        event_key("p", "si", ""),
        event_key("ps", "", "i"),
        event_key("p", "", "si"),
    }
    assert len(names) == 4


def test_an_id_follows_from_its_cause() -> None:
    assert derived_id("/shops/demo", "evt-1", "earned") == derived_id("/shops/demo", "evt-1", "earned")
    assert derived_id("a", "bc") != derived_id("ab", "c")
    assert derived_id("demo", "evt-1") == "4b6690b0-b184-5a71-8c76-739807693d9b"


def test_the_largest_event_is_read() -> None:
    room = MAX_EVENT_BYTES - len(json.dumps({**STRUCTURED, "padding": ""}))
    assert read({**STRUCTURED, "padding": "x" * room}) == EXPECTED
    with pytest.raises(EventTooLarge):
        read({**STRUCTURED, "padding": "x" * (room + 1)})


def test_a_name_that_is_put_together_is_never_longer_than_an_id() -> None:
    assert bounded_id("adjustment:t-1") == "adjustment:t-1"
    longest = "x" * MAX_ID_LENGTH
    assert bounded_id(longest) == longest
    one, other = bounded_id(f"a{longest}"), bounded_id(f"a{longest}y")
    assert (len(one), len(other), one == other) == (MAX_ID_LENGTH, MAX_ID_LENGTH, False)
    assert one.startswith("axxx")
    assert one == bounded_id(f"a{longest}")
