"""Spent points come back: a refunded order stays paid with points in the share that the customer keeps of it.

By target, as with earned points: `stays spent = ceil(spent x kept / total)`, kept and total being the items after
discounts however they were paid, without shipping. What is above that returns to the lots it was drawn from, last drawn
first, with their old expiry; into a lot that has expired meanwhile it returns as a lot of its own, which lives for the
grace that the program gives (30 days). A deficit is filled first.

Worked example: an order of 60.00 (tea 25.00, cup 35.00) was paid with 1,000 points, 300 of lot A and 700 of lot B. The
cup comes back: 25.00 are kept, so ceil(1000 x 25 / 60) = 417 stay spent, and 583 return to B. Then the tea: 0 stay
spent, 117 return to B, 300 to A. In the other order: 584 stay first, then 0. Both end with A and B as they were.

What a newcomer would get wrong: this runs *before* earned points are taken for the same refund, so that what came back
can be taken. And it runs after every event or request that may move the target, in whatever order they come: a refund,
a cancellation, an edit of the order, a capture that came after its refund.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from math import ceil

from services.ledger.domain.book import Book
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.holds import drawn, post_of_hold, spends_of, spent_on
from services.ledger.domain.keeping import kept_of, order_of_purchase
from services.ledger.domain.lots import (
    give_back,
    note_return,
    open_lot,
    open_lots,
    remove,
    spending_order,
    take,
)
from services.ledger.domain.program import LedgerProgram, Negative
from services.ledger.domain.records import AVAILABLE, REDEEMED, Draw, Hold, Lot, MemberKey, Purchase, RefundAt
from services.ledger.domain.spending import SpentBack, kind_of
from shared.calendar import due_in_days
from shared.events import PointsRestored, PointsSpent
from shared.money import minor_units
from shared.orders import Kept, Order, Share
from shared.programs import Versions
from shared.rows import replace

NO_LOT = 0
"""The lot of points that were spent again while the member owed: none. Should they come back, they form one."""

Step = tuple[SpentBack, Share]
"""The policy of a refund's time, and the part of the items that is kept after it."""


def return_spent(book: Book, key: MemberKey, order_id: str, *, cause: str, at: datetime) -> None:
    """Let the order stay paid with as many points as its target says, of each asset."""
    purchase, holds = book.purchases.get(key, order_id), spends_of(book, key, order_id)
    if purchase is None or not holds:
        return
    versions = book.versions_of(key[0])
    order = order_of_purchase(purchase, versions)
    steps = _steps(purchase, order, versions)
    for asset in dict.fromkeys(hold.asset for hold in holds):
        of_asset = [hold for hold in holds if hold.asset == asset]
        captured = sum(hold.captured for hold in of_asset)
        said = said_to_be_spent(purchase, order, of_asset[0], versions)
        target = stays_spent(captured if said is None else min(captured, said), steps)
        _move_to(book, key, of_asset, target, cause=cause, at=at)


def stays_spent(spent: int, steps: Sequence[Step]) -> int:
    """How many of the spent points stay spent after these refunds, the latest last.

    Each refund follows the policy of its time: a stricter one gives nothing more, and takes back nothing that came
    back before it, as long as the customer did not take the goods again.
    """
    stays = spent
    for policy, kept in steps:
        in_proportion = ceil(spent * kept)
        gives = policy is SpentBack.PROPORTIONAL or (policy is SpentBack.FULL_ONLY and not kept)
        stays = in_proportion if gives else max(stays, in_proportion)
    return stays


def said_to_be_spent(
    purchase: Purchase, order: Order | None, hold: Hold, versions: Versions[LedgerProgram]
) -> int | None:
    """How many points paid for the order by its newest statement; None where it does not say (in our currency).

    The points are reckoned from their worth in `paid_with`, by the program under which they were held.
    """
    if purchase.paid is None or order is None:
        return None
    amounts = [part.amount for part in purchase.paid.paid_with if part.kind == kind_of(hold.asset)]
    checkout = versions.at(hold.held_at).rules.spending.checkout_for(hold.asset)
    if not amounts or checkout is None or checkout.currency != order.currency:
        return None
    return checkout.points_for(sum(minor_units(amount, order.currency) for amount in amounts))


def _steps(purchase: Purchase, order: Order | None, versions: Versions[LedgerProgram]) -> list[Step]:
    """The refunds and the cancellation by their times; those before the last proportional one have no say."""
    moments = _moments(purchase, order)
    steps: list[Step] = []
    while moments and not (steps and steps[-1][0] is SpentBack.PROPORTIONAL):
        policy = versions.at(moments[-1][0]).rules.spending.spent_back
        steps.append((policy, _part_kept(purchase, order, [refund for _, _, refund in moments])))
        moments.pop()
    return steps[::-1]


def _moments(purchase: Purchase, order: Order | None) -> list[tuple[datetime, str, RefundAt | None]]:
    """When which refund was, None for the cancellation; refunds of an order that has not come wait for it."""
    refunds = purchase.refunds if order is not None else ()
    found: list[tuple[datetime, str, RefundAt | None]] = [
        (refund.at, refund.said.refund_id, refund) for refund in refunds
    ]
    if purchase.cancelled_at is not None:
        found.append((purchase.cancelled_at, "", None))
    return sorted(found, key=lambda moment: moment[:2])


