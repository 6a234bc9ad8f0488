"""Members who leave: everything that is kept about them, and their erasure. Not for members' tokens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Request

from services.ledger.actions import leaving
from services.ledger.api.door import MemberId, actions_of, home_of, now_of
from services.ledger.errors import MemberErased, UnknownMember
from services.ledger.schemas.leaving import EraseIn, ErasureOut, Expired, ExportOut
from shared.http.auth import requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.tokens import Caller

router: APIRouter = door_router(tags=["import, export, erase"])

StaffReader = Annotated[Caller, requires("ledger:read", staff=True)]
StaffWriter = Annotated[Caller, requires("ledger:write", staff=True)]


@router.get("/members/{member_id}/export", responses=refuses(UnknownMember))
async def export(
    request: Request, member_id: MemberId, caller: StaffReader, connection: Reading
) -> ExportOut:
    """Everything that the ledger keeps about a member, for them or for a court: balances, entries, orders, facts."""
    tables = await leaving.everything_about(
        actions_of(request), connection, await home_of(request, connection, caller, member_id)
    )
    return ExportOut(member_id=member_id, exported_at=now_of(request), tables=tables)


@router.post("/members/{member_id}/erase", responses=refuses(UnknownMember, MemberErased))
async def erase(
    request: Request, member_id: MemberId, body: EraseIn, caller: StaffWriter, write: Write
) -> ErasureOut:
    """Forget a member here, for good: holds are released, rewards voided, what is left expires. `dry_run` tells what
    would go. The shop's own `customer.deleted` does the same in all services."""
    key = await home_of(request, write, caller, member_id)
    made = await leaving.erase_member(
        actions_of(request), write, key, reason=body.reason, by=caller.subject, now=now_of(request)
    )
    expired = [Expired(asset=asset, points=points) for asset, points in sorted(made.expired.items())]
    return ErasureOut.model_validate(asdict(made) | {"member_id": member_id, "expired": expired})
