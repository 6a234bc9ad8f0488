"""Writes that may be sent twice: `Idempotency-Key`, and `dry_run`.

    router = door_router(prefix="/members", tags=["points"])

    @router.post("/{member_id}/spends", status_code=201)
    async def spend(order: SpendIn, caller: Annotated[Caller, requires("ledger:write")], write: Write) -> SpendOut: ...

`Write` is a connection within a transaction (see `transaction`) that also keeps the answer under the caller's key, in
that same transaction: there is no moment at which the effect exists and the answer does not.

What a newcomer would get wrong: what an endpoint returns is kept, what it raises is *not*. A refused request changed
nothing, so there is nothing to protect, and keeping its answer would need a second transaction that can fail on its
own. Sent again with the same key it is judged anew: whoever tops up their points and retries gets through.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.clock import Clock
from shared.errors import Kind, ServiceError
from shared.http.auth import Authorisation, caller_of
from shared.http.transaction import Connection, connection_of
from shared.queries import Queries
from shared.tokens import Caller

MAX_KEY_CHARACTERS = 255
# Longer than a queue that stands still over a weekend; answers may hold a member's data, so not for ever.
KEEP_ANSWERS = timedelta(days=3)
REPLAYED_HEADER = "Idempotent-Replayed"
_PENDING = "habitue.idempotency"
_ROUTE = "habitue.idempotency.route"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own, such as a UUID. Sent again with the same key and body, the request is "
        "not carried out twice: the first answer comes back with `Idempotent-Replayed: true`. Kept for 3 days.",
    ),
]
DryRun = Annotated[
    bool,
    Query(description="Answer as if, and change nothing. An `Idempotency-Key` is ignored then."),
]


class IdempotencyKeyReused(ServiceError):
    """The idempotency key was used before, with another request."""

    kind = Kind.INVALID
    code = "idempotency_key_reused"


class RequestInProgress(ServiceError):
    """A request with this idempotency key is still running."""

    kind = Kind.CONFLICT
    code = "request_in_progress"


class KeptAnswer(Exception):
    """Not an error: carries the first answer past the endpoint."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is needed to keep the answer once there is one."""

    connection: Connection
    queries: Queries
    service: str
    identity: tuple[str, str, str]
    request_hash: bytes
    now: datetime

    async def look_up(self) -> None:
        """Hold the key until the transaction ends.

        Raises:
            RequestInProgress: another request holds it.
            IdempotencyKeyReused: it was used for another request.
            KeptAnswer: this request was answered before.
        """
        number = _lock_number(self.service, *self.identity)
        if not await self.connection.fetchval(self.queries.hold_idempotency_key, number):
            raise RequestInProgress("Wait for its answer, or ask again in a moment.", retry_after_seconds=1)
        kept = await self.connection.fetchrow(self.queries.read_answer, *self.identity)
        if kept is None:
            return
        if kept["request_hash"] != self.request_hash:
            raise IdempotencyKeyReused("Use a new key for a new request, or send exactly the same one again.")
        raise KeptAnswer(_revived(kept["status"], kept["headers"], kept["body"]))

    async def keep(self, response: Response) -> None:
        """Write the answer, in the transaction of its effect."""
        assert not isinstance(response, StreamingResponse), (
            "the answer of a Write is kept whole; do not stream it"
        )
        headers = [(name.decode(), value.decode("latin-1")) for name, value in response.raw_headers]
        await self.connection.execute(
            self.queries.keep_answer,
            *self.identity,
            self.request_hash,
            response.status_code,
            msgspec.json.encode(headers).decode(),
            bytes(response.body),
            self.now,
        )


class DoorRoute(APIRoute):
    """A route that keeps the answer of a `Write` before its transaction commits."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        calls = [dependency.call for dependency in self.dependant.dependencies]
        if write in calls and not any(
            isinstance(call, Authorisation) for call in calls[: calls.index(write)]
        ):
            raise TypeError(
                f"{endpoint.__name__}: `requires(...)` comes before `Write`, or a kept answer leaks"
            )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler; runs within the scope of the endpoint's dependencies."""
        answer = super().get_route_handler()

        async def answer_once(request: Request) -> Response:
            request.scope[_ROUTE] = True
            try:
                response = await answer(request)
            except KeptAnswer as kept:
                return kept.response
            pending: _Pending | None = request.scope.get(_PENDING)
            if pending is not None:
                await pending.keep(response)
            return response

        return answer_once


def door_router(**options: Any) -> APIRouter:
    """A router for a service's endpoints; takes what `APIRouter` takes."""
    return APIRouter(route_class=DoorRoute, **options)


async def write(
    request: Request, key: IdempotencyKey = None, dry_run: DryRun = False
) -> AsyncIterator[Connection]:
    """A transaction whose answer is kept under the request's `Idempotency-Key`, if it has one.

    With `dry_run` everything is carried out and checked (constraints that wait for the commit, too) and then
    rolled back.

    Raises:
        RequestInProgress: 409. IdempotencyKeyReused: 422.
    """
    assert request.scope.get(_ROUTE), "an endpoint with Write belongs on a door_router()"
    async with connection_of(request) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            if key is not None and not dry_run:
                await _remember(request, connection, caller_of(request), key)
            yield connection
            if dry_run:
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if dry_run else transaction.commit())


Write = Annotated[Connection, Depends(write, scope="function")]


async def forget_answers(connection: Connection, queries: Queries, now: datetime) -> int:
    """Delete the answers that were kept long enough; returns how many. A job calls this once an hour."""
    done: str = await connection.execute(queries.forget_answers, now - KEEP_ANSWERS)
    return int(done.rsplit(" ", 1)[-1])


async def _remember(request: Request, connection: Connection, caller: Caller, key: str) -> None:
    clock: Clock = request.app.state.clock
    pending = _Pending(
        connection=connection,
        queries=request.app.state.machinery,
        service=request.app.state.service,
        identity=(caller.program_id, caller.subject, key),
        request_hash=_hash_of(request, await request.body()),
        now=clock(),
    )
    await pending.look_up()
    request.scope[_PENDING] = pending


def _hash_of(request: Request, body: bytes) -> bytes:
    """16 bytes that differ if the method, the address or one byte of the body differs."""
    head = "\n".join((request.method, request.url.path, request.url.query, "")).encode()
    return hashlib.blake2b(head + body, digest_size=16).digest()


def _lock_number(*identity: str) -> int:
    """The advisory lock of a key. Two keys that share a number only keep each other waiting.

    The service is part of it, because all services may live in one database, and locks know no schema.
    """
    packed = msgspec.msgpack.encode(identity)
    digest = hashlib.blake2b(packed, digest_size=8, person=b"idempotency").digest()
    return int.from_bytes(digest, signed=True)


def _revived(status: int, headers: str, body: bytes) -> Response:
    response = Response(body, status_code=status)
    pairs = msgspec.json.decode(headers, type=list[tuple[str, str]])
    response.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    response.headers[REPLAYED_HEADER] = "true"
    return response
