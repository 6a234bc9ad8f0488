"""How much of the budgets is given that everybody shares."""

from __future__ import annotations

from fastapi import APIRouter, Request

from services.ledger.api.door import Reader, reading_of
from services.ledger.schemas.budgets import BudgetOut
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading
from shared.programs import UnknownProgram

router: APIRouter = door_router(tags=["points"])

BUDGETS = Cursors("budgets", tuple[str, str])


@router.get("/budgets", responses=refuses(UnknownProgram))
async def budgets(
    request: Request, caller: Reader, connection: Reading, limit: Limit = 50, cursor: CursorText = None
) -> Page[BudgetOut]:
    """Every budget and period of which something was asked, by name and period. Not for members."""
    after = BUDGETS.read(cursor) or ("", "")
    rows = await reading_of(request).budgets(connection, caller.program_id, after, limit + 1)
    page, following = BUDGETS.cut(rows, limit, lambda row: (row["budget"], row["bucket"]))
    return Page(items=[BudgetOut.model_validate(row) for row in page], next=following)
