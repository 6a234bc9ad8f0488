"""The rows of adjustments by hand: written in the transaction that moves what they say."""

from __future__ import annotations

from typing import Any

from msgspec.structs import astuple

from services.ledger.domain.adjusting import Adjustment
from shared.database import AnyConnection
from shared.queries import Queries


async def read(
    connection: AnyConnection, sql: Queries, program_id: str, name: str, *, locking: bool = False
) -> Adjustment | None:
    """The adjustment of this id; None where there is none."""
    query = sql.lock_adjustment if locking else sql.read_adjustment
    row = await connection.fetchrow(query, program_id, name)
    return None if row is None else Adjustment(*row)


async def add(connection: AnyConnection, sql: Queries, made: Adjustment) -> bool:
    """Write a new one; False where the program has one of this id."""
    done: Any = await connection.fetchval(sql.insert_adjustment, *astuple(made))
    return bool(done)


async def decide(connection: AnyConnection, sql: Queries, made: Adjustment) -> None:
    """Write what became of a proposal."""
    await connection.execute(
        sql.decide_adjustment,
        made.program_id,
        made.adjustment_id,
        made.state,
        made.moved,
        made.decided_by,
        made.decided_at,
        made.decision_reason,
    )


async def listed(
    connection: AnyConnection,
    sql: Queries,
    program_id: str,
    *,
    after: str,
    state: str | None,
    member_id: str | None,
    limit: int,
) -> list[Adjustment]:
    """Those behind `after`, by id."""
    rows = await connection.fetch(sql.adjustments, program_id, after, state, member_id, limit)
    return [Adjustment(*row) for row in rows]
