"""Pools: members of a household who share what they earn. Each endpoint is one member's, whose token may."""

from __future__ import annotations

import uuid

from fastapi import Request, Response

from services.ledger.actions import pools
from services.ledger.actions.together import Command
from services.ledger.api.checkout import hold_out, spend_out, wanted_of
from services.ledger.api.door import (
    CART,
    MemberId,
    Reader,
    Together,
    Writer,
    actions_of,
    home_of,
    key_of,
    now_of,
)
from services.ledger.api.rewards import bought
from services.ledger.domain.households import Pool
from services.ledger.errors import (
    CharityUnknown,
    HoldConflict,
    InAnotherPool,
    InsufficientPoints,
    MemberErased,
    NotInPool,
    NotInvited,
    NotPoolOwner,
    NotUsable,
    NotWholeBlocks,
    PoolEmpty,
    PoolFull,
    PoolsOff,
    PoolTaken,
    RewardConflict,
    RewardSoldOut,
    RewardUnavailable,
    SpendConflict,
    UnknownMember,
    UnknownReceiver,
    UnknownReward,
)
from services.ledger.schemas.checkout import HoldIn, HoldOut, SpendIn, SpendOut
from services.ledger.schemas.pools import InvitationIn, JoinIn, MyPoolOut, OfferedOut, PoolNewIn, PoolOut
from services.ledger.schemas.rewards import IssuedOut, RedemptionIn
from shared.http.idempotency import DryRun, Write, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.tokens import Caller

router = door_router(prefix="/members/{member_id}/pool", tags=["pools"])

MEMBER = (UnknownMember, MemberErased)
SHARING = (*MEMBER, PoolsOff, NotInPool, NotPoolOwner, InsufficientPoints)
SPENDING = (*SHARING, NotUsable, NotWholeBlocks, *CART)
REDEEMING = (
    *SHARING,
    UnknownReward,
    RewardUnavailable,
    RewardSoldOut,
    PoolEmpty,
    RewardConflict,
    CharityUnknown,
)


@router.get("", responses=refuses(UnknownMember))
async def my_pool(request: Request, member_id: MemberId, caller: Reader, connection: Reading) -> MyPoolOut:
    """The member's pool, what of the others' they can spend, and the pools that they are invited to."""
    seen = await pools.look(
        actions_of(request),
        connection,
        await home_of(request, connection, caller, member_id),
        now_of(request),
    )
    return MyPoolOut(
        pool_id=seen.pool_id,
        members=list(seen.members),
        offered=[OfferedOut(asset=asset, points=points) for asset, points in seen.offered.items()],
        invitations=seen.invitations,
    )


@router.post("", status_code=201, responses=refuses(*MEMBER, PoolsOff, InAnotherPool, PoolTaken))
async def make(
    request: Request, member_id: MemberId, body: PoolNewIn, caller: Writer, write: Write
) -> PoolOut:
    """Make a pool with this member in it. The same id again is the same pool."""
    made = await pools.make(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        body.pool_id,
        now_of(request),
    )
    return _pool_out(made)


@router.post("/invitations", responses=refuses(*MEMBER, PoolsOff, NotInPool, NotPoolOwner, UnknownReceiver))
async def invite(
    request: Request, member_id: MemberId, body: InvitationIn, caller: Writer, write: Write
) -> PoolOut:
    """Invite another member to the pool; they share nothing until they join. Only who has been in it longest may."""
    pool = await pools.invite(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        body.invited_id,
        now_of(request),
    )
    return _pool_out(pool)


@router.post("/join", responses=refuses(*MEMBER, PoolsOff, NotInvited, InAnotherPool, PoolFull))
async def join(request: Request, member_id: MemberId, body: JoinIn, caller: Writer, write: Write) -> PoolOut:
    """Join a pool to which the member was invited: from now on the others may spend what the member shares."""
    pool = await pools.enter(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        body.pool_id,
        now_of(request),
    )
    return _pool_out(pool)


@router.post("/leave", responses=refuses(*MEMBER, NotInPool))
async def leave(request: Request, member_id: MemberId, caller: Writer, write: Write) -> PoolOut:
    """Leave the pool, with what the member earned and is left of it. The last one dissolves it."""
    pool = await pools.part(
        actions_of(request), write, await home_of(request, write, caller, member_id), now_of(request)
    )
    return _pool_out(pool)


@router.post("/dissolve", responses=refuses(*MEMBER, NotInPool, NotPoolOwner))
async def dissolve(request: Request, member_id: MemberId, caller: Writer, write: Write) -> PoolOut:
    """Dissolve the pool: everybody takes what they earned and is left of it. Only who has been in it longest may."""
    key = await home_of(request, write, caller, member_id)
    return _pool_out(await pools.part(actions_of(request), write, key, now_of(request), dissolving=True))


@router.post("/spends", status_code=201, response_model=SpendOut, responses=refuses(*SPENDING, SpendConflict))
async def spend(member_id: MemberId, body: SpendIn, caller: Writer, together: Together) -> Response:
    """Spend points at once; what the member lacks comes from the others. The same id again is the same spend."""
    return await together.answer(spend_command(caller, member_id, body))


@router.post("/holds", status_code=201, response_model=HoldOut, responses=refuses(*SPENDING, HoldConflict))
async def hold(member_id: MemberId, body: HoldIn, caller: Writer, together: Together) -> Response:
    """Set points aside for a checkout; what the member lacks comes from the others. Capture and release as any hold."""
    return await together.answer(hold_command(caller, member_id, body))


@router.post("/redemptions", status_code=201, responses=refuses(*REDEEMING))
async def redeem(
    request: Request,
    member_id: MemberId,
    body: RedemptionIn,
    caller: Writer,
    write: Write,
    dry_run: DryRun = False,
) -> IssuedOut:
    """Buy a reward; what the member lacks of its price comes from the others. A dry run tells no code."""
    return await bought(pools.redeem, request, member_id, body, caller, write, dry_run=dry_run)


def spend_command(caller: Caller, member_id: str, body: SpendIn) -> Command:
    """What is asked of the ledger, and how it answers."""
    wanted = wanted_of(body, body.spend_id, member_id)
    return pools.spend(key_of(caller, member_id), wanted, answer=spend_out)


def hold_command(caller: Caller, member_id: str, body: HoldIn) -> Command:
    """What is asked of the ledger, and how it answers."""
    wanted = wanted_of(body, body.hold_id or str(uuid.uuid4()), member_id)
    return pools.hold(key_of(caller, member_id), wanted, minutes=body.minutes, answer=hold_out)


def _pool_out(pool: Pool) -> PoolOut:
    return PoolOut(pool_id=pool.pool_id, members=list(pool.members))
