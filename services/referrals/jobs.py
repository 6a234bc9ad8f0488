"""The clock door: referrals that have waited long enough."""

from __future__ import annotations

from datetime import timedelta

from services.referrals.actions import REFERRALS_AT_ONCE, Actions
from shared.jobs import Job
from shared.service import Ports

MOST_BATCHES = 20  # then the job lets its lock go, so that a stop need not wait for a year's history
APPROVE_EVERY_SECONDS = 1.0  # an empty look is one index probe


def jobs_of(ports: Ports, actions: Actions) -> tuple[Job, ...]:
    """The periodic work of this service."""
    quiet = timedelta(seconds=ports.settings.approval_quiet_seconds)

    async def approve() -> int:
        """Batch after batch as long as they are full; each in a transaction of its own."""
        done = 0
        for _ in range(MOST_BATCHES):
            async with ports.pool.acquire() as connection, connection.transaction():
                found = await actions.approve_due(connection, ports.clock(), quiet)
            done += found
            if found:
                ports.wake_relay()
            if found < REFERRALS_AT_ONCE:
                break
        return done

    return (Job("approve-due", APPROVE_EVERY_SECONDS, approve),)
