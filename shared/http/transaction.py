"""The database in an endpoint: one connection, and for writes one transaction that commits before the answer leaves.

    async def read(connection: Reading): ...        # one statement: no transaction needed
    async def write(connection: Transaction): ...   # commits after the endpoint, before the answer

What a newcomer would get wrong: a `yield` dependency ends *after* the answer was sent unless it says
`scope="function"`; the caller would then read 200 for a commit that fails. Use the aliases here, they say it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
from fastapi import Depends
from starlette.requests import Request

if TYPE_CHECKING:
    from shared.database import Pool

    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.pool.PoolConnectionProxy

# A request that cannot get a connection for so long is better told to come back (503) than kept waiting.
ACQUIRE_SECONDS = 5.0


@asynccontextmanager
async def connection_of(request: Request) -> AsyncIterator[Connection]:
    """A connection of the application's pool.

    Raises:
        TimeoutError: none became free in time; answered with 503.
    """
    state: Any = request.app.state
    pool: Pool = state.pool
    seconds: float = getattr(state, "acquire_seconds", ACQUIRE_SECONDS)
    async with pool.acquire(timeout=seconds) as connection:
        yield connection


async def reading(request: Request) -> AsyncIterator[Connection]:
    """A connection without a transaction: each statement sees its own moment."""
    async with connection_of(request) as connection:
        yield connection


async def transaction(request: Request) -> AsyncIterator[Connection]:
    """A connection within a transaction; committed when the endpoint returns, rolled back when it raises."""
    async with connection_of(request) as connection, connection.transaction():
        yield connection


Reading = Annotated[Connection, Depends(reading, scope="function")]
Transaction = Annotated[Connection, Depends(transaction, scope="function")]
