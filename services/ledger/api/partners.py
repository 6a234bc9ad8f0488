"""What partners credit, take back and settle: for a partner's own token, or the merchant's. Not for members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from services.ledger.actions import partners
from services.ledger.actions.partners import Made, Outcome, Reversal
from services.ledger.api.door import actions_of, now_of
from services.ledger.domain.agreements import Line, amounts_due, in_decimals
from services.ledger.domain.partners import Credit, Purchase
from services.ledger.errors import CreditedElsewhere, ReportRunning, ReportTookTooLong, UnknownPartner
from services.ledger.schemas import Moment
from services.ledger.schemas.partners import (
    CreditIn,
    CreditOut,
    CreditsIn,
    DueOut,
    ResultOut,
    ResultsOut,
    ReversalIn,
    ReversalsIn,
    SettlementLine,
    SettlementOut,
)
from services.ledger.words.partners import PARTNER_NAME
from shared.errors import InvalidInput
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.problems import problem_of
from shared.http.transaction import Reading
from shared.money import digits_of, to_decimal_string
from shared.programs import UnknownProgram
from shared.tokens import Caller

router: APIRouter = door_router(prefix="/partners/{partner}", tags=["partners"])

CREDITS = Cursors("partner-credits", tuple[str])
Partner = Annotated[str, Path(pattern=PARTNER_NAME, examples=["river-bank"])]
Writer = Annotated[Caller, requires("ledger:write", staff=True)]
PartnerReader = Annotated[Caller, requires("ledger:read", staff=True)]
From = Annotated[
    Moment | None,
    Query(alias="from", description="Booked from then on; absent = from the first of this month on."),
]
Until = Annotated[Moment | None, Query(alias="to", description="Booked before then; absent = now.")]


@router.post("/credits", responses=refuses(UnknownProgram, UnknownPartner, CreditedElsewhere))
async def credit(
    request: Request, partner: Partner, body: CreditsIn, caller: Writer, write: Write
) -> ResultsOut:
    """Credit purchases at a partner to members, each wholly or not at all. The same transaction again is the same."""
    now, actions = now_of(request), actions_of(request)
    outcomes = await partners.credit(
        actions, write, caller.program_id, partner, [_purchase(item) for item in body.credits], now
    )
    return _results(outcomes, [item.transaction_id for item in body.credits])


@router.post("/reversals", responses=refuses(UnknownProgram, UnknownPartner))
async def reverse(
    request: Request, partner: Partner, body: ReversalsIn, caller: Writer, write: Write
) -> ResultsOut:
    """Say how much of purchases is kept: the members keep the points for that, the others go back to the partner."""
    now, actions = now_of(request), actions_of(request)
    outcomes = await partners.reverse(
        actions, write, caller.program_id, partner, [_reversal(item) for item in body.reversals], now
    )
    return _results(outcomes, [item.transaction_id for item in body.reversals])


@router.get("/credits", responses=refuses(UnknownProgram, UnknownPartner))
async def credits_listed(
    request: Request,
    partner: Partner,
    caller: PartnerReader,
    connection: Reading,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[CreditOut]:
    """What a partner has credited, by its own ids."""
    (after,) = CREDITS.read(cursor) or ("",)
    rows = await partners.listed(
        actions_of(request), connection, caller.program_id, partner, after, limit + 1
    )
    page, following = CREDITS.cut(rows, limit, lambda row: (row.transaction_id,))
    return Page(items=[_credit_out(row) for row in page], next=following)


@router.get(
    "/settlement",
    responses=refuses(UnknownProgram, UnknownPartner, InvalidInput, ReportRunning, ReportTookTooLong),
)
async def settlement(
    request: Request,
    partner: Partner,
    caller: PartnerReader,
    connection: Reading,
    start: From = None,
    end: Until = None,
) -> SettlementOut:
    """What a partner owes for what was booked in a span of time. That of a span that is over never changes."""
    begin, until, lines = await partners.settlement(
        actions_of(request), connection, caller.program_id, partner, start, end, now_of(request)
    )
    return _settlement_out(partner, begin, until, lines)


def _purchase(item: CreditIn) -> Purchase:
    return Purchase(**{name: getattr(item, name) for name in CreditIn.model_fields})


def _reversal(item: ReversalIn) -> Reversal:
    return Reversal(item.transaction_id, amount=item.kept_amount, points=item.kept_points)


def _results(outcomes: Sequence[Outcome], ids: Sequence[str]) -> ResultsOut:
    return ResultsOut(results=[_result(made, name) for made, name in zip(outcomes, ids, strict=True)])


def _result(outcome: Outcome, name: str) -> ResultOut:
    if isinstance(outcome, Made):
        result = "done" if outcome.changed else "unchanged"
        return ResultOut(transaction_id=name, result=result, credit=_credit_out(outcome.credit), problem=None)
    return ResultOut(transaction_id=name, result="refused", credit=None, problem=problem_of(outcome))


def _credit_out(made: Credit) -> CreditOut:
    told = {name: getattr(made, name) for name in CreditOut.model_fields if name != "amount"}
    amount = None
    if made.minor is not None and made.currency is not None:
        amount = to_decimal_string(made.minor, made.currency)
    return CreditOut.model_validate({**told, "amount": amount})


def _settlement_out(partner: str, start: datetime, end: datetime, lines: Sequence[Line]) -> SettlementOut:
    currencies = {line.currency for line in lines if line.currency is not None}
    due = amounts_due(lines, {currency: 10 ** digits_of(currency) for currency in currencies})
    return SettlementOut.model_validate(
        {
            "partner": partner,
            "from": start,
            "to": end,
            "lines": [_line_out(line) for line in lines],
            "due": [
                DueOut(currency=currency, amount=to_decimal_string(minor, currency))
                for currency, minor in due.items()
            ],
        }
    )


def _line_out(line: Line) -> SettlementLine:
    told = {
        name: getattr(line, name) for name in SettlementLine.model_fields if name not in ("price", "amount")
    }
    return SettlementLine(**told, price=_text(line.price), amount=_text(line.amount))


def _text(value: Fraction | None) -> str | None:
    return None if value is None else in_decimals(value)
