"""What the OpenAPI document says about refusals.

Every operation lists the problems that it can answer with; an endpoint names its own by `refuses`:

    @router.post("/{member_id}/spends", responses=refuses(InsufficientPoints, HoldExpired))

What a newcomer would get wrong: FastAPI documents a 422 shape that we never send. Here it is replaced by the problem.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.errors import InvalidInput, ServiceError
from shared.http.auth import OtherMember, OtherPartner, ScopeMissing
from shared.http.idempotency import IdempotencyKeyReused, RequestInProgress
from shared.http.paging import CursorInvalid
from shared.http.problems import (
    MEDIA_TYPE,
    TYPE_PREFIX,
    BodyTooLarge,
    BodyUnreadable,
    TextNotStorable,
    TryAgain,
    UnsupportedMediaType,
    problem_of,
    status_of,
)
from shared.tokens import TokenExpired, TokenInvalid, TokenMissing

_WRITES = frozenset({"post", "put", "patch", "delete"})
_REF = {"$ref": "#/components/schemas/Problem"}
_OF_THE_MACHINERY: dict[type[ServiceError], str | None] = {
    **dict.fromkeys((TokenMissing, TokenInvalid, TokenExpired, ScopeMissing, OtherMember, OtherPartner)),
    **dict.fromkeys(
        (BodyUnreadable, BodyTooLarge, UnsupportedMediaType, InvalidInput, TextNotStorable, TryAgain)
    ),
    CursorInvalid: "cursor",
    IdempotencyKeyReused: "Idempotency-Key",
    RequestInProgress: "Idempotency-Key",
}
"""What any endpoint may refuse with; some only where it takes a parameter of this name."""

_FAULT: dict[str, Any] = {
    "type": "object",
    "required": ["detail", "fault"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "Where in the body, as a JSON pointer: `#/lines/0/sku`.",
        },
        "in": {"type": "string", "enum": ["path", "query", "header", "cookie"]},
        "parameter": {"type": "string", "description": "Which parameter, if the fault is not in the body."},
        "detail": {"type": "string"},
        "fault": {"type": "string", "description": "A stable name of the fault, such as `missing`."},
    },
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457). Programs decide by `code`; further members depend on it.",
    "required": ["type", "title", "status", "detail", "code", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "description": f"`{TYPE_PREFIX}` and the code."},
        "title": {"type": "string", "description": "The same for every problem of this code."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong here, and what to do."},
        "code": {"type": "string", "description": "Stable: it changes only with the major version."},
        "instance": {"type": "string", "description": "The address that was called."},
        "request_id": {"type": "string", "description": "Also in the header X-Request-Id and in our logs."},
        "errors": {
            "type": "array",
            "items": _FAULT,
            "description": "Each fault of a request that is not valid.",
        },
    },
    "additionalProperties": True,
}


def refuses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that may raise these errors, each with an example."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(status_of(error), _response(""))
        content = response["content"][MEDIA_TYPE]
        content.setdefault("examples", {})[error.code] = _example_of(error)
        response["description"] = f"{response['description']} {error.title()}".strip()
    return responses


def describe(app: FastAPI) -> None:
    """Let the application's OpenAPI document tell of its problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    openapi_version=app.openapi_version,
                    description=app.description,
                    routes=app.routes,
                    tags=app.openapi_tags,
                    separate_input_output_schemas=app.separate_input_output_schemas,
                )
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM
    document["components"]["examples"] = {error.code: _example_of(error) for error in _OF_THE_MACHINERY}
    for path in document["paths"].values():
        for method, operation in path.items():
            _complete(method, operation)
    return document


def _complete(method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status, text in _usual(method, operation):
        response = responses.setdefault(str(status), _response(text))
        _add_examples(response, status, operation)
    operation["responses"] = dict(sorted(responses.items()))
    if " " not in operation.get("summary", "") and operation.get("description"):
        operation["summary"] = _first_sentence(operation["description"])


def _add_examples(response: dict[str, Any], status: int, operation: dict[str, Any]) -> None:
    """Show the refusals of the machinery beside those that the endpoint names."""
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    for error, asks in _OF_THE_MACHINERY.items():
        if status_of(error) == status and (asks is None or asks in names):
            examples = response["content"][MEDIA_TYPE].setdefault("examples", {})
            examples.setdefault(error.code, {"$ref": f"#/components/examples/{error.code}"})


def _first_sentence(text: str) -> str:
    """What an endpoint does, from its docstring: the name of its function alone tells too little."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split()).partition(". ")[0].rstrip(".")


def _usual(method: str, operation: dict[str, Any]) -> list[tuple[int, str]]:
    """The refusals that the machinery itself can answer with."""
    inputs = bool(operation.get("parameters")) or "requestBody" in operation
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    secured, writes, body = "security" in operation, method in _WRITES, "requestBody" in operation
    in_path = any(parameter["in"] == "path" for parameter in operation.get("parameters", ()))
    usual = [
        (secured, 401, "No valid bearer token."),
        (secured, 403, "The token does not allow this, or it is another member's."),
        (in_path, 404, "There is no such thing in this program."),
        (writes, 409, "It conflicts with the state of things, or the same request is still running."),
        ("If-Match" in names, 412, "The resource has changed since it was read."),
        ("If-Match" in names, 428, "`If-Match` is missing."),
        (body, 400, "The body is not JSON in UTF-8."),
        (body, 413, "The body is too long."),
        (body, 415, "The body is not sent as JSON."),
        (inputs, 422, "The request is not valid; `errors` lists each fault."),
        (True, 500, "Something went wrong on our side."),
        (True, 503, "Something is away for the moment; try again after `Retry-After` seconds."),
    ]
    return [(status, text) for applies, status, text in usual if applies]


def _example_of(error: type[ServiceError]) -> dict[str, Any]:
    members = {**problem_of(error()), "instance": "/v1/…", "request_id": "6c1f…"}
    return {"summary": error.title(), "value": members}


def _response(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": dict(_REF)}}}
