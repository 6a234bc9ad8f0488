"""How fast the ledger's worker is, against the same SQL looped, against itself one by one, and against a bare consumer.

`python -m tests.bench.ledger [--events N] [--rounds N]`, or `make bench-ledger`. Prints a table and writes
`.local/bench/ledger.json`.

- `worker_events_per_s`: the worker with two lanes and its relay on a topic that is filled already, all checks on.
- `sql_loop_events_per_s`: the statements of such a run, already decided, with the same rows, over one connection.
- `one_by_one_events_per_s`: the same worker with one lane and batches of one.
- `bare_consumer_events_per_s`: fetch and decode only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiokafka import TopicPartition
from rich.console import Console
from rich.table import Table

from deploy.local.stack import EmbeddedStack
from services.ledger.main import SERVICE
from shared.cloudevents import decode, encode
from shared.events import Event, OrderLine, OrderPaid
from shared.kafka import consumer_client, create_topics, producer_client, started
from shared.migrations import migrate
from shared.outbox import Message
from shared.relay import Relay, publish
from shared.running import calm_garbage_collector
from shared.service import Doors, Ports, open_ports, processor_of
from shared.settings import ServiceSettings
from shared.worker import positions
from shared.worker.consumer import Worker, WorkerOptions
from shared.worker.records import Partition, Record, time_of
from tests.bench.programs import TWENTY_RULES
from tests.bench.recording import Recorder, replay

PARTITIONS = 6
LANES = 2
BATCH = 1000
MEMBERS_PER_EVENT = 0.2
ONE_BY_ONE_SHARE = 20  # a twentieth of the events is enough for the slow one
DEADLINE_SECONDS = 300
ASKED = {"worker_per_sql_loop": 0.7, "worker_per_one_by_one": 25.0}
RESULT = Path(".local/bench/ledger.json")


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, and a database that is migrated and has its program: the template of each run."""

    stack: EmbeddedStack
    template: str
    records: list[Record]


def orders(count: int, *, seed: int = 7) -> list[Event[Any]]:
    """Paid orders of one to three lines, over thirty days, of a fifth as many members."""
    rng = random.Random(seed)
    start = datetime(2026, 1, 5, 8, tzinfo=UTC)
    events = []
    for number in range(count):
        lines = tuple(_line(rng, place) for place in range(rng.randint(1, 3)))
        total = sum(float(line.total) for line in lines)
        events.append(
            Event(
                id=f"evt-{number}",
                source="bench",
                type="order.paid.v1",
                program_id="bench",
                time=start + timedelta(seconds=number * 30 * 86400 / count),
                data=OrderPaid(
                    order_id=f"order-{number}",
                    customer_id=f"customer-{rng.randrange(int(count * MEMBERS_PER_EVENT) or 1)}",
                    currency="EUR",
                    total=f"{total:.2f}",
                    lines=lines,
                    channel=rng.choice(("web", "web", "app")),
                    payment_method=rng.choice(("card", "invoice")),
                ),
            )
        )
    return events


def _line(rng: random.Random, place: int) -> OrderLine:
    return OrderLine(
        line_id=str(place + 1),
        product_id=rng.choice(("kettle", "pot", "leaf", "mug", "spoon")),
        sku=f"S-{rng.randint(1, 50)}",
        quantity=str(rng.randint(1, 3)),
        total=f"{rng.randint(300, 6000) / 100:.2f}",
        categories=(rng.choice(("tea", "cups", "books")),),
        brand=rng.choice(("habitue", "outlet", None)),
        collections=rng.choice(((), ("spring",))),
    )


async def fill(stack: EmbeddedStack, events: Sequence[Event[Any]]) -> None:
    """Create the topics and publish the events."""
    await create_topics(
        stack.kafka_bootstrap, [*SERVICE.topics, *SERVICE.own_topics], partitions=PARTITIONS, replication=1
    )
    async with started(producer_client(stack.kafka_bootstrap)) as producer:
        for begin in range(0, len(events), 5000):
            await publish(
                producer,
                [Message("shop.orders", e.key.encode(), encode(e)) for e in events[begin : begin + 5000]],
            )


