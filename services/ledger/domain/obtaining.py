"""How a member gets a reward: buys it from the catalogue, is given it by a person, or was promised it.

What a newcomer would get wrong: the same id again is the same reward, and what was promised and taken back since is
issued anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import (
    DONATION,
    Buyer,
    Offer,
    Reason,
    reasons_against,
    reasons_against_giving,
)
from services.ledger.domain.issued import BOUGHT, GIVEN, PROMISED, VOIDED, Issued
from services.ledger.domain.issuing import Issuing, issue
from services.ledger.domain.lots import draw, open_lots
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.errors import (
    CharityUnknown,
    InsufficientPoints,
    RewardConflict,
    RewardSoldOut,
    RewardUnavailable,
    UnknownReward,
)
from shared.errors import ServiceError
from shared.events import Grant
from shared.rows import replace

SURPRISE = "surprise"
"""The name of a gift that is in no catalogue."""


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
    return issue(book, key, program, replace(wish, source=BOUGHT, price=offer.price, draws=tuple(draws)))


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
    return issue(book, key, version.rules, wish)


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
    issue(book, key, version.rules, wish)


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
