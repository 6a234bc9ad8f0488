"""What becomes of a reward once a member has it: used, voided, expired, come back.

Example: 420 points in lot A (300, expires soonest) and B (120). `five off` for 400 drew 300 from A and 100 from B.
Voided unused, 100 go back to B and 300 to A: last drawn, first returned, and its code is good for nothing any more.

What a newcomer would get wrong: a reward is unused only as long as no checkout has its code in hand. What is reserved
can neither be voided, nor does it expire.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.ledger.domain import coupons
from services.ledger.domain.book import SOURCE, Book
from services.ledger.domain.issued import BOUGHT, CLOSED, EXPIRED, ISSUED, PROMISED, USED, VOIDED, Issued
from services.ledger.domain.lots import give_back, note_return, open_lot
from services.ledger.domain.records import AVAILABLE, REDEEMED, Draw, MemberKey, Transfer
from services.ledger.errors import RewardClosed
from shared.calendar import due_in_days
from shared.cloudevents import derived_id
from shared.events import (
    Event,
    Grant,
    PointsRestored,
    RewardExpired,
    RewardIssued,
    RewardUsed,
    RewardVoided,
    event_type,
)
from shared.events.fields import bounded_id
from shared.rows import replace

VOIDING = "reward_void"
"""The kind of the transfer that returns a price."""


def void(
    book: Book, key: MemberKey, reward: Issued, *, cause: str, at: datetime, reason: str | None = None
) -> Issued:
    """Take an unused reward back: its code is good for nothing, its price returns to the lots it came from.

    Raises:
        RewardClosed: it was used, voided or has expired, or a checkout has it in hand.
    """
    require_unused(book, reward, at)
    return _void(book, key, reward, cause=cause, at=at, reason=reason)


def require_unused(book: Book, reward: Issued, at: datetime) -> None:
    """Let only an unused reward pass.

    Raises:
        RewardClosed: it was used, voided or has expired, or a checkout has it in hand.
    """
    if not is_unused(book, reward, at):
        state = reward.state if reward.state != ISSUED else "in use"
        raise RewardClosed(f"reward {reward.reward_id} is {state}", state=reward.state)


def is_unused(book: Book, reward: Issued, at: datetime) -> bool:
    """Whether nobody used the reward, nor keeps it for a checkout."""
    coupon = book.shelf.coupon_of(reward)
    in_hand = coupon is not None and coupons.is_in_hand(book.shelf, coupon, at)
    return reward.state == ISSUED and not in_hand


def void_bought_since(
    book: Book, key: MemberKey, asset: str, points: int, *, since: datetime, cause: str, at: datetime
) -> None:
    """Void unused rewards that were bought since, the latest first, until `points` of the asset are there.

    A refund asks for it, once the member's lots do not hold what it takes.
    """
    bought = [
        reward
        for reward in book.shelf.rewards.of(key).values()
        if reward.source == BOUGHT and reward.asset == asset and reward.issued_at >= since
    ]
    for reward in sorted(bought, key=lambda each: (each.issued_at, each.reward_id), reverse=True):
        if book.balance(key, asset).available >= points:
            return
        if is_unused(book, reward, at):
            late = max(at, reward.issued_at)  # the refund may be older than the purchase, and come in late
            _void(book, key, reward, cause=cause, at=late, reason="an order that paid for it was refunded")


def take_back(book: Book, key: MemberKey, name: str, *, cause: str, at: datetime) -> None:
    """Void what was promised under this name, as far as it is unused."""
    for reward in list(book.shelf.rewards.of(key).values()):
        if reward.reward_id.startswith(f"{name}:") and is_unused(book, reward, at):
            _void(book, key, reward, cause=cause, at=at)


def take_back_alike(book: Book, key: MemberKey, grant: Grant, *, kind: str, cause: str, at: datetime) -> None:
    """Void the latest unused reward of this kind that gives just this; an event names it by nothing else."""
    alike = [
        reward
        for reward in book.shelf.rewards.of(key).values()
        if reward.reward == kind and reward.source == PROMISED and _alike(reward.gives, grant)
        if is_unused(book, reward, at)
    ]
    if alike:
        latest = max(alike, key=lambda reward: (reward.issued_at, reward.reward_id))
        _void(book, key, latest, cause=cause, at=at)


def void_all(book: Book, key: MemberKey, *, cause: str, at: datetime) -> None:
    """The member is forgotten: whatever is not used is void."""
    for reward in list(book.shelf.rewards.of(key).values()):
        if reward.state == ISSUED:
            _void(book, key, reward, cause=cause, at=at)


def expire_reward(book: Book, reward: Issued, at: datetime) -> None:
    """It ran out of time unused. Its code ends by itself, and its price stays spent."""
    _close(book, reward, EXPIRED, RewardExpired, cause=f"reward:{reward.reward_id}", at=at)


def count_use(
    book: Book, reward: Issued, *, used_up: bool, order_id: str | None, cause: str, at: datetime
) -> Issued:
    """Somebody used it; it is closed with its last use."""
    used = replace(reward, order_id=order_id, changes=reward.changes + 1)
    if used_up:
        used = replace(used, state=USED, due_at=None, closed_at=at)
    book.shelf.put_reward(used)
    tell(book, used, RewardUsed, cause=cause, at=at)
    return used


def come_back(
    book: Book, reward: Issued, *, valid_until: datetime | None, cause: str, at: datetime, reason: str
) -> None:
    """The order that used it came back: it can be used again, until `valid_until`."""
    back = replace(
        reward,
        state=ISSUED,
        closed_at=None,
        order_id=None,
        valid_until=valid_until,
        due_at=valid_until,
        changes=reward.changes + 1,
    )
    book.shelf.put_reward(back)
    book.schedule((back.program_id, back.member_id), valid_until)
    tell(book, back, RewardIssued, cause=cause, at=at, reason=reason)


def keep_until(book: Book, reward: Issued, until: datetime | None) -> None:
    """It does not expire before `until`, since a checkout keeps it; None = no longer kept."""
    if reward.valid_until is None or reward.state != ISSUED:
        return
    due_at = max(reward.valid_until, until) if until else reward.valid_until
    book.shelf.put_reward(replace(reward, due_at=due_at))
    book.schedule((reward.program_id, reward.member_id), due_at)


def tell(
    book: Book,
    reward: Issued,
    data: type[Any],
    *,
    cause: str,
    at: datetime,
    reason: str | None = None,
    replayed: bool = False,
) -> None:
    """Tell the world of a change; its id is derived from it, so that telling twice is telling once.

    `replayed`: nobody is to be written to because of it.
    """
    coupon = book.shelf.coupon_of(reward)
    grant = replace(reward.gives, code=coupon.shown if coupon else None, valid_until=reward.valid_until)
    number = str(reward.changes)
    book.outgoing.append(
        Event(
            id=derived_id("ledger", reward.program_id, reward.member_id, "reward", reward.reward_id, number),
            source=SOURCE,
            type=event_type(data),
            program_id=reward.program_id,
            time=at,
            data=data(
                member_id=reward.member_id,
                cause=bounded_id(cause),
                reason=reason,
                reward_id=reward.reward_id,
                reward=reward.reward,
                grant=grant,
                asset=reward.asset if reward.price else None,
                points=reward.price or None,
                order_id=reward.order_id,
            ),
            replayed=replayed,
        )
    )


def _void(
    book: Book, key: MemberKey, reward: Issued, *, cause: str, at: datetime, reason: str | None = None
) -> Issued:
    coupon = book.shelf.coupon_of(reward)
    if coupon is not None:
        book.shelf.put_coupon(replace(coupon, state=CLOSED))
    if reward.stocked:
        book.shelf.take_stock(key[0], reward.reward, -1)
    voided = _close(book, reward, VOIDED, RewardVoided, cause=cause, at=at, reason=reason)
    if reward.price:
        _return_price(book, key, reward, cause=cause, at=at)
    return voided


def _return_price(book: Book, key: MemberKey, reward: Issued, *, cause: str, at: datetime) -> None:
    """To the lots it came from, last drawn first; what expired meanwhile comes back with a grace."""
    assert key in book.detailed, f"the lots of {key} were not loaded"
    draws = reward.draws[::-1]
    living = [each for each in draws if _lives(book, key, reward, each, at)]
    if living:
        _credit(book, key, reward, sum(each.points for each in living), cause=cause, at=at)
        give_back(book, key, reward.asset, living, at)
    for each in draws:
        if each not in living:
            _open_anew(book, key, reward, each, cause=cause, at=at)


def _open_anew(book: Book, key: MemberKey, reward: Issued, each: Draw, *, cause: str, at: datetime) -> None:
    """What cannot go back into its lot forms one of its own, of the same age and award, with the program's grace."""
    program = book.versions_of(key[0]).at(at).rules
    grace = due_in_days(program.spending.grace_days, at, program.zone)
    transfer = _credit(book, key, reward, each.points, cause=cause, at=at, expires_at=grace)
    opened, home = open_lot(book, transfer, grace), book.lots.get(key, (reward.asset, each.lot_no))
    if opened is not None and home is not None:
        like = replace(opened, award_id=home.award_id, order_id=home.order_id, opened_at=home.opened_at)
        book.put_lot(like)
        note_return(book, like, home.lot_no)


