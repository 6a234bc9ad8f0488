"""Many writes in one request. Not for members' tokens.

What a newcomer would get wrong: the single endpoints do the work here, too. A form only says which one, so that a write
in bulk can never differ from the same write alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.ledger.actions.together import Command
from services.ledger.api import adjustments, checkout, coupons, gifts, rewards
from services.ledger.api.door import actions_of
from services.ledger.schemas.adjustments import AdjustmentOut
from services.ledger.schemas.bulk import (
    BulkAdjustment,
    BulkCapture,
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
from shared.http.auth import caller_of, requires
from shared.http.bulk import Do, Item, answer_of, each_by_itself, together_in_order
from shared.http.idempotency import DryRun, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Connection, connection_of
from shared.programs import UnknownProgram
from shared.tokens import Caller

router: APIRouter = door_router(prefix="/bulk", tags=["bulk"])

Writer = Annotated[Caller, requires("ledger:write", staff=True)]
CREATED, OK = HTTPStatus.CREATED, HTTPStatus.OK
REFUSALS = refuses(UnknownProgram)


@router.post("/adjustments", response_model=BulkOut[AdjustmentOut], responses=REFUSALS)
async def adjust_many(
    request: Request, body: BulkIn[BulkAdjustment], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Give and take points by hand, up to a thousand times; above the program's bound they are `proposed`."""

    async def do(connection: Connection, item: BulkAdjustment) -> BaseModel:
        return await adjustments.adjust(request, item.member_id, item, caller, connection)

    return await _each(request, body.items, do, CREATED, dry_run=dry_run)


@router.post("/spends", response_model=BulkOut[SpendOut], responses=REFUSALS)
async def spend_many(
    request: Request, body: BulkIn[BulkSpend], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Spend points of up to a thousand members at once."""
    commands = [checkout.spend_command(caller, item.member_id, item) for item in body.items]
    return await _in_sets(request, commands, dry_run=dry_run)


@router.post("/holds", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def hold_many(
    request: Request, body: BulkIn[BulkHold], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Set points of up to a thousand members aside."""
    commands = [checkout.hold_command(caller, item.member_id, item) for item in body.items]
    return await _in_sets(request, commands, dry_run=dry_run)


@router.post("/captures", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def capture_many(
    request: Request, body: BulkIn[BulkCapture], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Spend holds, wholly or in part. One that was captured before is refused with `hold_closed`."""

    async def do(connection: Connection, item: BulkCapture) -> BaseModel:
        return await checkout.capture(request, item.member_id, item.hold_id, item, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


@router.post("/releases", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def release_many(
    request: Request, body: BulkIn[BulkRelease], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Set holds free. One that was closed before is refused with `hold_closed`."""

    async def do(connection: Connection, item: BulkRelease) -> BaseModel:
        return await checkout.release(request, item.member_id, item.hold_id, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


@router.post("/redemptions", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def redeem_many(
    request: Request, body: BulkIn[BulkRedemption], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Buy rewards for up to a thousand members. A dry run tells no codes."""

    async def do(connection: Connection, item: BulkRedemption) -> BaseModel:
        return await rewards.redeem(request, item.member_id, item, caller, connection, dry_run)

    return await _each(request, body.items, do, CREATED, dry_run=dry_run)


@router.post("/gifts", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def give_many(
    request: Request, body: BulkIn[BulkGift], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Give up to a thousand members something, with a reason."""

    async def do(connection: Connection, item: BulkGift) -> BaseModel:
        return await rewards.give(request, item.member_id, item, caller, connection, dry_run)

    return await _each(request, body.items, do, CREATED, dry_run=dry_run)


@router.post("/transfers", response_model=BulkOut[TransferOut], responses=REFUSALS)
async def transfer_many(
    request: Request, body: BulkIn[BulkTransfer], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Give points from member to member, up to a thousand times."""

    async def do(connection: Connection, item: BulkTransfer) -> BaseModel:
        return await gifts.transfer(request, item.member_id, item, caller, connection)

    return await _each(request, body.items, do, CREATED, dry_run=dry_run)


@router.post("/reward-uses", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def use_rewards(
    request: Request, body: BulkIn[BulkRewardUse], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Hand over up to a thousand rewards."""

    async def do(connection: Connection, item: BulkRewardUse) -> BaseModel:
        return await rewards.use(request, item.member_id, item.reward_id, item, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


@router.post("/reward-voids", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def void_rewards(
    request: Request, body: BulkIn[BulkRewardVoid], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Take up to a thousand unused rewards back. One that was voided before is refused with `reward_closed`."""

    async def do(connection: Connection, item: BulkRewardVoid) -> BaseModel:
        return await rewards.void(request, item.member_id, item.reward_id, item, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


@router.post("/coupon-uses", response_model=BulkOut[CouponUseOut], responses=REFUSALS)
async def use_coupons(
    request: Request, body: BulkIn[BulkCouponUse], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Use up to a thousand codes, each for an order; the same order again is the same use."""

    async def do(connection: Connection, item: BulkCouponUse) -> BaseModel:
        return await coupons.use(request, item.code, item, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


@router.post("/coupon-voids", response_model=BulkOut[CouponOut], responses=REFUSALS)
async def void_coupons(
    request: Request, body: BulkIn[BulkCouponVoid], caller: Writer, dry_run: DryRun = False
) -> Response:
    """Make up to a thousand codes good for nothing, such as those of a campaign that went wrong."""

    async def do(connection: Connection, item: BulkCouponVoid) -> BaseModel:
        return await coupons.void(request, item.code, item, caller, connection)

    return await _each(request, body.items, do, OK, dry_run=dry_run)


async def _each(
    request: Request, items: Sequence[Item], do: Do[Item], status: int, *, dry_run: bool
) -> Response:
    await _require_program(request)
    results = await each_by_itself(request, items, do, status=status, dry_run=dry_run)
    return answer_of(results, dry_run=dry_run)


async def _in_sets(request: Request, commands: Sequence[Command], *, dry_run: bool) -> Response:
    await _require_program(request)
    return answer_of(await together_in_order(request, commands, dry_run=dry_run), dry_run=dry_run)


async def _require_program(request: Request) -> None:
    """A program that nobody applied is told of once, not for each item."""
    async with connection_of(request) as connection:
        await actions_of(request).programs.one(connection, caller_of(request).program_id)
