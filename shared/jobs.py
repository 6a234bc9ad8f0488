"""The clock door: periodic work, done by one worker of a service at a time.

What a newcomer would get wrong: a job is not a timer that must fire. It looks for what is due and does it, in
batches; a job that ran late, twice, or on two machines in turn does the same work once.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.database import NOT_NOW, Pool

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is looked for every so many seconds. `run` returns how much it found (0: nothing to do)."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[int]]


async def run_jobs(pool: Pool, schema: str, jobs: Sequence[Job], stop: asyncio.Event) -> None:
    """Run all jobs until `stop`."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_repeat(pool, schema, job, stop))


async def _repeat(pool: Pool, schema: str, job: Job, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await run_once(pool, schema, job)
        except NOT_NOW as error:
            log.warning("job_waits", job=job.name, reason=f"{type(error).__name__}: {error}")
        except Exception:  # a bug in one job must stop neither the worker nor the other jobs
            log.exception("job_failed", job=job.name)
        try:
            async with asyncio.timeout(job.every_seconds):
                await stop.wait()
        except TimeoutError:
            pass


async def run_once(pool: Pool, schema: str, job: Job) -> int:
    """Run a job now, unless another worker is at it; how much it found."""
    lock = zlib.crc32(f"{schema}.job.{job.name}".encode())
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
            return 0
        try:
            found = await job.run()
            if found:
                log.info("job_done", job=job.name, found=found)
            return found
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)
