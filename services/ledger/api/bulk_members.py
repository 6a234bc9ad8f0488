"""Many writes about members and households in one request. Not for members' tokens.

What a newcomer would get wrong: consent is the shop's affair here. A member joins a household by themselves, with their
own token; whoever joins many at once has asked them.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.ledger.api import adjustments, leaving, merging, pools
from services.ledger.api.adjustments import Approver
from services.ledger.api.many import CREATED, OK, Bulk, Writer
from services.ledger.api.merging import Admin
from services.ledger.schemas.adjustments import AdjustmentOut
from services.ledger.schemas.bulk import (
    BulkApproval,
    BulkErasure,
    BulkIn,
    BulkInvitation,
    BulkJoin,
    BulkLeave,
    BulkMerge,
    BulkOut,
    BulkPool,
    BulkPoolHold,
    BulkPoolRedemption,
    BulkPoolSpend,
)
from services.ledger.schemas.checkout import HoldOut, SpendOut
from services.ledger.schemas.leaving import ErasureOut
from services.ledger.schemas.merging import MergeOut
from services.ledger.schemas.pools import PoolOut
from services.ledger.schemas.rewards import IssuedOut
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import Connection
from shared.programs import UnknownProgram

router: APIRouter = door_router(prefix="/bulk", tags=["bulk"])

REFUSALS = refuses(UnknownProgram)


@router.post("/adjustment-approvals", response_model=BulkOut[AdjustmentOut], responses=REFUSALS)
async def approve_many(
    request: Request, body: BulkIn[BulkApproval], caller: Approver, many: Bulk
) -> Response:
    """Agree to up to a thousand proposals of somebody else: they happen now."""

    async def do(connection: Connection, item: BulkApproval) -> BaseModel:
        return await adjustments.approve(request, item.adjustment_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/adjustment-rejections", response_model=BulkOut[AdjustmentOut], responses=REFUSALS)
async def reject_many(request: Request, body: BulkIn[BulkApproval], caller: Approver, many: Bulk) -> Response:
    """Refuse up to a thousand proposals of somebody else: nothing moves."""

    async def do(connection: Connection, item: BulkApproval) -> BaseModel:
        return await adjustments.reject(request, item.adjustment_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/merges", response_model=BulkOut[MergeOut], responses=REFUSALS)
async def merge_many(request: Request, body: BulkIn[BulkMerge], caller: Admin, many: Bulk) -> Response:
    """Merge up to a thousand members into others, for good, one after the other. The same merge again is the same."""

    async def do(connection: Connection, item: BulkMerge) -> BaseModel:
        return await merging.merge(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/erasures", response_model=BulkOut[ErasureOut], responses=REFUSALS)
async def erase_many(request: Request, body: BulkIn[BulkErasure], caller: Writer, many: Bulk) -> Response:
    """Forget up to a thousand members here, for good. One who was forgotten before is refused with `member_erased`."""

    async def do(connection: Connection, item: BulkErasure) -> BaseModel:
        return await leaving.erase(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/pools", response_model=BulkOut[PoolOut], responses=REFUSALS)
async def make_pools(request: Request, body: BulkIn[BulkPool], caller: Writer, many: Bulk) -> Response:
    """Make up to a thousand households. The same id of the same member again is the same household."""

    async def do(connection: Connection, item: BulkPool) -> BaseModel:
        return await pools.make(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=CREATED)


@router.post("/pool-invitations", response_model=BulkOut[PoolOut], responses=REFUSALS)
async def invite_many(request: Request, body: BulkIn[BulkInvitation], caller: Writer, many: Bulk) -> Response:
    """Invite up to a thousand members, each to the household of another; they share nothing until they join."""

    async def do(connection: Connection, item: BulkInvitation) -> BaseModel:
        return await pools.invite(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/pool-joins", response_model=BulkOut[PoolOut], responses=REFUSALS)
async def join_many(request: Request, body: BulkIn[BulkJoin], caller: Writer, many: Bulk) -> Response:
    """Let up to a thousand invited members join. Once joined, one has joined."""

    async def do(connection: Connection, item: BulkJoin) -> BaseModel:
        return await pools.join(request, item.member_id, item, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/pool-leaves", response_model=BulkOut[PoolOut], responses=REFUSALS)
async def leave_many(request: Request, body: BulkIn[BulkLeave], caller: Writer, many: Bulk) -> Response:
    """Let up to a thousand members leave. One who is in no household is refused with `not_in_pool`."""

    async def do(connection: Connection, item: BulkLeave) -> BaseModel:
        return await pools.leave(request, item.member_id, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/pool-dissolutions", response_model=BulkOut[PoolOut], responses=REFUSALS)
async def dissolve_many(request: Request, body: BulkIn[BulkLeave], caller: Writer, many: Bulk) -> Response:
    """Dissolve the households of up to a thousand members who have been in them longest."""

    async def do(connection: Connection, item: BulkLeave) -> BaseModel:
        return await pools.dissolve(request, item.member_id, caller, connection)

    return await many.each(body.items, do, status=OK)


@router.post("/pool-redemptions", response_model=BulkOut[IssuedOut], responses=REFUSALS)
async def redeem_together(
    request: Request, body: BulkIn[BulkPoolRedemption], caller: Writer, many: Bulk
) -> Response:
    """Buy rewards for up to a thousand members with the help of their households. A dry run tells no codes."""

    async def do(connection: Connection, item: BulkPoolRedemption) -> BaseModel:
        return await pools.redeem(request, item.member_id, item, caller, connection, many.dry_run)

    return await many.each(body.items, do, status=CREATED)


@router.post("/pool-spends", response_model=BulkOut[SpendOut], responses=REFUSALS)
async def spend_together(body: BulkIn[BulkPoolSpend], caller: Writer, many: Bulk) -> Response:
    """Spend points of up to a thousand members at once, with the help of their households."""
    return await many.in_sets([pools.spend_command(caller, item.member_id, item) for item in body.items])


@router.post("/pool-holds", response_model=BulkOut[HoldOut], responses=REFUSALS)
async def hold_together(body: BulkIn[BulkPoolHold], caller: Writer, many: Bulk) -> Response:
    """Set points of up to a thousand members aside, with the help of their households."""
    return await many.in_sets([pools.hold_command(caller, item.member_id, item) for item in body.items])
