"""What checkouts and people ask of codes: reserve, use, release, void; make them, and fill the pools of the shop's own.

What a newcomer would get wrong: a code is looked at once without a lock, to learn whose reward stands behind it, and
again under the locks, members first. In between it may have gone to another member; then the request is told to try
again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain import coupons, using
from services.ledger.domain.book import Book
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.issued import POOLED, Coupon, CouponUse, ShelfNeeds, canonical
from services.ledger.domain.needs import Needs
from services.ledger.errors import CodeTaken, CouponMoved, UnknownCoupon
from services.ledger.store.rewards import add_coupons, read_coupon
from shared.database import AnyConnection
from shared.events import OrderPaid
from shared.orders import order_of
from shared.rows import replace


async def reserve(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    code: str,
    attempt: Attempt,
    *,
    cart: OrderPaid | None,
    use_id: str,
    until: datetime,
) -> tuple[Coupon, CouponUse]:
    """Keep one use for a checkout until then.

    Raises:
        UnknownCoupon, CouponRefused: see there.
    """
    async with _coupon(actions, connection, program_id, code, attempt) as (book, coupon):
        judged = _with_cart(book, attempt, cart)
        use = using.reserve(book, coupon, judged, use_id=use_id, until=until)
    return coupon, use


async def use(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    code: str,
    attempt: Attempt,
    *,
    cart: OrderPaid | None,
) -> tuple[Coupon, CouponUse]:
    """Count one use for an order; the same order again is the same use.

    Raises:
        UnknownCoupon, CouponRefused: see there.
    """
    async with _coupon(actions, connection, program_id, code, attempt) as (book, coupon):
        judged = _with_cart(book, attempt, cart)
        done = using.use_code(book, coupon, judged, cause=f"coupon:{coupon.code}")
    return coupon, done


async def release(
    actions: Actions, connection: AnyConnection, program_id: str, code: str, attempt: Attempt
) -> tuple[Coupon, CouponUse]:
    """Set a reservation free, or give the use of an order back; done once, it is done.

    Raises:
        UnknownCoupon: there is no such code, or no such use of it.
    """
    async with _coupon(actions, connection, program_id, code, attempt) as (book, coupon):
        uses = book.shelf.uses.of((program_id, coupon.code)).values()
        found = coupons.own_use(uses, attempt)
        if found is None:
            raise UnknownCoupon(f"nobody reserved or used {coupon.shown} so")
        if coupons.is_taken(found):
            cause = f"coupon:{coupon.code}"
            found = using.give_back(book, coupon, found, cause=cause, at=attempt.at, reason="set free")
    return coupon, found


async def void(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    code: str,
    *,
    reason: str | None,
    now: datetime,
) -> Coupon:
    """The code is good for nothing any more; an unused reward behind it is voided with it.

    Raises:
        UnknownCoupon, RewardClosed: see there.
    """
    async with _coupon(actions, connection, program_id, code, Attempt(at=now)) as (book, coupon):
        return using.void_code(book, coupon, cause=f"coupon:{coupon.code}", at=now, reason=reason)


async def make(
    actions: Actions, connection: AnyConnection, like: Coupon, *, count: int, own_code: str | None
) -> list[Coupon]:
    """Coupons that belong to nobody's reward: so many with drawn codes, or one with a code of the merchant's own.

    Raises:
        CodeTaken: another coupon of the program has this code.
        UnknownProgram: nobody applied it.
    """
    await actions.programs.one(connection, like.program_id)
    made: dict[str, Coupon] = {}
    while len(made) < count:
        code = canonical(own_code) if own_code else coupons.new_code(actions.random.randrange)
        made[code] = replace(like, code=code, shown=own_code or coupons.shown(code))
    added = await add_coupons(connection, actions.sql, made.values())
    if len(added) < len(made):
        raise CodeTaken(f"{own_code or 'a code'} is taken; choose another")
    return list(made.values())


async def fill_pool(
    actions: Actions,
    connection: AnyConnection,
    program_id: str,
    pool: str,
    codes: Iterable[str],
    now: datetime,
) -> set[str]:
    """Put codes of the shop into a pool; those that are new, as they are looked up. Others are in use already.

    Raises:
        UnknownProgram: nobody applied it.
    """
    await actions.programs.one(connection, program_id)
    await connection.execute(actions.sql.insert_pool, program_id, pool, now)
    blank = Coupon(program_id=program_id, code="", shown="", state=POOLED, pool=pool, made_at=now)
    wanted: dict[str, Coupon] = {}
    for text in codes:
        code = canonical(text)
        wanted.setdefault(code, replace(blank, code=code, shown=text.strip()))
    return await add_coupons(connection, actions.sql, wanted.values())


def _with_cart(book: Book, attempt: Attempt, cart: OrderPaid | None) -> Attempt:
    """With the cart, where one is told."""
    if cart is None:
        return attempt
    (versions,) = book.programs.values()
    return replace(attempt, order=order_of(cart, versions.at(attempt.at).rules.currency))


@asynccontextmanager
async def _coupon(
    actions: Actions, connection: AnyConnection, program_id: str, text: str, attempt: Attempt
) -> AsyncIterator[tuple[Book, Coupon]]:
    """The book with this coupon, its uses and the reward behind it, all locked; saved when the block ends.

    Raises:
        UnknownCoupon: there is none with this code.
        CouponMoved: it went to another member just now.
    """
    code = canonical(text)
    seen = await read_coupon(connection, actions.sql, program_id, code)
    if seen is None or seen.gives is None:
        raise UnknownCoupon(f"there is no coupon {text!r}")
    shelf = ShelfNeeds(codes={(program_id, code, attempt.order_id or "", attempt.member_id or "")})
    if attempt.use_id is not None:
        shelf.uses.add((program_id, code, attempt.use_id))
    needs = Needs(shelf=shelf)
    if seen.member_id is not None:
        needs.member((program_id, seen.member_id), attempt.at)
        needs.detailed.add((program_id, seen.member_id))  # a price may return to its lots
    if seen.per_member is not None and attempt.member_id is not None:
        needs.member(
            (program_id, attempt.member_id), attempt.at
        )  # one who uses it twice at once is one after the other
    programs = {program_id: await actions.programs.one(connection, program_id)}
    book = await actions.settled(connection, needs, programs)
    coupon = using.coupon_named(book, program_id, text)
    if coupon.member_id != seen.member_id:
        raise CouponMoved(f"{coupon.shown} went to another member just now")
    yield book, coupon
    await actions.finish(connection, book)
