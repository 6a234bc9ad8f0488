"""How a member gets a reward: buys it from the catalogue, is given it by a person, or was promised it.

Example: 420 points in lot A (300, expires soonest) and B (120). `five off` costs 400: 300 are drawn from A and 100
from B, they go to `redeemed`, and a coupon is issued that is good until the end of the sixtieth day.

What a newcomer would get wrong: store credit, points and donations take effect as they are issued. They are used at
once, so nothing of them can be voided; everything else is handed over as a code. A donation goes to the account
`charity:<name>` instead of `redeemed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from services.ledger.domain import coupons
from services.ledger.domain.activity import was_active
from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import (
    AT_ONCE,
    BY_CODE,
    DONATION,
    Buyer,
    Codes,
    Offer,
    Reason,
    reasons_against,
    reasons_against_giving,
)
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.issued import (
    BOUGHT,
    GIVEN,
    ISSUED,
    OPEN,
    POOLED,
    PROMISED,
    USED,
    VOIDED,
    Coupon,
    Issued,
)
from services.ledger.domain.lots import draw, open_lot, open_lots, remove
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import AVAILABLE, POINTS, REDEEMED, Draw, MemberKey
from services.ledger.domain.records import ISSUED as MADE
from services.ledger.domain.rewards import tell
from services.ledger.errors import (
    CharityUnknown,
    InsufficientPoints,
    PoolEmpty,
    RewardConflict,
    RewardSoldOut,
    RewardUnavailable,
    UnknownReward,
)
from shared.errors import ServiceError
from shared.events import Grant, PointsDonated, PointsEarned, PointsSpent, RewardIssued
from shared.rows import Row, replace

SURPRISE = "surprise"
"""The name of a gift that is in no catalogue."""
REDEMPTION, REWARD = "redemption", "reward"
"""Kinds of transfers: a price that is paid, and credit or points that a reward gives."""


class Issuing(Row, frozen=True, gc=False, kw_only=True):
    """What is to be issued to a member, before it has a code."""

    reward_id: str
    reward: str
    source: str
    gives: Grant
    cause: str
    at: datetime
    program_version: int
    codes: Codes = Codes()
    valid_until: datetime | None = None
    asset: str = "points"
    price: int = 0
    draws: tuple[Draw, ...] = ()
    stocked: bool = False
    reason: str | None = None


def buy(
    book: Book, key: MemberKey, name: str, *, reward_id: str, at: datetime, charity: str | None = None
) -> Issued:
    """The member buys a reward of the catalogue: its price leaves the lots, and it is issued. The same id again is
    the same purchase.

    Raises:
        UnknownReward: the catalogue has none of this name.
        RewardUnavailable, RewardSoldOut, InsufficientPoints: with every reason.
        PoolEmpty: its codes have run out.
        RewardConflict: this id is another reward's.
        CharityUnknown: a donation to nobody that the program knows, or a charity where nothing is donated.
    """
    version = book.versions_of(key[0]).at(at)
    program = version.rules
    before = book.shelf.rewards.get(key, reward_id)
    if before is not None:
        return _the_same(before, name, BOUGHT)
    offer = _offer(program, name)
    _check(book, key, offer, buyer_of(book, key, at), at)
    gives = _chosen(offer, charity)
    wish = _wish(offer, version.number, program.zone, reward_id=reward_id, gives=gives, at=at)
    draws = draw(offer.price, open_lots(book, key, offer.asset))
    return _issue(book, key, program, replace(wish, source=BOUGHT, price=offer.price, draws=tuple(draws)))


def to_pay(book: Book, key: MemberKey, name: str, *, reward_id: str, at: datetime) -> tuple[int, str] | None:
    """Price and asset of a reward that the member could buy with a full purse; None where they bought it before.

    Raises:
        UnknownReward, RewardUnavailable, RewardSoldOut: see `buy`.
    """
    if book.shelf.rewards.get(key, reward_id) is not None:
        return None
    offer = _offer(book.versions_of(key[0]).at(at).rules, name)
    buyer = replace(buyer_of(book, key, at), available={offer.asset: offer.price})
    _check(book, key, offer, buyer, at)
    return offer.price, offer.asset


def give(
    book: Book,
    key: MemberKey,
    *,
    reward_id: str,
    reason: str,
    at: datetime,
    name: str | None = None,
    gives: Grant | None = None,
) -> Issued:
    """A person gives a reward of the catalogue, or one of their own making; it costs the member nothing.

    It is the merchant's own will: the reward's `limit`, audience and dates bind members who buy, not who gives, and
    what was given counts towards no limit. The stock binds both, since nobody can hand over what is gone.

    Raises:
        UnknownReward: the catalogue has none of this name.
        RewardUnavailable, RewardSoldOut: a donation is nobody's gift; all are gone.
        PoolEmpty: its codes have run out.
        RewardConflict: this id is another reward's.
    """
    version = book.versions_of(key[0]).at(at)
    before = book.shelf.rewards.get(key, reward_id)
    if before is not None:
        return _the_same(before, name or SURPRISE, GIVEN)
    if name is None:
        assert gives is not None, "a gift gives something"
        offer = Offer(SURPRISE, gives)
        valid_until = gives.valid_until
    else:
        offer, valid_until = _offer(version.rules, name), None
    if offer.gives.kind == DONATION:
        raise RewardUnavailable(
            f"{offer.name!r} is a donation: the member's own points go to a charity, and nobody gives those away",
            reasons=[{"code": "donation", "text": "only the member can donate"}],
        )
    against = reasons_against_giving(offer, sold=book.shelf.sold.get(key[0], offer.name) or 0)
    if against:
        raise _unavailable(offer, against, 0)
    wish = _wish(offer, version.number, version.rules.zone, reward_id=reward_id, gives=offer.gives, at=at)
    wish = replace(wish, reason=reason, valid_until=valid_until or wish.valid_until)
    return _issue(book, key, version.rules, wish)


def promise(
    book: Book, key: MemberKey, grant: Grant, *, reward_id: str, kind: str, cause: str, at: datetime
) -> None:
    """Issue what a referral or a level promised, once; what was taken back since is issued anew."""
    before = book.shelf.rewards.get(key, reward_id)
    if before is not None and before.state != VOIDED:
        return
    version = book.versions_of(key[0]).at(at)
    wish = Issuing(
        reward_id=reward_id,
        reward=kind,
        source=PROMISED,
        gives=grant,
        cause=cause,
        at=at,
        program_version=version.number,
        valid_until=grant.valid_until,
    )
    _issue(book, key, version.rules, wish)


def buyer_of(book: Book, key: MemberKey, at: datetime) -> Buyer:
    """What the catalogue looks at in a member."""
    levels = [level.name for level in book.member(key).levels if level.since <= at]
    had: dict[str, list[datetime]] = {}
    for reward in book.shelf.rewards.of(key).values():
        if reward.state != VOIDED and reward.source == BOUGHT:
            had.setdefault(reward.reward, []).append(reward.issued_at)
    available = {asset: balance.available for asset, balance in book.balances.of(key).items()}
    level = levels[-1] if levels else None
    return Buyer(available, level, book.person(key).segments_at(at), had=had)


def _check(book: Book, key: MemberKey, offer: Offer, buyer: Buyer, at: datetime) -> None:
    zone, sold = book.versions_of(key[0]).at(at).rules.zone, book.shelf.sold.get(key[0], offer.name) or 0
    against = reasons_against(offer, buyer, sold=sold, at=at, zone=zone)
    if against:
        raise _unavailable(offer, against, book.balance(key, offer.asset).available)


def _offer(program: LedgerProgram, name: str) -> Offer:
    offer = program.catalogue.get(name)
    if offer is None:
        raise UnknownReward(f"the catalogue has no reward {name!r}")
    return offer


def _the_same(before: Issued, name: str, source: str) -> Issued:
    if (before.reward, before.source) != (name, source):
        raise RewardConflict(
            f"reward {before.reward_id} is {before.reward!r}; give another reward another id"
        )
    return before


def _unavailable(offer: Offer, against: Iterable[Reason], available: int) -> ServiceError:
    """The error that fits: a full purse helps against one of these reasons only."""
    text = "; ".join(each.text for each in against)
    reasons = [{"code": each.code, "text": each.text} for each in against]
    codes = {each.code for each in against}
    if codes == {"not_enough"}:
        return InsufficientPoints(text, asked=offer.price, available=available, reasons=reasons)
    if codes <= {"sold_out", "not_enough"}:
        return RewardSoldOut(text, reasons=reasons)
    return RewardUnavailable(text, reasons=reasons)


def _chosen(offer: Offer, charity: str | None) -> Grant:
    """What it gives; of a donation, to whom the member wants it to go."""
    if offer.gives.kind != DONATION:
        if charity is not None:
            raise CharityUnknown(f"{offer.name!r} is no donation; leave `charity` out", charities=[])
        return offer.gives
    if charity is None and len(offer.charities) == 1:
        charity = offer.charities[0]
    if charity not in offer.charities:
        raise CharityUnknown(f"choose one of {', '.join(offer.charities)}", charities=list(offer.charities))
    return replace(offer.gives, charity=charity)


def _wish(
    offer: Offer, version: int, zone: ZoneInfo, *, reward_id: str, gives: Grant, at: datetime
) -> Issuing:
    return Issuing(
        reward_id=reward_id,
        reward=offer.name,
        source=GIVEN,
        gives=gives,
        cause=f"reward:{reward_id}",
        at=at,
        program_version=version,
        codes=offer.codes,
        valid_until=offer.lasting.ends(at, zone) if offer.lasting else None,
        asset=offer.asset,
        stocked=offer.stock is not None,
    )


def _issue(book: Book, key: MemberKey, program: LedgerProgram, wish: Issuing) -> Issued:
    """The reward with its code, told to the world; what takes effect at once has done so."""
    before = book.shelf.rewards.get(key, wish.reward_id)
    at_once = wish.gives.kind in AT_ONCE
    coupon = _coupon(book, key, wish) if wish.gives.kind in BY_CODE else None
    if wish.price:
        _pay(book, key, wish)
    issued = Issued(
        program_id=key[0],
        member_id=key[1],
        reward_id=wish.reward_id,
        reward=wish.reward,
        source=wish.source,
        gives=wish.gives,
        state=USED if at_once else ISSUED,
        asset=wish.asset,
        price=wish.price,
        draws=wish.draws,
        code=coupon.code if coupon else None,
        stocked=wish.stocked,
        program_version=wish.program_version,
        cause=wish.cause,
        reason=wish.reason,
        issued_at=wish.at,
        valid_until=wish.valid_until,
        due_at=None if at_once else wish.valid_until,
        closed_at=wish.at if at_once else None,
        changes=before.changes + 1 if before else 1,
    )
    book.shelf.put_reward(issued)
    if wish.stocked:
        book.shelf.take_stock(key[0], wish.reward, 1)
    book.schedule(key, issued.due_at)
    tell(book, issued, RewardIssued, cause=wish.cause, at=wish.at, reason=wish.reason)
    if wish.gives.points and wish.gives.kind != DONATION:
        _credit(book, key, program, issued)
    return issued


def _coupon(book: Book, key: MemberKey, wish: Issuing) -> Coupon:
    """The code that the reward is handed over as: a new one, or one of the shop's own.

    Raises:
        PoolEmpty: the shop's codes have run out.
    """
    if wish.codes.pool is not None:
        blank = _pooled(book, key[0], wish.codes.pool)
    else:
        code = coupons.new_code(book.shelf.draw_number)
        blank = Coupon(program_id=key[0], code=code, shown=coupons.shown(code), made_at=wish.at)
    coupon = replace(
        blank,
        state=OPEN,
        gives=wish.gives,
        member_id=key[1],
        reward_id=wish.reward_id,
        anyone=wish.codes.anyone,
        uses=wish.codes.uses,
        valid_until=wish.valid_until,
    )
    book.shelf.put_coupon(coupon)
    return coupon


def _pooled(book: Book, program_id: str, pool: str) -> Coupon:
    for coupon in book.shelf.coupons.of(program_id).values():
        if coupon.state == POOLED and coupon.pool == pool:
            return coupon
    raise PoolEmpty(f"the pool {pool!r} has no code left; upload further ones", pool=pool)


def _pay(book: Book, key: MemberKey, wish: Issuing) -> None:
    """The price leaves the lots that it was drawn from."""
    remove(book, key, wish.asset, wish.draws)
    charity = wish.gives.charity
    account = f"charity:{charity}" if charity else REDEEMED
    transfer = book.post(
        key, wish.asset, REDEMPTION, AVAILABLE, account, wish.price, cause=wish.cause, at=wish.at
    )
    if charity:
        book.announce(transfer, PointsDonated, kind="donation", charity=charity)
    else:
        book.announce(transfer, PointsSpent, kind=REDEMPTION, reward_id=wish.reward_id)
    was_active(book, key, wish.at)


def _credit(book: Book, key: MemberKey, program: LedgerProgram, issued: Issued) -> None:
    """Store credit, or points: available at once, as long as the reward or else the program says."""
    asset, points = issued.gives.asset or POINTS, issued.gives.points or 0
    at = issued.issued_at
    transfer = book.post(key, asset, REWARD, MADE, AVAILABLE, points, cause=issued.cause, at=at)
    expires_at = issued.valid_until or expiry_of(program.policy_for(asset), at)
    open_lot(book, transfer, expires_at)
    book.announce(transfer, PointsEarned, kind=REWARD, expires_at=expires_at)
    was_active(book, key, at)
