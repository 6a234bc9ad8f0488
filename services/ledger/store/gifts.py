"""The rows of gifts: written in the transaction that moves the points, under the lock of the giver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import astuple

from services.ledger.domain.gifts import Gift
from services.ledger.domain.records import MemberKey
from shared.database import AnyConnection
from shared.queries import Queries


async def read(connection: AnyConnection, sql: Queries, key: MemberKey, name: str) -> Gift | None:
    """The gift of this member with this id; None where there is none."""
    row = await connection.fetchrow(sql.read_gift, *key, name)
    return None if row is None else Gift(*row)


async def add(connection: AnyConnection, sql: Queries, gift: Gift) -> None:
    """Write a new one."""
    await connection.execute(sql.insert_gift, *astuple(gift))


async def given_since(
    connection: AnyConnection, sql: Queries, key: MemberKey, asset: str, moments: Sequence[datetime | None]
) -> list[int]:
    """How much of an asset the member gave since each of these moments, None for ever."""
    rows = await connection.fetch(sql.given_since, *key, asset, moments)
    return [row["points"] for row in rows]
