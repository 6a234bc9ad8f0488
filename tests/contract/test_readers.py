"""Workers read with msgspec, HTTP doors with pydantic: they must accept and refuse the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.cloudevents import InvalidEventData, UndecodableEvent, adapter_of, faults_of, read_data
from shared.events import EVENT_TYPES
from shared.events.examples import EXAMPLES

NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 5, 6, 5.0, 2**53, 2**63, 2**70, 1e300,
    "", " ", "x", "x" * 200, "x" * 201, "x" * 2_001, "1", "1.00", "1.00\n", "01", "-1", "-0", "+1", "1.", ".5",
    "1e5", "1_000", "NaN", "Infinity", "1" * 16, "0.12345", "\u0663", "\uff11", "EUR", "eur", "EUR\n", "true", "yes",
    "a\u0000b", "é", "🎁", "fr", "ro-MD", "ro_MD", "--02-29", "--02-30", "1990-06-15", "--6-15",
    "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01 00:00:00Z",
    "2026-01-01t00:00:00z", "2026-01-01T00:00Z", "2026-01-01T24:00:00Z", "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00,5Z", "0001-01-01T00:00:00+05:00",
    "2026-01-01T00:00:00+0200", "2026-01-01T00:00:00+24:00", 1767225600, "1767225600",
    [], {}, [None], ["x"], ["x"] * 101, [1], {"total": "1"}, {"amount": "1"}, [{"total": "1"}], [{"total": 1}], [[]],
    [{"kind": "points", "amount": "1"}], [{"kind": "cash", "amount": "1"}], [{"line_id": "1"}],
]  # fmt: skip


REMOVED: Any = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of a JSON value with another value at one place, or `REMOVED` from there."""
    whole = {"": json.loads(json.dumps(value))}
    *way, last = ("", *path)
    inner: Any = whole
    for key in way:
        inner = inner[key]
    if new is REMOVED:
        del inner[last]
    else:
        inner[last] = new
    return whole.get("")


@st.composite
def altered_data(draw: st.DrawFn) -> tuple[str, bytes]:
    """Valid data of some type with one or two things changed."""
    type_ = draw(st.sampled_from(sorted(EVENT_TYPES)))
    value: Any = dict(EXAMPLES[type_])
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(value)))
        nasty = draw(st.sampled_from(NASTY) | st.text(max_size=5) | st.integers())
        match draw(st.sampled_from(["replace", "remove", "fill", "unknown"])):
            case "replace":
                value = changed(value, path, nasty)
            case "remove" if path:
                value = changed(value, path, REMOVED)
            case "fill" if isinstance(value, dict):
                fields = sorted(EVENT_TYPES[type_].data_class.__struct_fields__)
                value = {**value, draw(st.sampled_from(fields)): nasty}
            case _ if isinstance(value, dict):
                value = {**value, "not_of_this_version": nasty}
    return type_, json.dumps(value, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


def as_read_by_workers(type_: str, data: bytes) -> Any:
    try:
        return read_data(type_, data)
    except (InvalidEventData, UndecodableEvent):
        return None


def as_read_by_doors(type_: str, data: bytes) -> Any:
    try:
        return adapter_of(type_).validate_json(data)
    except ValidationError:
        return None


@settings(max_examples=400)
@given(altered_data())
@example(("order.cancelled.v1", b'{"order_id": "\\ud800"}'))
@example(("order.cancelled.v1", b'{"order_id": "\xed\xa0\x80"}'))
@example(("order.cancelled.v1", b'{"order_id": "a\\u0000b"}'))
@example(("order.cancelled.v1", b'{"order_id": "a\\\\u0000b"}'))
@example(("order.cancelled.v1", b'{"order_id": "a\nb"}'))
@example(("order.cancelled.v1", b'{"order_id": "1"} x'))
@example(("order.cancelled.v1", b'{"order_id": "1",}'))
@example(("order.cancelled.v1", b""))
@example(("order.cancelled.v1", b"null"))
def test_both_readers_accept_and_refuse_the_same_bytes(case: tuple[str, bytes]) -> None:
    type_, data = case
    assert as_read_by_workers(type_, data) == as_read_by_doors(type_, data)


@pytest.mark.parametrize("nasty", NASTY, ids=repr)
def test_both_readers_judge_every_field_of_an_order_alike(nasty: Any) -> None:
    for type_ in ("order.paid.v1", "order.refunded.v1", "customer.signed_up.v1", "review.published.v1"):
        for field in EVENT_TYPES[type_].data_class.__struct_fields__:
            data = json.dumps({**EXAMPLES[type_], field: nasty}).encode()
            assert as_read_by_workers(type_, data) == as_read_by_doors(type_, data), (type_, field)


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00", "2026-01-01", 1767225600, "1767225600", None])
def test_a_time_without_an_offset_is_no_time(time: Any) -> None:
    data = json.dumps({**EXAMPLES["points.held.v1"], "held_until": time}).encode()
    with pytest.raises(InvalidEventData):
        read_data("points.held.v1", data)
    assert faults_of("points.held.v1", data)


def test_a_refusal_names_every_fault_with_its_place() -> None:
    data = b'{"order_id": "", "total": 5, "lines": [{"total": "1"}, {"total": "x"}]}'
    with pytest.raises(InvalidEventData) as refusal:
        read_data("order.paid.v1", data)
    message = refusal.value.message
    assert all(place in message for place in ("order_id", "total", "lines.1.total")), message


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    data = b'{"order_id": "1", "total": "1", "new": {"a": [1]}, "lines": [{"total": "1", "colour": "blue"}]}'
    assert read_data("order.paid.v1", data) == read_data(
        "order.paid.v1", b'{"order_id": "1", "total": "1", "lines": [{"total": "1"}]}'
    )
