"""The book of a program as rows of its tables: read out in one stream, written in by the thousand.

What a newcomer would get wrong: the rows are JSON that Postgres wrote, and Postgres alone reads. Nothing here knows the
columns, so a new one needs nothing; a new table is to be named in `TABLES` and in `sql/books_moved.sql`, and a test
says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import asyncpg

from shared.database import AnyConnection
from shared.queries import Queries

TABLES = (
    "program", "member", "balance", "transfer", "purchase", "award", "lot", "hold", "usage", "account", "goal_part",
    "goal_reached", "reward", "reward_stock", "coupon", "coupon_pool", "coupon_use", "budget_slot", "person",
    "occasion_sweep", "adjustment", "guest_address", "guest_order", "gift", "partner_credit", "partner_reversal",
    "imported_row", "imported_usage", "imported_budget", "erasure", "pool", "pool_member", "pool_lot", "merge",
)  # fmt: skip
"""All that is kept about a program; what waits in `movement` is folded into `account` on the way."""
ROWS_AT_ONCE = 1_000

NOT_A_ROW = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What Postgres says to a row that cannot be one."""


async def book_rows(
    connection: AnyConnection, sql: Queries, program_id: str
) -> AsyncIterator[tuple[str, str]]:
    """Every row of a program: its table, and the row as JSON. Needs a transaction that sees one snapshot, in which no
    statement takes too long from now on: a table may have to be sorted before its first row comes.
    """
    await connection.execute(sql.no_time_limit)
    async for row in connection.cursor(sql.book_rows, program_id, prefetch=ROWS_AT_ONCE):
        yield row["part"], row["entry"]


async def book_columns(connection: AnyConnection, sql: Queries) -> dict[str, list[str]]:
    """The columns of each table here."""
    rows = await connection.fetch(sql.book_columns, TABLES)
    return {row["table_name"]: row["columns"] for row in rows}


async def tables_in_use(connection: AnyConnection, sql: Queries, program_id: str) -> list[str]:
    """The tables in which there is anything of a program."""
    return [row["part"] for row in await connection.fetch(sql.book_here, program_id)]


async def known_book(connection: AnyConnection, sql: Queries, program_id: str, digest: str) -> bool:
    """Whether this very book was brought in before. Whoever brings one of the program is waited for."""
    await connection.execute(sql.book_lock, f"program:{program_id}")
    return bool(await connection.fetchval(sql.book_known, program_id, digest))


async def write_rows(connection: AnyConnection, sql: Queries, table: str, rows: Sequence[str]) -> None:
    """Write rows of one table, as they are.

    Raises:
        NOT_A_ROW: at least one of them cannot be a row of this table.
    """
    await connection.execute(getattr(sql, f"book_into_{table}"), f"[{','.join(rows)}]")


async def keep_book(
    connection: AnyConnection, sql: Queries, program_id: str, digest: str, rows: int, at: datetime
) -> None:
    """Note that this book was brought in."""
    await connection.execute(sql.book_keep, program_id, digest, rows, at)
