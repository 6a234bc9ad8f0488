"""What came before the order or the review that it belongs to: for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from services.ledger.api.door import Reader, reading_of
from services.ledger.schemas.waiting import WaitingOut
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading
from shared.programs import UnknownProgram

router: APIRouter = door_router(tags=["points"])

WAITING = Cursors("waiting", tuple[datetime, str, str, str])
FIRST = (datetime.min.replace(tzinfo=UTC), "", "", "")


@router.get("/waiting", responses=refuses(UnknownProgram))
async def waiting(
    request: Request, caller: Reader, connection: Reading, limit: Limit = 50, cursor: CursorText = None
) -> Page[WaitingOut]:
    """What came and not what it belongs to, the longest waiting first: refunds, fulfilments and cancellations without
    their order, of members and of guests, and removals without their review.

    It counts as soon as that comes, however late. Not for members.
    """
    after = WAITING.read(cursor) or FIRST
    rows = await reading_of(request).waiting(connection, caller.program_id, after, limit + 1)
    page, following = WAITING.cut(rows, limit, _place)
    return Page(items=[_shown(row) for row in page], next=following)


def _place(row: Mapping[str, Any]) -> tuple[datetime, str, str, str]:
    return row["since"], row["waits_for"], row["member_id"], row["id"]


def _shown(row: Mapping[str, Any]) -> WaitingOut:
    return WaitingOut.model_validate({**row, "member_id": row["member_id"] or None})
