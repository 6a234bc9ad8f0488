"""What a trial of a program looks at: the newest orders with what came before them, and the open lots.

What a newcomer would get wrong: there is no order of all purchases by time, since every order would pay for it. A BRIN
index finds those of the last day, week, month, year; the first of these that holds enough is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.orders import award_id_of
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award, Lot, MemberKey, Purchase
from services.ledger.domain.replaying import BudgetOfDays
from services.ledger.domain.switching_ahead import OpenLot
from services.ledger.store import Store
from services.ledger.store.rows import award_of, purchase_of
from shared.database import AnyConnection, columns_of
from shared.orders import Share, exact
from shared.orders.paid import plain
from shared.programs import BEGINNING_OF_TIME, Versions
from shared.queries import Queries

TRIAL_SECONDS = 10.0  # for each statement; a person waits for the answer
REACHES = (timedelta(days=1), timedelta(days=7), timedelta(days=31), timedelta(days=366))


async def recent_orders(
    connection: AnyConnection, sql: Queries, program_id: str, *, now: datetime, limit: int
) -> list[Purchase] | None:
    """The newest orders that were paid by now, newest first; None where they could not be found in time."""
    rows: Sequence[Any] | None = []
    for since in [*(now - reach for reach in REACHES), BEGINNING_OF_TIME]:
        rows = await _in_time(connection, sql.recent_purchases, program_id, since, now, limit)
        if rows is None or len(rows) == limit:
            break
    return None if rows is None else [purchase_of(row) for row in rows]


async def earlier_orders(
    connection: AnyConnection,
    sql: Queries,
    orders: Sequence[Purchase],
    since: datetime,
    *,
    limit: int,
    limit_each: int,
) -> list[Purchase] | None:
    """What the members of these orders (newest first, some) paid before them from a moment on, oldest first.

    The newest of these, at most so many, and so many of each; None where they could not be found in time.
    """
    program_id, members = _members_of(orders)
    known = {(order.member_id, order.order_id) for order in orders}
    rows = await _in_time(
        connection,
        sql.earlier_purchases,
        program_id,
        members,
        since,
        orders[-1].paid_at,
        limit_each,
        limit + len(known),
    )
    if rows is None:
        return None
    found = [purchase_of(row) for row in rows if (row["member_id"], row["order_id"]) not in known]
    return found[:limit][::-1]


async def counts_before(
    connection: AnyConnection, sql: Queries, orders: Iterable[Purchase]
) -> dict[MemberKey, int] | None:
    """How many orders each member had paid before the first of these; None where that takes too long."""
    first: dict[MemberKey, datetime] = {}
    for order in orders:
        key, paid_at = (order.program_id, order.member_id), order.paid_at
        assert paid_at is not None, "it was paid"
        first[key] = min(paid_at, first.get(key, paid_at))
    if not first:
        return {}
    program_id, members = next(iter(first))[0], [member_id for _, member_id in first]
    rows = await _in_time(connection, sql.orders_before, program_id, members, list(first.values()))
    return None if rows is None else {(program_id, row["member_id"]): row["orders"] for row in rows}


async def earned_otherwise(
    connection: AnyConnection,
    sql: Queries,
    orders: Sequence[Purchase],
    since: datetime,
    now: datetime,
    *,
    limit: int,
) -> list[Award] | None:
    """What rules gave the members of these orders for other things than one order, goals among these, oldest first.

    The newest of these, at most so many; None where they could not be found in time.
    """
    program_id, members = _members_of(orders)
    rows = await _in_time(connection, sql.earned_without_orders, program_id, members, since, now, limit)
    return None if rows is None else [award_of(row) for row in rows[::-1]]


async def budgets_used(
    connection: AnyConnection, sql: Queries, program_id: str, wanted: Iterable[BudgetOfDays]
) -> dict[BudgetOfDays, Share] | None:
    """What was given out of budgets until now, of those that the ledger knows; None where that takes too long."""
    keys = sorted((program_id, name, bucket) for name, bucket in wanted)
    if not keys:
        return {}
    rows = await _in_time(connection, sql.budget_slots, *columns_of(keys, 3))
    if rows is None:
        return None
    used: dict[BudgetOfDays, Share] = {}
    for row in rows:
        name = (row["budget"], row["bucket"])
        used[name] = plain(used.get(name, 0) + exact(row["used"]))
    return used


async def book_of_members(
    connection: AnyConnection,
    store: Store,
    orders: Iterable[Purchase],
    versions: Versions[LedgerProgram],
    *,
    awarded: Iterable[Purchase] = (),
) -> Book:
    """What is known of the members of these orders, with what those of `awarded` earned; nothing is locked."""
    keys = {(order.program_id, order.member_id) for order in orders}
    assets = {asset for version in versions.all for asset in version.rules.assets}
    awards = {
        ((order.program_id, order.member_id), award_id_of(order.order_id, asset))
        for order in awarded
        for asset in assets
    }
    needs = Needs(members=dict.fromkeys(keys, BEGINNING_OF_TIME), persons=set(keys), awards=awards)
    program_id = versions.newest.program_id
    return await store.load(connection, needs, {program_id: versions}, locking=False)


async def open_lots(
    connection: AnyConnection, sql: Queries, program_id: str
) -> Mapping[str, tuple[int, int]] | None:
    """Lots and points by asset; None where there are too many to be counted in time."""
    rows = await _in_time(connection, sql.open_lots_by_asset, program_id)
    return None if rows is None else {row["asset"]: (row["lots"], row["points"]) for row in rows}


async def sample_of_lots(
    connection: AnyConnection, sql: Queries, program_id: str, assets: Sequence[str], *, limit: int
) -> list[OpenLot]:
    """Lots of these assets that hold something, at most so many; none where that takes too long."""
    rows = await _in_time(connection, sql.some_open_lots, program_id, list(assets), limit)
    return [(Lot(*tuple(row)[:-1]), row["lots_version"]) for row in rows or ()]


async def _in_time(connection: AnyConnection, query: str, *values: Any) -> Sequence[Any] | None:
    """The rows, or None where they took longer than somebody waits."""
    try:
        async with connection.transaction():
            rows: Sequence[Any] = await connection.fetch(query, *values)
    except asyncpg.QueryCanceledError:
        return None
    return rows


def _members_of(orders: Sequence[Purchase]) -> tuple[str, list[str]]:
    """The program of these orders, and their members."""
    return orders[0].program_id, sorted({order.member_id for order in orders})
