"""Sessions whose client is frozen: they hold their locks for ever.

What a newcomer would get wrong: no timeout of Postgres ends them. While it waits for the next rows of a COPY, or for
a client that does not read its answer, it looks neither at `statement_timeout` nor at
`idle_in_transaction_session_timeout`; and the relay's session holds its lock outside of a transaction. So whoever
waited in vain for a lock looks for such sessions, and ends them by `pg_terminate_backend`.
"""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import structlog

from shared.database import NOT_NOW, Connection, Pool
from shared.queries import Queries

log = structlog.get_logger(__name__)


async def end_frozen_sessions(pool: Pool, sql: Queries, trouble: BaseException) -> None:
    """If the trouble is that a lock was waited for in vain: end sessions of this service in which Postgres waits for a
    client for longer than a statement may take.

    Sessions of commands are left alone: bringing in a book may take hours.
    """
    if not isinstance(trouble, asyncpg.LockNotAvailableError):
        return
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(sql.as_who_logged_in)
            ended = await connection.fetchval(sql.end_frozen_sessions)
    except NOT_NOW as error:
        log.warning("frozen_sessions_not_looked_for", reason=f"{type(error).__name__}: {error}")
    else:
        if ended:
            log.warning("frozen_sessions_ended", count=ended)


async def end_frozen_holder(connection: Connection, sql: Queries, lock: int, silent: timedelta) -> None:
    """End the session that holds this advisory lock (32 bits), if it has asked nothing for so long."""
    async with connection.transaction():
        await connection.execute(sql.as_who_logged_in)
        if await connection.fetchval(sql.end_frozen_holder, lock, silent):
            log.warning("frozen_sessions_ended", count=1)
