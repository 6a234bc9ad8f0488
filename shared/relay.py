"""Publishes the outbox: select bundles by id, publish, wait for the broker, delete.

What a newcomer would get wrong: there is no cursor. The order of ids is not the order of commits, and "id > last
seen" would lose what commits late; select-publish-delete cannot. A crash between publish and delete publishes the
same events again: their ids are derived from their cause, so every reader's inbox knows them.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from shared.database import NOT_NOW, Connection, connect
from shared.failpoints import BETWEEN_PUBLISH_AND_DELETE, pass_point
from shared.frozen import end_frozen_holder
from shared.kafka import BATCH_BYTES, CALL_SECONDS, KAFKA_NOT_NOW, producer_client, started
from shared.metrics import Metrics
from shared.outbox import Message, read_bundle
from shared.partitioning import partition_of
from shared.queries import Queries

log = structlog.get_logger(__name__)

BUNDLES_AT_ONCE = 16  # of up to some thousand messages each
RETRY_SECONDS = 1.0
LARGE_BYTES = BATCH_BYTES // 2  # a message above this goes alone
PUBLISH_SECONDS = (
    60.0  # a leader's failover takes 7 to 12 s; after a minute a fresh producer is the better bet
)


@dataclass(slots=True)
class Relay:
    """The one publisher of a service: whoever holds the session lock; the others wait for it.

    One that has asked Postgres nothing for `frozen_seconds` is frozen and loses the lock: it asks several times a
    second, and waits for Kafka for `PUBLISH_SECONDS` at most.
    """

    url: str
    schema: str
    bootstrap: str
    sql: Queries
    metrics: Metrics
    poll_seconds: float = 0.25
    frozen_seconds: float = 2 * PUBLISH_SECONDS
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`; troubles with either server are waited out."""
        while not stop.is_set():
            try:
                async with self._as_only_one(stop) as connection:
                    if connection is not None:
                        async with started(producer_client(self.bootstrap)) as producer:
                            await self._publish_all(connection, producer, stop)
            except (*NOT_NOW, *KAFKA_NOT_NOW) as error:
                log.warning("relay_waits", reason=f"{type(error).__name__}: {error}")
                await self._pause(stop, RETRY_SECONDS)

    async def _publish_all(self, connection: Connection, producer: Any, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.wake.clear()
            if not await self.publish_some(connection, producer):
                self.metrics.outbox_pending.set(0)
                self.metrics.outbox_age_seconds.set(0)
                await self._pause(stop, self.poll_seconds)

    async def publish_some(self, connection: Connection, producer: Any) -> int:
        """Publish and delete the oldest bundles; how many there were."""
        rows = await connection.fetch(self.sql.next_bundles, BUNDLES_AT_ONCE)
        if not rows:
            return 0
        messages = [message for row in rows for message in read_bundle(row["messages"])]
        async with asyncio.timeout(PUBLISH_SECONDS):
            await publish(producer, messages)
        pass_point(BETWEEN_PUBLISH_AND_DELETE)
        await connection.execute(self.sql.delete_bundles, [row["bundle_id"] for row in rows])
        if len(rows) == BUNDLES_AT_ONCE:
            await self._report(connection)
        return len(rows)

    @asynccontextmanager
    async def _as_only_one(self, stop: asyncio.Event) -> AsyncIterator[Connection | None]:
        connection = await connect(self.url, schema=self.schema, application=f"habitue {self.schema} relay")
        try:
            lock = zlib.crc32(f"{self.schema}.relay".encode())
            waited_since = time.monotonic()
            while not stop.is_set():
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                    yield connection
                    return
                if time.monotonic() - waited_since > self.frozen_seconds:
                    waited_since = time.monotonic()
                    await end_frozen_holder(
                        connection, self.sql, lock, timedelta(seconds=self.frozen_seconds)
                    )
                await self._pause(stop, RETRY_SECONDS, wakes=False)
            yield None
        finally:
            await connection.close(timeout=CALL_SECONDS)

    async def _report(self, connection: Connection) -> None:
        row = await connection.fetchrow(self.sql.outbox_state)
        assert row is not None
        self.metrics.outbox_pending.set(row["bundles"])
        self.metrics.outbox_age_seconds.set(row["age_seconds"])

    async def _pause(self, stop: asyncio.Event, seconds: float, *, wakes: bool = True) -> None:
        waits = [asyncio.create_task(stop.wait())]
        if wakes:
            waits.append(asyncio.create_task(self.wake.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def publish(producer: Any, messages: Sequence[Message]) -> None:
    """Publish in order per key, and wait until the broker has everything.

    Messages are packed into the producer's batches by hand, which costs a fifth of sending each by itself.
    """
    by_topic: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_topic[message.topic].append(message)
    futures = []
    for topic, group in by_topic.items():
        count = len(await producer.partitions_for(topic))
        places: defaultdict[int, list[Message]] = defaultdict(list)
        for message in group:
            places[partition_of(message.key, count)].append(message)
        for partition, each in places.items():
            futures += await _send_group(producer, topic, partition, each)
    for future in futures:
        await future


async def _send_group(producer: Any, topic: str, partition: int, group: Sequence[Message]) -> list[Any]:
    futures, batch = [], producer.create_batch()
    for message in group:
        headers = list(message.headers)
        if message.value is not None and len(message.value) > LARGE_BYTES:
            futures.append(await _close(producer, batch, topic, partition))
            futures.append(
                await producer.send(
                    topic, message.value, key=message.key, partition=partition, headers=headers
                )
            )
            batch = producer.create_batch()
        elif _append(batch, message, headers) is None:
            futures.append(await _close(producer, batch, topic, partition))
            batch = producer.create_batch()
            _append(batch, message, headers)
    futures.append(await _close(producer, batch, topic, partition))
    return [future for future in futures if future is not None]


def _append(batch: Any, message: Message, headers: list[tuple[str, bytes | None]]) -> Any:
    return batch.append(key=message.key, value=message.value, timestamp=None, headers=headers)


async def _close(producer: Any, batch: Any, topic: str, partition: int) -> Any:
    if batch.record_count() == 0:
        return None
    batch.close()
    return await producer.send_batch(batch, topic, partition=partition)
