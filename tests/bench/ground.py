"""What all benchmarks of the ledger stand on: servers, a migrated database to copy, and orders in a topic."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from deploy.local.stack import EmbeddedStack
from services.ledger.main import SERVICE
from shared.cloudevents import encode
from shared.events import Event, OrderLine, OrderPaid
from shared.kafka import create_topics, producer_client, started
from shared.migrations import migrate
from shared.outbox import Message
from shared.relay import publish
from shared.service import Doors, Ports, open_ports
from shared.settings import ServiceSettings
from shared.worker.records import Record
from tests.bench.programs import TWENTY_RULES

PROGRAM = "bench"
PARTITIONS = 12  # each lane of two or four processes gets as many
MEMBERS_PER_EVENT = 0.2
TEMPLATE = "bench_template"


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, and the records that lie in the topic of orders."""

    stack: EmbeddedStack
    records: list[Record]


def orders(count: int, *, seed: int = 7, hot: bool = False) -> list[Event[Any]]:
    """Paid orders of one to three lines, over thirty days, of a fifth as many members.

    With `hot` every other order is one and the same member's.
    """
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
                program_id=PROGRAM,
                time=start + timedelta(seconds=number * 30 * 86400 / count),
                data=OrderPaid(
                    order_id=f"order-{number}",
                    customer_id="hot" if hot and number % 2 else _customer(rng, count),
                    currency="EUR",
                    total=f"{total:.2f}",
                    lines=lines,
                    channel=rng.choice(("web", "web", "app")),
                    payment_method=rng.choice(("card", "invoice")),
                ),
            )
        )
    return events


def _customer(rng: random.Random, count: int) -> str:
    return f"customer-{rng.randrange(int(count * MEMBERS_PER_EVENT) or 1)}"


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


async def make_template(stack: EmbeddedStack) -> None:
    """A migrated database with the program of twenty rules."""
    await admin(stack, f"CREATE DATABASE {TEMPLATE}")
    url = named(stack.database_url, TEMPLATE)
    await migrate(url, SERVICE.package.__name__, schema=SERVICE.name)
    ports = await open_ports(SERVICE, settings_for(stack, url))
    doors = SERVICE.build(ports)
    async with ports.pool.acquire() as connection, connection.transaction():
        await doors.state["programs"].apply(connection, PROGRAM, TWENTY_RULES, now=datetime.now(UTC))
    await ports.pool.close()


def settings_for(stack: EmbeddedStack, database_url: str) -> ServiceSettings:
    """The settings of a ledger on this database."""
    return SERVICE.settings.read(
        database_url=database_url, kafka_bootstrap=stack.kafka_bootstrap, hash_key="only-for-the-bench"
    )


@asynccontextmanager
async def fresh(bench: Bench, name: str) -> AsyncIterator[tuple[Ports, Doors]]:
    """A copy of the template, opened as the ledger; dropped afterwards."""
    database = f"bench_{name}"
    await admin(bench.stack, f"CREATE DATABASE {database} TEMPLATE {TEMPLATE}")
    settings = settings_for(bench.stack, named(bench.stack.database_url, database))
    ports = await open_ports(SERVICE, settings)
    try:
        yield ports, SERVICE.build(ports)
    finally:
        await ports.pool.close()
        await admin(bench.stack, f"DROP DATABASE {database} WITH (FORCE)")


def named(url: str, database: str) -> str:
    """The address of another database on the same server."""
    return f"{url.rpartition('/')[0]}/{database}"


async def admin(stack: EmbeddedStack, statement: str) -> None:
    """One statement as the superuser."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
