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
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.clock import Clock
from shared.database import transaction_or_trial
from shared.errors import Kind, ServiceError
from shared.http import slashes
from shared.http.auth import Authorisation, caller_of
from shared.http.transaction import Connection, connection_of
from shared.http.turns import Turns
from shared.queries import Queries
from shared.tokens import Caller

MAX_KEY_CHARACTERS = 255
# Longer than a queue that stands still over a weekend; answers may hold a member's data, so not for ever.
KEEP_ANSWERS = timedelta(days=3)
REPLAYED_HEADER = "Idempotent-Replayed"
# What is one row in the books, which all writes about it lock.
TAKES_TURNS = ("member_id", "code")
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
class Question:
    """A request that may be sent again: whose (program, subject, key), to which service, and what it says."""

    service: str
    identity: tuple[str, str, str]
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """The answers that are kept, as seen and written by one transaction."""

    connection: Connection
    queries: Queries
    now: datetime

    async def look_up(self, questions: Sequence[Question | None]) -> list[Response | ServiceError | None]:
        """Hold the keys until the transaction ends; by place: the first answer, why there is none, or None if new.

        The refusals are `RequestInProgress` (another request holds the key) and `IdempotencyKeyReused`.
        """
        found: list[Response | ServiceError | None] = [None] * len(questions)
        asked = {question.identity: place for place, question in enumerate(questions) if question is not None}
        if not asked:
            return found
        numbers = {_lock_number(questions[place].service, *key): place for key, place in asked.items()}  # type: ignore[union-attr]
        for row in await self.connection.fetch(self.queries.hold_idempotency_keys, sorted(numbers)):
            if not row["held"]:
                why = "Wait for its answer, or ask again in a moment."
                found[numbers[row["number"]]] = RequestInProgress(why, retry_after_seconds=1)
        for row in await self.connection.fetch(self.queries.read_answers, *zip(*asked, strict=True)):
            place = asked[(row["program_id"], row["subject"], row["idempotency_key"])]
            question = questions[place]
            if found[place] is None and question is not None:
                found[place] = _answer_again(question, row)
        return found

    async def keep(self, answers: Sequence[tuple[Question, Response]]) -> None:
        """Write answers, in the transaction of their effects."""
        rows = [_row_of(question, response, self.now) for question, response in answers]
        if rows:
            await self.connection.execute(self.queries.keep_answers, *zip(*rows, strict=True))


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is needed to keep the answer once there is one."""

    kept: KeptAnswers
    question: Question

    async def look_up(self) -> None:
        """Hold the key until the transaction ends.

        Raises:
            RequestInProgress: another request holds it.
            IdempotencyKeyReused: it was used for another request.
            KeptAnswer: this request was answered before.
        """
        (found,) = await self.kept.look_up([self.question])
        if isinstance(found, ServiceError):
            raise found
        if found is not None:
            raise KeptAnswer(found)

    async def keep(self, response: Response) -> None:
        """Write the answer, in the transaction of its effect."""
        await self.kept.keep([(self.question, response)])


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
    slashes.install()
    return APIRouter(route_class=DoorRoute, **options)


async def write(
    request: Request, key: IdempotencyKey = None, dry_run: DryRun = False
) -> AsyncIterator[Connection]:
    """A transaction whose answer is kept under the request's `Idempotency-Key`, if it has one.

    With `dry_run` everything is carried out and checked (constraints that wait for the commit, too) and then
    rolled back. Writes about one member or code stand in line for it, see `turns`.

    Raises:
        RequestInProgress: 409. IdempotencyKeyReused: 422.
    """
    assert request.scope.get(_ROUTE), "an endpoint with Write belongs on a door_router()"
    async with (
        _turn_of(request),
        connection_of(request) as connection,
        transaction_or_trial(connection, dry_run=dry_run),
    ):
        if key is not None and not dry_run:
            await _remember(request, connection, caller_of(request), key)
        yield connection


Write = Annotated[Connection, Depends(write, scope="function")]


def _turn_of(request: Request) -> AbstractAsyncContextManager[None]:
    """The request's turn with the member or code of its address; where it names none, it waits for nobody."""
    turns: Turns = request.app.state.turns
    for name in TAKES_TURNS:
        if (thing := request.path_params.get(name)) is not None:
            return turns.of((caller_of(request).program_id, name, thing))
    return nullcontext()


async def forget_answers(connection: Connection, queries: Queries, now: datetime) -> int:
    """Delete the answers that were kept long enough; returns how many. A job calls this once an hour."""
    done: str = await connection.execute(queries.forget_answers, now - KEEP_ANSWERS)
    return int(done.rsplit(" ", 1)[-1])


async def _remember(request: Request, connection: Connection, caller: Caller, key: str) -> None:
    clock: Clock = request.app.state.clock
    identity = (caller.program_id, caller.subject, key)
    pending = _Pending(
        KeptAnswers(connection, request.app.state.machinery, clock()),
        Question(request.app.state.service, identity, hash_of(request, await request.body())),
    )
    await pending.look_up()
    request.scope[_PENDING] = pending


def hash_of(request: Request, body: bytes) -> bytes:
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


def _answer_again(question: Question, row: Any) -> Response | ServiceError:
    if row["request_hash"] != question.request_hash:
        return IdempotencyKeyReused("Use a new key for a new request, or send exactly the same one again.")
    return _revived(row["status"], row["headers"], row["body"])


def _row_of(question: Question, response: Response, now: datetime) -> tuple[Any, ...]:
    assert not isinstance(response, StreamingResponse), "a kept answer is kept whole; do not stream it"
    headers = [(name.decode(), value.decode("latin-1")) for name, value in response.raw_headers]
    packed = msgspec.json.encode(headers).decode()
    body = bytes(response.body)
    return (*question.identity, question.request_hash, response.status_code, packed, body, now)


def _revived(status: int, headers: str, body: bytes) -> Response:
    response = Response(body, status_code=status)
    pairs = msgspec.json.decode(headers, type=list[tuple[str, str]])
    response.raw_headers = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    response.headers[REPLAYED_HEADER] = "true"
    return response
