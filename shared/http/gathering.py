"""Writes that come at the same moment are decided together, in one transaction: what a poll is for events.

    Together = Annotated[Gathered, Depends(gathered)]

    @router.post("/members/{member_id}/spends", status_code=201, response_model=SpendOut)
    async def spend(order: SpendIn, caller: Writer, together: Together) -> Response:
        return await together.answer(Spend(...))

Nobody waits for company: a request that comes alone is decided at once, and those that come while a transaction runs
are the next one. Each gets its own answer or its own refusal, and an `Idempotency-Key` is kept as with `Write`.

What a newcomer would get wrong: a fault that nobody foresaw rolls back everybody's transaction, and so does a row that
somebody else holds for too long. So each of them is decided once more, alone, and only the one that carries the fault,
or needs that row, is told of it. Meanwhile the lane goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from shared.clock import Clock
from shared.database import NOT_NOW, transaction_or_trial
from shared.errors import ServiceError, Unavailable
from shared.http.auth import caller_of
from shared.http.idempotency import (
    DryRun,
    IdempotencyKey,
    KeptAnswers,
    Question,
    hash_of,
)
from shared.http.transaction import Connection
from shared.queries import Queries

MOST_AT_ONCE = 200  # a transaction of so many takes some 50 ms: nobody waits longer for the others
LANES = 2  # one decides while the other waits for its commit
ENOUGH = (
    32  # so many wait before a second lane begins: what fewer gain by company, they would lose again by it
)


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to one command: status and JSON."""

    status: int
    body: bytes


CONTENDED = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    Unavailable,
)
"""The database is there, but somebody is in the way of one of them."""
# Then whoever was not begun with is told to come back: two have waited for a lock in vain.
ALONE_SECONDS = 10.0

Decide = Callable[[Connection, Sequence[Any], datetime], Awaitable[Sequence[Decided | ServiceError]]]
"""Decides commands in order, on the connection of an open transaction; a refused one leaves no trace."""


@dataclass(slots=True)
class _Asked:
    """A request that waits for its answer."""

    command: Any
    question: Question | None
    answer: asyncio.Future[Response]


