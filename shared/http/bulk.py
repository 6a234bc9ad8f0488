"""Many writes in one request: a result for each, in order, and none that fails stops another.

    Bulk = Annotated[Many, Depends(many)]

    @router.post("/bulk/spends")
    async def spend_many(body: BulkIn[BulkSpend], caller: Writer, many: Bulk) -> Response:
        return await many.each(body.items, do, status=201)

What a newcomer would get wrong: the request as a whole is no transaction. Each item is one of its own (or shares one
with its neighbours, where the service decides in sets), and is committed when its result is there. A caller who lost
the answer, or met a crash in the middle, sends everything again. What carries its own id does not happen twice anyway;
with an `Idempotency-Key` nothing does: each item's answer is kept in the transaction of its effect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec
import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.clock import Clock
from shared.database import NOT_NOW, transaction_or_trial
from shared.errors import ServiceError
from shared.http.auth import caller_of
from shared.http.gathering import Gathering
from shared.http.idempotency import (
    REPLAYED_HEADER,
    DryRun,
    IdempotencyKey,
    KeptAnswers,
    Question,
    hash_of,
)
from shared.http.problems import INTERNAL_ERROR, TextNotStorable, TryAgain, problem_of, status_of
from shared.http.transaction import Connection, connection_of

log = structlog.get_logger(__name__)

MOST_ITEMS = 1_000  # some seconds of work: a caller waits no longer than for a report

Item = TypeVar("Item")
Do = Callable[[Connection, Item], Awaitable[BaseModel]]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: its status, and what its own request would have been answered with.

    `replayed`: an earlier request with the same key did it, and this is its answer.
    """

    status: int
    result: msgspec.Raw | None = None
    problem: dict[str, object] | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A request for many writes: its key, where it has one, and whether it only tries them."""

    request: Request
    key: str | None
    dry_run: bool

    async def each(self, items: Sequence[Item], do: Do[Item], *, status: int) -> Response:
        """Do one item after the other, each in a transaction of its own; a dry run tries each, and undoes it.

        Raises:
            IdempotencyKeyReused: 422. RequestInProgress: 409.
        """
        questions = await self._questions(len(items))
        one = _One(self.request, do, status, self.dry_run)
        results = [await one.result(item, question) for item, question in zip(items, questions, strict=True)]
        if not self.dry_run:
            self.request.app.state.wake_relay()
        return self._answer_of(results)

    async def in_sets(self, commands: Sequence[Any]) -> Response:
        """Let the service decide commands in sets, in their order; a dry run tries each by itself, and undoes it.

        Raises:
            IdempotencyKeyReused: 422. RequestInProgress: 409.
        """
        gathering: Gathering = self.request.app.state.gathering
        if self.dry_run:
            outcomes = [await _tried(gathering, command) for command in commands]
        else:
            outcomes = await gathering.answer_in_order(commands, await self._questions(len(commands)))
        return self._answer_of([_result(outcome) for outcome in outcomes])

    async def _questions(self, count: int) -> Sequence[Question | None]:
        """Under which key the answer to each item is kept; no caller's own key has a space."""
        if self.key is None or self.dry_run:
            return [None] * count
        whole = await self._claimed(self.key)
        program_id, subject, key = whole.identity
        return [
            Question(whole.service, (program_id, subject, f"{key} {place}"), whole.request_hash)
            for place in range(count)
        ]

    async def _claimed(self, key: str) -> Question:
        """The request under its key, which from now on is this request's: another one is refused as a whole."""
        caller, state = caller_of(self.request), self.request.app.state
        request_hash = hash_of(self.request, await self.request.body())
        whole = Question(state.service, (caller.program_id, caller.subject, key), request_hash)
        async with connection_of(self.request) as connection, connection.transaction():
            kept = _kept(self.request, connection)
            (found,) = await kept.look_up([whole])
            if isinstance(found, ServiceError):
                raise found
            if found is None:
                await kept.keep([(whole, Response(status_code=HTTPStatus.ACCEPTED))])
        return whole

    def _answer_of(self, results: Sequence[Result]) -> Response:
        """The answer to the request as a whole: 200, whatever became of its items."""
        succeeded = sum(each.problem is None for each in results)
        said = {
            "succeeded": succeeded,
            "failed": len(results) - succeeded,
            "dry_run": self.dry_run,
            "items": results,
        }
        return Response(msgspec.json.encode(said, enc_hook=str), media_type="application/json")


async def many(request: Request, key: IdempotencyKey = None, dry_run: DryRun = False) -> Many:
    """The dependency; it comes behind `requires(...)`, since a kept answer is its caller's own."""
    return Many(request, key, dry_run)


@dataclass(frozen=True, slots=True)
class _One(Generic[Item]):
    """Does one item in a transaction of its own."""

    request: Request
    do: Do[Item]
    status: int
    dry_run: bool

    async def result(self, item: Item, question: Question | None) -> Result:
        """What became of it; nothing that it meets gets past here."""
        try:
            return _result(await self._answer(item, question))
        except Exception as error:
            return _refused(error)

    async def _answer(self, item: Item, question: Question | None) -> Response:
        async with (
            connection_of(self.request) as connection,
            transaction_or_trial(connection, dry_run=self.dry_run),
        ):
            kept = _kept(self.request, connection)
            (found,) = await kept.look_up([question])
            if isinstance(found, ServiceError):
                raise found
            if found is not None:
                return found
            made = await self.do(connection, item)
            body = made.__pydantic_serializer__.to_json(made)
            answer = Response(body, status_code=self.status, media_type="application/json")
            await kept.keep([(question, answer)] if question is not None else [])
            return answer


def _kept(request: Request, connection: Connection) -> KeptAnswers:
    clock: Clock = request.app.state.clock
    return KeptAnswers(connection, request.app.state.machinery, clock())


async def _tried(gathering: Gathering, command: Any) -> Response | BaseException:
    try:
        return await gathering.try_alone(command)
    except Exception as error:
        return error


def _result(outcome: Response | BaseException) -> Result:
    if isinstance(outcome, BaseException):
        return _refused(outcome)
    replayed = REPLAYED_HEADER in outcome.headers
    return Result(outcome.status_code, msgspec.Raw(bytes(outcome.body)), replayed=replayed)


def _refused(error: BaseException) -> Result:
    """The problem that the item's own request would have been answered with."""
    if isinstance(error, ServiceError):
        return Result(status_of(error), problem=problem_of(error))
    if isinstance(error, (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)):
        return _refused(TextNotStorable())
    if isinstance(error, NOT_NOW):
        log.warning("item_not_now", error=repr(error))
        return _refused(TryAgain())
    log.error("item_failed", exc_info=error)
    return Result(500, problem=dict(INTERNAL_ERROR))