def _credit(
    book: Book,
    key: MemberKey,
    reward: Issued,
    points: int,
    *,
    cause: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> Transfer:
    transfer = book.post(key, reward.asset, VOIDING, REDEEMED, AVAILABLE, points, cause=cause, at=at)
    book.announce(transfer, PointsRestored, kind=VOIDING, reward_id=reward.reward_id, expires_at=expires_at)
    return transfer


def _lives(book: Book, key: MemberKey, reward: Issued, each: Draw, at: datetime) -> bool:
    lot = book.lots.get(key, (reward.asset, each.lot_no))
    return lot is not None and (lot.expires_at is None or lot.expires_at > at)


def _close(
    book: Book,
    reward: Issued,
    state: str,
    data: type[Any],
    *,
    cause: str,
    at: datetime,
    reason: str | None = None,
) -> Issued:
    closed = replace(reward, state=state, due_at=None, closed_at=at, changes=reward.changes + 1)
    book.shelf.put_reward(closed)
    tell(book, closed, data, cause=cause, at=at, reason=reason)
    return closed


def _alike(one: Grant, other: Grant) -> bool:
    return (one.kind, one.percent, one.amount, one.currency, one.product_id) == (
        other.kind,
        other.percent,
        other.amount,
        other.currency,
        other.product_id,
    )
