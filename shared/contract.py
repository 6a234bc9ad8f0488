"""Exports the event contract: a JSON Schema for every event type, one AsyncAPI 3 document, and a table.

`python -m shared.contract export` writes `docs/events/`, `python -m shared.contract check` says what differs.

What a newcomer would get wrong: nothing under `docs/events/` is written by hand. Descriptions come from the
docstrings of the data classes and the texts below their fields, examples from `shared/events/examples.py`.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from shared.cloudevents import adapter_of
from shared.events import EVENT_TYPES, TOPICS, Registration
from shared.events.data import Data
from shared.events.examples import EXAMPLES

DOCUMENTS: Final = Path(__file__).parent.parent / "docs" / "events"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SENDERS: Final[Mapping[str, str]] = {
    "shop.orders": "the shop",
    "shop.customers": "the shop",
    "shop.shares": "the shop",
    "shop.reviews": "the shop or a review app",
    "shop.activity": "the shop",
    "loyalty.points": "ledger",
    "loyalty.members": "ledger",
    "loyalty.rewards": "ledger",
    "loyalty.tiers": "tiers",
    "loyalty.referrals": "referrals",
    "loyalty.messages": "notifier",
}

Schema = dict[str, Any]


def documents() -> dict[str, str]:
    """Every exported document: its file name and its text."""
    texts = {
        f"{registration.event_type}.schema.json": _as_text(schema_of(registration))
        for registration in EVENT_TYPES.values()
    }
    return {**texts, "asyncapi.json": _as_text(asyncapi()), "README.md": _table()}


def export(folder: Path = DOCUMENTS) -> list[str]:
    """Write every document into the folder and remove what is no longer exported; returns what changed."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = documents()
    changed = _differing(folder, texts)
    for name in changed:
        if name in texts:
            (folder / name).write_text(texts[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def check(folder: Path = DOCUMENTS) -> list[str]:
    """The names of the documents in the folder that are missing, other than the contract says, or too many."""
    return _differing(folder, documents())


def schema_of(registration: Registration) -> Schema:
    """The JSON Schema of an event type's data."""
    schema = _described(registration.data_class, adapter_of(registration.event_type).json_schema())
    return {
        "$schema": DIALECT,
        "$id": f"{registration.event_type}.schema.json",
        **schema,
        "examples": [EXAMPLES[registration.event_type]],
    }


def asyncapi() -> Schema:
    """The AsyncAPI 3 document of all topics, as the platform sees them."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Habitué: events",
            "version": "1.0.0",
            "description": "What shops tell Habitué and what its services tell the world, as CloudEvents 1.0.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {_channel(topic): _channel_of(topic) for topic in _SENDERS},
        "operations": {_operation(topic): _operation_of(topic) for topic in _SENDERS},
        "components": {
            "messages": {type_: _message(registration) for type_, registration in EVENT_TYPES.items()},
            "schemas": _component_schemas(),
        },
    }


def example_event(type_: str) -> dict[str, Any]:
    """A whole event of a type in structured mode, with the type's example as its data."""
    source = "/shops/demo" if type_ in _shop_types() else f"/habitue/{_SENDERS[EVENT_TYPES[type_].topic]}"
    return {
        "specversion": "1.0",
        "id": "evt-5001",
        "source": source,
        "type": type_,
        "programid": "demo",
        "time": "2026-11-05T10:00:00Z",
        "datacontenttype": "application/json",
        "data": EXAMPLES[type_],
    }


def envelope_schema() -> Schema:
    """The JSON Schema of the attributes around the data."""
    name = {"type": "string", "minLength": 1, "maxLength": 200}
    return {
        "title": "CloudEvent",
        "description": "A CloudEvent 1.0 in structured mode. Readers ignore attributes they do not know.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**name, "description": "With `source`, names the event for good."},
            "source": {"type": "string", "minLength": 1, "maxLength": 500},
            "type": name,
            "programid": {
                "type": "string",
                "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$",
                "description": "Which program; without it, the record key `program_id:member_id` tells.",
            },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened; without it, the time of the record.",
            },
            "subject": {"type": "string", "maxLength": 2000},
            "datacontenttype": {"type": "string", "maxLength": 200},
            "replayed": {
                "type": "boolean",
                "description": "True where the past is handled again: nobody is written to because of it.",
            },
            "traceparent": {"type": "string", "description": "W3C trace context."},
            "data": {"type": "object"},
        },
    }


