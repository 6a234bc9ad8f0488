"""The rows of imports: which ids were taken already, and the old statement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.ledger.domain.records import MemberKey
from shared.database import AnyConnection
from shared.orders import Share
from shared.queries import Queries
from shared.rows import Row

COLUMNS = ("program_id", "member_id", "row_id", "kind", "said", "happened_at", "asset", "points")
GIVEN_COLUMNS = ("program_id", "row_id", "budget", "bucket", "used")
USAGE_COLUMNS = ("program_id", "member_id", "row_id", "rule", "bucket", "times", "points")


class ImportedRow(Row, frozen=True, gc=False):
    """A row as it is kept; `points` are what it moved into the member's accounts, or what its history says."""

    program_id: str
    member_id: str
    row_id: str
    kind: str
    said: Mapping[str, Any]
    happened_at: datetime | None = None
    asset: str | None = None
    points: int = 0


class CountedBefore(Row, frozen=True, gc=False):
    """What a row says that a cap had counted."""

    member_id: str
    row_id: str
    rule: str
    bucket: str
    times: int
    points: Share


class GivenBefore(Row, frozen=True, gc=False):
    """What a row says that a budget had given."""

    row_id: str
    budget: str
    bucket: str
    used: Share


async def known_rows(
    connection: AnyConnection, sql: Queries, program_id: str, ids: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What was said under these ids (member, row), of those that were taken before."""
    members, rows = zip(*sorted(set(ids)), strict=True)
    found = await connection.fetch(sql.imported_rows, [program_id] * len(rows), members, rows)
    return {(row["member_id"], row["row_id"]): json.loads(row["said"]) for row in found}


async def add_rows(connection: AnyConnection, rows: Sequence[ImportedRow]) -> None:
    """Keep rows whose ids are new."""
    if rows:
        records = [
            (
                r.program_id,
                r.member_id,
                r.row_id,
                r.kind,
                json.dumps(r.said),
                r.happened_at,
                r.asset,
                r.points,
            )
            for r in rows
        ]
        await connection.copy_records_to_table(
            "imported_row", schema_name="ledger", columns=COLUMNS, records=records
        )


async def add_usage(connection: AnyConnection, program_id: str, counted: Sequence[CountedBefore]) -> None:
    """Keep what new rows say that caps had counted."""
    if counted:
        records = [
            (program_id, each.member_id, each.row_id, each.rule, each.bucket, each.times, str(each.points))
            for each in counted
        ]
        await connection.copy_records_to_table(
            "imported_usage", schema_name="ledger", columns=USAGE_COLUMNS, records=records
        )


async def add_given(connection: AnyConnection, program_id: str, given: Sequence[GivenBefore]) -> None:
    """Keep what new rows say that budgets had given."""
    if given:
        records = [(program_id, each.row_id, each.budget, each.bucket, str(each.used)) for each in given]
        await connection.copy_records_to_table(
            "imported_budget", schema_name="ledger", columns=GIVEN_COLUMNS, records=records
        )


async def make_code_pools(
    connection: AnyConnection, sql: Queries, program_id: str, pools: Iterable[str], at: datetime
) -> None:
    """See to it that these pools of the shop's codes are there."""
    if names := sorted(set(pools)):
        await connection.execute(sql.insert_code_pools, program_id, names, at)


async def history(
    connection: AnyConnection,
    sql: Queries,
    key: MemberKey,
    *,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """Entries of the old statement before this one, newest first."""
    return [
        dict(row)
        for row in await connection.fetch(sql.imported_history, *key, *(before or (None, None)), limit)
    ]
