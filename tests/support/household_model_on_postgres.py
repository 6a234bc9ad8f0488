"""The steps of households in the model, as the service does them on Postgres."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.ledger.actions import Actions, pools
from services.ledger.domain.records import MemberKey
from services.ledger.store import pools as store
from shared.database import PooledConnection
from tests.support.events import PROGRAM

TOGETHER = ("enters", "parts", "dissolves", "buys_together")
MEMBERS_OF_POOLS = (
    "SELECT pool_id, member_id FROM ledger.pool_member WHERE joined_at IS NOT NULL ORDER BY pool_id, place"
)
THERE = "SELECT EXISTS (SELECT FROM ledger.pool WHERE pool_id = $1)"


async def asked_together(
    actions: Actions, connection: PooledConnection, what: str, now: datetime, *, member: str, **words: Any
) -> None:
    """A command comes in.

    Raises:
        ServiceError: it is refused.
    """
    key = (PROGRAM, member)
    match what:
        case "enters":
            await _enter(actions, connection, key, words["pool_id"], now)
        case "parts" | "dissolves":
            await pools.part(actions, connection, key, now, dissolving=what == "dissolves")
        case _:
            named = {"reward": words["name"], "reward_id": words["reward_id"], "charity": None}
            await pools.redeem(actions, connection, key, now=now, **named)


async def _enter(
    actions: Actions, connection: PooledConnection, key: MemberKey, pool_id: str, now: datetime
) -> None:
    """The first one makes the pool; the others are invited, whoever they are, and join."""
    if not await connection.fetchval(THERE, pool_id):
        await pools.make(actions, connection, key, pool_id, now)
        return
    await store.invite(connection, actions.sql, key, pool_id)
    await pools.enter(actions, connection, key, pool_id, now)
