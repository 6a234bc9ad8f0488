"""What a member has, how it came about, and why: balances, lots, statement, decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from services.ledger.api.door import AsOf, Asset, MemberId, Reader, WrittenBy, key_of, reading_of
from services.ledger.errors import UnknownDecision, UnknownMember
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.points import Balances, Decision, Entry, Lots
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading

router = door_router(tags=["points"])

STATEMENT = Cursors("statement", tuple[int])
NEWEST = 2**62


@router.get("/members/{member_id}/balances", responses=refuses(UnknownMember))
async def balances(
    request: Request,
    member_id: MemberId,
    caller: Reader,
    connection: Reading,
    as_of: AsOf = None,
    written_by: WrittenBy = None,
) -> Balances:
    """What a member has of every asset, now or as of a moment."""
    found = await reading_of(request).balances(connection, key_of(caller, member_id), (as_of, written_by))
    return Balances(
        member_id=member_id, as_of=as_of, balances=[AssetBalance.model_validate(each) for each in found]
    )


@router.get("/members/{member_id}/lots", responses=refuses(UnknownMember))
async def lots(request: Request, member_id: MemberId, caller: Reader, connection: Reading) -> Lots:
    """What is available, lot by lot, in the order in which it will be spent."""
    found = await reading_of(request).lots(connection, key_of(caller, member_id))
    return Lots.model_validate({"member_id": member_id, "lots": found})


@router.get("/members/{member_id}/statement", responses=refuses(UnknownMember))
async def statement(
    request: Request,
    member_id: MemberId,
    caller: Reader,
    connection: Reading,
    asset: Asset = "points",
    as_of: AsOf = None,
    written_by: WrittenBy = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[Entry]:
    """Every entry of a member, newest first, with the balances after it."""
    position = STATEMENT.read(cursor)
    before = position[0] if position else NEWEST
    rows = await reading_of(request).statement(
        connection, key_of(caller, member_id), asset, before, (as_of, written_by), limit + 1
    )
    entries, following = STATEMENT.cut(rows, limit, lambda row: (row["version"],))
    return Page(items=[Entry.model_validate({**row, "asset": asset}) for row in entries], next=following)


@router.get("/members/{member_id}/decisions/{event_id}", responses=refuses(UnknownDecision))
async def decision(
    request: Request,
    member_id: MemberId,
    event_id: Annotated[str, Path(max_length=200, examples=["evt-1"])],
    caller: Reader,
    connection: Reading,
) -> Decision:
    """What an event earned, and what every rule said to it, with the numbers."""
    return await reading_of(request).decision(connection, key_of(caller, member_id), event_id)
