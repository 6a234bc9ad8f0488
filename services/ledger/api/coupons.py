"""Coupons: what a checkout asks of a code, codes of campaigns, and the pools of the shop's own."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Path, Request

from services.ledger.actions import coupons
from services.ledger.api.door import CART, MONEY, Reader, Writer, actions_of, home_id_of, now_of, showcase_of
from services.ledger.api.rewards import grant_of
from services.ledger.api.uploads import codes_of
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.issued import Coupon, CouponUse, canonical
from services.ledger.errors import CodeTaken, CouponRefused, RewardClosed, UnknownCoupon
from services.ledger.schemas.coupons import (
    CouponDetail,
    CouponOut,
    CouponsIn,
    CouponsOut,
    CouponUseIn,
    CouponUseOut,
    PoolFilledOut,
    PoolIn,
    PoolOut,
    PoolsOut,
    ReleaseIn,
    ReserveIn,
    ValidateIn,
    ValidOut,
)
from services.ledger.schemas.rewards import GrantOut, ReasonOut, VoidIn
from shared.http.auth import OtherMember, requires
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.programs import UnknownProgram
from shared.tokens import Caller

router = door_router(tags=["coupons"])

Code = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="Case, spaces and hyphens do not matter.",
        examples=["K7QF-M3TW-9XHC"],
    ),
]
Pool = Annotated[str, Path(min_length=1, max_length=200, examples=["summer"])]
Anybody = Annotated[Caller, requires("ledger:read", members=True)]


@router.post("/coupons/validate", responses=refuses(OtherMember, *CART))
async def validate(request: Request, body: ValidateIn, caller: Anybody, connection: Reading) -> ValidOut:
    """Whether a code can be used so, and every reason why not. Nothing is written or kept; ask as often as you like."""
    if body.member_id is not None and not caller.may_see(body.member_id):
        raise OtherMember("The token is another member's.")
    member_id = await home_id_of(request, connection, caller, body.member_id or caller.member_id)
    cart = body.cart.as_order(member_id or "", body.order_id or "cart") if body.cart is not None else None
    coupon, against, takes_off = await showcase_of(request).check(
        connection,
        caller.program_id,
        body.code,
        member_id=member_id,
        order_id=body.order_id,
        cart=cart,
        now=now_of(request),
    )
    gives = coupon.gives if coupon is not None else None
    return ValidOut(
        code=coupon.shown if coupon is not None else body.code,
        valid=not against,
        reasons=[ReasonOut.model_validate(each) for each in against],
        gives=GrantOut.model_validate(gives) if gives is not None else None,
        takes_off=takes_off,
        valid_until=coupon.valid_until if coupon is not None else None,
    )


@router.post(
    "/coupons/{code}/reserve", status_code=201, responses=refuses(UnknownCoupon, CouponRefused, *CART)
)
async def reserve(
    request: Request, code: Code, body: ReserveIn, caller: Writer, write: Write
) -> CouponUseOut:
    """Keep one use for a checkout. Left alone, it is set free when its time is over."""
    now = now_of(request)
    coupon, use = await coupons.reserve(
        actions_of(request),
        write,
        caller.program_id,
        code,
        Attempt(
            at=now,
            member_id=await home_id_of(request, write, caller, body.member_id),
            order_id=body.order_id,
            use_id=body.reservation_id,
        ),
        cart=_order(body),
        use_id=body.reservation_id or str(uuid.uuid4()),
        until=now + timedelta(minutes=body.minutes),
    )
    return _use_out(coupon, use)


@router.post("/coupons/{code}/use", responses=refuses(UnknownCoupon, CouponRefused, *CART))
async def use(request: Request, code: Code, body: CouponUseIn, caller: Writer, write: Write) -> CouponUseOut:
    """Use a code for an order, with or without a reservation. The same order again is the same use."""
    coupon, done = await coupons.use(
        actions_of(request),
        write,
        caller.program_id,
        code,
        Attempt(
            at=now_of(request),
            member_id=await home_id_of(request, write, caller, body.member_id),
            order_id=body.order_id,
            use_id=body.reservation_id,
        ),
        cart=_order(body),
    )
    return _use_out(coupon, done)


@router.post("/coupons/{code}/release", responses=refuses(UnknownCoupon))
async def release(
    request: Request, code: Code, body: ReleaseIn, caller: Writer, write: Write
) -> CouponUseOut:
    """Set a reservation free, or give the use of an order back. Done once, it is done."""
    coupon, freed = await coupons.release(
        actions_of(request),
        write,
        caller.program_id,
        code,
        Attempt(at=now_of(request), order_id=body.order_id, use_id=body.reservation_id),
    )
    return _use_out(coupon, freed)


@router.post("/coupons/{code}/void", responses=refuses(UnknownCoupon, RewardClosed))
async def void(request: Request, code: Code, body: VoidIn, caller: Writer, write: Write) -> CouponOut:
    """Make a code good for nothing. One behind which an unused reward stands voids that reward, and its price
    returns."""
    voided = await coupons.void(
        actions_of(request), write, caller.program_id, code, reason=body.reason, now=now_of(request)
    )
    return _coupon_out(voided)


@router.get("/coupons/{code}", responses=refuses(UnknownCoupon))
async def read(request: Request, code: Code, caller: Reader, connection: Reading) -> CouponDetail:
    """A code, whose it is, and its latest uses; also those that an order named without a right to."""
    coupon, uses = await showcase_of(request).coupon(connection, caller.program_id, code)
    latest = [_use_out(coupon, each) for each in uses]
    return CouponDetail(**_coupon_out(coupon).model_dump(), latest=latest)


@router.post("/coupons", status_code=201, responses=refuses(CodeTaken, UnknownProgram, *MONEY))
async def make(request: Request, body: CouponsIn, caller: Writer, write: Write) -> CouponsOut:
    """Make codes that belong to nobody's reward, such as those of a campaign: drawn, or one of your own."""
    now = now_of(request)
    like = Coupon(
        program_id=caller.program_id,
        code="",
        shown="",
        gives=grant_of(body.gives),
        uses=body.uses,
        per_member=body.per_member,
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        made_at=now,
    )
    made = await coupons.make(actions_of(request), write, like, count=body.count, own_code=body.code)
    return CouponsOut(coupons=[_coupon_out(each) for each in made])