async def bare_consumer(stack: EmbeddedStack, count: int) -> tuple[float, list[Record]]:
    """Fetch and decode only: events per second, and the records."""
    records: list[Record] = []
    async with started(consumer_client(stack.kafka_bootstrap, group=None)) as consumer:
        keys = [TopicPartition("shop.orders", number) for number in range(PARTITIONS)]
        consumer.assign(keys)
        await consumer.seek_to_beginning(*keys)
        began = time.perf_counter()
        while len(records) < count:
            for found in (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values():
                for raw in found:
                    decode(
                        raw.value, raw.headers, topic=raw.topic, key=raw.key, timestamp=time_of(raw.timestamp)
                    )
                    records.append(
                        Record(
                            raw.topic,
                            raw.partition,
                            raw.offset,
                            time_of(raw.timestamp),
                            raw.key,
                            raw.value,
                            tuple(raw.headers),
                        )
                    )
        return count / (time.perf_counter() - began), records


async def worker(bench: Bench, name: str, *, lanes: int, batch: int, until: int) -> tuple[float, float]:
    """Run the worker and its relay on a fresh database until `until` events are handled.

    Returns events per second for the effects, and until everything they announce is published too.
    """
    async with fresh(bench, name) as (ports, doors):
        stop = asyncio.Event()
        url, bootstrap = ports.settings.dsn, bench.stack.kafka_bootstrap
        relay = Relay(url, SERVICE.name, bootstrap, ports.machinery, ports.metrics)
        options = WorkerOptions(
            bootstrap=bootstrap, group=f"bench-{name}", topics=SERVICE.topics, lanes=lanes, batch_size=batch
        )
        running = Worker(options, lambda: processor_of(SERVICE, ports.settings, ports, doors), relay.wake.set)
        work = [asyncio.create_task(running.run(stop)), asyncio.create_task(relay.run(stop))]
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not running.positions():  # joining the group is not what is measured
                    await asyncio.sleep(0.005)
                began, before = time.perf_counter(), _handled(running)
                while _handled(running) < until:
                    await asyncio.sleep(0.005)
                effects, handled = time.perf_counter() - began, _handled(running) - before
                while await ports.pool.fetchval("SELECT count(*) FROM ledger.outbox"):
                    await asyncio.sleep(0.01)
                published = time.perf_counter() - began
        finally:
            stop.set()
            await asyncio.gather(*work)
        if until >= len(bench.records):
            wrong = await SERVICE.verify(ports)
            assert not wrong, wrong[:3]
        return handled / effects, handled / published


async def sql_loop(bench: Bench, name: str) -> float:
    """The statements of a whole run, already decided, over one connection: events per second."""
    async with fresh(bench, f"{name}_decide") as (ports, doors):
        recorder = Recorder(ports.pool)
        processor = processor_of(SERVICE, ports.settings, ports, doors)
        processor.pool = recorder  # type: ignore[assignment]
        async with ports.pool.acquire() as connection:
            start = {Partition("shop.orders", number): 0 for number in range(PARTITIONS)}
            await positions.claim(connection, ports.machinery, start)
        for batch in batches(bench.records):
            done = await processor.process(batch, start)
            start |= done.positions
    async with fresh(bench, f"{name}_replay") as (ports, _), ports.pool.acquire() as connection:
        first = {Partition("shop.orders", number): 0 for number in range(PARTITIONS)}
        await positions.claim(connection, ports.machinery, first)
        began = time.perf_counter()
        await replay(connection, recorder.transactions)
        return len(bench.records) / (time.perf_counter() - began)


def batches(records: Sequence[Record]) -> list[list[Record]]:
    """The records in batches, as one lane would get them."""
    return [list(records[begin : begin + BATCH]) for begin in range(0, len(records), BATCH)]


def _settings(stack: EmbeddedStack, database_url: str) -> ServiceSettings:
    return SERVICE.settings.read(
        database_url=database_url, kafka_bootstrap=stack.kafka_bootstrap, hash_key="only-for-a-bench"
    )


@asynccontextmanager
async def fresh(bench: Bench, name: str) -> AsyncIterator[tuple[Ports, Doors]]:
    """A copy of the template, opened as the ledger; dropped afterwards."""
    database = f"bench_{name}"
    await _admin(bench.stack, f"CREATE DATABASE {database} TEMPLATE {bench.template}")
    settings = _settings(bench.stack, _named(bench.stack.database_url, database))
    ports = await open_ports(SERVICE, settings)
    try:
        yield ports, SERVICE.build(ports)
    finally:
        await ports.pool.close()
        await _admin(bench.stack, f"DROP DATABASE {database} WITH (FORCE)")


async def prepare(stack: EmbeddedStack, count: int) -> tuple[Bench, float]:
    """Servers filled, template made, the bare consumer measured on the way."""
    await fill(stack, orders(count))
    await _admin(stack, "CREATE DATABASE bench_template")
    url = _named(stack.database_url, "bench_template")
    await migrate(url, SERVICE.package.__name__, schema=SERVICE.name)
    ports = await open_ports(SERVICE, _settings(stack, url))
    doors = SERVICE.build(ports)
    async with ports.pool.acquire() as connection, connection.transaction():
        await doors.state["programs"].apply(connection, "bench", TWENTY_RULES, now=datetime.now(UTC))
    await ports.pool.close()
    bare, records = await bare_consumer(stack, count)
    return Bench(stack, "bench_template", records), bare


async def run(stack: EmbeddedStack, count: int, rounds: int) -> dict[str, Any]:
    """All figures; those of the worker and of the loop are taken in turn, and the median of each is told."""
    bench, bare = await prepare(stack, count)
    workers, published, loops, ratios = [], [], [], []
    for number in range(rounds):
        effects, out = await worker(bench, f"worker{number}", lanes=LANES, batch=BATCH, until=count)
        loop = await sql_loop(bench, f"loop{number}")
        workers.append(effects)
        published.append(out)
        loops.append(loop)
        ratios.append(effects / loop)
    slow, _ = await worker(bench, "one_by_one", lanes=1, batch=1, until=max(count // ONE_BY_ONE_SHARE, 1))
    fast = statistics.median(workers)
    return {
        "events": count,
        "rules": len(TWENTY_RULES["ledger"]["earn"]),
        "worker_events_per_s": round(fast),
        "published_events_per_s": round(statistics.median(published)),
        "sql_loop_events_per_s": round(statistics.median(loops)),
        "one_by_one_events_per_s": round(slow),
        "bare_consumer_events_per_s": round(bare),
        "worker_per_sql_loop": round(statistics.median(ratios), 2),
        "worker_per_one_by_one": round(fast / slow, 1),
        "worker_per_bare_consumer": round(fast / bare, 2),
    }


def _handled(running: Worker) -> int:
    return sum(offset for key, offset in running.positions().items() if key.topic == "shop.orders")


def _named(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


async def _admin(stack: EmbeddedStack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def show(result: dict[str, Any]) -> None:
    """The figures as a table, with what is asked for."""
    table = Table(title=f"ledger, {result['events']:,} orders, {result['rules']} rules", title_justify="left")
    table.add_column("figure")
    table.add_column("events/s", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("asked for", justify="right")
    table.add_row("worker", f"{result['worker_events_per_s']:,}", "", "")
    table.add_row(
        "  and everything it announces is published", f"{result['published_events_per_s']:,}", "", ""
    )
    for name, figure in (
        ("the same SQL looped", "sql_loop"),
        ("one by one", "one_by_one"),
        ("bare consumer", "bare_consumer"),
    ):
        ratio = f"worker_per_{figure}"
        asked = f"≥ {ASKED[ratio]:g}" if ratio in ASKED else ""
        table.add_row(name, f"{result[f'{figure}_events_per_s']:,}", f"{result[ratio]:g} ×", asked)
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write; 1 where less than asked for was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    calm_garbage_collector()  # as a service does when it starts
    with EmbeddedStack() as stack:
        result = uvloop.run(run(stack, options.events, options.rounds))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    show(result)
    return 0 if all(result[name] >= least for name, least in ASKED.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
