"""Fixtures for all tests: the real servers, and the event loop of production.

The servers are started when the first test asks for them; a newcomer need not start anything, nor stop it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from tests.support.keys import KeyPair, a_key_pair
from tests.support.servers import Servers, a_database, begin_run, end_run, find_servers

# A test fails by what it finds, never because the machine is busy, and finds the same in every run.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile(
    "thorough", settings.get_profile("suite"), derandomize=False, max_examples=2_000
)  # `--hypothesis-profile=thorough`
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # An xdist worker inherits what its controller said.
        begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        end_run()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def servers() -> Servers:
    """Real PostgreSQL and Kafka, shared by the whole run: use databases and topics of your own."""
    return find_servers()


@pytest.fixture
async def fresh_database(servers: Servers) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Call it for the address of an empty database (superuser); it is dropped after the test."""
    async with AsyncExitStack() as databases:
        yield lambda: databases.enter_async_context(a_database(servers))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """A key pair that the services of this run trust."""
    return a_key_pair(tmp_path_factory.mktemp("keys"))