@dataclass(slots=True)
class Gathering:
    """The requests of one kind that wait, and the transactions that take them."""

    acquire: Callable[[], AbstractAsyncContextManager[Connection]]
    queries: Queries
    decide: Decide
    clock: Clock
    committed: Callable[[], None] = lambda: None
    _waiting: list[_Asked] = field(default_factory=list)
    _lanes: set[asyncio.Task[None]] = field(default_factory=set)
    """What is under way: kept here, or it might be collected."""
    _busy: int = 0
    """How many of the lanes will look for further requests."""

    async def answer(self, command: Any, question: Question | None) -> Response:
        """The answer to a command, once it is committed.

        Raises:
            ServiceError: what refused it. RequestInProgress, IdempotencyKeyReused: see `idempotency`.
        """
        asked = _Asked(command, question, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._busy < LANES and self._is_worth_a_lane():
            self._busy += 1
            self._start(self._run())
        return await asked.answer

    async def answer_in_order(
        self, commands: Sequence[Any], questions: Sequence[Question | None]
    ) -> list[Response | BaseException]:
        """Decide these one after the other, some hundred in a transaction; by place the answer, or what refused it.

        `questions` say under which keys, each another one, the answers are kept.
        """
        loop = asyncio.get_running_loop()
        asked = [
            _Asked(command, question, loop.create_future())
            for command, question in zip(commands, questions, strict=True)
        ]
        for first in range(0, len(asked), MOST_AT_ONCE):
            batch = asked[first : first + MOST_AT_ONCE]
            if (trouble := await self._settle(batch)) is not None:
                await self._settle_alone(batch, trouble)
        return [each.answer.exception() or each.answer.result() for each in asked]

    async def try_alone(self, command: Any) -> Response:
        """The answer to a command that is decided and undone.

        Raises:
            ServiceError: what refuses it.
        """
        async with self.acquire() as connection, transaction_or_trial(connection, dry_run=True):
            (outcome,) = await self.decide(connection, [command], self.clock())
        if isinstance(outcome, ServiceError):
            raise outcome
        return response_of(outcome)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._lanes.add(task)
        task.add_done_callback(self._lanes.discard)

    async def _run(self) -> None:
        while batch := self._next():
            if (trouble := await self._settle(batch)) is not None:
                self._start(self._settle_alone(batch, trouble))
            self._busy -= 1
            if not self._is_worth_a_lane():
                return
            self._busy += 1
        self._busy -= 1

    def _is_worth_a_lane(self) -> bool:
        """Whether so many wait that beside the busy lanes one more should take some."""
        return len(self._waiting) >= (ENOUGH if self._busy else 1)

    def _next(self) -> list[_Asked]:
        """The oldest requests; one that repeats a key of the same batch waits for the next."""
        batch: list[_Asked] = []
        later: list[_Asked] = []
        keys = set()
        for asked in self._waiting:
            key = asked.question.identity if asked.question else None
            if len(batch) < MOST_AT_ONCE and (key is None or key not in keys):
                batch.append(asked)
                keys.add(key)
            else:
                later.append(asked)
        self._waiting = later
        return batch

    async def _settle(self, batch: list[_Asked]) -> Exception | None:
        """Answer all of them; or what stands in the way of one of several, who are not answered yet."""
        try:
            async with self.acquire() as connection, connection.transaction():
                answers = await self._answers(connection, batch)
        except CONTENDED as error:
            if len(batch) > 1:
                return error
            _tell(batch, [error])
        except (*NOT_NOW, ServiceError) as error:
            _tell(batch, [error] * len(batch))
        except Exception as error:
            if len(batch) > 1:
                return error
            _tell(batch, [error])
        else:
            self.committed()
            _tell(batch, answers)
        return None

    async def _settle_alone(self, batch: list[_Asked], trouble: Exception) -> None:
        """Answer each by itself; where that takes too long, tell the others what was in the way of all."""
        until = asyncio.get_running_loop().time() + ALONE_SECONDS
        for place, asked in enumerate(batch):
            if isinstance(trouble, CONTENDED) and asyncio.get_running_loop().time() > until:
                _tell(batch[place:], [trouble] * (len(batch) - place))
                return
            await self._settle([asked])

    async def _answers(
        self, connection: Connection, batch: Sequence[_Asked]
    ) -> list[Response | BaseException]:
        now = self.clock()
        kept = KeptAnswers(connection, self.queries, now)
        known = await kept.look_up([asked.question for asked in batch])
        fresh = [place for place, found in enumerate(known) if found is None]
        decided = await self.decide(connection, [batch[place].command for place in fresh], now)
        answers: list[Response | BaseException] = [found or ServiceError("") for found in known]
        to_keep: list[tuple[Question, Response]] = []
        for place, outcome in zip(fresh, decided, strict=True):
            answer = outcome if isinstance(outcome, ServiceError) else response_of(outcome)
            answers[place] = answer
            question = batch[place].question
            if question is not None and isinstance(answer, Response):
                to_keep.append((question, answer))
        await kept.keep(to_keep)
        return answers


def response_of(decided: Decided) -> Response:
    """The answer as it leaves."""
    return Response(decided.body, status_code=decided.status, media_type="application/json")


def _tell(batch: Sequence[_Asked], answers: Sequence[Response | BaseException]) -> None:
    for asked, answer in zip(batch, answers, strict=True):
        if asked.answer.done():  # whoever asked has hung up
            continue
        if isinstance(answer, BaseException):
            asked.answer.set_exception(answer)
        else:
            asked.answer.set_result(answer)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What an endpoint asks: its command is decided with those of others, or alone and undone for a dry run."""

    request: Request
    key: str | None
    dry_run: bool

    async def answer(self, command: Any) -> Response:
        """The answer, once it is committed.

        Raises:
            ServiceError: what refused it. RequestInProgress: 409. IdempotencyKeyReused: 422.
        """
        gathering: Gathering = self.request.app.state.gathering
        if self.dry_run:
            return await gathering.try_alone(command)
        question = None
        if self.key is not None:
            caller = caller_of(self.request)
            identity = (caller.program_id, caller.subject, self.key)
            service: str = self.request.app.state.service
            question = Question(service, identity, hash_of(self.request, await self.request.body()))
        return await gathering.answer(command, question)


async def gathered(request: Request, key: IdempotencyKey = None, dry_run: DryRun = False) -> Gathered:
    """The dependency; it comes behind `requires(...)`, since a kept answer is its caller's own."""
    return Gathered(request, key, dry_run)
