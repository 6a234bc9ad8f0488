"""Adjustments by hand: a person gives or takes, with a reason, and above a bound only with a second person.

Example: `four_eyes_above: 1000 points`. Giving 300 for a late parcel happens at once. Taking 5,000 that were given by
mistake is a proposal until somebody else approves it. A member who owes 120 and is given 300 has 180 in a new lot,
which lives as long as points do that are earned that day.

What a newcomer would get wrong: a proposal moves nothing and promises nothing. It is reckoned when it is approved, by
the balance and the program of that moment; `moved` says what came of it.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.donations import is_donation
from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.lots import open_lot, open_lots, remove, spending_order, take
from services.ledger.domain.program import LedgerProgram, Negative
from services.ledger.domain.records import AVAILABLE, MemberKey
from services.ledger.errors import NotReversible, UnknownAsset
from shared.events import PointsEarned, PointsReversed
from shared.rows import Row

ADJUSTED = "adjusted"
"""The program's account that adjustments come from and go to."""
ADJUSTMENT = "adjustment"
APPLIED, PROPOSED, REJECTED = "applied", "proposed", "rejected"


class Adjustment(Row, frozen=True, gc=False):
    """An adjustment: what was wanted (`points`, below 0 to take), by whom and why, and what became of it.

    `moved` is what it moved, also signed: less was taken than wanted where the policy says so.
    """

    program_id: str
    adjustment_id: str
    member_id: str
    asset: str
    points: int
    reason: str
    state: str
    proposed_by: str
    proposed_at: datetime
    moved: int = 0
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None


def needs_second(program: LedgerProgram, asset: str, points: int) -> bool:
    """Whether another person has to approve an adjustment of so many."""
    bound = program.four_eyes.get(asset)
    return bound is not None and abs(points) > bound


def require_known(book: Book, key: MemberKey, program: LedgerProgram, asset: str) -> None:
    """Let nobody bring an asset into the world by a slip of the pen; what the member has can always be adjusted.

    Raises:
        UnknownAsset: the program knows of none, or no member ever has it, as what the merchant donates.
    """
    if is_donation(asset) or not (program.knows(asset) or asset in book.balances.of(key)):
        raise UnknownAsset(
            f"members of this program have no {asset!r}; write `points`, `stamps`, `spins`, "
            f"`credit:{program.currency}`, or a name that stands under `assets` of the program"
        )


def adjust(
    book: Book, key: MemberKey, *, name: str, asset: str, points: int, reason: str, at: datetime
) -> int:
    """Give (above 0) or take (below 0) points by hand; what was moved, signed.

    What is given fills a deficit first. What is taken comes out of the lots in spending order; where they hold too
    little the member owes the rest (`negative: allow`), or it is left (`to_zero`). Other than a refund it voids no
    reward: it takes back no order that paid for one. Whoever wants that voids it, too; its price fills what is owed.

    Raises:
        UnknownAsset: see `require_known`.
        NotReversible: `negative: pending_only` lets nobody take what is available.
    """
    program = book.versions_of(key[0]).at(at).rules
    require_known(book, key, program, asset)
    cause = f"{ADJUSTMENT}:{name}"
    if points > 0:
        _give(book, key, program, asset, points, cause=cause, reason=reason, at=at)
        return points
    return -_take(book, key, program, asset, -points, cause=cause, reason=reason, at=at)


def _give(
    book: Book,
    key: MemberKey,
    program: LedgerProgram,
    asset: str,
    points: int,
    *,
    cause: str,
    reason: str,
    at: datetime,
) -> None:
    transfer = book.post(key, asset, ADJUSTMENT, ADJUSTED, AVAILABLE, points, cause=cause, at=at)
    expires_at = expiry_of(program.policy_for(asset), at)
    open_lot(book, transfer, expires_at)
    book.announce(transfer, PointsEarned, kind=ADJUSTMENT, expires_at=expires_at, reason=reason)


def _take(
    book: Book,
    key: MemberKey,
    program: LedgerProgram,
    asset: str,
    points: int,
    *,
    cause: str,
    reason: str,
    at: datetime,
) -> int:
    policy = program.policy_for(asset).negative
    if policy is Negative.PENDING_ONLY:
        raise NotReversible(f"the program says `negative: pending_only` of {asset}: what is available stays")
    draws, missing = take(points, sorted(open_lots(book, key, asset), key=spending_order))
    taken = points - missing if policy is Negative.TO_ZERO else points
    if taken:
        remove(book, key, asset, draws)
        transfer = book.post(key, asset, ADJUSTMENT, AVAILABLE, ADJUSTED, taken, cause=cause, at=at)
        book.announce(transfer, PointsReversed, kind=ADJUSTMENT, reason=reason)
    return taken
