"""Points at the checkout: quote, hold, capture, release, and spends at once."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Path, Request, Response

from services.ledger.actions import checkout
from services.ledger.actions.checkout import Wanted
from services.ledger.actions.together import Command
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
from services.ledger.domain.book import Book
from services.ledger.domain.quotes import Quote
from services.ledger.domain.records import Hold
from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    HoldExceeded,
    InsufficientPoints,
    MemberErased,
    NoCheckout,
    NotUsable,
    NotWholeBlocks,
    SpendConflict,
    UnknownHold,
    UnknownMember,
)
from services.ledger.schemas import AssetBalance
from services.ledger.schemas.checkout import (
    CaptureIn,
    HoldIn,
    HoldOut,
    LimitOut,
    QuoteIn,
    QuoteOut,
    SpendIn,
    SpendOut,
)
from shared.http.idempotency import Write, door_router
from shared.http.openapi import refuses
from shared.http.transaction import Reading
from shared.money import to_decimal_string
from shared.tokens import Caller

router = door_router(tags=["checkout"])

HoldId = Annotated[str, Path(max_length=200, examples=["checkout-88"])]
MEMBER = (UnknownMember, MemberErased)


@router.post("/members/{member_id}/quote", responses=refuses(*MEMBER, NoCheckout, *CART))
async def quote(
    request: Request, member_id: MemberId, body: QuoteIn, caller: Reader, connection: Reading
) -> QuoteOut:
    """What could this cart use, and what stops it from using more? Nothing is set aside or written."""
    found = await checkout.quote(
        actions_of(request),
        connection,
        await home_of(request, connection, caller, member_id),
        cart=body.as_order(member_id),
        asset=body.asset,
        now=now_of(request),
    )
    return _quote_out(found, body.asset)


@router.post(
    "/members/{member_id}/holds",
    status_code=201,
    response_model=HoldOut,
    responses=refuses(*MEMBER, InsufficientPoints, HoldConflict, NotUsable, NotWholeBlocks, *CART),
)
async def hold(member_id: MemberId, body: HoldIn, caller: Writer, together: Together) -> Response:
    """Set points aside for a checkout. They can be neither spent nor expire until captured or released."""
    return await together.answer(hold_command(caller, member_id, body))


@router.post(
    "/members/{member_id}/holds/{hold_id}/capture",
    responses=refuses(*MEMBER, UnknownHold, HoldClosed, HoldExceeded),
)
async def capture(
    request: Request, member_id: MemberId, hold_id: HoldId, body: CaptureIn, caller: Writer, write: Write
) -> HoldOut:
    """Spend a hold, wholly or in part; the rest goes back where it came from."""
    made, book = await checkout.capture(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        hold_id=hold_id,
        points=body.points,
        order_id=body.order_id,
        cause=f"hold:{hold_id}",
        now=now_of(request),
    )
    return hold_out(made, book)


@router.post(
    "/members/{member_id}/holds/{hold_id}/release", responses=refuses(*MEMBER, UnknownHold, HoldClosed)
)
async def release(
    request: Request, member_id: MemberId, hold_id: HoldId, caller: Writer, write: Write
) -> HoldOut:
    """Set the points of a hold free again."""
    made, book = await checkout.release(
        actions_of(request),
        write,
        await home_of(request, write, caller, member_id),
        hold_id=hold_id,
        cause=f"hold:{hold_id}",
        now=now_of(request),
    )
    return hold_out(made, book)


@router.post(
    "/members/{member_id}/spends",
    status_code=201,
    response_model=SpendOut,
    responses=refuses(*MEMBER, InsufficientPoints, SpendConflict, NotUsable, NotWholeBlocks, *CART),
)
async def spend(member_id: MemberId, body: SpendIn, caller: Writer, together: Together) -> Response:
    """Spend points at once, without a hold: what a till or a game needs. The same id again is the same spend."""
    return await together.answer(spend_command(caller, member_id, body))


def hold_command(caller: Caller, member_id: str, body: HoldIn) -> Command:
    """What is asked of the ledger, and how it answers."""
    wanted = wanted_of(body, body.hold_id or str(uuid.uuid4()), member_id)
    return checkout.hold(key_of(caller, member_id), wanted, minutes=body.minutes, answer=hold_out)


def spend_command(caller: Caller, member_id: str, body: SpendIn) -> Command:
    """What is asked of the ledger, and how it answers."""
    wanted = wanted_of(body, body.spend_id, member_id)
    return checkout.spend(key_of(caller, member_id), wanted, answer=spend_out)


def wanted_of(body: HoldIn | SpendIn, name: str, member_id: str) -> Wanted:
    """What is wanted, as the action takes it."""
    cart = body.cart.as_order(member_id, body.order_id or name) if body.cart is not None else None
    return Wanted(id=name, points=body.points, asset=body.asset, order_id=body.order_id, cart=cart)


def _quote_out(found: Quote, asset: str) -> QuoteOut:
    terms, stops = found.checkout, found.stops
    return QuoteOut(
        asset=asset,
        points=found.points,
        blocks=found.blocks,
        worth=to_decimal_string(found.worth_minor, terms.currency),
        currency=terms.currency,
        block_points=terms.block_points,
        block_worth=to_decimal_string(terms.block_minor, terms.currency),
        limits=[
            LimitOut(limit=each.limit, points=each.points, stops=each in stops, why=each.why)
            for each in found.limits
        ],
    )


def hold_out(hold: Hold, book: Book) -> HoldOut:
    """A hold, with the balance after it."""
    return HoldOut.model_validate(
        {name: getattr(hold, name) for name in HoldOut.model_fields if name != "balance"}
        | {"balance": _balance(hold, book)}
    )


def spend_out(made: Hold, book: Book) -> SpendOut:
    """A spend, with the balance after it."""
    return SpendOut(
        spend_id=made.hold_id,
        asset=made.asset,
        points=made.points,
        returned=made.returned,
        spent_at=made.held_at,
        order_id=made.order_id,
        balance=_balance(made, book),
    )


def _balance(hold: Hold, book: Book) -> AssetBalance:
    return AssetBalance.model_validate(book.balance((hold.program_id, hold.member_id), hold.asset))