def _part_kept(purchase: Purchase, order: Order | None, refunds: Sequence[RefundAt | None]) -> Share:
    """Which part of the items after discounts is kept after these refunds, from 0 to 1."""
    if None in refunds:
        return 0
    assert order is not None, "refunds of an order that has not come wait for it"
    some = tuple(refund for refund in refunds if refund is not None)
    left = kept_of(replace(purchase, refunds=some, cancelled_at=None), order)
    return 1 if left is None else _part_of(left)


def _part_of(left: Kept) -> Share:
    if not left.items_total:
        return 1 if any(left.shares) else 0
    return Fraction(left.of_items) / left.items_total


def _move_to(
    book: Book, key: MemberKey, holds: Sequence[Hold], target: int, *, cause: str, at: datetime
) -> None:
    """Let so many points stay spent in all; what was drawn last comes back first."""
    spent = sum(hold.spent for hold in holds)
    for hold in reversed(holds):
        back = min(hold.spent, spent - target)
        if back > 0:
            _come_back(book, key, hold, back, cause=cause, at=at)
            spent -= back
    for hold in holds:
        again = min(hold.captured - hold.spent, target - spent)
        if again > 0:
            _spend_again(book, key, hold, again, cause=cause, at=at)
            spent += again


def _come_back(book: Book, key: MemberKey, hold: Hold, points: int, *, cause: str, at: datetime) -> None:
    """Return points of a hold along its draws, last drawn first; first those that the program bears."""
    borne = min(hold.borne, points)
    returning = points - borne
    first = hold.captured - hold.returned - returning
    draws = list(drawn(hold, first, first + returning))
    less = replace(hold, returned=hold.returned + returning, borne=hold.borne - borne)
    book.put_hold(less)
    living = [each for each in draws if _lives(_lot(book, key, hold.asset, each), at)]
    if living:
        _credit(book, key, less, sum(each.points for each in living), None, cause=cause, at=at)
        give_back(book, key, hold.asset, living, at)
    for each in draws:
        if each not in living:
            _open_anew(book, key, less, each, cause=cause, at=at)


def _open_anew(book: Book, key: MemberKey, hold: Hold, draw: Draw, *, cause: str, at: datetime) -> None:
    """What cannot go back into its lot forms one of its own, of the same age and award, with the program's grace."""
    program, lot = book.versions_of(key[0]).at(at).rules, _lot(book, key, hold.asset, draw)
    policy = program.policy_for(hold.asset)
    if lot is None:
        _credit(book, key, hold, draw.points, expiry_of(policy, at), cause=cause, at=at, opens=True)
        return
    grace = due_in_days(program.spending.grace_days, at, policy.zone)
    opened = _credit(book, key, hold, draw.points, grace, cause=cause, at=at, opens=True)
    if opened is not None:
        like = replace(opened, award_id=lot.award_id, order_id=lot.order_id, opened_at=lot.opened_at)
        book.put_lot(like)
        note_return(book, like, lot.lot_no)


def _credit(
    book: Book,
    key: MemberKey,
    hold: Hold,
    points: int,
    expires_at: datetime | None,
    *,
    cause: str,
    at: datetime,
    opens: bool = False,
) -> Lot | None:
    """Post and announce what comes back; the lot that it opens, if it is to open one."""
    transfer = post_of_hold(book, hold, "return", REDEEMED, AVAILABLE, points, cause=cause, at=at)
    spent = spent_on(book, key, hold.order_id, hold.asset)
    book.announce(
        transfer,
        PointsRestored,
        kind="return",
        hold_id=hold.hold_id,
        order_spent=spent,
        expires_at=expires_at,
    )
    return open_lot(book, transfer, expires_at) if opens else None


def _spend_again(book: Book, key: MemberKey, hold: Hold, points: int, *, cause: str, at: datetime) -> None:
    """Too much came back (the shop put the goods into the order again): taken as a reversal takes, by its policy."""
    first = hold.captured - hold.returned
    home = {each.lot_no for each in drawn(hold, first, first + points)}
    lots = sorted(open_lots(book, key, hold.asset), key=spending_order)
    draws, missing = take(points, sorted(lots, key=lambda lot: lot.lot_no not in home))
    policy = book.versions_of(key[0]).at(at).rules.policy_for(hold.asset).negative
    borne = 0
    if policy is Negative.PENDING_ONLY:
        draws, missing, borne = [], 0, points
    elif policy is Negative.TO_ZERO:
        missing, borne = 0, missing
    taken = points - borne
    draws_now = [*draws, Draw(NO_LOT, missing)] if missing else draws
    rewritten = (*drawn(hold, 0, first), *draws_now, *drawn(hold, first + taken, hold.points))
    more = replace(hold, returned=hold.returned - taken, borne=hold.borne + borne, draws=rewritten)
    book.put_hold(more)
    remove(book, key, hold.asset, draws)
    if taken:
        _post_again(book, key, more, taken, cause=cause, at=at)


def _post_again(book: Book, key: MemberKey, hold: Hold, points: int, *, cause: str, at: datetime) -> None:
    transfer = post_of_hold(book, hold, "return_correction", AVAILABLE, REDEEMED, points, cause=cause, at=at)
    spent = spent_on(book, key, hold.order_id, hold.asset)
    book.announce(transfer, PointsSpent, kind="return_correction", hold_id=hold.hold_id, order_spent=spent)


def _lot(book: Book, key: MemberKey, asset: str, draw: Draw) -> Lot | None:
    return book.lots.get(key, (asset, draw.lot_no))


def _lives(lot: Lot | None, at: datetime) -> bool:
    return lot is not None and (lot.expires_at is None or lot.expires_at > at)
