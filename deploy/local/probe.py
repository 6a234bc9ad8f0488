"""Whether a server really answers: SQL for PostgreSQL, a metadata request for Kafka.

An open port proves little: another server may have been faster on it. Both probes therefore also ask who is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

TIMEOUT_SECONDS = 5

T = TypeVar("T")


def answers_sql(url: str) -> bool:
    """Whether the server at `url` takes this password and answers a query."""
    return _run(_select_one(url))


def cluster_at(bootstrap: str) -> str | None:
    """The id of the cluster that the broker at `bootstrap` belongs to, None if it does not answer (yet)."""
    return _run(_cluster_id(bootstrap))


def _run(question: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from anywhere, also from within a running event loop (which waits)."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, question).result()


async def _select_one(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=TIMEOUT_SECONDS, ssl=False)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    try:
        return bool(await connection.fetchval("SELECT 1", timeout=TIMEOUT_SECONDS) == 1)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        connection.terminate()


async def _cluster_id(bootstrap: str) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_SECONDS * 1_000)
    try:
        await admin.start()
        return str((await admin.describe_cluster())["cluster_id"])
    except (KafkaError, OSError, TimeoutError):
        return None
    finally:
        await admin.close()
