"""Tells people of what waits too long for the order or the review that it belongs to.

What a newcomer would get wrong: telling ends nothing. A refund whose order comes in after a year still counts; but by
then somebody should have looked why the shop did not tell of the order. Each is told of once; `GET /v1/waiting` lists
it until it no longer waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from services.ledger.domain.program import LedgerProgram
from shared.database import AnyConnection
from shared.programs import Programs
from shared.service import Ports

log = structlog.get_logger(__name__)

REPORTED_AT_ONCE = 200  # log lines of one transaction


async def report(ports: Ports, programs: Programs[LedgerProgram]) -> int:
    """Tell of all that waits longer than its program says; how many there were."""
    now = ports.clock()
    queries = (ports.sql.report_purchases, ports.sql.report_guest_orders, ports.sql.report_removals)
    total = 0
    async with ports.pool.acquire() as connection:
        ids = [row["program_id"] for row in await connection.fetch(ports.sql.programs_waiting)]
        known = await programs.of(connection, ids)
        since = {name: _since(versions.newest.rules, now) for name, versions in known.items()}
        for query in queries if since else ():
            found = REPORTED_AT_ONCE
            while found == REPORTED_AT_ONCE:
                found = await _report_some(connection, query, since, now)
                total += found
    return total


async def _report_some(
    connection: AnyConnection, query: str, since: dict[str, datetime], now: datetime
) -> int:
    """Told before it is committed: a line that comes twice is better than one that never comes."""
    async with connection.transaction():
        rows = await connection.fetch(query, list(since), list(since.values()), now, REPORTED_AT_ONCE)
        for program_id, waits_for, member_id, name in rows:
            said = {"program": program_id, "member": member_id or None, waits_for: name}
            log.warning(f"{waits_for}_never_came", **said)
    return len(rows)


def _since(program: LedgerProgram, now: datetime) -> datetime:
    return now - timedelta(days=program.early_days)
