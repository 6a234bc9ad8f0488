"""The exported documents are what the code says, are valid, and their examples can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from shared.cloudevents import decode, read_data
from shared.contract import (
    DOCUMENTS,
    asyncapi,
    documents,
    envelope_schema,
    example_event,
    export,
    field_texts,
    main,
    schema_of,
)
from shared.events import EVENT_TYPES, TOPICS, OrderPaid, data_class, event_type, topic_of
from shared.events.examples import EXAMPLES
from tests.contract.records import AT

META_SCHEMA = json.loads((Path(__file__).parent / "asyncapi" / "asyncapi-3.0.0.json").read_text())
TYPES = sorted(EVENT_TYPES)


def references(value: Any) -> set[str]:
    """Every `$ref` inside a JSON value."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(references(part) for part in value))
    return set()


def resolve(document: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name.replace("~1", "/").replace("~0", "~")]
    return document


def test_the_checked_in_documents_are_those_of_the_code() -> None:
    assert main(["check"]) == 0


def test_an_export_makes_a_folder_complete_and_removes_what_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "order.lost.v1.schema.json").write_text("{}")
    assert "order.paid.v1.schema.json" in export(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == documents()


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    faults = [
        f"{list(e.instance_path)}: {e.message}" for e in jsonschema_rs.iter_errors(META_SCHEMA, asyncapi())
    ]
    assert faults == []


def test_no_reference_of_the_asyncapi_document_dangles() -> None:
    document = asyncapi()
    for reference in references(document):
        assert resolve(document, reference), reference


def test_every_type_has_a_topic_a_message_and_an_example() -> None:
    assert set(EXAMPLES) == set(EVENT_TYPES) == {type_ for types in TOPICS.values() for type_ in types}
    assert set(asyncapi()["components"]["messages"]) == set(EVENT_TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_every_example_is_valid_by_its_exported_schema(type_: str) -> None:
    schema = json.loads((DOCUMENTS / f"{type_}.schema.json").read_text())
    jsonschema_rs.meta.validate(schema)
    assert schema["examples"]
    for instance in schema["examples"]:
        jsonschema_rs.validate(schema, instance)
    jsonschema_rs.validate(envelope_schema(), example_event(type_))


@pytest.mark.parametrize("type_", TYPES)
def test_every_example_is_read_by_the_workers(type_: str) -> None:
    value = json.dumps(example_event(type_)).encode()
    event = decode(value, topic=EVENT_TYPES[type_].topic, key=None, timestamp=AT)
    assert event.data == read_data(type_, json.dumps(EXAMPLES[type_]).encode())
    assert event.member_id


@pytest.mark.parametrize("type_", TYPES)
def test_every_class_says_what_happened_and_every_field_has_a_limit(type_: str) -> None:
    schema = schema_of(EVENT_TYPES[type_])
    assert schema["description"]
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name, field in part["properties"].items():
            for form in field.get("anyOf", [field]):
                if form.get("type") == "string":
                    assert form.keys() & {"pattern", "maxLength", "enum", "const", "format"}, name
                if form.get("type") == "array":
                    assert "maxItems" in form, name
                if form.get("type") == "integer":
                    assert {"minimum", "maximum"} <= form.keys(), name


def test_the_texts_below_fields_become_their_descriptions() -> None:
    assert "however it was paid" in field_texts(OrderPaid)["total"]
    assert "absent for a guest" in field_texts(OrderPaid)["customer_id"]


def test_the_registry_knows_both_ways() -> None:
    assert event_type(OrderPaid) == "order.paid.v1"
    assert data_class("order.paid.v1") is OrderPaid
    assert topic_of(OrderPaid) == "shop.orders"
    assert all(type_.rsplit(".v", 1)[1].isdigit() for type_ in EVENT_TYPES)
