"""The real PostgreSQL and Kafka that the tests talk to: found, or started once for a whole run.

In this order: `DATABASE_URL` and `KAFKA_BOOTSTRAP` name servers that run already; `HABITUE_TEST_SERVERS=containers`
asks a Docker engine for them; else the embedded stack is started by the first test that needs it. A newcomer would
start a stack in every xdist worker: all share one, each test with its own database and its own names of topics.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local.stack import EmbeddedStack

_FOLDER = "HABITUE_TEST_FOLDER"
_OWNER = "HABITUE_TEST_OWNER"
_KIND = "HABITUE_TEST_SERVERS"


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the servers; `stack` can stop and kill them, and is None if they are not ours to kill."""

    database_url: str
    kafka_bootstrap: str
    stack: EmbeddedStack | None = None


def begin_run() -> None:
    """Say, to this process and the workers it will start, where the run's servers will be.

    Starts nothing by itself, unless containers are asked for.
    """
    os.environ[_FOLDER] = str(Path(tempfile.gettempdir()) / f"habitue-test-{secrets.token_hex(6)}")
    os.environ[_OWNER] = str(os.getpid())
    if os.environ.get(_KIND) == "containers" and _running_already() is None:
        from tests.support import containers  # noqa: PLC0415 - the library takes a second to import

        os.environ["DATABASE_URL"], os.environ["KAFKA_BOOTSTRAP"] = containers.start()


def end_run() -> None:
    """Stop the servers of this run, if any test needed them."""
    folder = Path(os.environ[_FOLDER])
    if folder.exists():
        EmbeddedStack(folder, durable=False, temporary=True).recall().stop()


def find_servers() -> Servers:
    """The servers of this run, started now if nobody has asked for them before. Blocking, a few seconds at most."""
    return _running_already() or _embedded(Path(os.environ[_FOLDER]), owner=int(os.environ[_OWNER]))


@asynccontextmanager
async def a_database(servers: Servers) -> AsyncIterator[str]:
    """The address of an empty database of one's own; afterwards it is dropped, whoever is still connected."""
    name = f"test_{secrets.token_hex(8)}"
    await _command(servers, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    finally:
        await _command(servers, f"DROP DATABASE {name} WITH (FORCE)")


def _running_already() -> Servers | None:
    database, kafka = os.environ.get("DATABASE_URL"), os.environ.get("KAFKA_BOOTSTRAP")
    if bool(database) != bool(kafka):
        raise pytest.UsageError("Set both DATABASE_URL and KAFKA_BOOTSTRAP, or neither.")
    return Servers(database, kafka) if database and kafka else None


def _embedded(folder: Path, owner: int) -> Servers:
    with _one_at_a_time(folder):
        stack = EmbeddedStack(folder, durable=False, temporary=True, owner=owner)
        stack.recall()
        if not stack.running:
            stack.start()
    return Servers(stack.database_url, stack.kafka_bootstrap, stack)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / ".starting").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _command(servers: Servers, sql: str) -> None:
    connection = await asyncpg.connect(servers.database_url, timeout=30)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
