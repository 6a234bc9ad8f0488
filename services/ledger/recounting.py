"""Counts anew what caps, budgets, goals and refunds have made of the awards, and names each place where it differs.

What a newcomer would get wrong: a cap counts what was awarded, not what is left of it, and under the version of each
award. So nothing is counted by today's program: every version says which buckets its awards were counted in.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import zip_longest
from typing import Any

from services.ledger.domain.budgets import Budget
from services.ledger.domain.caps import FOREVER
from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.goals import Part, have_goals, steps_of, worth
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import award_target
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import CANCELLED, Award, Purchase
from services.ledger.domain.rules import Cap
from services.ledger.store.rows import award_of, purchase_of
from shared.database import AnyConnection, columns_of
from shared.orders import exact, order_of
from shared.programs import Programs, Versions
from shared.queries import Queries

FETCHED_AT_ONCE = 1_000
COLUMNS_OF_ORDER = len(Purchase.__struct_fields__)
AllVersions = Mapping[str, Versions[LedgerProgram]]
Bound = tuple[str, int, str, str, str, str, str, str]
"""Program, version, rule (none for the program itself), asset, zone, budget (none for a cap), its buckets as a format
of the database's `to_char`, and the period that it begins anew with (none for a cap, whose format says it)."""
PERIODS = {
    "day": "YYYY-MM-DD",
    "week": 'IYYY-"W"IW',
    "month": "YYYY-MM",
    "year": "YYYY",
}
"""How a cap writes them."""


async def recounted(
    connection: AnyConnection, sql: Queries, programs: Programs[LedgerProgram], most: int | None
) -> AsyncIterator[str]:
    """Every difference in words, at most so many of each kind (None: all); each kind in one snapshot, the programs'
    versions with it."""
    for recount in (_counts_off, _partner_budgets_off, _budgets_off, _goals_off, _orders_off):
        async with one_look(connection, sql):
            ids = [row["program_id"] for row in await connection.fetch(sql.counting_programs)]
            versions = await programs.of(connection, ids)
            async for text in _first(recount(connection, sql, versions, most), most):
                yield text


@asynccontextmanager
async def one_look(connection: AnyConnection, sql: Queries) -> AsyncIterator[None]:
    """One snapshot for one check, which takes its time and leaves the cores and most of the memory to others.

    Within a transaction that is open, such as that of an import, it looks at what that has written.
    """
    if connection.is_in_transaction():
        await connection.execute(sql.begin_check)
        yield
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(sql.begin_check)
        yield


async def _counts_off(
    connection: AnyConnection, sql: Queries, programs: AllVersions, most: int | None
) -> AsyncIterator[str]:
    """Where caps and budgets have not counted what the awards were given under them."""
    columns = columns_of(_bounds(programs), 8)
    for row in await connection.fetch(sql.counts_off, most, *columns):
        said, given = (row[name].normalize() for name in ("said", "given"))
        if row["is_budget"]:
            yield (
                f"program {row['program_id']}: budget {row['name']} {row['bucket']} says that it gave {said:f}, but "
                f"the awards make {given:f}"
            )
            continue
        what = "the caps of the program" if row["name"] == PROGRAM else f"rule {row['name']!r}"
        yield (
            f"program {row['program_id']}, member {row['member_id']}: {what} counted {said:f} in {row['bucket']}, "
            f"{row['said_times']} times, but the awards make {given:f}, {row['given_times']} times"
        )


def _bounds(programs: AllVersions) -> Iterator[Bound]:
    """Every cap and budget of every version of every program.

    Caps by product, network or subject are not among them: deeds say themselves for which they counted.
    """
    for program_id, versions in programs.items():
        for version in versions.all:
            rules, zone = version.rules, version.rules.zone.key
            for rule in (rule for each in rules.capped.values() for rule in each):
                of_rule = (program_id, version.number, rule.name, rule.asset, zone)
                budgets = () if rule.budget is None else (rule.budget,)
                caps = [cap for cap in rule.caps if not cap.by_subject]
                yield from ((*of_rule, *bucket) for bucket in _buckets(caps, budgets, ""))
            for asset in sorted(rules.bounded):
                of_program = (program_id, version.number, PROGRAM, asset, zone)
                of_all = _buckets(rules.caps.get(asset, ()), rules.budgets.get(asset, ()), f"{asset}|")
                yield from ((*of_program, *bucket) for bucket in of_all)


