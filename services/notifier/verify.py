"""`verify`: what the notifier promises, looked at in what it keeps."""

from __future__ import annotations

from datetime import timedelta

from services.notifier.store import Store
from shared.service import Ports

GRACE = timedelta(minutes=5)
"""A sender that is alive takes up a claim that ran out within seconds; after this, none is."""


async def verify(ports: Ports) -> list[str]:
    """Each broken promise, by name: a cause told twice, a message stuck in the hands of a sender, something left of an
    erased member, a mail that counts as sent but was not."""
    async with ports.pool.acquire() as connection:
        return await Store(ports.sql).faults(connection, ports.clock() - GRACE)
