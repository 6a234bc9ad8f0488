"""Import: what a member had in another system becomes what they have here, with its original dates.

Six kinds of rows are about a member: `points` (an opening balance, or one lot of it), `order` (what a still refundable
order holds), `member` (since when, birthday, segments, level), `reward` (what they own, with its code), `usage` (what
caps had counted), `history` (an entry of the old statement, which moves nothing). Three are about the program: `coupon`
(a code of nobody), `budget` (what was given of it), `pool` (a household).

Example: a member had 300 points, 100 of them from an order of 80.00 that may still come back, all earned on 3 March and
good until the end of the year. Two rows: `points` 300 (`earned_at` 3 March, `expires_at` 31 December) and `order` 80.00
with 100. The balance is 300. The order comes back: 200.

What a newcomer would get wrong: the transfer happens now, when the merchant changes systems; the lot keeps its age and
expiry. And what is announced is marked as `replayed`, so that nobody is written to because of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.ledger.domain.awards import AWARD
from services.ledger.domain.book import Book
from services.ledger.domain.expiring import first_look
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.imported import IMPORT, IMPORTED, explanation_of_import
from services.ledger.domain.imported_budgets import OldBudget, budget_places
from services.ledger.domain.imported_codes import OldCode, bring_code
from services.ledger.domain.imported_members import OldMember, bring_member
from services.ledger.domain.imported_pools import OldOwner, OldPool, bring_owner, bring_pool
from services.ledger.domain.imported_rewards import OldReward, bring_reward
from services.ledger.domain.imported_usage import OldUsage, count_before
from services.ledger.domain.lots import open_lot, open_lots, remove, spending_order, take
from services.ledger.domain.occasions import note_purchase
from services.ledger.domain.orders import PAID, award_id_of, awards_of_order, follow_refunds
from services.ledger.domain.records import AVAILABLE, PENDING, WAITING, Award, MemberKey, Purchase, Transfer
from services.ledger.domain.switching import catch_up
from services.ledger.errors import ImportFault
from shared.events import OrderPaid, PointsEarned, PointsPending, PointsReversed
from shared.orders import order_of
from shared.rows import Row, replace

NEVER_EXPIRES = "never"


class Opening(Row, frozen=True, gc=False):
    """Points of an opening balance: below 0 where the member owes, with `available_at` while they are pending.

    `expires_at` is a moment, `NEVER_EXPIRES`, or None: as points expire that became available at `earned_at`.
    """

    row: str
    asset: str
    points: int
    earned_at: datetime | None = None
    expires_at: datetime | str | None = None
    available_at: datetime | None = None
    order_id: str | None = None
    owner: OldOwner | None = None
    """Whose they are, where another member of a pool has them."""


class OldOrder(Row, frozen=True, gc=False):
    """A still refundable order: what the customer keeps of it, and the points that it holds for that.

    Its points lie in the opening balance, unless they are pending: until `available_at`, or, `waits_until` a deadline,
    for a fulfilment.
    """

    row: str
    asset: str
    points: int
    paid_at: datetime
    stated: OrderPaid
    available_at: datetime | None = None
    waits_until: datetime | None = None


class OldEntry(Row, frozen=True, gc=False):
    """An entry of the old statement; it is shown apart and moves nothing."""

    row: str
    asset: str
    points: int
    at: datetime
    text: str


Brought = Opening | OldOrder | OldMember | OldReward | OldUsage | OldEntry
OfProgram = OldCode | OldBudget | OldPool
"""What is about no single member."""


def bring_in(book: Book, key: MemberKey, brought: Brought, now: datetime) -> None:
    """Write what a row says into the book of a member who is settled up to `now`.

    Raises:
        ImportFault: it does not fit what the ledger knows already, or time has passed over it.
    """
    if book.member(key).erased_at is not None:
        raise ImportFault(f"member {key[1]!r} asked to be forgotten; leave their rows out")
    match brought:
        case Opening():
            _open(book, key, brought, now)
        case OldOrder():
            _bring_order(book, key, brought, now)
        case OldMember():
            bring_member(book, key, brought, now)
        case OldReward():
            bring_reward(book, key, brought, now)
        case OldUsage():
            count_before(book, key, brought, now)
        case OldEntry() if brought.at > now:
            raise ImportFault("`at` lies in the future; history is what has happened")


def bring_to_program(book: Book, program_id: str, brought: OfProgram, now: datetime) -> None:
    """Write what a row says of the program into the book; what was given of budgets is taken from their slots, apart.

    Raises:
        ImportFault: it does not fit what the ledger knows already, or time has passed over it.
        PoolsOff, InAnotherPool, PoolFull: see there.
    """
    match brought:
        case OldCode():
            bring_code(book, program_id, brought, now)
        case OldPool():
            bring_pool(book, program_id, brought, now)
        case OldBudget():
            budget_places(book.versions_of(program_id).newest.rules, brought, now)


def _open(book: Book, key: MemberKey, said: Opening, now: datetime) -> None:
    if said.earned_at is not None and said.earned_at > now:
        raise ImportFault("`earned_at` lies in the future; for pending points say `available_at`")
    if said.points < 0:
        _owe(book, key, said, now)
    elif said.available_at is not None:
        _require_to_come(said.available_at, now)
        award = _award(book, key, said, f"{IMPORT}:{said.row}", now, PENDING, said.available_at)
        _bring_pending(book, award, said.row, now)
    else:
        _open_lot(book, key, said, now)


def _open_lot(book: Book, key: MemberKey, said: Opening, now: datetime) -> None:
    earned_at = said.earned_at or now
    expires_at = _expiry(book, key, said, earned_at)
    catch_up(book, key, now)  # no switch of before moves what comes now
    if expires_at is not None and expires_at <= now:
        raise ImportFault(f"these points expired on {expires_at.isoformat()}; leave the row out")
    award_id = award_id_of(said.order_id, said.asset) if said.order_id is not None else None
    transfer = _post(book, key, said, IMPORTED, AVAILABLE, said.points, now, award_id)
    lot = open_lot(book, transfer, expires_at)
    if lot is not None:
        aged = replace(lot, opened_at=earned_at, told_at=now)
        book.put_lot(aged)
        book.schedule(key, first_look(book, aged))
        if said.owner is not None:
            bring_owner(book, aged, said.owner)
    book.announce(transfer, PointsEarned, replayed=True, kind=IMPORT, expires_at=expires_at)


def _expiry(book: Book, key: MemberKey, said: Opening, earned_at: datetime) -> datetime | None:
    if isinstance(said.expires_at, datetime):
        return said.expires_at
    if said.expires_at == NEVER_EXPIRES:
        return None
    versions = book.versions_of(key[0])
    return expiry_of(versions.newest.rules.policy_for(said.asset), earned_at)


def _owe(book: Book, key: MemberKey, said: Opening, now: datetime) -> None:
    """The member owed: what they have fills it, the rest is owed here, too."""
    draws, _ = take(-said.points, sorted(open_lots(book, key, said.asset), key=spending_order))
    remove(book, key, said.asset, draws)
    transfer = _post(book, key, said, AVAILABLE, IMPORTED, -said.points, now, None)
    book.announce(transfer, PointsReversed, replayed=True, kind=IMPORT)


def _bring_order(book: Book, key: MemberKey, said: OldOrder, now: datetime) -> None:
    order_id = said.stated.order_id
    version = book.versions_of(key[0]).at(said.paid_at)
    if said.paid_at > now:
        raise ImportFault("`paid_at` lies in the future")
    if said.asset not in book.versions_of(key[0]).newest.rules.assets:
        raise ImportFault(f"no rule of the program gives {said.asset}")
    if said.waits_until is not None and not version.rules.wait_for(PAID, said.asset).is_for_fulfilment:
        raise ImportFault("the program waits for no fulfilment; say `available_at` instead of `waits_until`")
    known = book.purchases.get(key, order_id)
    if known is not None and known.paid is not None:
        awards = awards_of_order(book, key, order_id)
        if any(award.kind == AWARD or award.asset == said.asset for award in awards) or not awards:
            raise ImportFault(f"the ledger knows order {order_id!r} already")
        if known.paid != said.stated:
            raise ImportFault(f"another row says otherwise of order {order_id!r}")
    order = order_of(said.stated, version.rules.currency)
    before = known or Purchase(*key, order_id)
    purchase = replace(
        before,
        paid=said.stated,
        paid_at=said.paid_at,
        program_version=version.number,
        stated_at=said.paid_at,
    )
    book.put_purchase(purchase)
    note_purchase(book, key, said.paid_at)
    state, due_at = _state(said, now)
    award = _award(
        book,
        key,
        said,
        award_id_of(order_id, said.asset),
        said.paid_at,
        state,
        due_at,
        breakdown=explanation_of_import(order.items),
    )
    if state != AVAILABLE and said.points:
        _bring_pending(book, award, said.row, now)
    if purchase.refunds or purchase.cancelled_at is not None:
        follow_refunds(book, key, purchase, cause=f"{IMPORT}:{said.row}", at=now)


def _state(said: OldOrder, now: datetime) -> tuple[str, datetime | None]:
    if said.available_at is not None:
        _require_to_come(said.available_at, now)
        return PENDING, said.available_at
    if said.waits_until is not None:
        _require_to_come(said.waits_until, now)
        return WAITING, said.waits_until
    return AVAILABLE, None


def _require_to_come(moment: datetime, now: datetime) -> None:
    if moment <= now:
        raise ImportFault(f"{moment.isoformat()} has passed; leave `available_at` and `waits_until` out")


def _award(
    book: Book,
    key: MemberKey,
    said: Opening | OldOrder,
    award_id: str,
    at: datetime,
    state: str,
    due_at: datetime | None,
    breakdown: dict[str, Any] | None = None,
) -> Award:
    award = Award(
        *key,
        award_id,
        said.asset,
        IMPORT,
        said.stated.order_id if isinstance(said, OldOrder) else None,
        f"{IMPORT}:{said.row}",
        at,
        book.versions_of(key[0]).at(at).number,
        said.points,
        state,
        breakdown or {"rules": []},
        due_at=due_at,
    )
    book.put_award(award)
    book.schedule(key, due_at)
    return award


def _bring_pending(book: Book, award: Award, row: str, now: datetime) -> None:
    transfer = book.post(
        (award.program_id, award.member_id),
        award.asset,
        IMPORT,
        IMPORTED,
        PENDING,
        award.points,
        cause=f"{IMPORT}:{row}",
        at=now,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    due = award.due_at if award.state == PENDING else None
    book.announce(transfer, PointsPending, replayed=True, kind=IMPORT, available_at=due)


def _post(
    book: Book,
    key: MemberKey,
    said: Opening,
    from_account: str,
    to_account: str,
    points: int,
    now: datetime,
    award_id: str | None,
) -> Transfer:
    return book.post(
        key,
        said.asset,
        IMPORT,
        from_account,
        to_account,
        points,
        cause=f"{IMPORT}:{said.row}",
        at=now,
        award_id=award_id,
        order_id=said.order_id,
    )
