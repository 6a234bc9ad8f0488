"""One batch in one transaction: positions, inbox, the service's effects, outbox, dead letters.

What a newcomer would get wrong: a fault that nobody foresaw (a bug, a value that Postgres refuses) must not hold up
a partition for ever. The batch is rolled back and halved until the one event that carries the fault stands alone;
that one becomes a dead letter, the rest takes effect.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from shared import outbox
from shared.clock import Clock
from shared.cloudevents import decode, event_key, payload_hash
from shared.database import NOT_NOW, AnyConnection, Pool
from shared.errors import Kind, ServiceError
from shared.failpoints import INSIDE_TRANSACTION, pass_point
from shared.metrics import Metrics
from shared.queries import Queries
from shared.worker import dead_letters, inbox, positions
from shared.worker.dead_letters import Limits, TooManyDeadLetters
from shared.worker.records import Delivery, HandleBatch, Outcome, Partition, Record, Refusal

log = structlog.get_logger(__name__)

FUTURE_TOLERANCE = timedelta(days=1)  # clocks differ; what lies further ahead would settle a member's future


class InternalFault(ServiceError):
    """The service failed on this event in a way that nobody foresaw."""

    kind = Kind.INVALID
    code = "internal_fault"


class EventFromTheFuture(ServiceError):
    """The event says that it will happen later than tomorrow."""

    kind = Kind.INVALID
    code = "event_from_the_future"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch."""

    positions: dict[Partition, int]
    applied: int
    duplicates: int
    refused: int

    def and_then(self, later: Done) -> Done:
        """This batch and the next as one."""
        return Done(
            self.positions | later.positions,
            self.applied + later.applied,
            self.duplicates + later.duplicates,
            self.refused + later.refused,
        )


@dataclass(slots=True)
class BatchProcessor:
    """Takes records of one lane into the service's schema, each exactly once.

    It knows Postgres and no broker: tests and the benchmark hand it records of their own.
    """

    service: str
    pool: Pool
    sql: Queries
    handle: HandleBatch
    clock: Clock
    metrics: Metrics
    default_program: str | None = None
    limits: Limits = field(default_factory=Limits)

    async def process(self, records: Sequence[Record], start: Mapping[Partition, int]) -> Done:
        """Handle the records, which begin at the positions `start`.

        Raises:
            positions.Fenced: another worker was here; nothing was written.
            TooManyDeadLetters: a limit is passed; nothing was written.
            One of `shared.database.NOT_NOW`: the database is away; nothing was written, or all of it.
        """
        deliveries, unreadable = self._read(records)
        return await self._process(list(records), deliveries, unreadable, dict(start))

    async def _process(
        self,
        records: list[Record],
        deliveries: list[Delivery],
        refusals: list[Refusal],
        start: dict[Partition, int],
    ) -> Done:
        try:
            return await self._transact(records, deliveries, refusals, start)
        except (*NOT_NOW, TooManyDeadLetters):
            raise
        except Exception as error:
            if not deliveries:
                raise
            if len(records) == 1:
                log.exception("event_failed", place=records[0].place)
                fault = InternalFault(f"{type(error).__name__}: {error}")
                return await self._transact(records, [], [Refusal(records[0], fault)], start)
            return await self._halve(records, deliveries, refusals, start)

    async def _halve(
        self,
        records: list[Record],
        deliveries: list[Delivery],
        refusals: list[Refusal],
        start: dict[Partition, int],
    ) -> Done:
        done = Done({}, 0, 0, 0)
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            mine = {id(record) for record in half}
            part = await self._process(
                half,
                [delivery for delivery in deliveries if id(delivery.record) in mine],
                [refusal for refusal in refusals if id(refusal.record) in mine],
                start | done.positions,
            )
            done = done.and_then(part)
        return done

    async def _transact(
        self,
        records: list[Record],
        deliveries: list[Delivery],
        refusals: list[Refusal],
        start: dict[Partition, int],
    ) -> Done:
        began, end = time.perf_counter(), positions.behind(records)
        async with self.pool.acquire() as connection, connection.transaction():
            await positions.advance(connection, self.sql, start, end)
            known = await inbox.register(connection, self.sql, deliveries)
            pass_point(INSIDE_TRANSACTION)
            outcome = Outcome()
            if known.fresh:
                events = [delivery.event for delivery in known.fresh]
                outcome = await self.handle(connection, events, self.clock())
            refused = [known.fresh[index] for index in outcome.refused]
            wrong = [
                *refusals,
                *known.conflicts,
                *(Refusal(known.fresh[index].record, error) for index, error in outcome.refused.items()),
            ]
            self.limits.check(records, wrong)
            await self._write(connection, outcome, refused, wrong)
        self._measure(known, outcome, wrong, len(records), time.perf_counter() - began)
        return Done(end, len(known.fresh) - len(refused), known.duplicates, len(wrong))

    async def _write(
        self,
        connection: AnyConnection,
        outcome: Outcome,
        refused: list[Delivery],
        wrong: list[Refusal],
    ) -> None:
        messages = [outbox.message_of(event) for event in outcome.outgoing]
        if wrong:
            await inbox.forget(connection, self.sql, [delivery.event_key for delivery in refused])
            await dead_letters.keep(connection, self.sql, wrong)
            messages += [dead_letters.announcement(self.service, refusal) for refusal in wrong]
        await outbox.write_bundle(connection, self.sql, messages)

    def _read(self, records: Sequence[Record]) -> tuple[list[Delivery], list[Refusal]]:
        deliveries, refusals = [], []
        latest = self.clock() + FUTURE_TOLERANCE
        for record in records:
            try:
                event = decode(
                    record.value or b"",
                    record.headers,
                    topic=record.topic,
                    key=record.key,
                    timestamp=record.time,
                    default_program=self.default_program,
                )
                if event.time > latest:
                    raise EventFromTheFuture(
                        f"it says {event.time.isoformat()}; check the clock of {event.source}"
                    )
            except ServiceError as error:
                refusals.append(Refusal(record, error))
            else:
                key = event_key(event.program_id, event.source, event.id)
                deliveries.append(Delivery(record, event, key, payload_hash(record.value or b"")))
        return deliveries, refusals

    def _measure(
        self, known: inbox.Sorted, outcome: Outcome, wrong: list[Refusal], size: int, seconds: float
    ) -> None:
        metrics = self.metrics
        metrics.batch_seconds.observe(seconds)
        metrics.batch_size.observe(size)
        applied = Counter(delivery.event.type for delivery in known.fresh)
        applied.subtract(known.fresh[index].event.type for index in outcome.refused)
        for kind, count in applied.items():
            metrics.events.of(kind, "applied").inc(count)
        if known.duplicates:
            metrics.events.of("any", "duplicate").inc(known.duplicates)
        if wrong:
            metrics.events.of("any", "conflict").inc(len(known.conflicts))
            metrics.events.of("any", "refused").inc(len(wrong) - len(known.conflicts))
        for refusal in wrong:
            metrics.dead_letters.of(refusal.error.code).inc()
            log.warning(
                "dead_letter",
                place=refusal.record.place,
                code=refusal.error.code,
                reason=refusal.error.message,
            )
