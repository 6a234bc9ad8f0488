"""What waits for an order that has not come: for people to look at."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from services.ledger.api.door import Reader, reading_of
from services.ledger.schemas.waiting import WaitingOrderOut
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading
from shared.programs import UnknownProgram

router: APIRouter = door_router(tags=["points"])

WAITING = Cursors("waiting-orders", tuple[datetime, str, str])
FIRST = (datetime.min.replace(tzinfo=UTC), "", "")


@router.get("/waiting-orders", responses=refuses(UnknownProgram))
async def waiting_orders(
    request: Request, caller: Reader, connection: Reading, limit: Limit = 50, cursor: CursorText = None
) -> Page[WaitingOrderOut]:
    """Orders of which a refund, a fulfilment or a cancellation came, and no payment; the longest waiting first.

    What came counts as soon as the order does, however late. Not for members.
    """
    after = WAITING.read(cursor) or FIRST
    rows = await reading_of(request).waiting_orders(connection, caller.program_id, after, limit + 1)
    page, following = WAITING.cut(
        rows, limit, lambda row: (row["first_seen_at"], row["member_id"], row["order_id"])
    )
    return Page(items=[WaitingOrderOut.model_validate(row) for row in page], next=following)
