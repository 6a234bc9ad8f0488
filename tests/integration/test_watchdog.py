"""A worker that stands still while events wait ends itself, so that its supervisor can start it anew."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from shared.kafka import create_topics, producer_client, started
from shared.metrics import Metrics
from shared.outbox import Message
from shared.relay import publish
from shared.worker.consumer import Worker, WorkerOptions, WorkerStalled
from shared.worker.lanes import Lane
from shared.worker.records import Partition
from tests.support.servers import Servers

QUICK_SECONDS = 1.0


class Standing:
    """What the watchdog asks of a processor: its metrics. Nothing is ever processed."""

    metrics = Metrics("ledger")


async def standing_worker(servers: Servers, *, waiting: int) -> Worker:
    """A worker whose consumer never brings anything, at the beginning of a topic with so many events."""
    topic = f"watchdog-{uuid.uuid4().hex}"
    await create_topics(servers.kafka_bootstrap, [topic], partitions=1)
    async with started(producer_client(servers.kafka_bootstrap)) as producer:
        await publish(producer, [Message(topic, b"key", b"{}") for _ in range(waiting)])
    options = WorkerOptions(
        bootstrap=servers.kafka_bootstrap, group="none", topics=[topic], watchdog_seconds=QUICK_SECONDS
    )
    worker = Worker(options, Standing)  # type: ignore[arg-type]
    lane = Lane(0, None, Standing(), 1, lambda: None)  # type: ignore[arg-type]
    lane.positions = {Partition(topic, 0): 0}
    worker.lanes = [lane]
    return worker


async def test_a_worker_that_stands_still_with_events_waiting_ends_itself(servers: Servers) -> None:
    worker = await standing_worker(servers, waiting=3)
    with pytest.raises(WorkerStalled, match="3 events waiting"):
        async with asyncio.timeout(30):
            await worker._watch(asyncio.Event())


async def test_a_worker_that_has_nothing_to_do_is_left_alone(servers: Servers) -> None:
    worker = await standing_worker(servers, waiting=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUICK_SECONDS * 4):
            await worker._watch(asyncio.Event())
