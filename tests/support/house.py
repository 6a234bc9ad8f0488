"""The whole house as processes: the four services on servers of their own, to be killed, stopped and starved.

What a newcomer would get wrong: nothing here waits for a time to pass. Every wait is for a condition, with a deadline
after which the test fails and says what it waited for.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from deploy.local.stack import EmbeddedStack
from shared.cloudevents import encode
from shared.events import Event, topic_of
from shared.kafka import create_topics, producer_client, started
from shared.migrations import migrate
from shared.outbox import Message
from shared.programs import Programs
from shared.relay import publish
from shared.service import Ports, Service, open_ports
from shared.worker.lag import Probe
from shared.worker.records import Partition

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("ledger", "tiers", "referrals", "notifier")
PARTITIONS = 6
LOOK_SECONDS = 0.1
SECRETS = {
    "LEDGER_HASH_KEY": "only-for-tests-and-long-enough",
    "REFERRALS_HASH_KEY": "only-for-tests-and-long-enough",
    "NOTIFIER_LINK_KEYS": "only-for-tests-and-long-enough",
}
QUICK = {
    "SESSION_TIMEOUT_SECONDS": "6",
    "REBALANCE_TIMEOUT_SECONDS": "8",
    "LOG_LEVEL": "warning",
    "LOG_FORMAT": "console",
}


def service_of(name: str) -> Service:
    """A service's own description."""
    found: Service = importlib.import_module(f"services.{name}.main").SERVICE
    return found


async def until(what: str, holds: Callable[[], Awaitable[bool]], *, seconds: float) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it did not within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - the condition lies in other processes
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s in vain until {what}") from None


@dataclass(slots=True)
class Process:
    """One process of a service, with its output in a file."""

    name: str
    log: Path
    running: asyncio.subprocess.Process

    @property
    def is_alive(self) -> bool:
        return self.running.returncode is None

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self.running.send_signal(number)

    async def ends(self, *, seconds: float) -> int:
        """Its exit status (below 0: the signal that killed it), within a deadline."""
        try:
            async with asyncio.timeout(seconds):
                return await self.running.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} still runs after {seconds:.0f} s\n{self.tail()}") from None

    def tail(self, lines: int = 30) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@dataclass(slots=True)
class House:
    """Servers, database, topics and program, and the processes that a test started."""

    stack: EmbeddedStack
    folder: Path
    database_url: str
    processes: list[Process] = field(default_factory=list)

    async def start(self, name: str, role: str = "worker", **environment: str) -> Process:
        """Start a process of a service."""
        log = self.folder / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as out:
            running = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{name}",
                role,
                cwd=ROOT,
                env=self._environment() | environment,
                stdout=out,
                stderr=out,
            )
        process = Process(name, log, running)
        self.processes.append(process)
        return process

    async def stop(self, *processes: Process, seconds: float = 40) -> None:
        """Ask processes to finish, and see that they do so gracefully."""
        for process in processes:
            process.send(signal.SIGTERM)
        for process in processes:
            status = await process.ends(seconds=seconds)
            assert status == 0, f"{process.name} ended with {status}\n{process.tail()}"

    async def publish(self, *events: Event[Any]) -> None:
        """Publish events, each into its topic."""
        async with started(producer_client(self.stack.kafka_bootstrap)) as producer:
            await publish(producer, [message_of(event) for event in events])

    @asynccontextmanager
    async def ports(self, name: str) -> AsyncIterator[Ports]:
        """A look into a service's schema, as its own role."""
        service = service_of(name)
        secrets = {
            "ledger": {"hash_key": SECRETS["LEDGER_HASH_KEY"]},
            "referrals": {"hash_key": SECRETS["REFERRALS_HASH_KEY"]},
            "notifier": {"link_keys": SECRETS["NOTIFIER_LINK_KEYS"]},
        }
        settings = service.settings.read(
            database_url=self.database_url,
            kafka_bootstrap=self.stack.kafka_bootstrap,
            **secrets.get(name, {}),
        )
        ports = await open_ports(service, settings)
        try:
            yield ports
        finally:
            await ports.pool.close()

    async def caught_up(self, *names: str, seconds: float = 120) -> None:
        """Wait until these services have handled and published everything, also what they told each other."""
        async with Probe(self.stack.kafka_bootstrap) as probe:
            await until(
                f"{', '.join(names)} have caught up",
                lambda: self._nothing_waits(names, probe),
                seconds=seconds,
            )

    async def differences(self, *names: str) -> dict[str, list[str]]:
        """What each service's `verify` finds; only where there is something."""
        found = {}
        for name in names:
            async with self.ports(name) as ports:
                wrong = await service_of(name).verify(ports)
            if wrong:
                found[name] = wrong
        return found

    async def query(self, statement: str, *args: Any) -> Any:
        """One value out of the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetchval(statement, *args)
        finally:
            await connection.close()

    async def _nothing_waits(self, names: Sequence[str], probe: Probe) -> bool:
        """Looked at twice: what moved between the looks may have led to more."""
        return await self._idle(names, probe) and await self._idle(names, probe)

    async def _idle(self, names: Sequence[str], probe: Probe) -> bool:
        for name in names:
            topics = service_of(name).topics
            ends = await probe.ends(
                [Partition(topic, number) for topic in topics for number in range(PARTITIONS)]
            )
            connection = await asyncpg.connect(self.database_url)
            try:
                rows = await connection.fetch(f"SELECT topic, partition, next_offset FROM {name}.position")
                outbox = await connection.fetchval(f"SELECT count(*) FROM {name}.outbox")
            finally:
                await connection.close()
            positions = {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            if outbox or any(positions.get(key, 0) < end for key, end in ends.items()):
                return False
        return True

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONTZPATH": "",
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP": self.stack.kafka_bootstrap,
            **SECRETS,
            **QUICK,
        }


def message_of(event: Event[Any]) -> Message:
    """An event as the shop publishes it."""
    return Message(topic_of(type(event.data)), event.key.encode(), encode(event))


@asynccontextmanager
async def a_house(folder: Path, *, names: Sequence[str] = NAMES) -> AsyncIterator[House]:
    """Servers of its own, migrated, with all topics and the starter program; everything is gone afterwards."""
    stack = EmbeddedStack(durable=True)
    await asyncio.to_thread(stack.start)
    house = House(stack, folder, stack.database_url)
    try:
        await _furnish(house, names)
        yield house
    finally:
        for process in house.processes:
            process.send(signal.SIGKILL)
            await process.running.wait()
        await asyncio.to_thread(stack.stop)


async def _furnish(house: House, names: Sequence[str]) -> None:
    services = [service_of(name) for name in names]
    topics = sorted({topic for service in services for topic in (*service.topics, *service.own_topics)})
    await create_topics(house.stack.kafka_bootstrap, topics, partitions=PARTITIONS)
    text = (ROOT / "examples/programs/starter.yaml").read_text(encoding="utf-8")
    document = yaml.load(text, Loader=yaml.CBaseLoader)
    for service in services:
        await migrate(house.database_url, service.package.__name__, schema=service.name)
        async with (
            house.ports(service.name) as ports,
            ports.pool.acquire() as connection,
            connection.transaction(),
        ):
            programs = Programs(ports.machinery, service.parse_program)
            await programs.apply(connection, document["program"], document, now=ports.clock())
