"""What a trial of a program looks at: the newest orders with their members, and the open lots.

What a newcomer would get wrong: there is no order of all purchases by time, since every order would pay for it. A BRIN
index finds those of the last day, week, month, year; the first of these that holds enough is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Lot
from services.ledger.domain.switching_ahead import OpenLot
from services.ledger.domain.trials import PastOrder
from services.ledger.store import Store
from services.ledger.store.rows import purchase_of
from shared.database import AnyConnection
from shared.programs import BEGINNING_OF_TIME, Versions
from shared.queries import Queries

TRIAL_SECONDS = 10  # for each statement; a person waits for the answer
REACHES = (timedelta(days=1), timedelta(days=7), timedelta(days=31), timedelta(days=366))


async def recent_orders(
    connection: AnyConnection, sql: Queries, program_id: str, *, now: datetime, limit: int, numbered: bool
) -> list[PastOrder] | None:
    """The newest orders that were paid by now, newest first; None where they could not be found in time.

    `numbered`: with which one of its member each is, else 0. All orders of its member are counted for that, once.
    """
    rows: list[Any] = []
    try:
        async with connection.transaction():
            for since in [*(now - reach for reach in REACHES), BEGINNING_OF_TIME]:
                rows = await connection.fetch(sql.recent_purchases, program_id, since, now, limit, numbered)
                if len(rows) == limit:
                    break
    except asyncpg.QueryCanceledError:
        return None
    return [(purchase_of(tuple(row)[:-1]), row["nth"]) for row in rows]


async def book_of_members(
    connection: AnyConnection, store: Store, orders: list[PastOrder], versions: Versions[LedgerProgram]
) -> Book:
    """What is known of the members of these orders; nothing is locked."""
    keys = {(purchase.program_id, purchase.member_id) for purchase, _ in orders}
    needs = Needs(members=dict.fromkeys(keys, BEGINNING_OF_TIME), persons=set(keys))
    program_id = versions.newest.program_id
    return await store.load(connection, needs, {program_id: versions}, locking=False)


async def open_lots(
    connection: AnyConnection, sql: Queries, program_id: str
) -> Mapping[str, tuple[int, int]] | None:
    """Lots and points by asset; None where there are too many to be counted in time."""
    try:
        async with connection.transaction():
            rows = await connection.fetch(sql.open_lots_by_asset, program_id)
    except asyncpg.QueryCanceledError:
        return None
    return {row["asset"]: (row["lots"], row["points"]) for row in rows}


async def sample_of_lots(
    connection: AnyConnection, sql: Queries, program_id: str, assets: Sequence[str], *, limit: int
) -> list[OpenLot]:
    """Lots of these assets that hold something, at most so many; none where that takes too long."""
    try:
        async with connection.transaction():
            rows = await connection.fetch(sql.some_open_lots, program_id, list(assets), limit)
    except asyncpg.QueryCanceledError:
        return []
    return [(Lot(*tuple(row)[:-1]), row["lots_version"]) for row in rows]
