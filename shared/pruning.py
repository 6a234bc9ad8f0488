"""Forgetting what cannot come again: events in the inbox, answers to repeated requests. The same in every service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.database import Pool
from shared.http.idempotency import forget_answers
from shared.jobs import Job
from shared.queries import Queries

EVERY_SECONDS = 3600.0


def pruning(pool: Pool, machinery: Queries, clock: Callable[[], datetime], *, inbox_days: int) -> Job:
    """The job that prunes. `inbox_days` must be longer than the topics keep events, or a replay would pay twice."""

    async def prune() -> int:
        now = clock()
        async with pool.acquire() as connection:
            await connection.execute(machinery.prune_inbox, now - timedelta(days=inbox_days))
            return await forget_answers(connection, machinery, now)

    return Job("prune", EVERY_SECONDS, prune)
