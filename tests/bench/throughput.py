"""How fast the ledger's worker takes orders from Kafka, and what it is compared with.

What a newcomer would get wrong: the loop of SQL gets the very statements and rows that a run of the worker sends,
already decided. So the ratio says what everything else costs: fetching, deciding, explaining, announcing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from deploy.local.stack import EmbeddedStack
from services.ledger.main import SERVICE
from shared.cloudevents import decode
from shared.kafka import consumer_client, started
from shared.relay import Relay
from shared.service import Doors, Ports, processor_of
from shared.worker import positions
from shared.worker.consumer import Worker, WorkerOptions
from shared.worker.records import Partition, Record, time_of
from tests.bench.ground import PARTITIONS, Bench, fresh
from tests.bench.recording import Recorder, replay

LANES = 2
BATCH = 1000
DEADLINE_SECONDS = 300
LOOK_SECONDS = 0.005
TOPIC = "shop.orders"


@dataclass(frozen=True, slots=True)
class Rates:
    """Events per second: their effects, everything they announce, and the same events once more."""

    effects: float
    published: float
    duplicates: float


async def bare_consumer(stack: EmbeddedStack, count: int) -> tuple[float, list[Record]]:
    """Fetch and decode only: events per second, and the records."""
    records: list[Record] = []
    async with started(consumer_client(stack.kafka_bootstrap, group=None)) as consumer:
        keys = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        consumer.assign(keys)
        await consumer.seek_to_beginning(*keys)
        began = time.perf_counter()
        while len(records) < count:
            for found in (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values():
                for raw in found:
                    at = time_of(raw.timestamp)
                    decode(raw.value, raw.headers, topic=raw.topic, key=raw.key, timestamp=at)
                    place = (raw.topic, raw.partition, raw.offset)
                    records.append(Record(*place, at, raw.key, raw.value, tuple(raw.headers)))
        return count / (time.perf_counter() - began), records


async def worker(
    bench: Bench, name: str, *, lanes: int = LANES, batch: int = BATCH, until: int, twice: bool = False
) -> Rates:
    """Run the worker and its relay on a fresh database until `until` events are handled, perhaps `twice`."""
    async with fresh(bench, name) as (ports, doors):
        effects, published = await drain(
            bench, ports, doors, f"bench-{name}", lanes=lanes, batch=batch, until=until
        )
        if until >= len(bench.records):
            wrong = await SERVICE.verify(ports)
            assert not wrong, wrong[:3]
        again = 0.0
        if twice:
            for number in range(PARTITIONS):
                await ports.pool.execute(ports.machinery.move_position, TOPIC, number, 0)
            again, _ = await drain(
                bench, ports, doors, f"bench-{name}-again", lanes=lanes, batch=batch, until=until
            )
    return Rates(effects, published, again)


async def drain(
    bench: Bench, ports: Ports, doors: Doors, group: str, *, lanes: int, batch: int, until: int
) -> tuple[float, float]:
    """Handle what the topic has: events per second for the effects, and until all they announce is published."""
    stop = asyncio.Event()
    url, bootstrap = ports.settings.dsn, bench.stack.kafka_bootstrap
    relay = Relay(url, SERVICE.name, bootstrap, ports.machinery, ports.metrics)
    options = WorkerOptions(
        bootstrap=bootstrap, group=group, topics=SERVICE.topics, lanes=lanes, batch_size=batch
    )
    running = Worker(options, lambda: processor_of(SERVICE, ports.settings, ports, doors), relay.wake.set)
    work = [asyncio.create_task(running.run(stop)), asyncio.create_task(relay.run(stop))]
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not running.positions():  # joining the group is not what is measured
                await asyncio.sleep(LOOK_SECONDS)
            began, before = time.perf_counter(), _handled(running)
            while _handled(running) < until:
                await asyncio.sleep(LOOK_SECONDS)
            effects, handled = time.perf_counter() - began, _handled(running) - before
            while await ports.pool.fetchval("SELECT count(*) FROM ledger.outbox"):
                await asyncio.sleep(LOOK_SECONDS)
            published = time.perf_counter() - began
    finally:
        stop.set()
        await asyncio.gather(*work)
    return handled / effects, handled / published


async def sql_loop(bench: Bench, name: str) -> float:
    """The statements of a whole run, already decided, over one connection: events per second."""
    async with fresh(bench, f"{name}_decide") as (ports, doors):
        recorder = Recorder(ports.pool)
        processor = processor_of(SERVICE, ports.settings, ports, doors)
        processor.pool = recorder  # type: ignore[assignment]
        start = await claimed(ports)
        for batch in batches(bench.records):
            done = await processor.process(batch, start)
            start |= done.positions
    async with fresh(bench, f"{name}_replay") as (ports, _), ports.pool.acquire() as connection:
        await claimed(ports)
        began = time.perf_counter()
        await replay(connection, recorder.transactions)
        return len(bench.records) / (time.perf_counter() - began)


def batches(records: Sequence[Record]) -> list[list[Record]]:
    """The records in batches, as one lane would get them."""
    return [list(records[begin : begin + BATCH]) for begin in range(0, len(records), BATCH)]


async def claimed(ports: Ports) -> dict[Partition, int]:
    """The beginning of every partition of the topic, claimed for a processor."""
    start = {Partition(TOPIC, number): 0 for number in range(PARTITIONS)}
    async with ports.pool.acquire() as connection:
        return await positions.claim(connection, ports.machinery, start)


def _handled(running: Worker) -> int:
    return sum(offset for key, offset in running.positions().items() if key.topic == TOPIC)
