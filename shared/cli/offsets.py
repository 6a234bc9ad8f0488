"""What Kafka says about the partitions of topics: where they begin and end, and where a moment lies.

What a newcomer would get wrong: a topic that is not there must be noticed before its offsets are asked for; the
client would wait for it until the call times out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition

from shared.cli.session import NotAvailable
from shared.kafka import CALL_SECONDS, KAFKA_NOT_NOW, KafkaAway, consumer_client, started
from shared.worker.records import Partition


@dataclass(frozen=True, slots=True)
class Offsets:
    """Questions to one broker connection."""

    client: Any

    async def missing(self, topics: Iterable[str]) -> list[str]:
        """Those of the topics that are not there, sorted."""
        async with _in_time():
            return sorted(set(topics) - await self.client.topics())

    async def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """All partitions of these topics, sorted.

        Raises:
            NotAvailable: a topic is not there.
        """
        if missing := await self.missing(topics):
            raise NotAvailable(f"there is no topic {', '.join(missing)}; run the command `topics` first")
        await self.ends([Partition(topic, 0) for topic in topics])  # this makes the client learn the rest
        return sorted(
            Partition(topic, number) for topic in topics for number in self.client.partitions_for_topic(topic)
        )

    async def beginnings(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset of the oldest record that each still has."""
        async with _in_time():
            found = await self.client.beginning_offsets([TopicPartition(*key) for key in partitions])
        return {Partition(key.topic, key.partition): offset for key, offset in found.items()}

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset that the next record of each will get."""
        async with _in_time():
            found = await self.client.end_offsets([TopicPartition(*key) for key in partitions])
        return {Partition(key.topic, key.partition): offset for key, offset in found.items()}

    async def at(self, partitions: Iterable[Partition], time: datetime) -> dict[Partition, int | None]:
        """The first record of each that was published at `time` or later; None where there is none."""
        milliseconds = max(0, int(time.timestamp() * 1000))
        async with _in_time():
            found = await self.client.offsets_for_times(
                {TopicPartition(*key): milliseconds for key in partitions}
            )
        return {
            Partition(key.topic, key.partition): place.offset if place is not None else None
            for key, place in found.items()
        }


@asynccontextmanager
async def offsets_of(bootstrap: str) -> AsyncIterator[Offsets]:
    """A connection to Kafka.

    Raises:
        KafkaAway: no broker answers.
    """
    async with started(consumer_client(bootstrap, group=None)) as client:
        yield Offsets(client)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except KAFKA_NOT_NOW as error:
        raise KafkaAway(f"no answer from Kafka: {type(error).__name__} {error}; is it running?") from error
