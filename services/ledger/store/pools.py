"""The rows of pools: who is in them, and which lots came from whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.ledger.domain.pools import Origins, Pool
from services.ledger.domain.records import MemberKey
from shared.database import AnyConnection
from shared.queries import Queries


async def make(connection: AnyConnection, sql: Queries, program_id: str, pool_id: str, at: datetime) -> bool:
    """A new pool without members; False where there is, or was, one with this id."""
    return bool(await connection.fetchval(sql.insert_household, program_id, pool_id, at))


async def pool_of(connection: AnyConnection, sql: Queries, key: MemberKey) -> str | None:
    """The pool that a member is in."""
    found: str | None = await connection.fetchval(sql.household_of, *key)
    return found


async def read(
    connection: AnyConnection, sql: Queries, program_id: str, pool_id: str, *, locking: bool = True
) -> Pool | None:
    """A pool with its members, locked until the end; None where there is none."""
    if locking and await connection.fetchval(sql.lock_household, program_id, pool_id) is None:
        return None
    rows = await connection.fetch(sql.household_members, program_id, pool_id)
    return Pool(program_id, pool_id, tuple(row["member_id"] for row in rows))


async def invitations(connection: AnyConnection, sql: Queries, key: MemberKey) -> list[str]:
    """The pools that a member is invited to."""
    return [row["pool_id"] for row in await connection.fetch(sql.household_invitations, *key)]


async def invite(connection: AnyConnection, sql: Queries, key: MemberKey, pool_id: str) -> None:
    """Write an invitation; one that is there, or a member of the pool, stays as it is."""
    await connection.execute(sql.invite_to_household, *key, pool_id)


async def join(connection: AnyConnection, sql: Queries, key: MemberKey, pool_id: str, at: datetime) -> None:
    """Write that a member is in the pool, behind those who are."""
    await connection.execute(sql.join_household, *key, pool_id, at)


async def part(
    connection: AnyConnection, sql: Queries, pool: Pool, leaving: Sequence[str], at: datetime
) -> None:
    """Write that members are in the pool no more; an empty one is dissolved."""
    if set(leaving) >= set(pool.members):
        await connection.execute(sql.dissolve_household, pool.program_id, pool.pool_id, at)
    else:
        await connection.execute(sql.leave_household, pool.program_id, pool.pool_id, list(leaving))


async def origins_of(connection: AnyConnection, sql: Queries, pool: Pool) -> Origins:
    """The lots that came from other members of the pool."""
    rows = await connection.fetch(sql.household_lots, pool.program_id, pool.pool_id)
    return {(row["member_id"], row["asset"], row["lot_no"]): row["from_member_id"] for row in rows}


async def save_origins(
    connection: AnyConnection, sql: Queries, pool: Pool, before: Origins, after: Origins
) -> None:
    """Write how they changed."""
    gone = sorted(before.keys() - after.keys())
    new = [(*place, after[place]) for place in sorted(after.keys() - before.keys())]
    if gone:
        await connection.execute(sql.delete_household_lots, pool.program_id, *zip(*gone, strict=True))
    if new:
        columns = zip(*new, strict=True)
        await connection.execute(sql.insert_household_lots, pool.program_id, pool.pool_id, *columns)
