"""The clock door: what falls due at midnights, what waits for an order that never came, what can be forgotten.

What a newcomer would get wrong: a due standing is judged as of its midnight, however late the job comes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from services.tiers.actions import Actions
from shared.jobs import Job
from shared.service import Ports

log = structlog.get_logger(__name__)

REPORTED_AT_ONCE = 200  # log lines of one transaction
WAITING_DAYS = 30  # so long a refund may wait for its order before people are told
DAY = 24 * 3600.0


def jobs_of(ports: Ports, actions: Actions) -> Sequence[Job]:
    """The jobs of the tiers service."""

    async def report_waiting() -> int:
        """Refunds and cancellations whose order never came are told to people, each once."""
        total, found = 0, REPORTED_AT_ONCE
        while found == REPORTED_AT_ONCE:
            found = await _report_some(ports)
            total += found
        return total

    return (
        Job("settle_due", ports.settings.due_every_seconds, actions.settle_due),
        Job("report_waiting", DAY, report_waiting),
    )


async def _report_some(ports: Ports) -> int:
    """Told before it is committed: a line that comes twice is better than one that never comes."""
    now = ports.clock()
    before = now - timedelta(days=WAITING_DAYS)
    async with ports.pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(ports.sql.report_purchases, before, now, REPORTED_AT_ONCE)
        for program_id, member_id, order_id in rows:
            log.warning("order_never_came", program=program_id, member=member_id, order=order_id)
    return len(rows)
