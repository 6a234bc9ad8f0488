"""Adjustments by hand, and the second person who approves or rejects them. Not for members' tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from services.ledger.actions import adjustments
from services.ledger.api.door import MemberId, actions_of, home_id_of, home_of, now_of
from services.ledger.domain.adjusting import PROPOSED, Adjustment
from services.ledger.errors import (
    AdjustmentConflict,
    AdjustmentDecided,
    MemberErased,
    NotReversible,
    OwnAdjustment,
    UnknownAdjustment,
    UnknownAsset,
    UnknownMember,
)
from services.ledger.schemas.adjustments import AdjustmentIn, AdjustmentOut, DecisionIn, State
from shared.events.fields import NO_NUL
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Reading
from shared.tokens import Caller

router: APIRouter = door_router(tags=["adjustments"])

ADJUSTMENTS = Cursors("adjustments", tuple[str])
Writer = Annotated[Caller, requires("ledger:write", staff=True)]
Approver = Annotated[Caller, requires("ledger:approve", staff=True)]
StaffReader = Annotated[Caller, requires("ledger:read", staff=True)]
AdjustmentId = Annotated[str, Path(max_length=200, pattern=NO_NUL, examples=["ticket-4711"])]


@router.post(
    "/members/{member_id}/adjustments",
    status_code=201,
    responses=refuses(UnknownMember, MemberErased, UnknownAsset, NotReversible, AdjustmentConflict),
)
async def adjust(
    request: Request, member_id: MemberId, body: AdjustmentIn, caller: Writer, write: Write
) -> AdjustmentOut:
    """Give or take points by hand. Above the program's bound it is `proposed` until another person approves it."""
    now = now_of(request)
    program_id, home_id = await home_of(request, write, caller, member_id)
    wanted = Adjustment(
        program_id,
        body.adjustment_id,
        home_id,
        body.asset,
        body.points,
        body.reason,
        PROPOSED,
        caller.subject,
        now,
    )
    made = await adjustments.adjust_by_hand(actions_of(request), write, wanted, now)
    return AdjustmentOut.model_validate(made)


@router.get("/adjustments")
async def adjustments_listed(
    request: Request,
    caller: StaffReader,
    connection: Reading,
    state: State | None = None,
    member_id: Annotated[str | None, Query(max_length=200, pattern=NO_NUL)] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[AdjustmentOut]:
    """Adjustments by id: those that wait for a second person (`state=proposed`), a member's under whichever id, all."""
    (after,) = ADJUSTMENTS.read(cursor) or ("",)
    await actions_of(request).programs.one(connection, caller.program_id)  # one that nobody applied is told
    rows = await adjustments.listed(
        actions_of(request),
        connection,
        caller.program_id,
        after=after,
        state=state,
        member_id=await home_id_of(request, connection, caller, member_id),
        limit=limit + 1,
    )
    page, following = ADJUSTMENTS.cut(rows, limit, lambda row: (row.adjustment_id,))
    return Page(items=[AdjustmentOut.model_validate(row) for row in page], next=following)


@router.post(
    "/adjustments/{adjustment_id}/approve",
    responses=refuses(
        UnknownAdjustment,
        AdjustmentDecided,
        OwnAdjustment,
        UnknownMember,
        MemberErased,
        UnknownAsset,
        NotReversible,
    ),
)
async def approve(
    request: Request, adjustment_id: AdjustmentId, body: DecisionIn, caller: Approver, write: Write
) -> AdjustmentOut:
    """Agree to a proposal of somebody else: it happens now."""
    made = await adjustments.approve(
        actions_of(request),
        write,
        caller.program_id,
        adjustment_id,
        by=caller.subject,
        reason=body.reason,
        now=now_of(request),
    )
    return AdjustmentOut.model_validate(made)


@router.post(
    "/adjustments/{adjustment_id}/reject",
    responses=refuses(UnknownAdjustment, AdjustmentDecided, OwnAdjustment),
)
async def reject(
    request: Request, adjustment_id: AdjustmentId, body: DecisionIn, caller: Approver, write: Write
) -> AdjustmentOut:
    """Refuse a proposal of somebody else: nothing moves."""
    made = await adjustments.reject(
        actions_of(request),
        write,
        caller.program_id,
        adjustment_id,
        by=caller.subject,
        reason=body.reason,
        now=now_of(request),
    )
    return AdjustmentOut.model_validate(made)
