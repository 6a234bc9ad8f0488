"""Many writes in one request: a result for each, in order, and none that fails stops another.

    return answer_of(await each_by_itself(request, body.items, do, status=201, dry_run=dry_run), dry_run=dry_run)

What a newcomer would get wrong: the request as a whole is no transaction. Each item is one of its own (or shares one
with its neighbours, where the service decides in sets), and is committed when its result is there. So an item has to
carry its own id: a caller who lost the answer sends everything again, and nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec
import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.database import NOT_NOW, transaction_or_trial
from shared.errors import ServiceError
from shared.http.gathering import Gathering
from shared.http.problems import INTERNAL_ERROR, TextNotStorable, TryAgain, problem_of, status_of
from shared.http.transaction import Connection, connection_of

log = structlog.get_logger(__name__)

MOST_ITEMS = 1_000  # some seconds of work: a caller waits no longer than for a report

Item = TypeVar("Item")
Do = Callable[[Connection, Item], Awaitable[BaseModel]]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: its status, and what its own request would have been answered with."""

    status: int
    result: msgspec.Raw | None = None
    problem: dict[str, object] | None = None


async def each_by_itself(
    request: Request,
    items: Sequence[Item],
    do: Do[Item],
    *,
    status: int,
    dry_run: bool,
) -> list[Result]:
    """Do one item after the other, each in a transaction of its own; with `dry_run` each is tried and undone."""
    results = []
    for item in items:
        try:
            answer = await _one(request, item, do, dry_run=dry_run)
            results.append(Result(status, msgspec.Raw(answer.__pydantic_serializer__.to_json(answer))))
        except Exception as error:
            results.append(_refused(error))
    if not dry_run:
        request.app.state.wake_relay()
    return results


async def together_in_order(request: Request, commands: Sequence[Any], *, dry_run: bool) -> list[Result]:
    """Let the service decide commands in sets, in their order; with `dry_run` each is tried by itself and undone."""
    gathering: Gathering = request.app.state.gathering
    if dry_run:
        outcomes = [await _tried(gathering, command) for command in commands]
    else:
        outcomes = await gathering.answer_in_order(commands)
    return [
        Result(each.status_code, msgspec.Raw(each.body)) if isinstance(each, Response) else _refused(each)
        for each in outcomes
    ]


def answer_of(results: Sequence[Result], *, dry_run: bool) -> Response:
    """The answer to the request as a whole: 200, whatever became of its items."""
    succeeded = sum(each.problem is None for each in results)
    said = {"succeeded": succeeded, "failed": len(results) - succeeded, "dry_run": dry_run, "items": results}
    return Response(msgspec.json.encode(said, enc_hook=str), media_type="application/json")


async def _one(request: Request, item: Item, do: Do[Item], *, dry_run: bool) -> BaseModel:
    async with connection_of(request) as connection, transaction_or_trial(connection, dry_run=dry_run):
        return await do(connection, item)


async def _tried(gathering: Gathering, command: Any) -> Response | BaseException:
    try:
        return await gathering.try_alone(command)
    except Exception as error:
        return error


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
