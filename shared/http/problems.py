"""Problems: what an answer says when it says no (RFC 9457, `application/problem+json`).

Each problem carries a stable `code`, and its type is `urn:habitue:problem:<code>`. The status follows from the error's
kind, here and nowhere else. A refused body lists each of its faults with a JSON pointer.

What a newcomer would get wrong: a problem never repeats what was sent and never shows an exception's text that was
not written for callers. What went wrong inside goes to the log, under the same `request_id`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.database import NOT_NOW
from shared.errors import InvalidInput, Kind, ServiceError, Unavailable
from shared.http.slashes import readable
from shared.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:habitue:problem:"
# A body with thousands of faulty lines needs one look, not an answer longer than itself.
MAX_FAULTS = 50
RETRY_AFTER_SECONDS = 1

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}
# Where HTTP has a word of its own for one error of a kind.
STATUS_OF_CODE: Mapping[str, int] = {
    "body_unreadable": 400,
    "method_not_allowed": 405,
    "unsupported_media_type": 415,
    "precondition_required": 428,
}


class BodyUnreadable(ServiceError):
    """The body is not JSON in UTF-8."""

    code = "body_unreadable"


class BodyTooLarge(ServiceError):
    """The body is longer than this service reads."""

    kind = Kind.TOO_LARGE
    code = "body_too_large"


class UnsupportedMediaType(ServiceError):
    """The body is not sent as JSON."""

    code = "unsupported_media_type"


class RouteNotFound(ServiceError):
    """There is nothing at this address."""

    kind = Kind.NOT_FOUND
    code = "route_not_found"


class MethodNotAllowed(ServiceError):
    """This address does not know the method."""

    code = "method_not_allowed"


class TextNotStorable(ServiceError):
    """A text holds characters that cannot be stored, such as NUL."""

    code = "text_not_storable"


class TryAgain(Unavailable):
    """Something this service needs is away or busy for the moment; try again."""

    code = "unavailable"


INTERNAL_ERROR: dict[str, object] = {
    "type": TYPE_PREFIX + "internal_error",
    "title": "Something went wrong on our side.",
    "status": 500,
    "detail": "The request had no effect. Tell us the request_id, it leads to the reason.",
    "code": "internal_error",
}


def status_of(error: ServiceError | type[ServiceError]) -> int:
    """The HTTP status of an error."""
    return STATUS_OF_CODE.get(error.code, STATUS[error.kind])


def problem_of(error: ServiceError) -> dict[str, object]:
    """The members of a problem; an error's extras never replace a member of the standard."""
    return {
        **error.extra,
        "type": TYPE_PREFIX + error.code,
        "title": error.title(),
        "status": status_of(error),
        "detail": error.message,
        "code": error.code,
    }


