"""A merchant's reports, as JSON and as CSV. Not for members' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from services.ledger.api.door import AsOf, now_of
from services.ledger.api.statement_csv import CSV, lines_of, wants_csv
from services.ledger.domain.reports import Covered
from services.ledger.errors import ReportRunning, ReportTookTooLong
from services.ledger.reporting import Reports
from services.ledger.schemas import Day
from services.ledger.schemas.reports import (
    BreakageRow,
    By,
    DonationRow,
    ExpiringRow,
    Liability,
    LiabilityRow,
    R,
    RedemptionRow,
    Report,
    RuleCostRow,
)
from shared.errors import InvalidInput, ServiceError
from shared.http.auth import requires
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.programs import UnknownProgram
from shared.tokens import Caller

router: APIRouter = door_router(prefix="/reports", tags=["reports"])

StaffReader = Annotated[Caller, requires("ledger:read", staff=True)]
Format = Annotated[
    Literal["json", "csv"] | None,
    Query(description="`csv`: the rows as a file for a spreadsheet. Absent = by `Accept`."),
]
Until = Annotated[
    Day | None, Query(description="Up to this day, included; absent = all.", examples=["2026-12-31"])
]


def _responses(shape: type[BaseModel], *refusals: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """What a report may answer, with a row of its file as the example."""
    example = lines_of([_columns(shape), [_example(field) for field in shape.model_fields.values()]])
    content = {CSV: {"schema": {"type": "string"}, "example": example}}
    return refuses(UnknownProgram, ReportRunning, ReportTookTooLong, *refusals) | {200: {"content": content}}


def _columns(shape: type[BaseModel]) -> list[str]:
    return list(shape.model_fields)


def _example(field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else None


@dataclass(frozen=True, slots=True)
class Asked:
    """The days that a report is to cover."""

    first: date | None
    last: date | None
    by: By


async def _asked(
    first: Annotated[
        Day | None,
        Query(alias="from", description="The first day; absent = eleven whole months and this one."),
    ] = None,
    last: Annotated[
        Day | None, Query(alias="to", description="The last day, included; absent = today.")
    ] = None,
    by: Annotated[By, Query(description="What a row covers; a week is ISO's.")] = "month",
) -> Asked:
    return Asked(first, last, by)


Period = Annotated[Asked, Depends(_asked)]


@router.get("/liability", response_model=Liability, responses=_responses(LiabilityRow))
async def liability(
    request: Request, caller: StaffReader, connection: Reading, as_of: AsOf = None, format: Format = None
) -> Liability | Response:
    """What is owed to members, by asset, with its worth at the checkout; in JSON also when it expires.

    As CSV the ageing is what `expiring-points` answers.
    """
    now = now_of(request)
    rows, ageing = await _reports(request).liability(connection, caller.program_id, as_of, now)
    if wants_csv(request, format):
        return _csv("liability", LiabilityRow, rows)
    return Liability(program=caller.program_id, as_of=as_of or now, rows=rows, ageing=ageing)


@router.get("/expiring-points", response_model=Report[ExpiringRow], responses=_responses(ExpiringRow))
async def expiring_points(
    request: Request, caller: StaffReader, connection: Reading, until: Until = None, format: Format = None
) -> Report[ExpiringRow] | Response:
    """What is available now, by the month in which it expires."""
    rows = await _reports(request).expiring(connection, caller.program_id, until)
    if wants_csv(request, format):
        return _csv("expiring-points", ExpiringRow, rows)
    return Report[ExpiringRow](program=caller.program_id, last=until, as_of=now_of(request), rows=rows)


@router.get("/breakage", response_model=Report[BreakageRow], responses=_responses(BreakageRow, InvalidInput))
async def breakage(
    request: Request, caller: StaffReader, connection: Reading, asked: Period, format: Format = None
) -> Report[BreakageRow] | Response:
    """What became of what became available in each period: used, expired, still there."""
    period = await _covered(request, connection, caller, asked)
    rows = await _reports(request).breakage(connection, caller.program_id, period)
    return _answer("breakage", BreakageRow, rows, caller, period, request, format)


@router.get(
    "/cost-per-rule", response_model=Report[RuleCostRow], responses=_responses(RuleCostRow, InvalidInput)
)
async def cost_per_rule(
    request: Request, caller: StaffReader, connection: Reading, asked: Period, format: Format = None
) -> Report[RuleCostRow] | Response:
    """What each rule gave in each period, and what of that refunds took back until now."""
    period = await _covered(request, connection, caller, asked)
    rows = await _reports(request).rules(connection, caller.program_id, period)
    return _answer("cost-per-rule", RuleCostRow, rows, caller, period, request, format)


@router.get(
    "/redemptions", response_model=Report[RedemptionRow], responses=_responses(RedemptionRow, InvalidInput)
)
async def redemptions(
    request: Request, caller: StaffReader, connection: Reading, asked: Period, format: Format = None
) -> Report[RedemptionRow] | Response:
    """What members took of each reward, and what they used at the checkout."""
    period = await _covered(request, connection, caller, asked)
    rows = await _reports(request).redemptions(connection, caller.program_id, period)
    return _answer("redemptions", RedemptionRow, rows, caller, period, request, format)


@router.get("/donations", response_model=Report[DonationRow], responses=_responses(DonationRow, InvalidInput))
async def donations(
    request: Request, caller: StaffReader, connection: Reading, asked: Period, format: Format = None
) -> Report[DonationRow] | Response:
    """What each charity was given, by members and by the merchant."""
    period = await _covered(request, connection, caller, asked)
    rows = await _reports(request).donations(connection, caller.program_id, period)
    return _answer("donations", DonationRow, rows, caller, period, request, format)


def _reports(request: Request) -> Reports:
    found: Reports = request.app.state.reports
    return found


async def _covered(request: Request, connection: Any, caller: Caller, asked: Asked) -> Covered:
    days = (asked.first, asked.last, asked.by)
    return await _reports(request).covered(connection, caller.program_id, days, now_of(request))


def _answer(
    name: str,
    shape: type[R],
    rows: Sequence[R],
    caller: Caller,
    period: Covered,
    request: Request,
    format: str | None,
) -> Report[R] | Response:
    if wants_csv(request, format):
        return _csv(name, shape, rows)
    return Report[R].model_validate(
        {
            "program": caller.program_id,
            "first": period.first,
            "last": period.last,
            "by": period.by,
            "as_of": now_of(request),
            "rows": rows,
        }
    )


def _csv(name: str, shape: type[BaseModel], rows: Sequence[BaseModel]) -> Response:
    columns = _columns(shape)
    text = lines_of([columns, *([getattr(row, column) for column in columns] for row in rows)])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Vary": "Accept"}
    return Response(text, media_type=f"{CSV}; charset=utf-8", headers=headers)
