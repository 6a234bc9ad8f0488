"""The OpenAPI document of a service as an integrator reads it: the request that an operation's examples make up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema_rs

JSON = "application/json"
PROBLEM = "application/problem+json"
UNTOLD = object()
"""What a schema shows no example of."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    said: Mapping[str, Any]
    schemas: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`POST /v1/coupons`."""
        return f"{self.method.upper()} {self.path}"

    @property
    def has_dry_run(self) -> bool:
        """Whether it can be tried without effect."""
        return any(each["name"] == "dry_run" for each in self.said.get("parameters", ()))

    @property
    def address(self) -> str:
        """Its address, with the examples of what stands in the path, and of what must be asked with it."""
        address, asked = self.path, {}
        for each in self.said.get("parameters", ()):
            if not each["required"] or each["in"] not in ("path", "query"):
                continue
            value = self._example(each["schema"])
            assert value is not UNTOLD, f"{self.name}: `{each['name']}` has no example"
            if each["in"] == "path":
                address = address.replace(f"{{{each['name']}}}", quote(str(value), safe=""))
            else:
                asked[each["name"]] = value
        return f"{address}?{urlencode(asked)}" if asked else address

    @property
    def body(self) -> Any:
        """The body in JSON that the document shows, or None."""
        content = self.said.get("requestBody", {}).get("content", {}).get(JSON)
        if content is None:
            return None
        return content["example"] if "example" in content else self._example(content["schema"])

    def faults_in(self, status: int, answer: Any, kind: str = JSON) -> list[str]:
        """Where an answer of this kind is not of the shape that is documented for its status."""
        content = self.said["responses"].get(str(status), {}).get("content", {})
        documented = content.get(kind) or content.get(PROBLEM)
        if documented is None:
            return [f"{status} is not documented"]
        schema = {**documented["schema"], "components": {"schemas": self.schemas}}
        return [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(answer)]

    def _example(self, schema: Mapping[str, Any]) -> Any:
        """What the page would send: the example of a schema, or one put together from those of its parts."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        if schema.get("examples"):
            return schema["examples"][0]
        if "const" in schema:
            return schema["const"]
        for kind in schema.get("anyOf", schema.get("oneOf", ())):
            if kind.get("type") != "null":
                return self._example(kind)
        if schema.get("type") == "object":
            return dict(self._members(schema))
        if schema.get("type") == "array":
            item = self._example(schema["items"])
            return UNTOLD if item is UNTOLD else [item]
        return schema.get("default", UNTOLD)

    def _members(self, schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, each in schema.get("properties", {}).items():
            value, needed = self._example(each), name in schema.get("required", ())
            assert value is not UNTOLD or not needed, f"{self.name}: `{name}` has no example"
            if value is not UNTOLD and (value is not None or needed):
                yield name, value


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """All operations, in their order."""
    return [
        Operation(method, path, said, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