def _buckets(caps: Iterable[Cap], budgets: Iterable[Budget], before: str) -> Iterator[tuple[str, str, str]]:
    for cap in caps:
        parts = [_quoted(f"{name}=") + PERIODS.get(name, "") for name in cap.by]
        yield "", _quoted(f"{before}{cap.measure}:") + (_quoted(",").join(parts) or _quoted(FOREVER)), ""
    for budget in budgets:
        first_day = _quoted(":") + PERIODS["day"] if budget.period is not None else ""
        yield budget.name, _quoted(budget.terms) + first_day, budget.period or ""


def _quoted(text: str) -> str:
    """A text that `to_char` leaves as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _partner_budgets_off(
    connection: AnyConnection, sql: Queries, programs: AllVersions, most: int | None
) -> AsyncIterator[str]:
    """What partners' budgets gave is what was credited out of them; a reversal gives no room back."""
    columns = columns_of(_partner_budgets(programs), 6)
    for row in await connection.fetch(sql.partner_budgets_off, most, *columns):
        yield (
            f"program {row['program_id']}: budget {row['budget']} {row['bucket']} says that it gave {row['used']:f}, "
            f"but {row['given']:f} were credited"
        )


def _partner_budgets(programs: AllVersions) -> Iterator[tuple[str, int, str, str, str, str]]:
    for program_id, versions in programs.items():
        for version in versions.all:
            for name, agreement in version.rules.partners.items():
                budget, zone = agreement.budget, version.rules.zone.key
                if budget is not None:
                    yield program_id, version.number, name, zone, budget.terms, budget.period or ""


async def _orders_off(
    connection: AnyConnection, sql: Queries, programs: AllVersions, _most: int | None
) -> AsyncIterator[str]:
    """An order of which something came back holds what is kept of it, and one that was called off holds nothing."""
    async for row in connection.cursor(sql.returned_orders, prefetch=FETCHED_AT_ONCE):
        values = tuple(row)
        purchase, award = purchase_of(values[:COLUMNS_OF_ORDER]), award_of(values[COLUMNS_OF_ORDER:])
        should = _target(purchase, award, programs[purchase.program_id])
        if award.held_points != should:
            yield (
                f"program {purchase.program_id}, member {purchase.member_id}: award {award.award_id} holds "
                f"{award.held_points}, what is kept of order {purchase.order_id} makes {should}"
            )


def _target(purchase: Purchase, award: Award, versions: Versions[LedgerProgram]) -> int:
    if award.state == CANCELLED:
        return 0
    assert purchase.paid is not None, "only a paid order has awards"
    program = versions.numbered(purchase.program_version or 1).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    return award_target(program, purchase, order, award, kept_of(purchase, order))


async def _budgets_off(
    connection: AnyConnection,
    sql: Queries,
    programs: AllVersions,  # noqa: ARG001 - a budget says itself how much it is
    _most: int | None,
) -> AsyncIterator[str]:
    """A budget is in its slots or used; one that was lowered may have more used than it is now."""
    async for row in connection.cursor(sql.all_budgets, prefetch=FETCHED_AT_ONCE):
        left, used = (sum(exact(part) for part in row[column]) for column in ("rest", "used"))
        lowered = left == 0 and used > row["amount"]
        if left + used != row["amount"] and not lowered:
            yield (
                f"program {row['program_id']}: budget {row['budget']} {row['bucket']} is of {row['amount']}, but "
                f"{left} are left and {used} used"
            )


async def _goals_off(
    connection: AnyConnection, sql: Queries, programs: AllVersions, _most: int | None
) -> AsyncIterator[str]:
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


async def _first(texts: AsyncIterator[str], most: int | None) -> AsyncIterator[str]:
    found = 0
    async for text in texts:
        yield text
        found += 1
        if found == most:
            return
