"""The same event takes effect once: within a batch, across batches, and after a crash.

What a newcomer would get wrong: the same id twice *within one batch* must be found in memory. The insert's
`ON CONFLICT DO NOTHING` returns such a key once, and joining the batch back to it would handle the event twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import AnyConnection
from shared.errors import Kind, ServiceError
from shared.queries import Queries
from shared.worker.records import Delivery, Refusal


class EventConflict(ServiceError):
    """An event with this source and id, but other content, was received before."""

    kind = Kind.CONFLICT
    code = "event_conflict"


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch as the inbox sees it."""

    fresh: list[Delivery]
    duplicates: int
    conflicts: list[Refusal]


async def register(connection: AnyConnection, sql: Queries, deliveries: Sequence[Delivery]) -> Sorted:
    """Write the events into the inbox; which are new, how many were known, which contradict a known one."""
    firsts = {delivery.event_key: delivery for delivery in reversed(deliveries)}
    if not firsts:
        return Sorted([], 0, [])
    keys = sorted(firsts)
    hashes = [firsts[key].payload_hash for key in keys]
    rows = await connection.fetch(sql.register_events, keys, hashes)
    if len(rows) == len(deliveries):
        return Sorted(list(deliveries), 0, [])  # as nearly always: all are new
    known = dict(zip(keys, hashes, strict=True))
    new = {row["event_key"] for row in rows}
    if len(new) < len(keys):
        older = await connection.fetch(sql.known_events, [key for key in keys if key not in new])
        known.update((row["event_key"], row["payload_hash"]) for row in older)
    return _sort(deliveries, firsts, known, new)


async def forget(connection: AnyConnection, sql: Queries, keys: Iterable[UUID]) -> None:
    """Take refused events out again, so that a replay of their dead letter is no duplicate."""
    await connection.execute(sql.forget_events, sorted(keys))


def _sort(
    deliveries: Sequence[Delivery], firsts: dict[UUID, Delivery], known: dict[UUID, UUID], new: set[UUID]
) -> Sorted:
    fresh, conflicts, duplicates = [], [], 0
    for delivery in deliveries:
        key = delivery.event_key
        if delivery.payload_hash != known[key]:
            event = delivery.event
            message = (
                f"event {event.id!r} of source {event.source!r} was received before with other content; "
                "a producer must give a changed event a new id"
            )
            conflicts.append(Refusal(delivery.record, EventConflict(message)))
        elif key in new and firsts[key] is delivery:
            fresh.append(delivery)
        else:
            duplicates += 1
    return Sorted(fresh, duplicates, conflicts)
