"""The rows of threshold credit: what each order counts in a period, and which awards its steps have.

What a newcomer would get wrong: which periods an order counts in is known only once the order itself is loaded, since
an edit or a refund names the order alone. So these rows come after the purchases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.goals import Part, Reached, periods_of
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import MemberKey
from shared.database import AnyConnection, columns_of
from shared.orders import exact
from shared.queries import Queries


async def load(
    connection: AnyConnection, sql: Queries, book: Book, needs: Needs
) -> list[tuple[MemberKey, str]]:
    """Bring the periods of these orders; the awards that belong to them."""
    return await load_periods(connection, sql, book, _periods(book, needs))


async def load_periods(
    connection: AnyConnection, sql: Queries, book: Book, periods: Iterable[tuple[str, str, str, str]]
) -> list[tuple[MemberKey, str]]:
    """Bring these periods (program, member, rule, period); the awards that belong to them."""
    keys = sorted(periods)
    columns = columns_of(keys, 4)
    for row in await connection.fetch(sql.load_goal_parts, *columns):
        part = _part(row)
        key = (part.program_id, part.member_id)
        book.goal_parts.load(key, (part.rule, part.period, part.order_id), part)
    awards = []
    for row in await connection.fetch(sql.load_goals_reached, *columns):
        program_id, member_id, rule, period, ends, ids, joined = row
        reached = Reached(
            program_id, member_id, rule, period, tuple(json.loads(ends)), tuple(json.loads(ids)), joined
        )
        key = (reached.program_id, reached.member_id)
        book.goals_reached.load(key, (reached.rule, reached.period), reached)
        awards += [(key, award_id) for award_id in reached.awards]
    return awards


async def save(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write the rows that the batch changed."""
    parts = sorted(
        book.goal_parts.changed(), key=lambda p: (p.program_id, p.member_id, p.rule, p.period, p.order_id)
    )
    if parts:
        rows = [_part_row(part) for part in parts]
        await connection.execute(sql.save_goal_parts, *zip(*rows, strict=True))
    await save_reached(connection, sql, book.goals_reached.changed())


async def save_reached(connection: AnyConnection, sql: Queries, reached: Iterable[Reached]) -> None:
    """Write which awards these periods have."""
    rows = sorted(
        (r.program_id, r.member_id, r.rule, r.period, json.dumps(r.ends), json.dumps(r.awards), r.joined)
        for r in reached
    )
    if rows:
        await connection.execute(sql.save_goals_reached, *zip(*rows, strict=True))


def _periods(book: Book, needs: Needs) -> set[tuple[str, str, str, str]]:
    found: set[tuple[str, str, str, str]] = set()
    for (key, order_id), stated in needs.striving.items():
        purchase = book.purchases.get(key, order_id)
        paid_at = purchase.paid_at if purchase is not None else None
        times = stated | {paid_at} if paid_at is not None else stated
        found.update((*key, rule, period) for rule, period in periods_of(book.programs[key[0]], times))
    return found


def _part(row: asyncpg.Record) -> Part:
    return Part(
        row["program_id"],
        row["member_id"],
        row["rule"],
        row["period"],
        row["order_id"],
        row["paid_at"],
        row["program_version"],
        row["admitted"],
        exact(row["spent"]),
        row["fulfilled_at"],
        row["cause"],
        row["why_not"],
    )


def _part_row(part: Part) -> tuple[Any, ...]:
    return (
        part.program_id,
        part.member_id,
        part.rule,
        part.period,
        part.order_id,
        part.paid_at,
        part.program_version,
        part.admitted,
        str(part.spent),
        part.fulfilled_at,
        part.cause,
        part.why_not,
    )
