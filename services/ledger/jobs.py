"""The clock door of the ledger: what falls due, the accounts of the programs, the check of the books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.ledger import pools, waiting
from services.ledger.actions import MEMBERS_AT_ONCE, Actions, occasions
from services.ledger.actions import pools as households
from services.ledger.store import guests
from shared.jobs import Job
from shared.service import Ports

log = structlog.get_logger(__name__)

FOLDED_AT_ONCE = 10_000
UNFULFILLED_DAYS = 14  # most shops hand over within a week; the usual deadline is 90 days
DAY = 24 * 3600.0
FORGET_SECONDS = 300.0  # so long the hash of an address may outlive the erasure of its member
POOLS_SECONDS = 60.0  # a pool that empties faster is told of by its refusals


def jobs_of(ports: Ports, actions: Actions) -> Sequence[Job]:
    """The jobs of the ledger."""
    jobs = Jobs(ports, actions, pools.gauge_of(ports))
    settings = ports.settings
    return (
        Job("settle_due", settings.due_every_seconds, jobs.settle_due),
        Job("send_home", settings.due_every_seconds, jobs.send_home),
        Job("sweep_occasions", settings.due_every_seconds, jobs.sweep_occasions),
        Job("forget_guests", FORGET_SECONDS, jobs.forget_guests),
        Job("fold_and_check", settings.fold_every_seconds, jobs.fold_and_check),
        Job("report_waiting", DAY, jobs.report_waiting),
        Job("report_unfulfilled", DAY, jobs.report_unfulfilled),
        Job("watch_pools", POOLS_SECONDS, jobs.watch_pools),
    )


@dataclass(frozen=True, slots=True)
class Jobs:
    """What the ledger does by the clock; each job answers with how much there was to do."""

    ports: Ports
    actions: Actions
    set_left: pools.SetLeft

    async def settle_due(self) -> int:
        """Waits that end, lots that expire, holds that time out."""
        total = 0
        while True:
            async with self.ports.pool.acquire() as connection, connection.transaction():
                found = await self.actions.settle_due(connection, self.ports.clock())
            if found:
                self.ports.wake_relay()
            total += found
            if found < MEMBERS_AT_ONCE:
                return total

    async def send_home(self) -> int:
        """What came back to members of households, and is others'."""
        total = 0
        while True:
            async with self.ports.pool.acquire() as connection, connection.transaction():
                found = await households.send_all_home(self.actions, connection, self.ports.clock())
            if not found:
                return total
            self.ports.wake_relay()
            total += 1

    async def sweep_occasions(self) -> int:
        """After a version that rewards another occasion of the calendar: everybody's next one."""
        async with self.ports.pool.acquire() as connection:
            todo = await occasions.sweeps_to_do(self.actions, connection, self.ports.clock())
        portions = 0
        for first in todo:
            left: occasions.Sweep | None = first
            while left is not None:
                async with self.ports.pool.acquire() as connection, connection.transaction():
                    left = await occasions.sweep(self.actions, connection, left)
                portions += left is not None
        return portions

    async def forget_guests(self) -> int:
        """Orders that no guest came for in time, and addresses that nobody needs any more."""
        total = 0
        while True:
            async with self.ports.pool.acquire() as connection, connection.transaction():
                found = await guests.forget_guests(connection, self.ports.sql, self.ports.clock())
            total += found
            if found < guests.FORGOTTEN_AT_ONCE:
                return total

    async def fold_and_check(self) -> int:
        """Fold what batches moved into the accounts, then see whether the books balance."""
        async with self.ports.pool.acquire() as connection:
            folded: int = await connection.fetchval(self.ports.sql.fold_movements, FOLDED_AT_ONCE)
            unbalanced = await connection.fetch(self.ports.sql.unbalanced)
        self.ports.metrics.books_balanced.of().set(0 if unbalanced else 1)
        for row in unbalanced:
            log.error(
                "books_unbalanced", program=row["program_id"], asset=row["asset"], amount=int(row["amount"])
            )
        return folded

    async def report_waiting(self) -> int:
        """Refunds, fulfilments, cancellations and removals whose order or review never came are told to people."""
        return await waiting.report(self.ports, self.actions.programs)

    async def report_unfulfilled(self) -> int:
        """Programs that wait for fulfilments and see none are told to people, long before the first deadline."""
        before = self.ports.clock() - timedelta(days=UNFULFILLED_DAYS)
        rows = await self.ports.pool.fetch(self.ports.sql.programs_without_fulfilments, before)
        for row in rows:
            log.warning(
                "no_fulfilment_seen",
                program=row["program_id"],
                waiting=row["waiting"],
                first_deadline=row["first_deadline"].isoformat(),
            )
        return len(rows)

    async def watch_pools(self) -> int:
        """Pools of the shop's codes that are nearly empty are told to people."""
        return await pools.watch(self.ports, self.actions.programs, self.set_left)
