"""A worker's place in the consumer group: its rebalances, its lanes, its watchdog.

What a newcomer would get wrong: aiokafka swallows what a rebalance listener raises, and would go on with partitions
whose positions nobody read. So every fault in here ends the worker, and its supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared.database import NOT_NOW
from shared.errors import Kind, ServiceError, Unavailable
from shared.failpoints import DURING_REBALANCE, pass_point
from shared.frozen import end_frozen_sessions
from shared.kafka import CALL_SECONDS, KAFKA_NOT_NOW, consumer_client, started
from shared.worker import positions
from shared.worker.batch import BatchProcessor
from shared.worker.lag import Probe
from shared.worker.lanes import Lane
from shared.worker.records import Partition

log = structlog.get_logger(__name__)

HINT_SECONDS = 5.0  # how often Kafka is told where we stand; nothing depends on it


class WorkerStalled(Unavailable):
    """The worker stood still although events were waiting."""

    code = "worker_stalled"


class PositionLost(ServiceError):
    """Kafka does not have the events that follow on the stored position."""

    kind = Kind.CONFLICT
    code = "position_lost"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How one worker works; times in seconds."""

    bootstrap: str
    group: str
    topics: Sequence[str]
    lanes: int = 2
    batch_size: int = 1000
    watchdog_seconds: float = 60.0
    session_timeout_ms: int = 10_000
    rebalance_timeout_ms: int = 15_000
    instance: str | None = None


@dataclass(slots=True)
class Worker:
    """Consumes the topics of a service until told to stop.

    `processor` makes one processor a lane (each counts its own dead letters); `committed` is called after each
    batch, so that the relay need not wait for its next look.
    """

    options: WorkerOptions
    make_processor: Callable[[], BatchProcessor]
    committed: Callable[[], None] = lambda: None
    lanes: list[Lane] = field(default_factory=list)
    _failed: asyncio.Future[None] | None = None
    _progress: float = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; the batches at hand are finished, and the group is left.

        Raises:
            WorkerStalled, TooManyDeadLetters, PositionLost, KafkaAway: see there.
        """
        options = self.options
        self._failed = asyncio.get_running_loop().create_future()
        consumer = consumer_client(
            options.bootstrap,
            group=options.group,
            instance=options.instance,
            session_timeout_ms=options.session_timeout_ms,
            rebalance_timeout_ms=options.rebalance_timeout_ms,
        )
        self.lanes = [
            Lane(
                number, consumer, self.make_processor(), options.batch_size, self._progressed, self.committed
            )
            for number in range(options.lanes)
        ]
        self._progressed()
        consumer.subscribe(list(options.topics), listener=_Rebalance(self, consumer))
        async with started(consumer):
            await self._until_first(
                *(lane.run(stop) for lane in self.lanes),
                self._hint(consumer, stop),
                self._watch(stop),
            )
        log.info("worker_stopped", group=options.group)

    def positions(self) -> dict[Partition, int]:
        """Where this worker stands, over all its lanes."""
        return {key: offset for lane in self.lanes for key, offset in lane.positions.items()}

    async def _until_first(self, *work: Coroutine[Any, Any, None]) -> None:
        """Run side by side until all have finished; the first fault ends all."""
        assert self._failed is not None
        tasks = [asyncio.create_task(each) for each in work]
        everything = asyncio.gather(*tasks)
        try:
            ends: list[asyncio.Future[Any]] = [everything, self._failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            await everything
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, everything, return_exceptions=True)

    def fail(self, error: BaseException) -> None:
        """End the worker with this error."""
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    def _progressed(self) -> None:
        self._progress = time.monotonic()

    async def _hint(self, consumer: Any, stop: asyncio.Event) -> None:
        """Tell Kafka now and then where we stand, for its lag monitors."""
        while not stop.is_set():
            await _sleep(stop, HINT_SECONDS)
            offsets = {TopicPartition(*key): offset for key, offset in self.positions().items()}
            try:
                if offsets:
                    async with asyncio.timeout(CALL_SECONDS):
                        await consumer.commit(offsets)
            except (KafkaError, TimeoutError, ValueError) as error:
                log.info("hint_refused", reason=str(error))

    async def _watch(self, stop: asyncio.Event) -> None:
        """End the worker if it stands still while events wait: aiokafka is known to stall without a word."""
        limit = self.options.watchdog_seconds
        metrics = self.make_processor().metrics
        async with Probe(self.options.bootstrap, metrics) as probe:
            before: dict[Partition, int] = {}
            moved = time.monotonic()
            while not stop.is_set():
                await _sleep(stop, min(5.0, limit / 4))
                here = self.positions()
                lag = await probe.measure(here)
                if here != before or not lag:
                    before, moved = here, time.monotonic()
                elif min(time.monotonic() - moved, time.monotonic() - self._progress) > limit:
                    raise WorkerStalled(
                        f"stood still for {limit:.0f} s with {sum(lag.values())} events waiting; start again"
                    )


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Waits for the lanes before partitions go, and reads positions when they come."""

    def __init__(self, worker: Worker, consumer: Any) -> None:
        self._worker = worker
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        for lane in self._worker.lanes:
            async with lane.busy:
                lane.positions = {}
        pass_point(DURING_REBALANCE)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        try:
            await self._take(sorted(Partition(key.topic, key.partition) for key in assigned))
        except (*NOT_NOW, *KAFKA_NOT_NOW, PositionLost) as error:
            processor = self._worker.lanes[0].processor
            await end_frozen_sessions(processor.pool, processor.sql, error)
            self._worker.fail(error)

    async def _take(self, partitions: list[Partition]) -> None:
        if not partitions:
            return
        keys = [TopicPartition(*key) for key in partitions]
        async with asyncio.timeout(CALL_SECONDS):
            beginnings = await self._consumer.beginning_offsets(keys)
            ends = await self._consumer.end_offsets(keys)
        lanes = self._worker.lanes
        processor = lanes[0].processor
        async with processor.pool.acquire() as connection:
            start = {key: beginnings[TopicPartition(*key)] for key in partitions}
            held = await positions.claim(connection, processor.sql, start)
            for lane in lanes:
                mine = {key: held[key] for key in partitions if key.number % len(lanes) == lane.number}
                await lane.processor.limits.resume(connection, processor.sql, mine)
        for key in partitions:
            _check_position(key, held[key], start[key], ends[TopicPartition(*key)])
            self._consumer.seek(TopicPartition(*key), held[key])
        for lane in lanes:
            lane.positions = {key: held[key] for key in partitions if key.number % len(lanes) == lane.number}
        log.info("partitions_assigned", count=len(partitions))


def _check_position(key: Partition, held: int, beginning: int, end: int) -> None:
    """
    Raises:
        PositionLost: the events that follow on the position are gone, or never were in this topic.
    """
    if not beginning <= held <= end:
        raise PositionLost(
            f"{key.topic}[{key.number}] has offsets {beginning} to {end}, but the stored position is {held}. "
            "Was the topic made anew, or has its retention removed events that were not handled? "
            "Publish what is missing again, then set the position with the command `replay --from TIME`"
        )


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
