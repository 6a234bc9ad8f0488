"""How far behind a service is: the ends of its partitions against its positions.

What a newcomer would get wrong: the ends are asked over a connection of their own. The worker's own consumer is what
the watchdog watches; where that one has stalled, its answers cannot be trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import TopicPartition

from shared.kafka import CALL_SECONDS, KAFKA_NOT_NOW, consumer_client
from shared.metrics import Metrics
from shared.worker.records import Partition

log = structlog.get_logger(__name__)


class Probe:
    """Asks Kafka for the ends of partitions, and reports the lag."""

    def __init__(self, bootstrap: str, metrics: Metrics | None = None) -> None:
        self._bootstrap = bootstrap
        self._metrics = metrics
        self._client: Any = None
        self._reported: set[Partition] = set()

    async def measure(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """Events waiting per partition, only where there are any; empty too where Kafka does not answer."""
        if not positions:
            return {}
        try:
            async with asyncio.timeout(CALL_SECONDS):
                ends = await self.ends(list(positions))
        except KAFKA_NOT_NOW as error:
            log.info("lag_unknown", reason=f"{type(error).__name__}: {error}")
            await self.close()
            return {}
        lag = {key: max(0, ends[key] - offset) for key, offset in positions.items()}
        self._report(lag)
        return {key: count for key, count in lag.items() if count}

    async def ends(self, partitions: list[Partition]) -> dict[Partition, int]:
        """The end of each partition: the offset that the next record will get."""
        if self._client is None:
            client = consumer_client(self._bootstrap, group=None)
            self._client = client
            await client.start()
        found = await self._client.end_offsets([TopicPartition(*key) for key in partitions])
        return {Partition(key.topic, key.partition): end for key, end in found.items()}

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _report(self, lag: Mapping[Partition, int]) -> None:
        if self._metrics is None:
            return
        for key in self._reported - lag.keys():
            self._metrics.lag.forget(*key)
        self._reported = set(lag)
        for key, count in lag.items():
            self._metrics.lag.of(*key).set(count)
