"""What the services have in their books, read as the administrator of a local stack.

What a newcomer would get wrong: this is for the demo's own check. In production each service is asked over HTTP and
listened to on Kafka; nobody reads another one's schema, and no role but the administrator's could.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import asyncpg

from deploy.local.settled import topics_of
from deploy.local.wiring import SERVICES
from shared.cloudevents import event_key
from shared.events import Event, topic_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_AWARDS = """
    SELECT order_id, points, points - reversed AS holds, coalesce(breakdown ->> 'earn_times', '1') AS earn_times
    FROM ledger.award WHERE program_id = $1 AND order_id IS NOT NULL AND asset = 'points'"""
_OTHER_AWARDS = """
    SELECT CASE kind WHEN 'award' THEN coalesce(breakdown #>> '{rules,0,0}', '') ELSE kind END AS what,
           sum(points)::bigint AS points, sum(points - reversed)::bigint AS holds
    FROM ledger.award WHERE program_id = $1 AND order_id IS NULL AND asset = 'points' GROUP BY 1"""
_FLOWS = """
    SELECT account, sum(amount)::bigint AS amount FROM (
        SELECT to_account AS account, amount FROM ledger.transfer WHERE program_id = $1
        UNION ALL SELECT from_account, -amount FROM ledger.transfer WHERE program_id = $1
    ) AS flow GROUP BY account"""
_PER_STATE = "SELECT state, count(*) FROM referrals.referral WHERE program_id = $1 GROUP BY state"
_REWARDS = """
    SELECT coalesce(sum((reward ->> 'points')::bigint), 0)::bigint FROM referrals.referral,
        jsonb_array_elements(friend_rewards || advocate_rewards) AS reward WHERE program_id = $1"""
_ENTRIES = """
    SELECT coalesce(sum((reward ->> 'points')::bigint), 0)::bigint FROM tiers.member,
        jsonb_array_elements(entry_rewards) AS entry, jsonb_array_elements(entry -> 'grants') AS reward
    WHERE program_id = $1"""
_MESSAGES = """
    SELECT channel, state, language, count(*) FROM notifier.message WHERE program_id = $1
    GROUP BY channel, state, language"""


@dataclass(frozen=True, slots=True)
class Award:
    """What the ledger awarded an order, what that order holds now, and the multiplier it was decided with."""

    points: int
    holds: int
    earn_times: Fraction


@dataclass(frozen=True, slots=True)
class Figures:
    """The books of all services. `accounts` are the ledger's, from its entries: each what flowed in less what flowed
    out; `known` and `records` are per service: distinct events of the story in its inbox, and records it handled."""

    orders: Mapping[str, int]
    awards: Mapping[str, Award]
    gained: Mapping[str, int]
    held: Mapping[str, int]
    accounts: Mapping[str, int]
    balances: Mapping[str, int]
    members: int
    levels: Mapping[str, int]
    entry_rewards: int
    referrals: Mapping[str, int]
    referral_rewards: int
    attempts_blocked: int
    messages: Mapping[tuple[str, str], int]
    languages: Mapping[str, int]
    dead_letters: Mapping[str, int]
    known: Mapping[str, int]
    duplicates: Mapping[str, int]

    @property
    def issued(self) -> int:
        """All points that ever left the program's account `issued`."""
        return -self.accounts.get("issued", 0)


async def read_figures(connection: Connection, program_id: str, events: Sequence[Event[Any]]) -> Figures:
    """Read everything in one snapshot. `events` are those that were published, each once."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        others = await connection.fetch(_OTHER_AWARDS, program_id)
        messages = await connection.fetch(_MESSAGES, program_id)
        return Figures(
            orders={
                "ledger": await connection.fetchval(_ORDERS.format("ledger"), program_id),
                "tiers": await connection.fetchval(_ORDERS.format("tiers"), program_id),
                "referrals": await connection.fetchval(_PAPERS, program_id),
            },
            awards={
                row["order_id"]: Award(row["points"], row["holds"], Fraction(row["earn_times"]))
                for row in await connection.fetch(_AWARDS, program_id)
            },
            gained={row["what"]: row["points"] for row in others},
            held={row["what"]: row["holds"] for row in others},
            accounts=await _pairs(connection, _FLOWS, program_id),
            balances=await _balances(connection, program_id),
            members=await connection.fetchval(_MEMBERS, program_id),
            levels=await _pairs(connection, _LEVELS, program_id),
            entry_rewards=await connection.fetchval(_ENTRIES, program_id),
            referrals=await _pairs(connection, _PER_STATE, program_id),
            referral_rewards=await connection.fetchval(_REWARDS, program_id),
            attempts_blocked=await connection.fetchval(_BLOCKED, program_id),
            messages=_summed(messages, lambda row: (row["channel"], row["state"])),
            languages=_summed(messages, lambda row: row["language"]),
            dead_letters={name: await connection.fetchval(_DEAD.format(name)) for name in SERVICES},
            known={name: await _known(connection, name, events) for name in SERVICES},
            duplicates={name: await connection.fetchval(_REPEATED.format(name)) for name in SERVICES},
        )


_ORDERS = "SELECT count(*) FROM {}.purchase WHERE program_id = $1 AND paid_at IS NOT NULL"
_PAPERS = (
    "SELECT count(DISTINCT order_id) FROM referrals.paper WHERE program_id = $1 AND kind = 'order.paid.v1'"
)
_MEMBERS = "SELECT count(*) FROM ledger.member WHERE program_id = $1"
_LEVELS = (
    "SELECT level, count(*) FROM tiers.member WHERE program_id = $1 AND level IS NOT NULL GROUP BY level"
)
_BLOCKED = "SELECT count(*) FROM referrals.touch WHERE program_id = $1 AND 'same_member' = ANY (reasons)"
_DEAD = "SELECT count(*) FROM {}.dead_letter WHERE state = 'open'"
_REPEATED = """
    SELECT (SELECT coalesce(sum(next_offset), 0) FROM {0}.position)::bigint - (SELECT count(*) FROM {0}.inbox)"""


async def _known(connection: Connection, service: str, events: Sequence[Event[Any]]) -> int:
    """How many of the events are in the inbox of the service."""
    topics = set(topics_of(service))
    keys = [event_key(e.program_id, e.source, e.id) for e in events if topic_of(type(e.data)) in topics]
    sql = f"SELECT count(*) FROM {service}.inbox WHERE event_key = ANY ($1::uuid[])"
    return int(await connection.fetchval(sql, keys))


async def _balances(connection: Connection, program_id: str) -> dict[str, int]:
    row = await connection.fetchrow(
        "SELECT coalesce(sum(pending), 0)::bigint AS pending, coalesce(sum(available), 0)::bigint AS available, "
        "coalesce(sum(held), 0)::bigint AS held FROM ledger.balance WHERE program_id = $1 AND asset = 'points'",
        program_id,
    )
    assert row is not None, "an aggregate has one row"
    return dict(row)


async def _pairs(connection: Connection, sql: str, *arguments: Any) -> dict[str, int]:
    """The rows of a query of two columns as a mapping."""
    return {row[0]: row[1] for row in await connection.fetch(sql, *arguments)}


def _summed(rows: Sequence[asyncpg.Record], key: Any) -> dict[Any, int]:
    counts: Counter[Any] = Counter()
    for row in rows:
        counts[key(row)] += row["count"]
    return dict(counts)