def _differing(folder: Path, texts: Mapping[str, str]) -> list[str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*") if path.is_file()}
    return sorted(name for name in texts.keys() | found.keys() if texts.get(name) != found.get(name))


def _channel(topic: str) -> str:
    return topic.replace(".", "_")


def _operation(topic: str) -> str:
    return f"{'read' if topic.startswith('shop.') else 'write'}_{_channel(topic)}"


def _channel_of(topic: str) -> Schema:
    return {
        "address": topic,
        "title": topic,
        "description": f"From {_SENDERS[topic]}.",
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in TOPICS[topic]},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation_of(topic: str) -> Schema:
    channel = f"#/channels/{_channel(topic)}"
    return {
        "action": "receive" if topic.startswith("shop.") else "send",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{type_}"} for type_ in TOPICS[topic]],
    }


def _message(registration: Registration) -> Schema:
    type_ = registration.event_type
    data = f"#/components/schemas/{registration.data_class.__name__}"
    return {
        "name": type_,
        "title": registration.data_class.__name__,
        "summary": _summary(registration),
        "contentType": "application/cloudevents+json",
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"type": "object", "properties": {"type": {"const": type_}, "data": {"$ref": data}}},
            ]
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "`program_id:member_id`, UTF-8."},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"name": type_.replace(".", "_"), "payload": example_event(type_)}],
    }


def _component_schemas() -> Schema:
    schemas: Schema = {"CloudEvent": envelope_schema()}
    for registration in EVENT_TYPES.values():
        adapter = adapter_of(registration.event_type)
        schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
        schema = _described(registration.data_class, schema)
        schemas.update(schema.pop("$defs", {}))
        schemas[registration.data_class.__name__] = schema
    return schemas


def _described(data_class: type[Any], schema: Schema) -> Schema:
    """The schema with the docstrings of the classes and the texts below their fields as descriptions."""
    classes = {data_class.__name__: data_class, **_parts_by_name()}
    for name, part in {**schema.get("$defs", {}), data_class.__name__: schema}.items():
        texts = field_texts(classes[name])
        part["description"] = _one_line(classes[name].__doc__ or name)
        for field, field_schema in part["properties"].items():
            field_schema.pop("title", None)
            if field in texts:
                field_schema["description"] = texts[field]
    return schema


@cache
def _parts_by_name() -> Mapping[str, type[Any]]:
    """The classes that data classes are made of, by name."""
    modules = {sys.modules[registration.data_class.__module__] for registration in EVENT_TYPES.values()}
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }


def field_texts(data_class: type[Any]) -> Mapping[str, str]:
    """The texts that stand below the fields of a data class and of the classes it is built on."""
    texts: dict[str, str] = {}
    for owner in reversed(data_class.__mro__):
        if not issubclass(owner, Data):
            continue
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(definition, ast.ClassDef)
        texts.update(_texts_below(definition.body))
    return texts


def _texts_below(body: Sequence[ast.stmt]) -> dict[str, str]:
    texts = {}
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = _one_line(text)
    return texts


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _summary(registration: Registration) -> str:
    return _one_line(registration.data_class.__doc__ or "")


@cache
def _shop_types() -> frozenset[str]:
    return frozenset(type_ for topic, types in TOPICS.items() if topic.startswith("shop.") for type_ in types)


def _as_text(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_INTRODUCTION: Final = """\
# The events of Habitué

Exported from `shared/events/` by `python -m shared.contract export`; do not edit. The whole contract in one
document is [asyncapi.json](asyncapi.json).

Every event is a [CloudEvent 1.0](https://cloudevents.io), read in structured and in binary mode, with the
extension attribute `programid`. The record key is `program_id:member_id`. Money is a decimal string and an
ISO 4217 code. Within a major version only optional fields are added, so ignore fields you do not know.

A shop can start with five fields in one flat object, on the topic of the type:

```json
{"id": "evt-5001", "type": "order.paid.v1", "customer_id": "c-17", "order_id": "1001", "total": "64.90"}
```

Every other field of the type may stand beside them. `time` is the record's then, and `total` of a refund is
what was given back.
"""


def _table() -> str:
    lines = [_INTRODUCTION]
    for topic in _SENDERS:
        types = TOPICS[topic]
        lines.append(f"## `{topic}`\n\nFrom {_SENDERS[topic]}.\n\n| type | what happened |\n|---|---|")
        lines += [f"| [`{type_}`]({type_}.schema.json) | {_summary(EVENT_TYPES[type_])} |" for type_ in types]
        lines.append("")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run `export` or `check`; returns the exit status."""
    match list(arguments):
        case ["export"]:
            changed = export()
            sys.stdout.write(f"{len(changed)} of {len(documents())} documents changed in {DOCUMENTS}\n")
            return 0
        case ["check"]:
            for name in (differing := check()):
                sys.stdout.write(f"{name} differs from the contract\n")
            if differing:
                sys.stdout.write("Run `python -m shared.contract export` and look at the difference.\n")
            return 1 if differing else 0
    sys.stderr.write("usage: python -m shared.contract export|check\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
