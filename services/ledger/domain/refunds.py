"""What an award holds moves to a target: more is given back, less is taken from where it is.

Taken first from what is still pending; once available, first what expired unused counts as taken back (expiry never
makes a refund credit points, nor a member owe), then the award's own lots, then the member's other lots in spending
order, then unused rewards that the member bought after that award (the latest first: voided, their price returned and
taken), and only what is still missing is a deficit, by the program's policy.

Example: an order earned 500, the member bought `five off` for 400 with them and has 100 left. The order comes back: 100
are taken, the coupon is voided, its 400 return and are taken. Had it been used, the member would owe 400.

Under `to_zero` the program would bear these 400: they count as reversed, nothing is booked, and the breakdown of the
award names them (`borne`). Under `pending_only` it bears whatever is no longer pending and did not expire.

What a newcomer would get wrong: held points are out of reach. Where they are all that is left, the member owes.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.agreements import PARTNER, account_of
from services.ledger.domain.awards import credit
from services.ledger.domain.book import Book
from services.ledger.domain.donations import is_donation, take_donation_back
from services.ledger.domain.lots import open_lots, remove, spending_order, take
from services.ledger.domain.program import LedgerProgram, Negative
from services.ledger.domain.records import (
    AVAILABLE,
    CANCELLED,
    PENDING,
    REVERSED,
    WAITING,
    Award,
    Draw,
    MemberKey,
)
from services.ledger.domain.rewards import void_bought_since
from shared.events import PointsReversed
from shared.rows import replace

BORNE = "borne"
"""In the breakdown of an award: what the program bore of what was taken back."""


def hold_target(
    book: Book, award: Award, program: LedgerProgram, target: int, *, cause: str, at: datetime
) -> None:
    """Let the award hold `target` points from now on; the transfer is the difference to what it holds now."""
    assert 0 <= target <= award.points, f"{award.award_id} cannot hold {target} of {award.points}"
    missing = target - award.held_points
    if missing > 0 and award.state != CANCELLED:
        _give_again(book, award, program, missing, cause=cause, at=at)
    elif missing < 0 and is_donation(award.asset):
        take_donation_back(book, award, -missing, cause=cause, at=at)
    elif missing < 0 and award.state in (PENDING, WAITING):
        _take_pending(book, award, -missing, cause=cause, at=at)
    elif missing < 0:
        _take_available(book, award, program, -missing, cause=cause, at=at)
    else:
        book.put_award(award)


def _give_again(
    book: Book, award: Award, program: LedgerProgram, points: int, *, cause: str, at: datetime
) -> None:
    """An earlier refund took too much, or the order grew: never above the award."""
    bearable = min(award.written_off, points)
    more = replace(award, reversed=award.reversed - points, written_off=award.written_off - bearable)
    more = _bearing(more, max(0, borne_of(award) - bearable))
    book.put_award(more)
    if points > bearable:
        book.schedule((award.program_id, award.member_id), award.due_at)
        credit(
            book,
            more,
            program,
            points - bearable,
            kind="correction",
            cause=cause,
            at=at,
            from_account=REVERSED,
        )


def _take_pending(book: Book, award: Award, points: int, *, cause: str, at: datetime) -> None:
    less = replace(award, reversed=award.reversed + points)
    book.put_award(less)
    _reverse(book, less, PENDING, points, cause=cause, at=at)


def _take_available(
    book: Book, award: Award, program: LedgerProgram, points: int, *, cause: str, at: datetime
) -> None:
    key = (award.program_id, award.member_id)
    expired = _count_expired(book, key, award, points)
    wanted, borne = points - expired, 0
    draws, missing = _take_from_lots(book, key, award, wanted)
    policy = program.policy_for(award.asset).negative
    if missing and policy is not Negative.PENDING_ONLY:
        void_bought_since(book, key, award.asset, wanted, since=award.happened_at, cause=cause, at=at)
        draws, missing = _take_from_lots(book, key, award, wanted)
    if policy is Negative.PENDING_ONLY:
        draws, borne = [], wanted
    elif policy is Negative.TO_ZERO:
        borne = missing
    less = replace(award, reversed=award.reversed + points, written_off=award.written_off + expired + borne)
    less = _bearing(less, borne_of(award) + borne)
    book.put_award(less)
    if wanted > borne:
        remove(book, key, award.asset, draws)
        _reverse(book, less, AVAILABLE, wanted - borne, cause=cause, at=at)


def _count_expired(book: Book, key: MemberKey, award: Award, points: int) -> int:
    """How much of `points` expired unused in the award's own lots and was not counted before."""
    expired = sum(
        lot.expired
        for (asset, _), lot in book.lots.of(key).items()
        if asset == award.asset and lot.award_id == award.award_id
    )
    return max(0, min(points, expired - (award.written_off - borne_of(award))))


def borne_of(award: Award) -> int:
    """What of the reversed points the program bore: they were spent, and its policy lets nobody owe for them."""
    return int(award.breakdown.get(BORNE, 0)) if award.written_off else 0


def _bearing(award: Award, points: int) -> Award:
    """The award, whose breakdown names what the program bears."""
    if points == borne_of(award):
        return award
    return replace(award, breakdown={**award.breakdown, BORNE: points})


def _taken_to(award: Award) -> str:
    return account_of(award.breakdown["partner"]) if award.kind == PARTNER else REVERSED


def _take_from_lots(book: Book, key: MemberKey, award: Award, points: int) -> tuple[list[Draw], int]:
    """From the award's own lots, then from the member's others, in spending order; and how much is missing."""
    lots = sorted(open_lots(book, key, award.asset), key=spending_order)
    own = [lot for lot in lots if lot.award_id == award.award_id]
    return take(points, [*own, *(lot for lot in lots if lot.award_id != award.award_id)])


def _reverse(book: Book, award: Award, account: str, points: int, *, cause: str, at: datetime) -> None:
    transfer = book.post(
        (award.program_id, award.member_id),
        award.asset,
        "reversal",
        account,
        _taken_to(award),
        points,
        cause=cause,
        at=at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    book.announce(
        transfer,
        PointsReversed,
        kind=award.kind,
        order_points=award.held_points if award.order_id else None,
        taken_from_pending=points if account == PENDING else 0,
    )
