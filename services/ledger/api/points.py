"""What a member has, how it came about, and why: balances, lots, statement, decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response

from services.ledger.api.door import AsOf, Asset, MemberId, Reader, WrittenBy, home_of, key_of, reading_of
from services.ledger.api.statement_csv import COLUMNS, CSV, PAGE, as_csv, wants_csv
from services.ledger.errors import UnknownDecision, UnknownMember
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.points import Balances, Decision, Entry, Lots
from services.ledger.views import FIRST_LOT
from shared.events.fields import NO_NUL
from shared.http.auth import OtherMember, requires
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading, connection_of
from shared.tokens import Caller

router = door_router(tags=["points"])

Anybody = Annotated[Caller, requires("ledger:read", members=True)]
EventId = Annotated[str, Path(max_length=200, examples=["evt-1"])]

LOTS = Cursors("lots", tuple[str, datetime | None, datetime, int])
IN_SPENDING_ORDER = ("asset", "expires_at", "opened_at", "lot_no")
STATEMENT = Cursors("statement", tuple[int])
NEWEST = 2**62
AS_CSV = (
    f"{','.join(COLUMNS)}\r\n"
    "17,points,award,issued,available,133,order-1001,evt-1,2026-05-01T10:00:00+00:00,2026-05-01T10:00:02+00:00,0,133,0\r\n"
)
Format = Annotated[
    Literal["json", "csv"] | None,
    Query(
        description="`csv`: the whole statement as a file, streamed; `limit` is not looked at. Absent = by `Accept`."
    ),
]


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
    found = await reading_of(request).balances(
        connection, await home_of(request, connection, caller, member_id), (as_of, written_by)
    )
    return Balances(
        member_id=member_id, as_of=as_of, balances=[AssetBalance.model_validate(each) for each in found]
    )


@router.get("/members/{member_id}/lots", responses=refuses(UnknownMember))
async def lots(
    request: Request,
    member_id: MemberId,
    caller: Reader,
    connection: Reading,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Lots:
    """What is available, lot by lot, in the order in which it will be spent."""
    key, after = await home_of(request, connection, caller, member_id), LOTS.read(cursor) or FIRST_LOT
    rows = await reading_of(request).lots(connection, key, after, limit + 1)
    found, following = LOTS.cut(rows, limit, lambda lot: tuple(lot[name] for name in IN_SPENDING_ORDER))
    return Lots.model_validate({"member_id": member_id, "lots": found, "next": following})


@router.get(
    "/members/{member_id}/statement",
    response_model=Page[Entry],
    responses=refuses(UnknownMember)
    | {200: {"content": {CSV: {"schema": {"type": "string"}, "example": AS_CSV}}}},
)
async def statement(
    request: Request,
    member_id: MemberId,
    caller: Reader,
    asset: Asset = "points",
    as_of: AsOf = None,
    written_by: WrittenBy = None,
    limit: Limit = 50,
    cursor: CursorText = None,
    format: Format = None,
) -> Page[Entry] | Response:
    """Every entry of a member, newest first, with the balances after it; as CSV all of them in one answer.

    The statement of an id that was merged into another is its own still, and ends with the merge."""
    position = STATEMENT.read(cursor)

    async def page_before(version: int, most: int) -> Sequence[Mapping[str, Any]]:
        async with connection_of(request) as connection:
            return await reading_of(request).statement(
                connection, key_of(caller, member_id), asset, version, (as_of, written_by), most
            )

    before = position[0] if position else NEWEST
    if wants_csv(request, format):
        return as_csv(await page_before(before, PAGE), asset, page_before)
    entries, following = STATEMENT.cut(
        await page_before(before, limit + 1), limit, lambda row: (row["version"],)
    )
    return Page(items=[Entry.model_validate({**row, "asset": asset}) for row in entries], next=following)


@router.get("/members/{member_id}/decisions/{event_id}", responses=refuses(UnknownDecision))
async def decision(
    request: Request,
    member_id: MemberId,
    event_id: EventId,
    caller: Reader,
    connection: Reading,
) -> Decision:
    """What an event earned, and what every rule said to it, with the numbers."""
    return await reading_of(request).decision(
        connection, await home_of(request, connection, caller, member_id), event_id
    )


@router.get("/decisions/{event_id}", responses=refuses(UnknownDecision, UnknownMember, OtherMember))
async def decision_on_event(
    request: Request,
    event_id: EventId,
    caller: Anybody,
    connection: Reading,
    member_id: Annotated[
        str, Query(max_length=200, pattern=NO_NUL, description="Whose it is.", examples=["customer-7"])
    ],
) -> Decision:
    """The same by the event alone: what it earned its member, and what every rule said to it."""
    if not caller.may_see(member_id):
        raise OtherMember("The token is another member's.")
    return await reading_of(request).decision(
        connection, await home_of(request, connection, caller, member_id), event_id
    )
