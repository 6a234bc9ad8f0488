"""Points at the checkout: hold, capture, release."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Path, Request

from services.ledger.actions import checkout
from services.ledger.api.door import MemberId, Writer, actions_of, key_of, now_of
from services.ledger.domain.book import Book, Hold
from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    HoldExceeded,
    InsufficientPoints,
    MemberErased,
    UnknownHold,
    UnknownMember,
)
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.checkout import CaptureIn, HoldIn, HoldOut
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses

router = door_router(tags=["checkout"])

HoldId = Annotated[str, Path(max_length=200, examples=["checkout-88"])]


@router.post(
    "/members/{member_id}/holds",
    status_code=201,
    responses=refuses(UnknownMember, MemberErased, InsufficientPoints, HoldConflict),
)
async def hold(request: Request, member_id: MemberId, body: HoldIn, caller: Writer, write: Write) -> HoldOut:
    """Set points aside for a checkout. They can be neither spent nor expire until captured or released."""
    made, book = await checkout.hold(
        actions_of(request),
        write,
        key_of(caller, member_id),
        hold_id=body.hold_id or str(uuid.uuid4()),
        points=body.points,
        minutes=body.minutes,
        order_id=body.order_id,
        now=now_of(request),
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
    made, book = await checkout.capture(
        actions_of(request),
        write,
        key_of(caller, member_id),
        hold_id=hold_id,
        points=body.points,
        order_id=body.order_id,
        cause=f"hold:{hold_id}",
        now=now_of(request),
    )
    return _hold_out(made, book)


@router.post(
    "/members/{member_id}/holds/{hold_id}/release", responses=refuses(UnknownMember, UnknownHold, HoldClosed)
)
async def release(
    request: Request, member_id: MemberId, hold_id: HoldId, caller: Writer, write: Write
) -> HoldOut:
    """Set the points of a hold free again."""
    made, book = await checkout.release(
        actions_of(request),
        write,
        key_of(caller, member_id),
        hold_id=hold_id,
        cause=f"hold:{hold_id}",
        now=now_of(request),
    )
    return _hold_out(made, book)


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
