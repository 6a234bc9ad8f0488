"""How long it takes from a shop's publishing an order until the ledger has announced its points: one order at a time.

What a newcomer would get wrong: under a replay an order waits behind thousands of others, and its latency would say how
long the queue was. So these orders are published when nothing else is under way, each after the answer to the one
before: what is measured is the way through Kafka, the ledger's transaction, its outbox and Kafka again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from aiokafka import TopicPartition

from deploy.local.history import CURRENCY, money
from deploy.local.invention import MARK
from shared.events import CustomerSignedUp, Event, OrderLine, OrderPaid, event_type
from shared.kafka import consumer_client, producer_client, started
from shared.outbox import message_of

SOURCE = "habitue/demo-probe"
MEMBERS = 20
ORDERS = 200
AMOUNT_MINOR = (
    40_00  # ten orders of a member pass the first threshold, so that a level and a mail come of them
)
ANNOUNCED_ON = "loyalty.points"
ANSWER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from before the publishing to the announcement, over `count` orders."""

    count: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


def sign_ups(program_id: str, now: datetime) -> list[Event[Any]]:
    """The members of the probe, who live where it is noon now: nobody's quiet hours keep their mails back."""
    return [
        Event(
            id=f"{MARK}sign-up-{member_id}",
            source=SOURCE,
            type=event_type(CustomerSignedUp),
            program_id=program_id,
            time=now,
            data=CustomerSignedUp(
                customer_id=member_id,
                email=f"{member_id}@customers.example",
                name="Nadia",
                language=("en", "fr")[number % 2],
                time_zone=_zone_of_noon(now),
            ),
        )
        for number in range(MEMBERS)
        if (member_id := f"probe-{number:02}")
    ]


async def probe(
    bootstrap: str, program_id: str, progress: Callable[[int], None]
) -> tuple[Latency, list[Event[Any]]]:
    """Publish the orders one by one; the latency, and the events for the books."""
    events, milliseconds = [], []
    async with started(consumer_client(bootstrap, group=None)) as consumer:
        await _listen(consumer)
        async with started(producer_client(bootstrap)) as producer:
            for number in range(ORDERS):
                event = _order(program_id, number)
                began = time.perf_counter()
                await _publish(producer, event)
                await _until_announced(consumer, event.data.order_id)
                milliseconds.append((time.perf_counter() - began) * 1000)
                events.append(event)
                progress(number + 1)
    return _latency(milliseconds), events


def _order(program_id: str, number: int) -> Event[OrderPaid]:
    order_id = f"{MARK}probe-{number:04}"
    line = OrderLine(line_id="1", product_id="made-up-cd-001", total=money(AMOUNT_MINOR))
    return Event(
        id=f"{order_id}-paid",
        source=SOURCE,
        type=event_type(OrderPaid),
        program_id=program_id,
        time=datetime.now(UTC),
        data=OrderPaid(
            order_id=order_id,
            customer_id=f"probe-{number % MEMBERS:02}",
            total=money(AMOUNT_MINOR),
            currency=CURRENCY,
            lines=(line,),
        ),
    )


async def _listen(consumer: Any) -> None:
    """Read the announcements from now on."""
    await consumer.end_offsets(
        [TopicPartition(ANNOUNCED_ON, 0)]
    )  # this makes the client learn the partitions
    partitions = [
        TopicPartition(ANNOUNCED_ON, number) for number in consumer.partitions_for_topic(ANNOUNCED_ON)
    ]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)


async def _publish(producer: Any, event: Event[Any]) -> None:
    message = message_of(event)
    await producer.send_and_wait(message.topic, message.value, key=message.key)


async def _until_announced(consumer: Any, order_id: str) -> None:
    name = order_id.encode()
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            found = await consumer.getmany(timeout_ms=1000)
            if any(name in (record.value or b"") for records in found.values() for record in records):
                return


def _latency(milliseconds: list[float]) -> Latency:
    cuts = quantiles(milliseconds, n=100, method="inclusive")
    return Latency(len(milliseconds), cuts[49], cuts[98], max(milliseconds))


def _zone_of_noon(now: datetime) -> str:
    """A zone where the clock shows noon; in these names `+` is west of Greenwich."""
    west = now.astimezone(UTC).hour - 12
    return f"Etc/GMT{west:+d}" if west else "Etc/GMT"