@router.post(
    "/coupon-pools/{pool}/codes",
    status_code=201,
    responses=refuses(UnknownProgram),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": PoolIn.model_json_schema(),
                    "example": {"codes": ["SUN-17", "SUN-18"]},
                },
                "text/csv": {"schema": {"type": "string"}, "example": "code\nSUN-17\nSUN-18\n"},
            },
        }
    },
)
async def fill_pool(request: Request, pool: Pool, caller: Writer, write: Write) -> PoolFilledOut:
    """Upload codes of the shop's own: up to 1,000 as JSON, or 50,000 as CSV, the first cell of each line, with
    or without the heading `code`. A code that the program has already is told and stays as it is."""
    codes = codes_of(request.headers.get("content-type", ""), await request.body())
    added = await coupons.fill_pool(
        actions_of(request), write, caller.program_id, pool, codes, now_of(request)
    )
    seen: set[str] = set()
    duplicates = []
    for code in codes:
        key = canonical(code)
        if key not in added or key in seen:
            duplicates.append(code)
        seen.add(key)
    left = await showcase_of(request).pools(write, caller.program_id)
    return PoolFilledOut(pool=pool, added=len(added), duplicates=duplicates, left=left[pool])


@router.get("/coupon-pools", responses=refuses(UnknownProgram))
async def list_pools(request: Request, caller: Reader, connection: Reading) -> PoolsOut:
    """How many codes each pool has left."""
    left = await showcase_of(request).pools(connection, caller.program_id)
    return PoolsOut(pools=[PoolOut(pool=pool, left=free) for pool, free in left.items()])


def _order(body: ReserveIn | CouponUseIn) -> Any:
    if body.cart is None:
        return None
    return body.cart.as_order(body.member_id or "", body.order_id or "cart")


def _use_out(coupon: Coupon, use: CouponUse) -> CouponUseOut:
    return CouponUseOut.model_validate(
        {
            "code": coupon.shown,
            "reservation_id": use.use_id,
            "state": use.state,
            "member_id": use.member_id,
            "order_id": use.order_id,
            "reserved_until": use.reserved_until,
            "changed_at": use.changed_at,
            "reason": use.reason,
        }
    )


def _coupon_out(coupon: Coupon) -> CouponOut:
    facts = {name: getattr(coupon, name) for name in CouponOut.model_fields}
    used = coupon.used if coupon.uses is not None else None
    return CouponOut.model_validate({**facts, "code": coupon.shown, "used": used})
