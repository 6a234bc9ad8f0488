"""The HTTP door: standing and entitlements of a member, and the ladder.

What a newcomer would get wrong: the program is the token's, never the address's; a member of another program does not
exist here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import Request

from services.tiers.actions import Actions
from services.tiers.errors import NoLadder, UnknownMember
from services.tiers.schemas import (
    EntitlementsOut,
    LevelsOut,
    StandingOut,
    entitlements_out,
    levels_out,
    standing_out,
)
from shared.events.fields import MAX_ID_LENGTH
from shared.http.auth import requires
from shared.http.idempotency import door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.programs import UnknownProgram
from shared.tokens import Caller

router = door_router(tags=["standing"])

Reader = Annotated[Caller, requires("tiers:read")]
AnyReader = Annotated[Caller, requires("tiers:read", members=True)]
MemberId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="The shop's id of the customer.",
        examples=["customer-7"],
    ),
]


async def _actions(request: Request) -> Actions:
    actions: Actions = request.app.state.actions
    return actions


TheActions = Annotated[Actions, Depends(_actions)]


@router.get(
    "/members/{member_id}/standing",
    summary="Where a member stands",
    responses=refuses(UnknownMember, UnknownProgram, NoLadder),
)
async def standing(
    member_id: MemberId, caller: Reader, actions: TheActions, connection: Reading
) -> StandingOut:
    """The level, until when it is held, how far it is to the next one, and what keeps this one."""
    return standing_out(member_id, await actions.standing(connection, (caller.program_id, member_id)))


@router.get(
    "/members/{member_id}/entitlements",
    summary="What a member may have",
    responses=refuses(UnknownMember, UnknownProgram, NoLadder),
)
async def entitlements(
    member_id: MemberId, caller: Reader, actions: TheActions, connection: Reading
) -> EntitlementsOut:
    """One quick look-up, made for a shop to ask on each page."""
    return entitlements_out(member_id, await actions.entitlements(connection, (caller.program_id, member_id)))


@router.get("/levels", summary="The ladder", responses=refuses(UnknownProgram, NoLadder))
async def levels(caller: AnyReader, actions: TheActions, connection: Reading) -> LevelsOut:
    """The levels that hold this year, lowest first, and those that will hold next year if they differ."""
    return levels_out(await actions.ladder(connection, caller.program_id))
