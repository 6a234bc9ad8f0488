"""Reports as the database answers them: one snapshot, bounded in time, one at once for each program.

What a newcomer would get wrong: a report may look at millions of rows, and members pay meanwhile. It takes no lock that
they wait for, no second core, and gives up in time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from services.ledger.errors import ReportRunning, ReportTookTooLong
from shared.database import AnyConnection
from shared.queries import Queries

REPORTS_AT_ONCE = 3  # of all programs: each keeps a connection and a core from what members wait for
REPORT_SECONDS = 60  # people wait for a minute and no longer; some ten million rows are read in it


@asynccontextmanager
async def report_on(connection: AnyConnection, sql: Queries, whose: str) -> AsyncIterator[None]:
    """What is asked within the block sees one moment, and changes nothing. `whose` is the program, or `of_partner`.

    Raises:
        ReportRunning: there is another report of theirs under way, or too many of all programs.
        ReportTookTooLong: the database was still at it after a minute.
    """
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            begun = await connection.fetchrow(sql.begin_report, whose, f"{REPORT_SECONDS}s", REPORTS_AT_ONCE)
            if begun is None or not begun["free"]:
                raise ReportRunning("wait for its answer, then ask again", retry_after_seconds=5)
            yield
    except asyncpg.QueryCanceledError:
        raise ReportTookTooLong(
            f"it was not done after {REPORT_SECONDS} seconds; ask for fewer days, or when there is less to do"
        ) from None


def of_partner(program_id: str, partner: str) -> str:
    """Whose report a settlement is: another company neither waits for the merchant's reports nor holds them up."""
    return f"{program_id} with {partner}"
