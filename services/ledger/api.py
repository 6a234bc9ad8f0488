"""The HTTP door of the ledger. Dull: parse, call one action, translate."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import AwareDatetime

from services.ledger import views
from services.ledger.actions import Actions
from services.ledger.domain.book import Book, Hold, MemberKey
from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    HoldExceeded,
    InsufficientPoints,
    MemberErased,
    UnknownDecision,
    UnknownHold,
    UnknownMember,
)
from services.ledger.schemas import (
    AssetBalance,
    Balances,
    CaptureIn,
    Decision,
    Entry,
    HoldIn,
    HoldOut,
    Lots,
)
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading
from shared.tokens import Caller

router = door_router(tags=["points"])

MemberId = Annotated[str, Path(max_length=200, examples=["customer-7"])]
HoldId = Annotated[str, Path(max_length=200, examples=["checkout-88"])]
AsOf = Annotated[
    AwareDatetime | None,
    Query(description="Only what had happened by then.", examples=["2026-06-30T22:00:00Z"]),
]
WrittenBy = Annotated[
    AwareDatetime | None, Query(description="Only what was in the book by then: late events come in later.")
]
Asset = Annotated[str, Query(max_length=64, examples=["points"])]
Reader = Annotated[Caller, requires("ledger:read")]
Writer = Annotated[Caller, requires("ledger:write")]

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
    found = await _reading(request).balances(connection, _key(caller, member_id), (as_of, written_by))
    return Balances(
        member_id=member_id, as_of=as_of, balances=[AssetBalance.model_validate(each) for each in found]
    )


@router.get("/members/{member_id}/lots", responses=refuses(UnknownMember))
async def lots(request: Request, member_id: MemberId, caller: Reader, connection: Reading) -> Lots:
    """What is available, lot by lot, in the order in which it will be spent."""
    found = await _reading(request).lots(connection, _key(caller, member_id))
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
    rows = await _reading(request).statement(
        connection, _key(caller, member_id), asset, before, (as_of, written_by), limit + 1
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
    return await _reading(request).decision(connection, _key(caller, member_id), event_id)


@router.post(
    "/members/{member_id}/holds",
    status_code=201,
    responses=refuses(UnknownMember, MemberErased, InsufficientPoints, HoldConflict),
)
async def hold(request: Request, member_id: MemberId, body: HoldIn, caller: Writer, write: Write) -> HoldOut:
    """Set points aside for a checkout. They can be neither spent nor expire until captured or released."""
    made, book = await _actions(request).hold(
        write,
        _key(caller, member_id),
        hold_id=body.hold_id or str(uuid.uuid4()),
        points=body.points,
        minutes=body.minutes,
        order_id=body.order_id,
        now=_now(request),
    )
    return _hold_out(made, book)


@router.post(
    "/members/{member_id}/holds/{hold_id}/capture",
    responses=refuses(UnknownMember, UnknownHold, HoldClosed, HoldExceeded),
)
async def capture(
    request: Request, member_id: MemberId, hold_id: HoldId, body: CaptureIn, caller: Writer, write: Write
) -> HoldOut:
    """Spend a hold, wholly or in part; the rest goes back where it came from."""
    made, book = await _actions(request).capture(
        write,
        _key(caller, member_id),
        hold_id=hold_id,
        points=body.points,
        order_id=body.order_id,
        cause=f"hold:{hold_id}",
        now=_now(request),
    )
    return _hold_out(made, book)


@router.post(
    "/members/{member_id}/holds/{hold_id}/release", responses=refuses(UnknownMember, UnknownHold, HoldClosed)
)
async def release(
    request: Request, member_id: MemberId, hold_id: HoldId, caller: Writer, write: Write
) -> HoldOut:
    """Set the points of a hold free again."""
    made, book = await _actions(request).release(
        write, _key(caller, member_id), hold_id=hold_id, cause=f"hold:{hold_id}", now=_now(request)
    )
    return _hold_out(made, book)


def _actions(request: Request) -> Actions:
    actions: Actions = request.app.state.actions
    return actions


def _reading(request: Request) -> views.Reading:
    found: views.Reading = request.app.state.reading
    return found


def _key(caller: Caller, member_id: str) -> MemberKey:
    return (caller.program_id, member_id)


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


def _hold_out(hold: Hold, book: Book) -> HoldOut:
    balance = book.balance((hold.program_id, hold.member_id), hold.asset)
    return HoldOut.model_validate(
        {
            "hold_id": hold.hold_id,
            "points": hold.points,
            "captured": hold.captured,
            "state": hold.state,
            "held_at": hold.held_at,
            "held_until": hold.held_until,
            "order_id": hold.order_id,
            "balance": AssetBalance.model_validate(balance),
        }
    )
