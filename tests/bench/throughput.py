"""How fast the ledger's worker takes orders from Kafka, and what it is compared with.

What a newcomer would get wrong: the loop of SQL gets the very statements and rows that a run of the worker sends,
already decided. So the ratio says what everything else costs: fetching, deciding, explaining, announcing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.stack import EmbeddedStack
from services.ledger.main import SERVICE
from shared.cloudevents import decode
from shared.kafka import consumer_client, started
from shared.service import Ports, processor_of
from shared.worker import positions
from shared.worker.records import Partition, Record, time_of
from tests.bench.consumption import used
from tests.bench.ground import PARTITIONS, Bench, fresh
from tests.bench.recording import Recorder, send_again

LANES = 2
BATCH = 1000
DEADLINE_SECONDS = 300
LOOK_SECONDS = 0.1  # looking takes from what is looked at
TOPIC = "shop.orders"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How a worker is started: processes, lanes in each, events in a batch."""

    processes: int = os.cpu_count() or 1
    lanes: int = LANES
    batch: int = BATCH


WHOLE_MACHINE = Shape()
ONE_LANE = Shape(1, 1)
ONE_BY_ONE = Shape(1, 1, 1)


@dataclass(frozen=True, slots=True)
class Rates:
    """Events per second: their effects, everything they announce, and the same events once more."""

    effects: float
    published: float
    duplicates: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds per million events, by who used them: worker, postgres, kafka."""


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
    bench: Bench, name: str, *, shape: Shape = WHOLE_MACHINE, until: int, twice: bool = False
) -> Rates:
    """Run the worker on a fresh database until `until` events are handled, perhaps `twice`."""
    async with fresh(bench, name) as (ports, _):
        rates = await drain(bench, ports, shape, until)
        if until >= len(bench.records):
            wrong = await SERVICE.verify(ports)
            assert not wrong, wrong[:3]
        if twice:
            for number in range(PARTITIONS):
                await ports.pool.execute(ports.machinery.move_position, TOPIC, number, 0)
            again = await drain(bench, ports, shape, until)
            rates = replace(rates, duplicates=again.effects)
    return rates


async def drain(bench: Bench, ports: Ports, shape: Shape, until: int) -> Rates:
    """Let the service's own worker, as operators start it, handle what the topic has.

    The clock starts with the first batch that is committed after all its processes have joined, and stops when fewer
    events are left than all lanes take at once: how long the processes take to start and to share the partitions out,
    and how unevenly their lanes run dry, is not what is measured.
    """
    at_once = min(shape.processes * shape.lanes * shape.batch, until // 2)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", SERVICE.package.__name__, "worker", env=_environment(bench, ports, shape)
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await _handled(ports, more_than=0)
            await _all_joined(bench.stack, shape.processes)
            first = await _handled(ports, more_than=await _handled(ports, more_than=0))
            began, before = time.perf_counter(), used(bench.stack, process.pid)
            last = await _handled(ports, more_than=until - at_once)
            effects, after = time.perf_counter() - began, used(bench.stack, process.pid)
            await _handled(ports, more_than=until - 1)
            while await ports.pool.fetchval("SELECT count(*) FROM ledger.outbox"):
                await asyncio.sleep(LOOK_SECONDS)
            published = time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()
    cpu = {name: round((after[name] - before[name]) / (last - first) * MILLION, 1) for name in after}
    return Rates((last - first) / effects, (until - first) / published, cpu=cpu)


async def _all_joined(stack: EmbeddedStack, processes: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    try:
        while True:
            (answer,) = await admin.describe_consumer_groups([f"habitue-{SERVICE.name}"])
            ((_, _, state, _, _, members, *_),) = answer.groups
            if state == "Stable" and len(members) == processes:
                return
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await admin.close()


def _environment(bench: Bench, ports: Ports, shape: Shape) -> dict[str, str]:
    own = {
        "DATABASE_URL": ports.settings.dsn,
        "KAFKA_BOOTSTRAP": bench.stack.kafka_bootstrap,
        "HASH_KEY": ports.settings.hash_key.get_secret_value(),
        "WORKER_PROCESSES": str(shape.processes),
        "LANES": str(shape.lanes),
        "BATCH_SIZE": str(shape.batch),
        "LOG_LEVEL": "warning",
        "DUE_EVERY_SECONDS": "3600",  # the orders are of last winter: the job would settle them all at once
    }
    return os.environ | {f"LEDGER_{key}": value for key, value in own.items()}


async def _handled(ports: Ports, *, more_than: int) -> int:
    """How many events are handled, once it is more than that."""
    while True:
        rows = await ports.pool.fetch(ports.machinery.all_positions)
        handled = sum(row["next_offset"] for row in rows if row["topic"] == TOPIC)
        if handled > more_than:
            return int(handled)
        await asyncio.sleep(LOOK_SECONDS)


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
        await send_again(connection, recorder.transactions)
        return len(bench.records) / (time.perf_counter() - began)


def batches(records: Sequence[Record]) -> list[list[Record]]:
    """The records in batches, as one lane would get them."""
    return [list(records[begin : begin + BATCH]) for begin in range(0, len(records), BATCH)]


async def claimed(ports: Ports) -> dict[Partition, int]:
    """The beginning of every partition of the topic, claimed for a processor."""
    start = {Partition(TOPIC, number): 0 for number in range(PARTITIONS)}
    async with ports.pool.acquire() as connection:
        return await positions.claim(connection, ports.machinery, start)
