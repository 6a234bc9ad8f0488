"""The rows of pools: who is in them, and which lots are whose.

What a newcomer would get wrong: a pool is locked before its members. So all of it is found and locked before a batch
locks anybody, and it is part of the book from then on: who is in it, and what they have of each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.ledger.domain.book import Book
from services.ledger.domain.households import Borrowed, Pool
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import MemberKey
from services.ledger.errors import PoolChangedMeanwhile
from shared.database import AnyConnection, columns_of
from shared.queries import Queries

BORROWED_COLUMNS = Borrowed.__struct_fields__

PoolKey = tuple[str, str]
"""Program and id of a pool."""


async def make(connection: AnyConnection, sql: Queries, program_id: str, pool_id: str, at: datetime) -> bool:
    """A new pool without members; False where there is, or was, one with this id."""
    return bool(await connection.fetchval(sql.insert_household, program_id, pool_id, at))


async def make_all(
    connection: AnyConnection, sql: Queries, program_id: str, pool_ids: Iterable[str], at: datetime
) -> None:
    """New pools without members; those stay as they are of which there is, or was, one."""
    if ids := sorted(set(pool_ids)):
        await connection.execute(sql.insert_households, program_id, ids, at)


async def invitations(connection: AnyConnection, sql: Queries, key: MemberKey) -> list[str]:
    """The pools that a member is invited to."""
    return [row["pool_id"] for row in await connection.fetch(sql.household_invitations, *key)]


async def invite(connection: AnyConnection, sql: Queries, key: MemberKey, pool_id: str) -> None:
    """Write an invitation; one that is there, or a member of the pool, stays as it is."""
    await connection.execute(sql.invite_to_household, *key, pool_id)


async def load_pools(
    connection: AnyConnection, sql: Queries, book: Book, needs: Needs, *, locking: bool, at_once: bool
) -> None:
    """Bring the pools that a batch needs, locked, and what their members have of each other; all of these are needed,
    settled up to the same moment as whoever asked.
    """
    asking = needs.pooling | needs.returning
    found = needs.pools | await _pools_of(connection, sql, asking)
    if found:
        query = sql.lock_households_at_once if at_once else sql.lock_households
        query = query if locking else sql.read_households
        alive = {tuple(row) for row in await connection.fetch(query, *_columns(found))}
        members: dict[PoolKey, list[str]] = {pool: [] for pool in alive}
        for program_id, pool_id, member_id in await connection.fetch(
            sql.members_of_households, *_columns(alive)
        ):
            members[program_id, pool_id].append(member_id)
        for (program_id, pool_id), names in sorted(members.items()):
            book.pools.load(program_id, pool_id, Pool(program_id, pool_id, tuple(names)))
            _need(needs, [(program_id, name) for name in names])
    holders = needs.returning | {key for key in needs.members if found and key in needs.detailed}
    if holders:
        for row in await connection.fetch(sql.borrowed_lots, *_columns(holders)):
            borrowed = _load_borrowed(book, row)
            if (borrowed.program_id, borrowed.member_id) in needs.returning:
                _need(needs, [(borrowed.program_id, borrowed.from_member_id)])


async def load_borrowed(
    connection: AnyConnection, sql: Queries, book: Book, keys: Iterable[MemberKey]
) -> None:
    """Bring what these members have of others who are still there, to be looked at."""
    for row in await connection.fetch(sql.borrowed_from_the_living, *_columns(keys)):
        _load_borrowed(book, row)


async def check_pools(connection: AnyConnection, sql: Queries, book: Book, keys: Iterable[MemberKey]) -> None:
    """Make sure that members whose rows are locked now are in no other pool than the book says.

    Raises:
        PoolChangedMeanwhile: they joined one just now.
    """
    for program_id, pool_id in await _pools_of(connection, sql, keys):
        if book.pools.get(program_id, pool_id) is None:
            raise PoolChangedMeanwhile(f"somebody joined pool {pool_id!r} just now; try again")


async def save_pools(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write who joined and left, and which lots are whose from now on."""
    changed = sorted(book.pools.changed(), key=lambda pool: (pool.program_id, pool.pool_id))
    if changed:
        pools = [(pool.program_id, pool.pool_id) for pool in changed]
        places = [
            (pool.program_id, pool.pool_id, name, pool.changed_at, place)
            for pool in changed
            for place, name in enumerate(pool.members, 1)
        ]
        columns = columns_of(places, 5)
        await connection.execute(sql.leave_households, *_columns(pools), *columns[:3])
        if places:
            await connection.execute(sql.join_households, *columns)
        empty = [(pool.program_id, pool.pool_id, pool.changed_at) for pool in changed if not pool.members]
        if empty:
            await connection.execute(sql.dissolve_households, *columns_of(empty, 3))
    if new := book.borrowed.new():
        rows = [tuple(getattr(row, name) for name in BORROWED_COLUMNS) for row in new]
        await connection.copy_records_to_table(
            "pool_lot", schema_name="ledger", columns=BORROWED_COLUMNS, records=rows
        )
    if len(book.came_back):
        await connection.execute(sql.lots_came_back, *zip(*sorted(set(book.came_back)), strict=True))


async def members_to_send_home_from(connection: AnyConnection, sql: Queries, limit: int) -> list[MemberKey]:
    """Who has again what is another's, in the order of their keys."""
    return [tuple(row) for row in await connection.fetch(sql.members_to_send_home_from, limit)]


async def went_home(connection: AnyConnection, sql: Queries, key: MemberKey) -> None:
    """Write that all that came back to a member was looked at."""
    await connection.execute(sql.lots_went_home, *key)


async def _pools_of(connection: AnyConnection, sql: Queries, keys: Iterable[MemberKey]) -> set[PoolKey]:
    wanted = set(keys)
    if not wanted:
        return set()
    return {tuple(row) for row in await connection.fetch(sql.households_of, *_columns(wanted))}


def _need(needs: Needs, keys: Iterable[MemberKey]) -> None:
    """These members, too, settled up to the latest moment that anybody of the batch is."""
    until = max(needs.members.values())
    for key in keys:
        needs.member(key, until)
        needs.detailed.add(key)


def _load_borrowed(book: Book, row: Any) -> Borrowed:
    borrowed = Borrowed(*row)
    place = (borrowed.asset, borrowed.lot_no)
    book.borrowed.load((borrowed.program_id, borrowed.member_id), place, borrowed)
    return borrowed


def _columns(keys: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    return columns_of(sorted(keys), 2)
