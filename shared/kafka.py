"""Kafka clients with the settings on which the promises of this platform rest.

aiokafka's defaults commit by themselves and start at the end of a topic: both lose events. It ships no types, so
this module is the only one that makes its clients.

What a newcomer would get wrong: all topics have the same number of partitions and the range assignor is used, so
that partition 3 of every topic belongs to the same worker: a member's events meet in one place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, TopicAlreadyExistsError

from shared.errors import Unavailable

CALL_SECONDS = 15.0  # no call to the broker may wait longer than this
BATCH_BYTES = 256 * 1024
LARGEST_MESSAGE_BYTES = (
    15 * 1024 * 1024
)  # a dead letter carries the original, however large the broker let it be
RETENTION_MS = 30 * 24 * 3600 * 1000  # how long a shop may take to notice that a service stood still

KAFKA_NOT_NOW = (KafkaError, IllegalStateError, OSError, TimeoutError)
"""What aiokafka raises where the broker or the group is not as it should be for the moment."""


class KafkaAway(Unavailable):
    """Kafka does not answer."""

    code = "kafka_away"


def consumer_client(
    bootstrap: str,
    *,
    group: str | None,
    instance: str | None = None,
    session_timeout_ms: int = 10_000,
    rebalance_timeout_ms: int = 15_000,
) -> Any:
    """A consumer that never commits by itself and begins at the beginning."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=session_timeout_ms,
        heartbeat_interval_ms=max(200, session_timeout_ms // 6),
        rebalance_timeout_ms=rebalance_timeout_ms,
        max_poll_interval_ms=300_000,
        request_timeout_ms=int(CALL_SECONDS * 1000),
        metadata_max_age_ms=30_000,
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )


def producer_client(bootstrap: str, *, linger_ms: int = 0) -> Any:
    """An idempotent producer: what it acknowledges is on all in-sync replicas, once, in order."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=LARGEST_MESSAGE_BYTES,
        linger_ms=linger_ms,
        request_timeout_ms=int(CALL_SECONDS * 1000),
        metadata_max_age_ms=30_000,
    )


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """The client between its start and its stop.

    Raises:
        KafkaAway: no broker answers.
    """
    try:
        await client.start()
    except KAFKA_NOT_NOW as error:
        await client.stop()
        raise KafkaAway(f"no answer from Kafka: {error}; is it running?") from error
    try:
        yield client
    finally:
        await client.stop()


async def create_topics(
    bootstrap: str, topics: Sequence[str], *, partitions: int = 6, replication: int = 1
) -> list[str]:
    """Create the topics that are missing, all with the same number of partitions; the names of the new ones.

    Raises:
        KafkaAway: no broker answers.
    """
    configs = {"retention.ms": str(RETENTION_MS), "max.message.bytes": str(LARGEST_MESSAGE_BYTES)}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(CALL_SECONDS * 1000))
    try:
        await admin.start()
        missing = sorted(set(topics) - set(await admin.list_topics()))
        new = [NewTopic(topic, partitions, replication, topic_configs=configs) for topic in missing]
        if new:
            await admin.create_topics(new)
    except TopicAlreadyExistsError:
        return await create_topics(bootstrap, topics, partitions=partitions, replication=replication)
    except KAFKA_NOT_NOW as error:
        raise KafkaAway(f"no answer from Kafka: {error}; is it running?") from error
    finally:
        await admin.close()
    return missing
