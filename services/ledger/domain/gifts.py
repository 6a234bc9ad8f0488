"""A gift of points from one member to another.

Example: `older_than: 30 days`. Ana has 80 from January and 50 of yesterday and wants to give 100: refused, since 80
are old enough. She gives 80: two transfers of 80 through `in_transit`. Then the January order comes back: her 50 are
taken and *she* owes 30 (`negative: allow`). Ben, who got the points, never notices.

What a newcomer would get wrong: nothing of a gift is earned. It counts towards no level, no cap and no activity.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.gift_terms import GiftTerms
from services.ledger.domain.lots import open_lots, spending_order, take
from services.ledger.domain.records import Draw, MemberKey
from services.ledger.domain.transit import send_lots
from services.ledger.errors import GiftLimitReached, GiftsOff, InsufficientPoints, NotGivable, UnknownReceiver
from shared.cloudevents import derived_id
from shared.events import PointsTransferred
from shared.rows import Row

GIFT = "gift"


class Gift(Row, frozen=True, gc=False):
    """A gift as it is kept: who gave how many points of what to whom, under the giver's id of it."""

    program_id: str
    member_id: str
    transfer_id: str
    to_member_id: str
    asset: str
    points: int
    given_at: datetime


def terms_of(book: Book, program_id: str, asset: str, at: datetime) -> GiftTerms:
    """How this asset may be given at this moment.

    Raises:
        GiftsOff: not at all.
    """
    terms = book.versions_of(program_id).at(at).rules.gifts
    if terms is None or asset not in terms.assets:
        raise GiftsOff(f"the program does not let members give {asset} to each other")
    return terms


def give(book: Book, gift: Gift, given: Sequence[int], *, message: str | None = None) -> None:
    """Move the points, soonest expiry first; `given` is what was given before in the period of each limit.

    Raises:
        GiftsOff: the program does not allow it.
        UnknownReceiver: that is the giver, or somebody who was forgotten.
        NotGivable: too few or too many at once, or not old enough.
        GiftLimitReached: too many in a period.
        InsufficientPoints: less is available.
    """
    giver, receiver = (gift.program_id, gift.member_id), (gift.program_id, gift.to_member_id)
    terms = terms_of(book, gift.program_id, gift.asset, gift.given_at)
    if giver == receiver:
        raise UnknownReceiver("points are given to somebody else")
    if book.member(receiver).erased_at is not None or receiver in book.homes:
        raise UnknownReceiver(f"there is no member {gift.to_member_id!r}")
    _check_size(terms, gift, given)
    draws = _draws(book, giver, terms, gift)
    cause = f"{GIFT}:{derived_id(GIFT, gift.program_id, gift.member_id, gift.transfer_id)}"
    sent, received = send_lots(
        book, giver, receiver, draws, gift.asset, kind=GIFT, cause=cause, at=gift.given_at
    )
    book.announce(
        sent, PointsTransferred, kind=GIFT, direction="sent", counterpart_id=gift.to_member_id, reason=message
    )
    book.announce(
        received,
        PointsTransferred,
        kind=GIFT,
        direction="received",
        counterpart_id=gift.member_id,
        reason=message,
    )


def _check_size(terms: GiftTerms, gift: Gift, given: Sequence[int]) -> None:
    if gift.points < terms.smallest:
        raise NotGivable(f"give at least {terms.smallest} {gift.asset} at once", smallest=terms.smallest)
    if terms.largest is not None and gift.points > terms.largest:
        raise NotGivable(f"give at most {terms.largest} {gift.asset} at once", largest=terms.largest)
    found = terms.room(given)
    if found is not None and gift.points > found[0]:
        room = max(0, found[0])
        raise GiftLimitReached(
            f"members give at most {found[1]}, {room} {gift.asset} are left", limit=str(found[1]), left=room
        )


def _draws(book: Book, giver: MemberKey, terms: GiftTerms, gift: Gift) -> list[Draw]:
    lots = sorted(open_lots(book, giver, gift.asset), key=spending_order)
    available = max(0, book.balance(giver, gift.asset).available)
    if gift.points > available:
        raise InsufficientPoints(
            f"{gift.points} {gift.asset} asked for, {available} available",
            asked=gift.points,
            available=available,
        )
    draws, missing = take(
        gift.points, [lot for lot in lots if terms.is_old_enough(lot.opened_at, gift.given_at)]
    )
    if missing:
        old = gift.points - missing
        raise NotGivable(
            f"{old} {gift.asset} are at least {terms.older_than_days} days old and may be given", givable=old
        )
    return draws
