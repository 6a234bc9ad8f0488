"""A ledger with a worker group on real Kafka, and a shop that publishes to its topics; the clock is the test's.

What a newcomer would get wrong: the broker is everybody's, so the topics of each town have a suffix of their own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer

from services.ledger.main import SERVICE
from shared.cloudevents import encode
from shared.events import Event, topic_of
from shared.kafka import create_topics, producer_client, started
from shared.partitioning import partition_of
from shared.service import processor_of
from shared.worker.consumer import Worker, WorkerOptions
from shared.worker.dead_letters import Limits
from tests.support.services import Running

PARTITIONS = 4
DEADLINE_SECONDS = 60.0
SOON_SECONDS = 0.02


@dataclass
class Town:
    """A ledger with a worker group, and a shop that publishes to its topics."""

    ledger: Running
    bootstrap: str
    suffix: str
    limits: Callable[[], Limits] = Limits
    sent: int = 0
    workers: list[Worker] = field(default_factory=list)

    @property
    def topics(self) -> list[str]:
        return [topic + self.suffix for topic in SERVICE.topics]

    async def publishes(
        self, *events: Event[Any], partition: Callable[[Event[Any]], int] | None = None, **producer: Any
    ) -> None:
        """As a shop does: keyed by the member, unless it partitions in its own way."""
        client = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **producer)
        async with started(client):
            acknowledged = [
                await client.send(
                    topic_of(type(event.data)) + self.suffix,
                    encode(event),
                    key=event.key.encode(),
                    partition=partition(event) if partition else partition_of(event.key.encode(), PARTITIONS),
                )
                for event in events
            ]
            await asyncio.gather(*acknowledged)
        self.sent += len(events)

    async def publishes_rubbish(self, count: int) -> None:
        """Bytes that nobody can read, all in one partition."""
        async with started(producer_client(self.bootstrap)) as producer:
            for _ in range(count):
                await producer.send_and_wait("shop.orders" + self.suffix, b"rubbish", partition=0)

    @asynccontextmanager
    async def working(self, *, lanes: int = 2, batch_size: int = 1000) -> AsyncIterator[asyncio.Task[None]]:
        """A worker of the group; it drains when the block ends, and must not have failed."""
        options = WorkerOptions(
            self.bootstrap,
            f"group{self.suffix}",
            self.topics,
            lanes=lanes,
            batch_size=batch_size,
            session_timeout_ms=6_000,
        )
        stop, worker = asyncio.Event(), Worker(options, self._processor)
        self.workers.append(worker)
        task = asyncio.create_task(worker.run(stop))
        try:
            yield task
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await task

    def _processor(self) -> Any:
        made = processor_of(SERVICE, self.ledger.settings, self.ledger.ports, self.ledger.doors)
        made.limits = self.limits()
        return made

    async def has_handled(self, count: int | None = None) -> None:
        """Wait until so many records (default: all that were sent) lie behind the positions."""
        await self.until("SELECT coalesce(sum(next_offset), 0) FROM ledger.position", count or self.sent)

    async def until(self, question: str, least: int) -> None:
        """Wait until a number in the database is at least this."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.asks(question) < least:  # noqa: ASYNC110 - the condition lies in the database
                await asyncio.sleep(SOON_SECONDS)

    async def asks(self, question: str) -> int:
        return int(await self.ledger.ports.pool.fetchval(question))

    async def points(self) -> dict[str, int]:
        """What every member has."""
        rows = await self.ledger.ports.pool.fetch(
            "SELECT member_id, available FROM ledger.balance WHERE asset = 'points' ORDER BY 1"
        )
        return dict(map(tuple, rows))

    async def handled_each_once(self) -> None:
        """Every record that lies behind the positions is in the inbox, and nothing was refused."""
        behind = await self.asks("SELECT coalesce(sum(next_offset), 0) FROM ledger.position")
        assert await self.asks("SELECT count(*) FROM ledger.inbox") == behind
        assert await self.asks("SELECT count(*) FROM ledger.dead_letter") == 0


async def a_town(ledger: Running, bootstrap: str) -> Town:
    """A town with its topics, in which nobody works yet."""
    found = Town(ledger, bootstrap, f".{secrets.token_hex(6)}")
    await create_topics(found.bootstrap, found.topics, partitions=PARTITIONS)
    return found
