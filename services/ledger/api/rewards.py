"""Rewards: the catalogue, what a member buys or is given, what they have, and what becomes of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query, Request

from services.ledger.actions import rewards
from services.ledger.actions.rewards import Redeem
from services.ledger.api.door import (
    MONEY,
    MemberId,
    Writer,
    actions_of,
    home_id_of,
    home_of,
    now_of,
    showcase_of,
)
from services.ledger.domain.book import Book
from services.ledger.domain.issued import Issued
from services.ledger.errors import (
    CharityUnknown,
    CouponRefused,
    InsufficientPoints,
    MemberErased,
    PoolEmpty,
    RewardClosed,
    RewardConflict,
    RewardSoldOut,
    RewardUnavailable,
    UnknownMember,
    UnknownReward,
)
from services.ledger.schemas import MOST_POINTS, AssetBalance
from services.ledger.schemas.rewards import (
    CatalogueOut,
    GiftIn,
    GrantIn,
    IssuedOut,
    RedemptionIn,
    RewardOut,
    UseIn,
    VoidIn,
)
from shared.errors import InvalidInput
from shared.events import Grant
from shared.http.auth import OtherMember, requires
from shared.http.idempotency import DryRun, Write, door_router
from shared.http.openapi import refuses
from shared.http.paging import Cursors, CursorText, Limit, Page
from shared.http.transaction import Connection, Reading
from shared.money import InvalidAmount, minor_units
from shared.tokens import Caller

router = door_router(tags=["rewards"])

REWARDS = Cursors("rewards", tuple[datetime, str])
LATEST = (datetime(9999, 1, 1, tzinfo=UTC), "")
MOST_LANGUAGES = 10  # that a browser names; further ones cannot matter

Anybody = Annotated[Caller, requires("ledger:read", members=True)]
OfMember = Annotated[Caller, requires("ledger:read")]
Staff = Annotated[Caller, requires("ledger:write", staff=True)]
RewardId = Annotated[str, Path(max_length=200, examples=["redemption-17"])]


@router.get("/rewards", responses=refuses(UnknownMember, MemberErased))
async def catalogue(
    request: Request,
    caller: Anybody,
    connection: Reading,
    member_id: Annotated[
        str | None,
        Query(max_length=200, description="Say of each reward whether this member can have it, and why not."),
    ] = None,
    language: Annotated[
        str | None, Query(max_length=35, description="Before those of `Accept-Language`.", examples=["ro-MD"])
    ] = None,
    texts: Annotated[Literal["nearest", "all"], Query(description="`all` adds every language.")] = "nearest",
    accept_language: Annotated[str | None, Header(max_length=1_000)] = None,
) -> CatalogueOut:
    """What can be had, in the order of the program file; with a member's token, as that member sees it."""
    if member_id is not None and not caller.may_see(member_id):
        raise OtherMember("The token is another member's.")
    offers = await showcase_of(request).catalogue(
        connection,
        caller.program_id,
        member_id=await home_id_of(request, connection, caller, member_id or caller.member_id),
        languages=[*([language] if language else []), *_languages(accept_language)],
        all_texts=texts == "all",
        now=now_of(request),
    )
    return CatalogueOut(rewards=offers)


@router.post(
    "/members/{member_id}/redemptions",
    status_code=201,
    responses=refuses(
        UnknownMember,
        UnknownReward,
        MemberErased,
        InsufficientPoints,
        RewardUnavailable,
        RewardSoldOut,
        PoolEmpty,
        RewardConflict,
        CharityUnknown,
    ),
)
async def redeem(
    request: Request,
    member_id: MemberId,
    body: RedemptionIn,
    caller: Writer,
    write: Write,
    dry_run: DryRun = False,
) -> IssuedOut:
    """Buy a reward: its price leaves the lots, and it is issued with its code. A dry run tells no code."""
    return await bought(rewards.redeem, request, member_id, body, caller, write, dry_run=dry_run)


