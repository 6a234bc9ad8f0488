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

WAITING_SHOWN = 20
WAITING_DAYS = 30  # so long a refund may wait for its order before people are told
DAY = 24 * 3600.0


def jobs_of(ports: Ports, actions: Actions) -> Sequence[Job]:
    """The jobs of the tiers service."""

    async def report_waiting() -> int:
        """Refunds and cancellations whose order never came are told to people."""
        before = ports.clock() - timedelta(days=WAITING_DAYS)
        rows = await ports.pool.fetch(ports.sql.waiting_purchases, before, WAITING_SHOWN)
        for row in rows:
            log.warning(
                "order_never_came", program=row["program_id"], member=row["member_id"], order=row["order_id"]
            )
        return len(rows)

    return (
        Job("settle_due", ports.settings.due_every_seconds, actions.settle_due),
        Job("report_waiting", DAY, report_waiting),
    )
