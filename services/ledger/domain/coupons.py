"""Coupons: codes that nobody guesses, and who may use them, how often, until when.

Example: `K7QF-M3TW-9XHC`, good for 2 uses until the end of 3 July. A checkout reserves one, so one is left; the order
that pays uses the reserved one. A third order is told "used up". Where the first order is cancelled, one is free again.

A code is twelve of 21 letters and digits, 52 bits: with a million live codes, one guess in seven thousand million
hits. Of letters that look alike (0 O, 1 I L, 2 Z, 5 S, 8 B, U V) none occurs, nor a vowel that would make words.

What a newcomer would get wrong: a reservation counts against the uses as long as it lives, and no job ends it. Its
end is written on it, and whoever reads it looks at that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final

from services.ledger.domain.catalogue import Reason
from services.ledger.domain.issued import IN_USE, OPEN, RELEASED, RESERVED, Coupon, CouponUse, Shelf
from services.ledger.errors import CouponRefused
from shared.events import Grant
from shared.money import minor_units, to_decimal_string
from shared.orders import Line, Order, items_after_discounts
from shared.rows import Row, replace

LETTERS: Final = "34679CDFGHJKMNPQRTWXY"
LENGTH: Final = 12
GROUP: Final = 4  # letters that a person reads at a glance
TIMED_OUT = "timed_out"


class Attempt(Row, frozen=True, gc=False, kw_only=True):
    """Somebody wants to use a code, at a moment; what is not known is not judged."""

    at: datetime
    member_id: str | None = None
    order_id: str | None = None
    use_id: str | None = None
    """The reservation that it is about."""
    order: Order | None = None
    """The cart, or the order."""


def new_code(draw_number: Callable[[int], int]) -> str:
    """A code that nobody guesses, if nobody guesses the number that is drawn from 0 up to below the argument."""
    number, letters = draw_number(len(LETTERS) ** LENGTH), []
    for _ in range(LENGTH):
        number, place = divmod(number, len(LETTERS))
        letters.append(LETTERS[place])
    return "".join(letters)


def shown(code: str) -> str:
    """A code of ours as members read it: `K7QF-M3TW-9XHC`."""
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def reasons_against(coupon: Coupon, uses: Iterable[CouponUse], attempt: Attempt) -> tuple[Reason, ...]:
    """Every reason why the code cannot be used so; empty = it can."""
    uses = list(uses)
    mine = own_use(uses, attempt)
    return (
        *_of_the_coupon(coupon, attempt, mine),
        *_of_the_uses(coupon, uses, attempt, mine),
        *(_of_the_order(coupon.gives, attempt.order) if coupon.gives and attempt.order else ()),
    )


def own_use(uses: Iterable[CouponUse], attempt: Attempt) -> CouponUse | None:
    """The reservation or use that this attempt goes on with: named, or of the same order, or of the same member."""
    found: list[tuple[int, CouponUse]] = []
    for use in uses:
        if None not in (use.order_id, attempt.order_id) and use.order_id != attempt.order_id:
            continue  # another order's
        if use.use_id == attempt.use_id:
            found.append((0, use))
        elif attempt.order_id is not None and use.order_id == attempt.order_id:
            found.append((1, use))
        elif (
            use.is_live(attempt.at)
            and use.order_id is None
            and use.member_id == attempt.member_id is not None
        ):
            found.append((2, use))
    return min(found, key=lambda each: (each[0], each[1].use_id))[1] if found else None


def reserve(shelf: Shelf, coupon: Coupon, attempt: Attempt, *, use_id: str, until: datetime) -> CouponUse:
    """Keep one use for a checkout; the same one again is kept longer.

    Raises:
        CouponRefused: with every reason.
    """
    mine = _allowed(shelf, coupon, attempt)
    if mine is not None and mine.state == IN_USE:
        return mine
    use = CouponUse(
        program_id=coupon.program_id,
        code=coupon.code,
        use_id=mine.use_id if mine else use_id,
        state=RESERVED,
        member_id=attempt.member_id or (mine.member_id if mine else None),
        order_id=attempt.order_id or (mine.order_id if mine else None),
        changed_at=attempt.at,
        reserved_until=max(until, mine.reserved_until) if mine and mine.reserved_until else until,
    )
    shelf.put_use(use)
    return use


def use(shelf: Shelf, coupon: Coupon, attempt: Attempt, *, named: bool = False) -> CouponUse:
    """Count one use, for an order if there is one; the same order again is the same use. Its reservation is used up.

    Raises:
        CouponRefused: with every reason.
    """
    use_id = attempt.order_id or attempt.use_id
    assert use_id is not None, "a use is for an order, or has an id of its own"
    mine = _allowed(shelf, coupon, attempt)
    if mine is not None and mine.state == IN_USE:
        return mine
    made = CouponUse(
        program_id=coupon.program_id,
        code=coupon.code,
        use_id=mine.use_id if mine else use_id,
        state=IN_USE,
        member_id=attempt.member_id or (mine.member_id if mine else None),
        order_id=attempt.order_id,
        named=named,
        changed_at=attempt.at,
    )
    shelf.put_use(made)
    if coupon.uses is not None:
        shelf.put_coupon(replace(coupon, used=coupon.used + 1))
    return made


def release(shelf: Shelf, coupon: Coupon, use: CouponUse, at: datetime) -> CouponUse:
    """Set a reservation free, or give a use back."""
    freed = replace(use, state=RELEASED, changed_at=at, reserved_until=None)
    shelf.put_use(freed)
    if use.state == IN_USE and coupon.uses is not None:
        shelf.put_coupon(replace(coupon, used=coupon.used - 1))
    return freed


def is_in_hand(shelf: Shelf, coupon: Coupon, at: datetime) -> bool:
    """Whether somebody has used it, or keeps it for a checkout."""
    uses = shelf.uses.of((coupon.program_id, coupon.code)).values()
    return bool(coupon.used) or any(use.is_live(at) or use.state == IN_USE for use in uses)


def is_taken(use: CouponUse) -> bool:
    """Whether it is a use, or a reservation."""
    return use.state in (IN_USE, RESERVED)


def is_used_up(coupon: Coupon) -> bool:
    """Whether no use is left."""
    return coupon.uses is not None and coupon.used >= coupon.uses


def worth(gives: Grant, order: Order) -> int | None:
    """What it takes off this order, in minor units; None where that is no sum of money, such as a product.

    A percentage is rounded down, as a discount is never more than was promised.
    """
    if gives.kind == "free_shipping":
        return order.shipping
    basis: int = sum(line.cost for line in _lines(gives, order))
    if gives.amount is not None and gives.currency == order.currency:
        return min(basis, minor_units(gives.amount, order.currency))
    if gives.percent is not None:
        off = int(basis * Fraction(gives.percent) / 100)
        return min(off, minor_units(gives.at_most, order.currency)) if gives.at_most else off
    return None


def _allowed(shelf: Shelf, coupon: Coupon, attempt: Attempt) -> CouponUse | None:
    """The use that this attempt goes on with.

    Raises:
        CouponRefused: with every reason.
    """
    uses = list(shelf.uses.of((coupon.program_id, coupon.code)).values())
    mine = own_use(uses, attempt)
    if mine is not None and mine.state == IN_USE:
        return mine
    against = reasons_against(coupon, uses, attempt)
    if against:
        raise refused(against)
    for stale in [use for use in uses if use.state == RESERVED and use is not mine]:
        if not stale.is_live(attempt.at):
            shelf.put_use(replace(stale, state=TIMED_OUT))
    return mine


def refused(against: Iterable[Reason]) -> CouponRefused:
    """The error that tells these reasons."""
    reasons = [{"code": each.code, "text": each.text} for each in against]
    return CouponRefused("; ".join(each["text"] for each in reasons), reasons=reasons)


def _of_the_coupon(coupon: Coupon, attempt: Attempt, mine: CouponUse | None) -> Iterator[Reason]:
    if coupon.state != OPEN:
        yield Reason("voided", "it was taken back")
    if coupon.valid_from is not None and attempt.at < coupon.valid_from:
        yield Reason("not_yet", f"it is good from {coupon.valid_from.isoformat()}")
    kept = mine is not None and mine.is_live(attempt.at)
    if coupon.valid_until is not None and attempt.at >= coupon.valid_until and not kept:
        yield Reason("ended", f"it was good until {coupon.valid_until.isoformat()}")
    if not coupon.anyone and attempt.member_id is not None and attempt.member_id != coupon.member_id:
        yield Reason("not_theirs", "it is another member's")
    if not coupon.anyone and attempt.member_id is None:
        yield Reason("member_unknown", "it is one member's; say who uses it")


def _of_the_uses(
    coupon: Coupon, uses: list[CouponUse], attempt: Attempt, mine: CouponUse | None
) -> Iterator[Reason]:
    others = [use for use in uses if use is not mine]
    if is_used_up(coupon):
        yield Reason("used_up", f"all {coupon.uses} uses are used")
    elif coupon.uses is not None:
        kept = sum(1 for use in others if use.is_live(attempt.at))
        if coupon.used + kept >= coupon.uses:
            yield Reason("reserved", "another checkout keeps the last use")
    if coupon.per_member is not None and attempt.member_id is not None:
        had = [use for use in others if use.member_id == attempt.member_id]
        if sum(1 for use in had if use.state == IN_USE or use.is_live(attempt.at)) >= coupon.per_member:
            yield Reason(
                "had_by_member", f"{coupon.per_member} for each member, and this one has had as many"
            )


def _of_the_order(gives: Grant, order: Order) -> Iterator[Reason]:
    if gives.currency is not None and gives.currency != order.currency:
        yield Reason("wrong_currency", f"it is in {gives.currency}, the order in {order.currency}")
    elif gives.order_at_least is not None:
        asked, items = minor_units(gives.order_at_least, order.currency), int(items_after_discounts(order))
        if items < asked:
            has = to_decimal_string(items, order.currency)
            wants = f"{gives.order_at_least} {order.currency}"
            yield Reason("order_too_small", f"items after discounts are {has}, {wants} asked for")
    if gives.products and not _lines(gives, order):
        yield Reason("no_such_product", f"it is for {' and '.join(gives.products)}")


def _lines(gives: Grant, order: Order) -> list[Line]:
    """The lines that it counts for; gift cards that are bought never."""
    return [
        line
        for line in order.lines
        if not line.is_gift_card and (not gives.products or _names(line, gives.products))
    ]


def _names(line: Line, products: Iterable[str]) -> bool:
    return not {line.item.product_id, line.item.sku}.isdisjoint(products)
