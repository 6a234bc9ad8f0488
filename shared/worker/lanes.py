"""A lane: the partitions `p mod N` of every topic, one batch at a time.

What a newcomer would get wrong: the records that a fetch brings may be stale, fetched before a rebalance took the
partition away or before a seek. So each batch is compared with the positions held, and a partition whose first
record does not fit is sought again instead of handled. A gap that stands after a seek is real (records that the
broker deleted or that no consumer is shown) and is accepted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from shared.database import NOT_NOW
from shared.failpoints import AFTER_COMMIT, AFTER_FETCH, pass_point
from shared.frozen import end_frozen_sessions
from shared.kafka import KAFKA_NOT_NOW
from shared.worker import positions
from shared.worker.batch import BatchProcessor
from shared.worker.records import Partition, Record, time_of

log = structlog.get_logger(__name__)

IDLE_SECONDS = 0.5  # how long a fetch waits for the first record
LOOK_AGAIN_SECONDS = 5.0  # how often an idle lane reads its positions
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0


@dataclass(slots=True)
class Lane:
    """Fetches, hands over to the processor, and keeps to its positions.

    `positions` is empty while no partition is assigned. Whoever changes it holds `busy`.
    """

    number: int
    consumer: Any
    processor: BatchProcessor
    batch_size: int
    progressed: Callable[[], None]
    committed: Callable[[], None] = lambda: None
    positions: dict[Partition, int] = field(default_factory=dict)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    _sought: set[Partition] = field(default_factory=set)
    _backoff: float = FIRST_BACKOFF_SECONDS
    _looked: float = 0.0
    _aged: set[tuple[str, int]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; the batch at hand is finished.

        Raises:
            TooManyDeadLetters: a limit was passed; a person has to look.
        """
        while not stop.is_set():
            if not self.positions:
                await _first(stop.wait(), seconds=IDLE_SECONDS / 5)
                continue
            try:
                await self._step()
            except (*NOT_NOW, *KAFKA_NOT_NOW) as error:
                await self._not_now(error, stop)
            else:
                self._backoff = FIRST_BACKOFF_SECONDS

    async def _step(self) -> None:
        mine = [TopicPartition(*partition) for partition in self.positions]
        fetched = await self.consumer.getmany(
            *mine, timeout_ms=int(IDLE_SECONDS * 1000), max_records=self.batch_size
        )
        self.progressed()
        self._report_age(fetched)
        if not fetched:
            await self._look_again()
            return
        pass_point(AFTER_FETCH)
        async with self.busy:
            records = self._in_place(fetched)
            if records:
                done = await self.processor.process(records, self.positions)
                pass_point(AFTER_COMMIT)
                self.positions |= done.positions
                self._sought -= done.positions.keys()
                self.committed()
        self.progressed()

    async def _look_again(self) -> None:
        """Somebody may have set the positions back (`replay`): without events there is no fence that tells."""
        if time.monotonic() - self._looked < LOOK_AGAIN_SECONDS:
            return
        self._looked = time.monotonic()
        async with self.busy, self.processor.pool.acquire() as connection:
            held = await positions.read(connection, self.processor.sql, self.positions)
            for partition, offset in held.items():
                if self.positions.get(partition) != offset:
                    self._seek(partition, offset)
            self.positions = held

    def _report_age(self, fetched: dict[Any, list[Any]]) -> None:
        """How old the first event of each partition is that now waits to be handled; 0 where none does."""
        gauge, now = self.processor.metrics.oldest_event_seconds, self.processor.clock()
        ages = {(key.topic, key.partition): now - time_of(raw[0].timestamp) for key, raw in fetched.items()}
        for place in self._aged - ages.keys():
            gauge.of(*place).set(0)
        for place, age in ages.items():
            gauge.of(*place).set(max(0.0, age.total_seconds()))
        self._aged = set(ages)

    def _in_place(self, fetched: dict[Any, list[Any]]) -> list[Record]:
        """What follows on the positions held; the rest is sought again or belongs to somebody else by now."""
        records: list[Record] = []
        for key, raw in fetched.items():
            partition = Partition(key.topic, key.partition)
            held = self.positions.get(partition)
            if held is None:
                continue
            first = raw[0].offset
            if first == held or (first > held and partition in self._sought):
                records.extend(_record(item) for item in raw)
            else:
                self._seek(partition, held)
        return records

    def _seek(self, partition: Partition, offset: int) -> None:
        try:
            self.consumer.seek(TopicPartition(*partition), offset)
            self._sought.add(partition)
        except IllegalStateError:
            log.info("seek_after_revoke", topic=partition.topic, partition=partition.number)

    async def _not_now(self, error: BaseException, stop: asyncio.Event) -> None:
        """Nothing was skipped: go back to what Postgres says, a little later."""
        log.warning(
            "not_now", lane=self.number, reason=f"{type(error).__name__}: {error}", again_in=self._backoff
        )
        self.progressed()
        await end_frozen_sessions(self.processor.pool, self.processor.sql, error)
        await _first(stop.wait(), seconds=self._backoff)
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS)
        try:
            async with self.busy, self.processor.pool.acquire() as connection:
                self.positions = await positions.read(connection, self.processor.sql, self.positions)
                self._sought.clear()
                for partition, offset in self.positions.items():
                    self._seek(partition, offset)
        except NOT_NOW as again:
            log.warning("positions_unread", lane=self.number, reason=f"{type(again).__name__}: {again}")
            self._seek_all()

    def _seek_all(self) -> None:
        for partition, offset in self.positions.items():
            self._seek(partition, offset)


def _record(raw: Any) -> Record:
    return Record(
        raw.topic, raw.partition, raw.offset, time_of(raw.timestamp), raw.key, raw.value, tuple(raw.headers)
    )


async def _first(*waits: Awaitable[Any], seconds: float) -> None:
    """Until one of the waits ends, or the time is over."""
    tasks: Iterable[asyncio.Future[Any]] = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
