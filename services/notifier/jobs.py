"""The clock door of the notifier: forgets what cannot come again.

What a newcomer would get wrong: the mails are not sent here. A job runs on one machine at a time, and mail must not; so
senders run side by side in the background of every worker (`sender`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.http.idempotency import forget_answers
from shared.jobs import Job
from shared.service import Ports

HOUR = 3600.0


def jobs_of(ports: Ports) -> Sequence[Job]:
    """The jobs of the notifier."""

    async def prune() -> int:
        """Forget events and answers that cannot come again."""
        before = ports.clock() - timedelta(days=ports.settings.inbox_days)
        async with ports.pool.acquire() as connection:
            await connection.execute(ports.machinery.prune_inbox, before)
            return await forget_answers(connection, ports.machinery, ports.clock())

    return (Job("prune", HOUR, prune),)
