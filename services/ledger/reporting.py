"""What a merchant asks about the whole program: what is owed, what expires, what rules cost, what was redeemed.

What a newcomer would get wrong: nothing here is kept beside the books. A report reads the entries themselves, so it can
never disagree with a statement; ADR 0032 says why that is fast enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Purchase
from services.ledger.domain.reports import (
    Covered,
    RuleShare,
    covered,
    outstanding,
    rule_costs,
    worth_minor,
)
from services.ledger.domain.returned_shares import joined, returned_shares
from services.ledger.schemas.reports import (
    BreakageRow,
    DonationRow,
    ExpiringRow,
    LiabilityRow,
    RedemptionRow,
    RuleCostRow,
)
from services.ledger.store.reports import report_on
from services.ledger.store.rows import award_of, purchase_of
from shared.database import AnyConnection
from shared.money import to_decimal_string
from shared.programs import Programs, Versions
from shared.queries import Queries

RATE_DIGITS = 4
MOST_RETURNED = (
    2_000  # a second of reckoning; beyond it, what came back is shared in the ratio of what rules gave
)
RECKONED_AT_ONCE = 20  # ten milliseconds, then other requests have their turn
COLUMNS_OF_ORDER = len(Purchase.__struct_fields__)


class Reports:
    """The reports of the ledger."""

    def __init__(self, sql: Queries, programs: Programs[LedgerProgram]) -> None:
        self._sql = sql
        self._programs = programs

    async def covered(
        self,
        connection: AnyConnection,
        program_id: str,
        asked: tuple[date | None, date | None, str],
        now: datetime,
    ) -> Covered:
        """The days that a report covers; `asked` is the first, the last, and by what.

        Raises:
            UnknownProgram, InvalidInput: see there.
        """
        program = await self._newest(connection, program_id)
        return covered(*asked, zone=program.zone, now=now)

    async def liability(
        self, connection: AnyConnection, program_id: str, as_of: datetime | None, now: datetime
    ) -> tuple[list[LiabilityRow], list[ExpiringRow] | None]:
        """What is owed, by asset, and when what is available expires; the latter only for now.

        Raises:
            UnknownProgram, ReportRunning, ReportTookTooLong: see there.
        """
        program = await self._newest(connection, program_id)
        ageing = None
        async with report_on(connection, self._sql, program_id):
            owed = await connection.fetch(self._sql.report_outstanding, program_id, as_of or now)
            if as_of is None or as_of >= now:
                ageing = await connection.fetch(self._sql.report_expiring, program_id, program.zone.key, None)
        rows = [_liability_row(row, program) for row in owed]
        return rows, None if ageing is None else [_expiring_row(row, program) for row in ageing]

    async def expiring(
        self, connection: AnyConnection, program_id: str, until: date | None
    ) -> list[ExpiringRow]:
        """What expires, by month, up to a day included; without one all, also what never does.

        Raises:
            UnknownProgram, ReportRunning, ReportTookTooLong: see there.
        """
        program = await self._newest(connection, program_id)
        ends = None if until is None else Covered(until, until, "day", program.zone).ends
        async with report_on(connection, self._sql, program_id):
            found = await connection.fetch(self._sql.report_expiring, program_id, program.zone.key, ends)
        return [_expiring_row(row, program) for row in found]

    async def breakage(
        self, connection: AnyConnection, program_id: str, period: Covered
    ) -> list[BreakageRow]:
        """What became of what became available in each period.

        Raises:
            ReportRunning, ReportTookTooLong: see there.
        """
        return [
            _breakage_row(row) for row in await self._rows("report_breakage", connection, program_id, period)
        ]

    async def rules(self, connection: AnyConnection, program_id: str, period: Covered) -> list[RuleCostRow]:
        """What each rule gave in each period, and what of it was taken back since.

        Raises:
            UnknownProgram, ReportRunning, ReportTookTooLong: see there.
        """
        versions = await self._programs.one(connection, program_id)
        program = versions.newest.rules
        asked = _asked(program_id, period)
        async with report_on(connection, self._sql, program_id):
            found = await connection.fetch(self._sql.report_returned, *asked[:3], MOST_RETURNED + 1)
            exact = len(found) <= MOST_RETURNED
            rows = await connection.fetch(self._sql.report_rules, *asked, exact)
        shares = [_share(row) for row in rows]
        if exact and found:
            shares = joined([*shares, *await _all_returned(found, versions, period)])
        return [
            RuleCostRow(
                period=cost.share.period,
                asset=cost.share.asset,
                kind=cost.share.kind,
                rule=cost.share.rule,
                awards=cost.share.awards,
                awarded=cost.awarded,
                reversed=cost.reversed,
                net=cost.kept,
                **_worth(cost.kept, cost.share.asset, program),
            )
            for cost in rule_costs(shares)
        ]

    async def redemptions(
        self, connection: AnyConnection, program_id: str, period: Covered
    ) -> list[RedemptionRow]:
        """What members took of each reward, and used at the checkout.

        Raises:
            ReportRunning, ReportTookTooLong: see there.
        """
        async with report_on(connection, self._sql, program_id):
            rewards = await connection.fetch(self._sql.report_rewards, *_asked(program_id, period))
            checkouts = await connection.fetch(self._sql.report_checkouts, *_asked(program_id, period))
        nothing: Mapping[str, Any] = dict.fromkeys(
            ("reward", "source", "returned", "used", "unused", "expired", "voided")
        )
        found = [RedemptionRow(**{**nothing, **row, "what": "reward"}) for row in rewards]
        found += [RedemptionRow(**{**nothing, **row, "what": "checkout"}) for row in checkouts]
        return sorted(found, key=lambda row: (row.period, row.what != "reward", row.reward or "", row.asset))

    async def donations(
        self, connection: AnyConnection, program_id: str, period: Covered
    ) -> list[DonationRow]:
        """What each charity was given, by members and by the merchant.

        Raises:
            UnknownProgram, ReportRunning, ReportTookTooLong: see there.
        """
        program = await self._newest(connection, program_id)
        rows = await self._rows("report_donations", connection, program_id, period)
        return [
            DonationRow(**row, **_worth(row["points"] - row["returned"], row["asset"], program))
            for row in rows
        ]

    async def _rows(
        self, name: str, connection: AnyConnection, program_id: str, period: Covered
    ) -> Sequence[Any]:
        async with report_on(connection, self._sql, program_id):
            return await connection.fetch(getattr(self._sql, name), *_asked(program_id, period))

    async def _newest(self, connection: AnyConnection, program_id: str) -> LedgerProgram:
        return (await self._programs.one(connection, program_id)).newest.rules


def _asked(program_id: str, period: Covered) -> tuple[Any, ...]:
    return program_id, period.begins, period.ends, period.zone.key, period.by


async def _all_returned(
    rows: Sequence[Any], versions: Versions[LedgerProgram], period: Covered
) -> list[RuleShare]:
    """The shares of all orders of which a part came back; whoever asks for a balance meanwhile is not kept waiting."""
    found: list[RuleShare] = []
    for place, row in enumerate(rows):
        if place % RECKONED_AT_ONCE == 0:
            await asyncio.sleep(0)
        found += _returned(tuple(row), versions, period)
    return found


def _returned(row: tuple[Any, ...], versions: Versions[LedgerProgram], period: Covered) -> list[RuleShare]:
    purchase, award = purchase_of(row[:COLUMNS_OF_ORDER]), award_of(row[COLUMNS_OF_ORDER:])
    return returned_shares(purchase, award, versions, period.by, period.zone)


def _share(row: Any) -> RuleShare:
    exact = {name: Fraction(row[name]) for name in ("awarded", "reversed")}
    return RuleShare(**{**row, **exact})


def _liability_row(row: Any, program: LedgerProgram) -> LiabilityRow:
    total = outstanding(row)
    return LiabilityRow(**row, outstanding=total, **_worth(total, row["asset"], program))


def _expiring_row(row: Any, program: LedgerProgram) -> ExpiringRow:
    return ExpiringRow(**row, **_worth(row["points"], row["asset"], program))


def _breakage_row(row: Any) -> BreakageRow:
    used = row["issued"] - row["expired"] - row["remaining"]
    whole, rest = divmod(row["expired"] * 10**RATE_DIGITS // row["issued"], 10**RATE_DIGITS)
    return BreakageRow(**row, used=used, rate=f"{whole}.{rest:0{RATE_DIGITS}}")


def _worth(points: int, asset: str, program: LedgerProgram) -> dict[str, str | None]:
    checkout = program.spending.checkout_for(asset)
    minor = worth_minor(points, checkout)
    if checkout is None or minor is None:
        return {"worth": None, "currency": None}
    return {"worth": to_decimal_string(minor, checkout.currency), "currency": checkout.currency}
