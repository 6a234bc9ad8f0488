"""The next offset of each partition, kept in Postgres in the transaction of the effects.

What a newcomer would get wrong: `advance` is the fence. It moves a row only from the offset this worker started
from; whoever was stopped, lost its partitions and woke up again finds no such row and must not write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.database import AnyConnection
from shared.errors import Unavailable
from shared.queries import Queries
from shared.worker.records import Partition, Record


class Fenced(Unavailable):
    """Another worker has moved a partition on since this one read its position."""

    code = "fenced"


async def claim(
    connection: AnyConnection, sql: Queries, beginnings: Mapping[Partition, int]
) -> dict[Partition, int]:
    """The stored positions of these partitions; one without a position starts at its beginning."""
    keys = sorted(beginnings)
    topics, numbers = [key.topic for key in keys], [key.number for key in keys]
    await connection.execute(sql.insert_positions, topics, numbers, [beginnings[key] for key in keys])
    return await read(connection, sql, keys)


async def read(
    connection: AnyConnection, sql: Queries, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """The stored positions of these partitions."""
    keys = sorted(partitions)
    topics, numbers = [key.topic for key in keys], [key.number for key in keys]
    rows = await connection.fetch(sql.read_positions, topics, numbers)
    return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def advance(
    connection: AnyConnection,
    sql: Queries,
    start: Mapping[Partition, int],
    end: Mapping[Partition, int],
) -> None:
    """Move each partition of `end` from where this worker started to behind its last record.

    Raises:
        Fenced: somebody else moved one of them.
    """
    keys = sorted(end)
    status = await connection.execute(
        sql.advance_positions,
        [key.topic for key in keys],
        [key.number for key in keys],
        [start[key] for key in keys],
        [end[key] for key in keys],
    )
    moved = int(status.removeprefix("UPDATE "))
    if moved != len(keys):
        raise Fenced(f"{len(keys) - moved} of {len(keys)} partitions were moved on by another worker")


def behind(records: Sequence[Record]) -> dict[Partition, int]:
    """For each partition of the records: the offset behind its last one."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {Partition(*place): offset + 1 for place, offset in last.items()}
