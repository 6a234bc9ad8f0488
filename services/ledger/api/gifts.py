"""Gifts of points from one member to another."""

from __future__ import annotations

from fastapi import Request

from services.ledger.actions import gifts
from services.ledger.api.door import MemberId, Writer, actions_of, home_of, now_of
from services.ledger.domain.gifts import Gift
from services.ledger.errors import (
    GiftConflict,
    GiftLimitReached,
    GiftsOff,
    InsufficientPoints,
    MemberErased,
    NotGivable,
    UnknownMember,
    UnknownReceiver,
)
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.gifts import TransferIn, TransferOut
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses

router = door_router(tags=["transfers"])


@router.post(
    "/members/{member_id}/transfers",
    status_code=201,
    responses=refuses(
        UnknownMember,
        MemberErased,
        GiftsOff,
        UnknownReceiver,
        NotGivable,
        GiftLimitReached,
        InsufficientPoints,
        GiftConflict,
    ),
)
async def transfer(
    request: Request, member_id: MemberId, body: TransferIn, caller: Writer, write: Write
) -> TransferOut:
    """Give points to another member, where the program lets members do so. They keep their age and expiry."""
    key = await home_of(request, write, caller, member_id)
    wanted = Gift(*key, body.transfer_id, body.to, body.asset, body.points, now_of(request))
    gift, book = await gifts.give_points(actions_of(request), write, wanted, message=body.message)
    return TransferOut(
        transfer_id=gift.transfer_id,
        member_id=gift.member_id,
        to=gift.to_member_id,
        points=gift.points,
        asset=gift.asset,
        given_at=gift.given_at,
        balance=AssetBalance.model_validate(book.balance(key, gift.asset)),
    )
