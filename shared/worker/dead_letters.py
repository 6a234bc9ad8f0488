"""What was refused for good: kept with its original bytes, announced, and limited.

What a newcomer would get wrong: the limit is looked at *before* the batch commits. A topic full of rubbish (a
producer with a new format, a wrong topic) stops the worker at the point where it began; it is never poured away.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.database import AnyConnection
from shared.errors import Kind, ServiceError
from shared.outbox import Message
from shared.queries import Queries
from shared.worker.positions import behind
from shared.worker.records import Partition, Record, Refusal


class TooManyDeadLetters(ServiceError):
    """So many events were refused that the fault is not in single events."""

    kind = Kind.CONFLICT
    code = "too_many_dead_letters"


@dataclass(slots=True)
class Limits:
    """How much may be refused before the worker stops.

    `in_a_row` counts per partition, also across restarts; `proportion` is of the last `window` events of a lane.
    """

    in_a_row: int = 100
    proportion: float = 0.5
    window: int = 1_000
    _runs: dict[Partition, int] = field(default_factory=dict)
    _recent: deque[bool] = field(default_factory=deque)

    async def resume(self, connection: AnyConnection, sql: Queries, positions: dict[Partition, int]) -> None:
        """Count again what was refused just before these positions: a restart is no amnesty."""
        for partition, offset in positions.items():
            rows = await connection.fetch(sql.refused_just_before, *partition, offset, self.in_a_row)
            run = 0
            for row in rows:
                if row["record_offset"] != offset - 1 - run:
                    break
                run += 1
            self._runs[partition] = run

    def check(self, records: Sequence[Record], refusals: Sequence[Refusal]) -> None:
        """Count a batch that is about to be committed.

        Raises:
            TooManyDeadLetters: committing it would pass a limit; nothing was counted then.
        """
        if not refusals:
            self._runs.update(dict.fromkeys(behind(records), 0))
            self._recent = deque([*self._recent, *[False] * len(records)], self.window)
            return
        refused = {id(refusal.record) for refusal in refusals}
        runs, recent = dict(self._runs), deque(self._recent, self.window)
        for record in records:
            partition, bad = Partition(record.topic, record.partition), id(record) in refused
            recent.append(bad)
            runs[partition] = runs.get(partition, 0) + 1 if bad else 0
            if runs[partition] > self.in_a_row:
                raise TooManyDeadLetters(_stop(record, f"{self.in_a_row} events in a row", refusals))
        if len(recent) == self.window and sum(recent) > self.proportion * self.window:
            share = f"more than {self.proportion:.0%} of the last {self.window} events"
            raise TooManyDeadLetters(_stop(records[-1], share, refusals))
        self._runs, self._recent = runs, recent


async def keep(connection: AnyConnection, sql: Queries, refusals: Sequence[Refusal]) -> None:
    """Write the refused records, original bytes and all."""
    await connection.executemany(
        sql.insert_dead_letter,
        [
            (
                record.topic,
                record.partition,
                record.offset,
                record.time,
                record.key,
                record.value,
                json.dumps(
                    [
                        [name, None if value is None else b64encode(value).decode()]
                        for name, value in record.headers
                    ]
                ),
                refusal.error.code,
                refusal.error.message.replace("\x00", "\\0"),
            )
            for refusal in refusals
            for record in (refusal.record,)
        ],
    )


def announcement(service: str, refusal: Refusal) -> Message:
    """The dead letter as a message for `<service>.dead-letters`: the original bytes, and why in the headers."""
    record, error = refusal.record, refusal.error
    headers = (
        *record.headers,
        ("habitue-error-code", error.code.encode()),
        ("habitue-error", error.message.encode()),
        ("habitue-place", record.place.encode()),
    )
    return Message(f"{service}.dead-letters", record.key, record.value, headers)


def _stop(record: Record, what: str, refusals: Sequence[Refusal]) -> str:
    last = refusals[-1].error if refusals else None
    why = f"; the last one: {last.code}: {last.message}" if last else ""
    return (
        f"refused {what}, at {record.place}{why}. Nothing of this batch was written. "
        "Mend the producer, or raise the dead letter limits to let them pass, then start the worker again"
    )
