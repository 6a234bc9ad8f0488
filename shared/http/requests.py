"""What happens around every request: its id, its limit, its time, and a last net for what nobody caught.

What a newcomer would get wrong: this is plain ASGI and not `BaseHTTPMiddleware`, which would run the endpoint in
another task (context variables set there would be lost) and costs more than the rest of a small request.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.problems import INTERNAL_ERROR, BodyTooLarge, problem_response, refuse
from shared.http.slashes import keep_apart, readable
from shared.logs import get_logger
from shared.metrics import Metrics

log = get_logger(__name__)

REQUEST_ID_HEADER = "x-request-id"
# Enough for a UUID, a ULID or a W3C trace id; nothing that could break a log line or a header.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,127}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

RouteName = Callable[[Scope], str]


class RequestMiddleware:
    """Wraps an application; `route_of` names the template of the route that a request took."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_body_bytes: int, route_of: RouteName) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._route_of = route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        keep_apart(scope)
        headers = Headers(scope=scope)
        scope["request_id"] = request_id = _request_id_of(headers)
        answer = _Answer(send, request_id)
        began = time.perf_counter()
        tokens = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._guarded(scope, self._limited(headers, receive), answer, headers)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)
            self._observe(scope, answer.status, time.perf_counter() - began)

    async def _guarded(self, scope: Scope, receive: Receive, answer: _Answer, headers: Headers) -> None:
        try:
            if _announced_bytes(headers) > self._max_body_bytes:
                await refuse(self._too_large(), scope)(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except _TooLong:
            if answer.status:
                raise
            await refuse(self._too_large(), scope)(scope, receive, answer)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=readable(scope["path"]))
            if answer.status:
                raise  # the answer is on its way; the server must break the connection
            await problem_response(INTERNAL_ERROR, scope)(scope, receive, answer)

    def _limited(self, headers: Headers, receive: Receive) -> Receive:
        """Count a body that came without its length (with one, the server holds the sender to it)."""
        if "content-length" in headers:
            return receive
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                raise _TooLong
            return message

        return counted

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"A body has at most {self._max_body_bytes} bytes.", limit_bytes=self._max_body_bytes
        )

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.http_seconds.of(self._route_of(scope), method, str(status)).observe(seconds)


class _TooLong(BaseException):
    """The body grew past its limit. Not an `Exception`, so that body parsing does not take it for a bad body."""


class _Answer:
    """Passes an answer on, adds the request id and remembers the status; 0 until the answer began."""

    __slots__ = ("_header", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (REQUEST_ID_HEADER.encode(), request_id.encode())
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


def _request_id_of(headers: Headers) -> str:
    given = headers.get(REQUEST_ID_HEADER)
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0
