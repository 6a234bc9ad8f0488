"""Whether a local stack has come to rest: everything published is handled, everything written is published, and all
that was due is done.

What a newcomer would get wrong: the lag alone says little. A service that has handled everything may hold an outbox
that gives another one work, whose answers give the first one work again. So the positions and outboxes of all services
are read in one snapshot of the database, and the ends of the topics *after* it: if nothing was behind then, nothing was
on its way either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import asyncpg

from deploy.local.wiring import SERVICES
from shared.cli.offsets import Offsets
from shared.worker.records import Partition

POLL_SECONDS = 0.1  # A look costs some milliseconds of the cores that the services need.
DUE = {
    "ledger": "SELECT count(*) FROM ledger.member WHERE next_due <= $1",
    "tiers": "SELECT count(*) FROM tiers.member WHERE next_due <= $1",
    "referrals": "SELECT count(*) FROM referrals.referral WHERE state = 'pending' AND due_at <= $1",
    "notifier": "SELECT count(*) FROM notifier.message WHERE due_at <= $1 "
    "AND state IN ('waiting', 'claimed', 'sending')",
}
_POSITIONS = " UNION ALL ".join(
    f"SELECT '{name}' AS service, topic, partition, next_offset FROM {name}.position" for name in SERVICES
)
_OUTBOXES = " + ".join(f"(SELECT coalesce(sum(message_count), 0) FROM {name}.outbox)" for name in SERVICES)


class NotSettled(Exception):
    """The time is up and something is still under way; the message says what."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the services are: records handled, all services together, and what is still to do."""

    handled: int
    behind: dict[str, int]
    unpublished: int
    due: dict[str, int]

    @property
    def flows(self) -> bool:
        """Whether events are still on their way."""
        return bool(self.unpublished or any(self.behind.values()))

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way, and nothing is due."""
        return not self.flows and not any(self.due.values())

    def __str__(self) -> str:
        left = [f"{name} has {count} events to handle" for name, count in self.behind.items() if count]
        left += [f"{name} has {count} things due" for name, count in self.due.items() if count]
        left += [f"{self.unpublished} events are not published"] if self.unpublished else []
        return "; ".join(left) or "everything is done"


@dataclass(slots=True)
class Watch:
    """Looks at the services of a local stack, as its administrator."""

    connection: asyncpg.Connection[asyncpg.Record]
    offsets: Offsets
    read_by: dict[str, list[Partition]]
    """The partitions that each service reads."""

    @classmethod
    async def over(cls, connection: asyncpg.Connection[asyncpg.Record], offsets: Offsets) -> Watch:
        """Over all services, each with the topics that it says it reads."""
        read_by = {name: await offsets.partitions(topics_of(name)) for name in SERVICES}
        return cls(connection, offsets, read_by)

    async def look(self) -> Standing:
        """How far they are now."""
        async with self.connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await self.connection.fetch(_POSITIONS)
            unpublished = int(await self.connection.fetchval(f"SELECT {_OUTBOXES}"))
            now = await self.connection.fetchval("SELECT now()")
            due = {name: int(await self.connection.fetchval(sql, now)) for name, sql in DUE.items()}
        positions = {
            (row["service"], Partition(row["topic"], row["partition"])): row["next_offset"] for row in rows
        }
        ends = await self.offsets.ends(sorted({key for keys in self.read_by.values() for key in keys}))
        behind = {
            name: sum(ends[key] - positions.get((name, key), 0) for key in keys)
            for name, keys in self.read_by.items()
        }
        return Standing(sum(positions.values()), behind, unpublished, due)

    async def until(
        self,
        is_there: Callable[[Standing], bool],
        timeout_seconds: float,
        each: Callable[[Standing], None] = lambda _: None,
    ) -> Standing:
        """Look again and again until `is_there`; `each` is told of every look.

        Raises:
            NotSettled: the time is up.
        """
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            standing = await self.look()
            each(standing)
            if is_there(standing):
                return standing
            if asyncio.get_running_loop().time() > deadline:
                raise NotSettled(f"after {timeout_seconds:g} s {standing}")
            await asyncio.sleep(POLL_SECONDS)


def topics_of(service: str) -> list[str]:
    """The topics that a service reads."""
    topics: list[str] = import_module(f"services.{service}.main").SERVICE.topics
    return topics
