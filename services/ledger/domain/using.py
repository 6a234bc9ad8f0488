"""Codes in use: kept by a checkout, used by an order, given back when the order comes back; and the reward behind.

Example: `K7QF-M3TW-9XHC` is reserved for half an hour by a checkout. `order.paid` names it: the reservation becomes a
use, and the reward behind it is used. The order is cancelled: the code is free again, and the reward can be used until
its old end, or for a grace of 30 days where that has passed.

What a newcomer would get wrong: an order that was paid is a fact. A code that it names without a right to it is not
counted, and not refused either: it is kept as `refused`, for people to see. A code that we do not know is the
shop's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.ledger.domain import coupons, rewards
from services.ledger.domain.book import Book
from services.ledger.domain.coupons import Attempt
from services.ledger.domain.issued import (
    CLOSED,
    IN_USE,
    REFUSED,
    RELEASED,
    VOIDED,
    Coupon,
    CouponUse,
    Issued,
    canonical,
)
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.records import MemberKey, Purchase
from services.ledger.errors import CouponRefused, UnknownCoupon
from shared.calendar import due_in_days
from shared.orders import order_of
from shared.rows import replace


def reserve(book: Book, coupon: Coupon, attempt: Attempt, *, use_id: str, until: datetime) -> CouponUse:
    """Keep one use for a checkout until then; the reward behind it does not expire before.

    Raises:
        CouponRefused: with every reason.
    """
    use = coupons.reserve(book.shelf, coupon, attempt, use_id=use_id, until=until)
    reward = reward_of(book, coupon)
    if reward is not None and use.reserved_until is not None:
        rewards.keep_until(book, reward, use.reserved_until)
    return use


def use_code(book: Book, coupon: Coupon, attempt: Attempt, *, cause: str, named: bool = False) -> CouponUse:
    """Count one use for an order, and mark the reward behind it; the same order again is the same use.

    Raises:
        CouponRefused: with every reason.
    """
    used_before = _counted(book, coupon)
    use = coupons.use(book.shelf, coupon, attempt, named=named)
    counted, reward = _known(book, coupon), reward_of(book, coupon)
    if reward is not None and counted.used > used_before:
        used_up = coupons.is_used_up(counted)
        rewards.count_use(
            book, reward, used_up=used_up, order_id=attempt.order_id, cause=cause, at=attempt.at
        )
    return use


def give_back(
    book: Book, coupon: Coupon, use: CouponUse, *, cause: str, at: datetime, reason: str
) -> CouponUse:
    """Set a reservation free, or count a use no longer; the reward behind it can be used again."""
    was_used = use.state == IN_USE
    freed = coupons.release(book.shelf, coupon, use, at)
    reward = reward_of(book, coupon)
    if reward is None or reward.state == VOIDED or _is_forgotten(book, reward):
        return freed
    if not was_used:
        rewards.keep_until(book, reward, at if _ended(coupon, at) else None)
        return freed
    valid_until = coupon.valid_until
    if valid_until is not None and _ended(coupon, at):
        program = book.versions_of(coupon.program_id).at(at).rules
        valid_until = due_in_days(program.spending.grace_days, at, program.zone)
        book.shelf.put_coupon(replace(_known(book, coupon), valid_until=valid_until))
    rewards.come_back(book, reward, valid_until=valid_until, cause=cause, at=at, reason=reason)
    return freed


def void_code(book: Book, coupon: Coupon, *, cause: str, at: datetime, reason: str | None = None) -> Coupon:
    """The code is good for nothing any more. One behind which a reward stands is voided with it.

    Raises:
        RewardClosed: the reward was used, or a checkout has it in hand.
    """
    reward = reward_of(book, coupon)
    if reward is not None and coupon.state != CLOSED:
        rewards.void(book, (reward.program_id, reward.member_id), reward, cause=cause, at=at, reason=reason)
    elif coupon.state != CLOSED:
        book.shelf.put_coupon(replace(coupon, state=CLOSED))
    return _known(book, coupon)


def use_reward(book: Book, reward: Issued, *, order_id: str | None, cause: str, at: datetime) -> Issued:
    """A person hands over what the reward promises, or lets its holder in.

    Raises:
        CouponRefused: with every reason.
    """
    coupon = book.shelf.coupon_of(reward)
    if coupon is None:
        rewards.require_unused(book, reward, at)
        return rewards.count_use(book, reward, used_up=True, order_id=order_id, cause=cause, at=at)
    by_hand = None if order_id else f"by-hand:{reward.changes}"
    attempt = Attempt(at=at, member_id=reward.member_id, order_id=order_id, use_id=by_hand)
    use_code(book, coupon, attempt, cause=cause)
    found = reward_of(book, coupon)
    assert found is not None, "the reward was there before"
    return found


def follow_statement(
    book: Book, key: MemberKey, purchase: Purchase, *, gone: Iterable[str] = (), cause: str, at: datetime
) -> None:
    """Let an order use the codes that its newest statement names; `gone` are those of the others."""
    assert purchase.paid is not None, "a statement is of a paid order"
    named = _codes(purchase.paid.coupon_codes)
    if not _comes_back(book, purchase, at):
        for code in named:
            _use_for(book, key, purchase, code, cause=cause)
    for code in _codes(gone):
        use = _use_of(book, key[0], code, purchase.order_id)
        if code not in named and use is not None and use.named:
            _free(book, use, cause=cause, at=at, reason="its order no longer names it")


def come_back_for(book: Book, purchase: Purchase, *, cause: str, at: datetime) -> None:
    """Give back what an order of which nothing is kept used, by its own word or by request."""
    if _comes_back(book, purchase, at):
        for code in sorted(book.shelf.coupons.of(purchase.program_id)):
            use = _use_of(book, purchase.program_id, code, purchase.order_id)
            if use is not None:
                _free(book, use, cause=cause, at=at, reason="nothing of its order is kept")


def reward_of(book: Book, coupon: Coupon) -> Issued | None:
    """The reward behind a code, None where there is none."""
    if coupon.member_id is None or coupon.reward_id is None:
        return None
    return book.shelf.rewards.get((coupon.program_id, coupon.member_id), coupon.reward_id)


def coupon_named(book: Book, program_id: str, text: str) -> Coupon:
    """The coupon with this code, however it is written.

    Raises:
        UnknownCoupon: there is none.
    """
    coupon = book.shelf.coupons.get(program_id, canonical(text))
    if coupon is None or coupon.gives is None:
        raise UnknownCoupon(f"there is no coupon {text!r}")
    return coupon


def _use_for(book: Book, key: MemberKey, purchase: Purchase, code: str, *, cause: str) -> None:
    coupon = book.shelf.coupons.get(key[0], code)
    if coupon is None or coupon.gives is None or purchase.paid_at is None:
        return
    attempt = Attempt(at=purchase.paid_at, member_id=key[1], order_id=purchase.order_id)
    try:
        use_code(book, coupon, attempt, cause=cause, named=True)
    except CouponRefused as error:
        refused = CouponUse(
            program_id=key[0],
            code=code,
            use_id=purchase.order_id,
            state=REFUSED,
            member_id=key[1],
            order_id=purchase.order_id,
            named=True,
            reason=error.message,
            changed_at=purchase.paid_at,
        )
        book.shelf.put_use(refused)


def _free(book: Book, use: CouponUse, *, cause: str, at: datetime, reason: str) -> None:
    coupon = book.shelf.coupons.get(use.program_id, use.code)
    assert coupon is not None, f"the coupon {use.code} of a use was not loaded"
    give_back(book, coupon, use, cause=cause, at=at, reason=reason)


def _comes_back(book: Book, purchase: Purchase, at: datetime) -> bool:
    """Whether nothing of the order is kept, in a program that gives codes back then."""
    program = book.versions_of(purchase.program_id).at(at).rules
    return program.coupons_back and _nothing_kept(book, purchase)


def _nothing_kept(book: Book, purchase: Purchase) -> bool:
    if purchase.cancelled_at is not None:
        return True
    if purchase.paid is None:
        return False
    versions = book.versions_of(purchase.program_id)
    program = versions.numbered(purchase.program_version or 1).rules
    left = kept_of(purchase, order_of(purchase.paid, program.currency, purchase.removed_lines))
    return left is not None and not any(left.shares)


def _use_of(book: Book, program_id: str, code: str, order_id: str) -> CouponUse | None:
    for use in book.shelf.uses.of((program_id, code)).values():
        if use.order_id == order_id and use.state not in (RELEASED, REFUSED, coupons.TIMED_OUT):
            return use
    return None


def _codes(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(canonical(text) for text in texts))


def _counted(book: Book, coupon: Coupon) -> int:
    return _known(book, coupon).used


def _known(book: Book, coupon: Coupon) -> Coupon:
    """The coupon as it is now."""
    return book.shelf.coupons.get(coupon.program_id, coupon.code) or coupon


def _is_forgotten(book: Book, reward: Issued) -> bool:
    return book.member((reward.program_id, reward.member_id)).erased_at is not None


def _ended(coupon: Coupon, at: datetime) -> bool:
    return coupon.valid_until is not None and coupon.valid_until <= at
