"""The rows of what partners credit and take back: written in the transaction that moves the points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

from msgspec.structs import astuple

from services.ledger.domain.agreements import Line
from services.ledger.domain.partners import Credit
from shared.database import AnyConnection
from shared.queries import Queries


async def read(
    connection: AnyConnection, sql: Queries, program_id: str, partner: str, ids: Iterable[str]
) -> dict[str, Credit]:
    """Those of these transactions that were credited, by id."""
    rows = await connection.fetch(sql.partner_credits, program_id, partner, sorted(set(ids)))
    return {row["transaction_id"]: Credit(**dict(row)) for row in rows}


async def add(connection: AnyConnection, sql: Queries, made: Sequence[Credit]) -> bool:
    """Write new ones; False where one of them is there meanwhile."""
    if not made:
        return True
    ordered = sorted(made, key=lambda each: each.transaction_id)
    columns = zip(*map(astuple, ordered), strict=True)
    return len(await connection.fetch(sql.insert_partner_credits, *columns)) == len(made)


async def take_back(
    connection: AnyConnection,
    sql: Queries,
    before: dict[str, Credit],
    after: dict[str, Credit],
    at: datetime,
) -> None:
    """Write what was taken back of credits of one partner."""
    changed = [made for name, made in sorted(after.items()) if made.reversed != before[name].reversed]
    if not changed:
        return
    whose = (changed[0].program_id, changed[0].partner)
    names = [made.transaction_id for made in changed]
    in_all = [made.reversed for made in changed]
    points = [made.reversed - before[made.transaction_id].reversed for made in changed]
    await connection.execute(sql.reverse_partner_credits, *whose, names, in_all)
    await connection.execute(sql.insert_partner_reversals, *whose, names, in_all, points, at)


async def behind(
    connection: AnyConnection, sql: Queries, program_id: str, partner: str, after: str, limit: int
) -> list[Credit]:
    """Those behind `after`, by the partner's id."""
    rows = await connection.fetch(sql.partner_credits_behind, program_id, partner, after, limit)
    return [Credit(**dict(row)) for row in rows]


async def lines(
    connection: AnyConnection, sql: Queries, program_id: str, partner: str, start: datetime, end: datetime
) -> list[Line]:
    """What was booked from `start` to before `end`, by asset and price."""
    rows = await connection.fetch(sql.partner_settlement, program_id, partner, start, end)
    return [
        Line(
            asset=row["asset"],
            price=None if row["price"] is None else Fraction(row["price"]),
            currency=row["price_currency"],
            credits=row["credits"],
            credited=row["credited"],
            reversals=row["reversals"],
            reversed=row["reversed"],
        )
        for row in rows
    ]
