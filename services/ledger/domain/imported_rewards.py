"""Rewards that a member had in another system: with the code they know, its uses, its end, and what it cost.

Example: `five off` was bought there for 500 points, `TEA-1234-5678`, good until the end of 3 July. Here 500 points come
from `imported` and are paid for it at once, so the balance is what it was. Voided unused, its 500 points return, as
those of any reward do; and it counts towards "1 per member" of the catalogue.

What a newcomer would get wrong: what takes effect at once (store credit, points, a donation) did so there. Its balance
comes with a row of its own; here it is only known that the member had it.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain import coupons
from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import AT_ONCE, BY_CODE, Codes, Offer
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.imported import IMPORT, IMPORTED
from services.ledger.domain.issued import (
    EXPIRED,
    IN_USE,
    ISSUED,
    OPEN,
    USED,
    Coupon,
    CouponUse,
    Issued,
    canonical,
)
from services.ledger.domain.issuing import REDEMPTION
from services.ledger.domain.lots import open_lot, remove
from services.ledger.domain.records import AVAILABLE, REDEEMED, Draw, MemberKey
from services.ledger.domain.rewards import tell
from services.ledger.domain.switching import catch_up
from services.ledger.errors import ImportFault
from shared.events import Grant, PointsEarned, PointsSpent, RewardIssued
from shared.rows import Row, replace


class OldReward(Row, frozen=True, gc=False, kw_only=True):
    """A reward of another system. `gives` None: what the catalogue says of this name. `code` None: one is made, where
    it is needed. `points` is what the member paid; `used` how many of its `uses` are gone.
    """

    row: str
    reward_id: str
    reward: str
    asset: str
    points: int
    source: str
    state: str
    gives: Grant | None = None
    code: str | None = None
    uses: int = 1
    used: int = 0
    anyone: bool = False
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    closed_at: datetime | None = None
    order_id: str | None = None
    reason: str | None = None


def bring_reward(book: Book, key: MemberKey, said: OldReward, now: datetime) -> None:
    """Write the reward with its code and its uses; nobody is written to.

    Raises:
        ImportFault: it does not fit what the ledger knows already, or time has passed over it.
    """
    _require_sound(book, key, said, now)
    offer = book.versions_of(key[0]).newest.rules.catalogue.get(said.reward)
    gives = said.gives or (offer.gives if offer is not None else None)
    if gives is None:
        raise ImportFault(f"the catalogue has no reward {said.reward!r}; say what it `gives`")
    if gives.kind in AT_ONCE and said.state != USED:
        raise ImportFault(f"a reward of kind {gives.kind!r} took effect at once; its `state` is `used`")
    if gives.kind in AT_ONCE and said.points:
        raise ImportFault(f"a reward of kind {gives.kind!r} took effect at once; leave `points` out")
    issued_at = said.issued_at or said.closed_at or now
    draws = _pay(book, key, said, issued_at, now) if said.points else ()
    coupon = _coupon(book, key, said, gives, offer, issued_at) if gives.kind in BY_CODE else None
    closed_at = said.closed_at or said.valid_until
    open_still = said.state == ISSUED
    issued = Issued(
        program_id=key[0],
        member_id=key[1],
        reward_id=said.reward_id,
        reward=said.reward,
        source=said.source,
        gives=gives,
        state=said.state,
        asset=said.asset,
        price=said.points,
        draws=draws,
        code=coupon.code if coupon is not None else None,
        program_version=book.versions_of(key[0]).at(issued_at).number,
        cause=f"{IMPORT}:{said.row}",
        reason=said.reason,
        issued_at=issued_at,
        valid_until=said.valid_until,
        due_at=said.valid_until if open_still else None,
        closed_at=None if open_still else min(closed_at or now, now),
        order_id=said.order_id,
    )
    book.shelf.put_reward(issued)
    book.schedule(key, issued.due_at)
    tell(book, issued, RewardIssued, cause=issued.cause, at=now, replayed=True)


def _require_sound(book: Book, key: MemberKey, said: OldReward, now: datetime) -> None:
    if book.shelf.rewards.get(key, said.reward_id) is not None:
        raise ImportFault(f"the member has a reward {said.reward_id!r} already")
    for name in ("issued_at", "closed_at"):
        moment = getattr(said, name)
        if moment is not None and moment > now:
            raise ImportFault(f"`{name}` lies in the future")
    if said.state == ISSUED and said.valid_until is not None and said.valid_until <= now:
        raise ImportFault(
            f"it was good until {said.valid_until.isoformat()}; say `state: expired`, or leave it out"
        )
    if said.code is not None and book.shelf.coupons.get(key[0], canonical(said.code)) is not None:
        raise ImportFault(f"the code {said.code!r} is another coupon's")


def _pay(book: Book, key: MemberKey, said: OldReward, issued_at: datetime, now: datetime) -> tuple[Draw, ...]:
    """The price comes in and is paid at once: from a lot of its own, to which it can return."""
    policy = book.versions_of(key[0]).newest.rules.policy_for(said.asset)
    catch_up(book, key, now)  # no switch of before moves what comes now
    came = book.post(
        key, said.asset, IMPORT, IMPORTED, AVAILABLE, said.points, cause=f"{IMPORT}:{said.row}", at=now
    )
    lot = open_lot(book, came, expiry_of(policy, issued_at))
    book.announce(came, PointsEarned, replayed=True, kind=IMPORT)
    draws = []
    if lot is not None:  # what fills a deficit opens none, and is paid from no lot
        book.put_lot(replace(lot, opened_at=issued_at, told_at=now))
        draws.append(Draw(lot.lot_no, lot.amount))
        remove(book, key, said.asset, draws)
    if sum(each.points for each in draws) < said.points:
        draws.append(Draw(0, said.points - sum(each.points for each in draws)))
    cause = f"reward:{said.reward_id}"
    paid = book.post(key, said.asset, REDEMPTION, AVAILABLE, REDEEMED, said.points, cause=cause, at=now)
    book.announce(paid, PointsSpent, replayed=True, kind=REDEMPTION, reward_id=said.reward_id)
    return tuple(draws)


def _coupon(
    book: Book, key: MemberKey, said: OldReward, gives: Grant, offer: Offer | None, issued_at: datetime
) -> Coupon | None:
    """The code under which the member knows it; what is over and had none needs none."""
    code = said.code
    if code is None:
        if said.state != ISSUED:
            return None
        code = coupons.shown(coupons.new_code(book.shelf.draw_number))
    terms = offer.codes if offer is not None else Codes()
    coupon = Coupon(
        program_id=key[0],
        code=canonical(code),
        shown=code,
        state=OPEN,
        gives=gives,
        member_id=key[1],
        reward_id=said.reward_id,
        anyone=said.anyone or (said.code is None and terms.anyone),
        uses=said.uses,
        used=said.used,
        valid_until=said.valid_until,
        made_at=issued_at,
    )
    book.shelf.put_coupon(coupon)
    for number in range(said.used):
        book.shelf.put_use(_use(coupon, said, number, said.closed_at or issued_at))
    return coupon


def _use(coupon: Coupon, said: OldReward, number: int, at: datetime) -> CouponUse:
    """One of the uses of before; the last one was for the order, if one is named."""
    is_last = number == said.used - 1
    return CouponUse(
        program_id=coupon.program_id,
        code=coupon.code,
        use_id=f"{IMPORT}:{said.row}:{number}",
        state=IN_USE,
        member_id=coupon.member_id,
        order_id=said.order_id if is_last else None,
        changed_at=at,
    )


STATES = (ISSUED, USED, EXPIRED)
"""In which a reward may come; one that was voided is nobody's any more."""
