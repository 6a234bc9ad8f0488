"""Connections to Postgres, as the service's own role and with its limits.

What a newcomer would get wrong: the role is a start-up parameter, so a service never runs with more rights than
its role has, even where the address names an administrator (as on a developer's machine).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from shared.errors import Unavailable

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
AnyConnection: TypeAlias = "Connection | PooledConnection"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CONNECT_SECONDS = 10.0  # a server that takes longer is away
IDLE_IN_TRANSACTION_SECONDS = 30.0  # a stopped worker must not keep its members locked for ever

NOT_NOW = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a line that breaks just while a statement begins
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DiskFullError,
    OSError,
    TimeoutError,
    Unavailable,
)
"""What Postgres or the network may answer that means "try again": nothing is wrong with the input."""


class DatabaseAway(Unavailable):
    """The database does not answer."""

    code = "database_away"


def role_of(schema: str) -> str:
    """The login role that owns nothing and may do in `schema` what its migrations granted."""
    return f"habitue_{schema}"


@dataclass(slots=True)
class Attempt:
    """A transaction that is under way; whoever finds out within it that it must not be sets `undone`."""

    undone: bool


def columns_of(rows: Iterable[Iterable[Any]], width: int) -> list[tuple[Any, ...]]:
    """Rows of `width` scalars turned into one array per column, as `unnest` wants them."""
    return list(zip(*rows, strict=True)) or [()] * width


@asynccontextmanager
async def transaction_or_trial(connection: AnyConnection, *, dry_run: bool) -> AsyncIterator[Attempt]:
    """A transaction; with `dry_run` all of it is carried out and checked, and then undone.

    What waits for the commit (deferred constraints) is checked before the trial ends, so that a trial refuses
    whatever the real thing would refuse. An exception undoes either.
    """
    transaction = connection.transaction()
    await transaction.start()
    attempt = Attempt(undone=dry_run)
    try:
        yield attempt
        if attempt.undone:
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if attempt.undone else transaction.commit())


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a session waits; seconds."""

    statement_seconds: float = 30.0  # a batch of 1,000 takes well under a second; half a minute is a hang
    lock_seconds: float = 5.0  # row locks are held for one batch only


async def connect_pool(
    url: str,
    *,
    schema: str,
    min_size: int = 1,
    max_size: int = 10,
    application: str = "habitue",
    timeouts: Timeouts = Timeouts(),
) -> Pool:
    """A pool of connections that run as the role of `schema`.

    Raises:
        DatabaseAway: nothing answers at `url`.
    """
    try:
        return await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_SECONDS,
            server_settings=server_settings(schema, application, timeouts),
            reset=_end_transaction,
        )
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise DatabaseAway(f"no answer from the database of {schema}: {error}; is it running?") from error


async def connect(url: str, *, schema: str, application: str = "habitue") -> Connection:
    """One connection outside the pool (for a session lock), as the role of `schema`."""
    return await asyncpg.connect(
        url, timeout=CONNECT_SECONDS, server_settings=server_settings(schema, application)
    )


async def _end_transaction(connection: Connection) -> None:
    """All that a connection may carry over: our code leaves no other state in a session, and a full reset is a
    round trip more for each request and batch."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def server_settings(schema: str, application: str, timeouts: Timeouts = Timeouts()) -> dict[str, str]:
    """What each session of a service starts with."""
    return {
        "application_name": application,
        "role": role_of(schema),
        "timezone": "UTC",
        "search_path": "pg_catalog",  # a table without its schema is a fault, so let it fail at once
        "statement_timeout": _milliseconds(timeouts.statement_seconds),
        "lock_timeout": _milliseconds(timeouts.lock_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_SECONDS),
        "jit": "off",  # compiling costs more than any query here takes
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
