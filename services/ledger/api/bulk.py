"""Many writes in one request. Not for members' tokens.

What a newcomer would get wrong: the single endpoints do the work here, too. A form only says which one, so that a write
in bulk can never differ from the same write alone. Those of members and households are in `bulk_members`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.ledger.api import adjustments, checkout, coupons, gifts, rewards
from services.ledger.api.many import CREATED, OK, Bulk, Writer
from services.ledger.schemas.adjustments import AdjustmentOut
from services.ledger.schemas.bulk import (
    BulkAdjustment,
    BulkCapture,
    BulkCouponRelease,
    BulkCouponReservation,
    BulkCouponUse,
    BulkCouponVoid,
    BulkGift,
    BulkHold,
    BulkIn,
    BulkOut,
    BulkRedemption,
    BulkRelease,
    BulkRewardUse,
    BulkRewardVoid,
    BulkSpend,
    BulkTransfer,
)
from services.ledger.schemas.checkout import HoldOut, SpendOut
from services.ledger.schemas.coupons import CouponOut, CouponUseOut
from services.ledger.schemas.gifts import TransferOut
from services.ledger.schemas.rewards import IssuedOut
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import Connection
from shared.programs import UnknownProgram

router: APIRouter = door_router(prefix="/bulk", tags=["bulk"])

REFUSALS = refuses(UnknownProgram)


@router.post("/adjustments", response_model=BulkOut[AdjustmentOut], responses=REFUSALS)
async def adjust_many(request: Request, body: BulkIn[BulkAdjustment], caller: Writer, many: Bulk) -> Response:
    """Give and take points by hand, up to a thousand times; above the program's bound they are `proposed`."""

    async def do(connection: Connection, item: BulkAdjustment) -> BaseModel:
        return await adjustments.adjust(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=CREATED)


@router.post("/spends", response_model=BulkOut[SpendOut], responses=REFUSALS)
async def spend_many(body: BulkIn[BulkSpend], caller: Writer, many: Bulk) -> Response:
    """Spend points of up to a thousand members at once."""
    commands = [checkout.spend_command(caller, item.member_id, item) for item in body.items]
    return await many.in_sets(commands)


@router.post("/holds", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def hold_many(body: BulkIn[BulkHold], caller: Writer, many: Bulk) -> Response:
    """Set points of up to a thousand members aside."""
    commands = [checkout.hold_command(caller, item.member_id, item) for item in body.items]
    return await many.in_sets(commands)


@router.post("/captures", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def capture_many(request: Request, body: BulkIn[BulkCapture], caller: Writer, many: Bulk) -> Response:
    """Spend holds, wholly or in part. One that was captured before is refused with `hold_closed`."""

    async def do(connection: Connection, item: BulkCapture) -> BaseModel:
        return await checkout.capture(request, item.member_id, item.hold_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/releases", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def release_many(request: Request, body: BulkIn[BulkRelease], caller: Writer, many: Bulk) -> Response:
    """Set holds free. One that was closed before is refused with `hold_closed`."""

    async def do(connection: Connection, item: BulkRelease) -> BaseModel:
        return await checkout.release(request, item.member_id, item.hold_id, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/redemptions", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def redeem_many(request: Request, body: BulkIn[BulkRedemption], caller: Writer, many: Bulk) -> Response:
    """Buy rewards for up to a thousand members. A dry run tells no codes."""

    async def do(connection: Connection, item: BulkRedemption) -> BaseModel:
        return await rewards.redeem(request, item.member_id, item, caller, connection, many.dry_run)

    return await many.each(body.items, do, status=CREATED)


@router.post("/gifts", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def give_many(request: Request, body: BulkIn[BulkGift], caller: Writer, many: Bulk) -> Response:
    """Give up to a thousand members something, with a reason."""

    async def do(connection: Connection, item: BulkGift) -> BaseModel:
        return await rewards.give(request, item.member_id, item, caller, connection, many.dry_run)

    return await many.each(body.items, do, status=CREATED)


@router.post("/transfers", response_model=BulkOut[TransferOut], responses=REFUSALS)
async def transfer_many(request: Request, body: BulkIn[BulkTransfer], caller: Writer, many: Bulk) -> Response:
    """Give points from member to member, up to a thousand times."""

    async def do(connection: Connection, item: BulkTransfer) -> BaseModel:
        return await gifts.transfer(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=CREATED)


@router.post("/reward-uses", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def use_rewards(request: Request, body: BulkIn[BulkRewardUse], caller: Writer, many: Bulk) -> Response:
    """Hand over up to a thousand rewards."""

    async def do(connection: Connection, item: BulkRewardUse) -> BaseModel:
        return await rewards.use(request, item.member_id, item.reward_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/reward-voids", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def void_rewards(
    request: Request, body: BulkIn[BulkRewardVoid], caller: Writer, many: Bulk
) -> Response:
    """Take up to a thousand unused rewards back. One that was voided before is refused with `reward_closed`."""

    async def do(connection: Connection, item: BulkRewardVoid) -> BaseModel:
        return await rewards.void(request, item.member_id, item.reward_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/coupon-reservations", response_model=BulkOut[CouponUseOut], responses=REFUSALS)
async def reserve_coupons(
    request: Request, body: BulkIn[BulkCouponReservation], caller: Writer, many: Bulk
) -> Response:
    """Keep one use of each of up to a thousand codes for a checkout; the same id again is the same reservation."""

    async def do(connection: Connection, item: BulkCouponReservation) -> BaseModel:
        return await coupons.reserve(request, item.code, item, caller, connection)

    return await many.each(body.items, do, status=CREATED)


@router.post("/coupon-releases", response_model=BulkOut[CouponUseOut], responses=REFUSALS)
async def release_coupons(
    request: Request, body: BulkIn[BulkCouponRelease], caller: Writer, many: Bulk
) -> Response:
    """Set up to a thousand reservations free, or give uses of orders back. Done once, it is done."""

    async def do(connection: Connection, item: BulkCouponRelease) -> BaseModel:
        return await coupons.release(request, item.code, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/coupon-uses", response_model=BulkOut[CouponUseOut], responses=REFUSALS)
async def use_coupons(request: Request, body: BulkIn[BulkCouponUse], caller: Writer, many: Bulk) -> Response:
    """Use up to a thousand codes, each for an order; the same order again is the same use."""

    async def do(connection: Connection, item: BulkCouponUse) -> BaseModel:
        return await coupons.use(request, item.code, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/coupon-voids", response_model=BulkOut[CouponOut], responses=REFUSALS)
async def void_coupons(
    request: Request, body: BulkIn[BulkCouponVoid], caller: Writer, many: Bulk
) -> Response:
    """Make up to a thousand codes good for nothing, such as those of a campaign that went wrong."""

    async def do(connection: Connection, item: BulkCouponVoid) -> BaseModel:
        return await coupons.void(request, item.code, item, caller, connection)

    return await many.each(body.items, do, status=OK)
