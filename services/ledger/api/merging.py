"""Two members turn out to be one person. Not for members' tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request

from services.ledger.actions import merging
from services.ledger.api.door import MemberId, actions_of, home_of, now_of
from services.ledger.domain.merging import Merged
from services.ledger.errors import (
    AlreadyMerged,
    MemberErased,
    MemberMerged,
    SameMember,
    UnknownMember,
)
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.merging import MergeIn, MergeOut, Merges
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.tokens import Caller

router: APIRouter = door_router(tags=["merging"])

Admin = Annotated[Caller, requires("ledger:admin", staff=True)]
StaffReader = Annotated[Caller, requires("ledger:read", staff=True)]


@router.post(
    "/members/{member_id}/merge",
    responses=refuses(UnknownMember, MemberErased, SameMember, AlreadyMerged, MemberMerged),
)
async def merge(
    request: Request, member_id: MemberId, body: MergeIn, caller: Admin, write: Write
) -> MergeOut:
    """Merge another member into this one, for good. Everything moves, and the other id is this member's from now on.

    Try it with `dry_run` first: nothing undoes it.
    """
    program_id, survivor_id = await home_of(request, write, caller, member_id)
    wanted = Merged(program_id, body.from_, survivor_id, now_of(request), caller.subject, body.reason)
    return _merge_out(await merging.merge_members(actions_of(request), write, wanted))


@router.get("/members/{member_id}/merges", responses=refuses(UnknownMember))
async def merges(request: Request, member_id: MemberId, caller: StaffReader, connection: Reading) -> Merges:
    """Who was merged into this member, and what they had."""
    key = await home_of(request, connection, caller, member_id)
    found = await merging.merges_into(actions_of(request), connection, key)
    return Merges(member_id=key[1], merges=[_merge_out(each) for each in found])


def _merge_out(made: Merged) -> MergeOut:
    return MergeOut(
        member_id=made.survivor_id,
        merged_id=made.member_id,
        merged_at=made.merged_at,
        merged_by=made.merged_by,
        reason=made.reason,
        moved=[AssetBalance.model_validate(each) for each in made.moved],
    )
