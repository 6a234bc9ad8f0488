"""Counts anew what caps, budgets and goals have counted, and names each place where they differ.

What a newcomer would get wrong: usage that names a subject (a product, a network) is not counted anew, since the award
does not keep it. And what a budget gave is not added up from awards: it has to be what its slots no longer have.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any

from services.ledger.domain.earning import PROGRAM
from services.ledger.domain.goals import Part, have_goals, steps_of, worth
from services.ledger.domain.program import LedgerProgram
from shared.database import AnyConnection
from shared.orders import exact
from shared.programs import Programs, Versions
from shared.queries import Queries

FETCHED_AT_ONCE = 1_000
AllVersions = Mapping[str, Versions[LedgerProgram]]


async def recounted(
    connection: AnyConnection, sql: Queries, programs: Programs[LedgerProgram], most: int
) -> AsyncIterator[str]:
    """Every difference in words, at most so many of each kind, in one snapshot of an open transaction."""
    ids = [row["program_id"] for row in await connection.fetch(sql.counting_programs)]
    versions = await programs.of(connection, ids)
    columns = list(zip(*_counted_rules(versions), strict=True)) or [()] * 5
    for row in await connection.fetch(sql.usage_off, most, *columns):
        what = "the caps of the program" if row["rule"] == PROGRAM else f"rule {row['rule']!r}"
        yield (
            f"program {row['program_id']}, member {row['member_id']}: {what} counted {row['used'].normalize():f} in "
            f"{row['bucket']}, but the awards make {row['given'].normalize():f}"
        )
    async for text in _first(_budgets_off(connection, sql), most):
        yield text
    async for text in _first(_goals_off(connection, sql, versions), most):
        yield text


def _counted_rules(programs: AllVersions) -> Iterator[tuple[str, int, str, str, str]]:
    """What caps count: program, version, rule (none for the program itself), asset, zone."""
    for program_id, versions in programs.items():
        for version in versions.all:
            rules = version.rules
            capped = {(rule.name, rule.asset) for each in rules.capped.values() for rule in each}
            for name, asset in sorted(capped | {(PROGRAM, asset) for asset in rules.caps}):
                yield program_id, version.number, name, asset, rules.zone.key


async def _budgets_off(connection: AnyConnection, sql: Queries) -> AsyncIterator[str]:
    """A budget is in its slots or used; one that was lowered may have more used than it is now."""
    async for row in connection.cursor(sql.all_budgets, prefetch=FETCHED_AT_ONCE):
        left, used = (sum(exact(part) for part in row[column]) for column in ("rest", "used"))
        lowered = left == 0 and used > row["amount"]
        if left + used != row["amount"] and not lowered:
            yield (
                f"program {row['program_id']}: budget {row['budget']} {row['bucket']} is of {row['amount']}, but "
                f"{left} are left and {used} used"
            )


async def _goals_off(connection: AnyConnection, sql: Queries, programs: AllVersions) -> AsyncIterator[str]:
    """The awards of a period hold what its orders have reached; less where a merge or a refund gave nothing new."""
    if not any(have_goals(versions) for versions in programs.values()):
        return
    async for row in connection.cursor(sql.all_goals, prefetch=FETCHED_AT_ONCE):
        for award_id, should, held in _awards_of_period(row, programs[row["program_id"]]):
            if should != held and not (row["joined"] and held is not None and held < should):
                yield (
                    f"program {row['program_id']}, member {row['member_id']}: award {award_id} holds {held}, what the "
                    f"orders of the period reach makes {should}"
                )


def _awards_of_period(row: Any, versions: Versions[LedgerProgram]) -> Iterator[tuple[str, int, int | None]]:
    """Each award of a period with what it should hold and what it holds, None where it is missing."""
    rule = row["rule"]
    parts = [_part(row, each) for each in json.loads(row["parts"])]
    steps = steps_of(parts, lambda number: versions.numbered(number).rules.goal(rule))
    total = sum(step.count for step in steps)
    awards = {award_id: values for award_id, *values in json.loads(row["awards"])}
    first = 0
    for named, end in zip_longest(json.loads(row["ids"]), json.loads(row["ends"]), fillvalue=0):
        award_id = str(named or f"goal:{rule}:{row['period']}:{first + 1}")
        points, reversed_, state = awards.get(award_id, (0, 0, None))
        should = 0 if state == "cancelled" else min(points, worth(steps, first, min(end, total)))
        yield award_id, should, points - reversed_ if state is not None else None
        first = end


def _part(row: Any, each: list[Any]) -> Part:
    order_id, paid_at, version, spent = each
    moment = datetime.fromisoformat(paid_at)
    return Part(
        row["program_id"],
        row["member_id"],
        row["rule"],
        row["period"],
        order_id,
        moment,
        version,
        True,
        exact(spent),
    )


async def _first(texts: AsyncIterator[str], most: int) -> AsyncIterator[str]:
    found = 0
    async for text in texts:
        yield text
        found += 1
        if found == most:
            return