def problem_response(
    members: dict[str, object], scope: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """The answer, with the request's path as `instance` and its id."""
    members = {**members, "instance": readable(scope.get("path", "/")), "request_id": scope.get("request_id")}
    body = msgspec.json.encode(members, enc_hook=str)
    return Response(body, status_code=int(str(members["status"])), headers=headers, media_type=MEDIA_TYPE)


def refuse(error: ServiceError, scope: Mapping[str, Any]) -> Response:
    """The answer to a request that met this error."""
    return problem_response(problem_of(error), scope, _headers_of(error))


def install(app: FastAPI) -> None:
    """Answer every refusal of this application with a problem."""
    handlers: dict[type[Exception], Callable[[Request, Any], Any]] = {
        ServiceError: _on_service_error,
        RequestValidationError: _on_invalid_request,
        HTTPException: _on_http_exception,
        asyncpg.CharacterNotInRepertoireError: _on_unstorable_text,
        asyncpg.UntranslatableCharacterError: _on_unstorable_text,
        **dict.fromkeys((cls for cls in NOT_NOW if not issubclass(cls, ServiceError)), _on_not_now),
    }
    for cls, handler in handlers.items():
        app.add_exception_handler(cls, handler)


async def _on_service_error(request: Request, error: ServiceError) -> Response:
    if error.is_retryable:
        log.warning("request_not_now", code=error.code, detail=error.message)
    return refuse(error, request.scope)


async def _on_not_now(request: Request, error: Exception) -> Response:
    # The driver's own complaints may also be a fault of ours, so these show where they come from.
    trace = error if isinstance(error, asyncpg.InterfaceError) else None
    log.warning("request_not_now", code=TryAgain.code, error=repr(error), exc_info=trace)
    return refuse(TryAgain(), request.scope)


async def _on_unstorable_text(request: Request, _: Exception) -> Response:
    return refuse(TextNotStorable(), request.scope)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    refusal = _refusal_of_framework(error)
    if refusal is not None:
        headers = {**_headers_of(refusal), **(error.headers or {})}
        return problem_response(problem_of(refusal), request.scope, headers)
    members: dict[str, object] = {
        "type": "about:blank",
        "title": error.detail,
        "status": error.status_code,
        "detail": error.detail,
        "code": f"http_{error.status_code}",
    }
    return problem_response(members, request.scope, error.headers)


def _refusal_of_framework(error: HTTPException) -> ServiceError | None:
    by_status: dict[int, type[ServiceError]] = {
        400: BodyUnreadable,
        404: RouteNotFound,
        405: MethodNotAllowed,
        413: BodyTooLarge,
    }
    refusal = by_status.get(error.status_code)
    return refusal() if refusal else None


async def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return refuse(BodyUnreadable(), request.scope)
    if isinstance(error.body, bytes) and error.body and any(tuple(f["loc"]) == ("body",) for f in faults):
        return refuse(
            UnsupportedMediaType("Send the body with `Content-Type: application/json`."), request.scope
        )
    listed = [_fault(fault, error.body) for fault in faults[:MAX_FAULTS]]
    detail = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}; the first: {listed[0]['detail']}"
    return refuse(InvalidInput(detail, errors=listed), request.scope)


def _fault(fault: Mapping[str, Any], body: object) -> dict[str, object]:
    where, *path = fault["loc"] or ("body",)
    said = {"detail": str(fault["msg"]).removeprefix("Value error, "), "fault": fault["type"]}
    if where == "body" and not path and fault["type"] == "missing":
        said["detail"] = "A body in JSON is asked for, if only `{}`."
    if where == "body":
        return {"pointer": json_pointer(list(_steps_into(body, path))), **said}
    return {"in": where, "parameter": ".".join(map(str, path)), **said}


def json_pointer(steps: Sequence[str | int]) -> str:
    """The steps as a JSON pointer in a URI fragment's form (RFC 6901): `#/lines/0/sku`."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _steps_into(body: object, path: Sequence[str | int]) -> Iterator[str | int]:
    """The path without the names of union members, which validation puts between the body's own steps."""
    for position, step in enumerate(path):
        is_last = position == len(path) - 1
        if isinstance(body, dict) and (step in body or is_last):
            body = body.get(step)
        elif isinstance(body, list) and isinstance(step, int) and step < len(body):
            body = body[step]
        else:
            continue
        yield step


def _headers_of(error: ServiceError) -> dict[str, str]:
    if error.kind is Kind.UNAUTHENTICATED:
        fault = "" if error.code == "token_missing" else ', error="invalid_token"'
        return {"WWW-Authenticate": f'Bearer realm="habitue"{fault}'}
    if "scope" in error.extra and error.kind is Kind.FORBIDDEN:
        scope = error.extra["scope"]
        return {"WWW-Authenticate": f'Bearer realm="habitue", error="insufficient_scope", scope="{scope}"'}
    if error.kind in {Kind.UNAVAILABLE, Kind.TOO_MANY} or "retry_after_seconds" in error.extra:
        return {"Retry-After": str(error.extra.get("retry_after_seconds", RETRY_AFTER_SECONDS))}
    return {}