@router.get("/members/{member_id}/rewards", responses=refuses(UnknownMember))
async def list_rewards(
    request: Request,
    member_id: MemberId,
    caller: OfMember,
    connection: Reading,
    state: Annotated[
        Literal["issued", "used", "voided", "expired"] | None, Query(description="Only those.")
    ] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[RewardOut]:
    """The rewards of a member, newest first, with their codes."""
    rows = await showcase_of(request).rewards(
        connection,
        await home_of(request, connection, caller, member_id),
        state=state,
        before=REWARDS.read(cursor) or LATEST,
        limit=limit + 1,
    )
    page, following = REWARDS.cut(rows, limit, lambda row: (row["issued_at"], row["reward_id"]))
    return Page(items=[RewardOut.model_validate(row) for row in page], next=following)


@router.post(
    "/members/{member_id}/rewards/{reward_id}/use",
    responses=refuses(UnknownMember, UnknownReward, MemberErased, RewardClosed, CouponRefused),
)
async def use(
    request: Request, member_id: MemberId, reward_id: RewardId, body: UseIn, caller: Staff, write: Write
) -> IssuedOut:
    """Hand over what a reward promises, or let its holder in: one use of it is used."""
    used, book = await rewards.use(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        reward_id=reward_id,
        order_id=body.order_id,
        now=now_of(request),
    )
    return issued_out(used, book)


@router.post(
    "/members/{member_id}/rewards/{reward_id}/void",
    responses=refuses(UnknownMember, UnknownReward, MemberErased, RewardClosed),
)
async def void(
    request: Request, member_id: MemberId, reward_id: RewardId, body: VoidIn, caller: Staff, write: Write
) -> IssuedOut:
    """Take an unused reward back: its code is good for nothing, its price returns to the lots it came from."""
    voided, book = await rewards.void(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        reward_id=reward_id,
        reason=body.reason,
        now=now_of(request),
    )
    return issued_out(voided, book)


@router.post(
    "/members/{member_id}/gifts",
    status_code=201,
    responses=refuses(
        UnknownMember,
        UnknownReward,
        MemberErased,
        RewardUnavailable,
        RewardSoldOut,
        PoolEmpty,
        RewardConflict,
        *MONEY,
    ),
)
async def give(
    request: Request,
    member_id: MemberId,
    body: GiftIn,
    caller: Staff,
    write: Write,
    dry_run: DryRun = False,
) -> IssuedOut:
    """Give a member something, with a reason: a reward of the catalogue, or one of your own making."""
    if body.valid_until is not None and body.valid_until <= now_of(request):
        raise InvalidInput("`valid_until` has passed; a gift is good for some time")
    gives = grant_of(body.gives, body.valid_until) if body.gives is not None else None
    issued, book = await rewards.give(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        reward=body.reward,
        gives=gives,
        reward_id=body.gift_id or str(uuid.uuid4()),
        reason=body.reason,
        now=now_of(request),
    )
    return issued_out(issued, book, with_code=not dry_run)


async def bought(
    redeem: Redeem,
    request: Request,
    member_id: str,
    body: RedemptionIn,
    caller: Caller,
    connection: Connection,
    *,
    dry_run: bool,
) -> IssuedOut:
    """What a member bought, out of their own purse or their household's (`redeem`), as it is answered."""
    issued, book = await redeem(
        actions_of(request),
        connection,
        await home_of(request, connection, caller, member_id),
        reward=body.reward,
        reward_id=body.reward_id or str(uuid.uuid4()),
        charity=body.charity,
        now=now_of(request),
    )
    return issued_out(issued, book, with_code=not dry_run)


def grant_of(wish: GrantIn, valid_until: datetime | None = None) -> Grant:
    """What is wished for, as the contract tells it.

    Raises:
        InvalidAmount, UnknownCurrency: see there.
    """
    said: dict[str, Any] = wish.model_dump(exclude_none=True) | {"valid_until": valid_until}
    said["products"] = tuple(wish.products)
    for name in ("amount", "at_most", "order_at_least"):
        if (amount := said.get(name)) is not None:
            minor_units(amount, str(wish.currency))
    if wish.kind == "credit":
        minor = minor_units(str(wish.amount), str(wish.currency))
        if minor > MOST_POINTS:
            raise InvalidAmount(f"{wish.amount} {wish.currency} are more than anybody is given at once")
        asset = f"credit:{wish.currency}"
        return Grant(kind="credit", asset=asset, points=minor, valid_until=valid_until)
    if wish.kind == "points":
        said["asset"] = "points"
    return Grant(**said)


def issued_out(issued: Issued, book: Book, *, with_code: bool = True) -> IssuedOut:
    """The answer that tells of a reward; `with_code`: a dry run draws one that nobody gets."""
    coupon = book.shelf.coupon_of(issued)
    balance = book.balance((issued.program_id, issued.member_id), issued.asset)
    shown = {name: getattr(issued, name) for name in RewardOut.model_fields if hasattr(issued, name)}
    shown["code"] = coupon.shown if coupon is not None and with_code else None
    return IssuedOut.model_validate({**shown, "balance": AssetBalance.model_validate(balance)})


def _languages(accepted: str | None) -> list[str]:
    """The languages of an `Accept-Language`, the most wanted first."""
    wanted = []
    for place, part in enumerate((accepted or "").split(",")[:MOST_LANGUAGES]):
        tag, _, quality = part.strip().partition(";q=")
        if tag and tag != "*":
            try:
                wanted.append((-float(quality or 1), place, tag))
            except ValueError:
                continue
    return [tag for _, _, tag in sorted(wanted)]
