"""Codes of another system that are nobody's reward: those of a campaign, and the shop's own that wait in a pool.

Example: `SUMMER-10`, 10 % for 500 uses until the end of August, one for each member; 37 were used there, three of them
by Ana, Ben and Cem. Here 463 are left, and none for these three.

What a newcomer would get wrong: a code without `gives` is worth nothing yet. It waits in its pool, and gets its worth
from the reward with which it is handed out.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.catalogue import BY_CODE
from services.ledger.domain.imported import IMPORT
from services.ledger.domain.issued import IN_USE, OPEN, POOLED, Coupon, CouponUse, canonical
from services.ledger.errors import ImportFault
from shared.events import Grant
from shared.rows import Row


class OldUse(Row, frozen=True, gc=False):
    """One use of a code, as far as is known by whom and for which order."""

    member_id: str | None = None
    order_id: str | None = None
    at: datetime | None = None
    named: bool = False


class OldCode(Row, frozen=True, gc=False, kw_only=True):
    """A code of nobody's reward. `uses` None: as often as one likes. `used` counts all uses, those of `used_by` too."""

    row: str
    code: str
    gives: Grant | None = None
    pool: str | None = None
    uses: int | None = 1
    used: int = 0
    used_by: tuple[OldUse, ...] = ()
    per_member: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    made_at: datetime | None = None


def bring_code(book: Book, program_id: str, said: OldCode, now: datetime) -> None:
    """Write the code with its uses.

    Raises:
        ImportFault: it is another coupon's, is over, or its kind is credited and not handed over as a code.
    """
    if book.shelf.coupons.get(program_id, canonical(said.code)) is not None:
        raise ImportFault(f"the code {said.code!r} is another coupon's")
    if said.gives is not None and said.gives.kind not in BY_CODE:
        raise ImportFault(f"`{said.gives.kind}` is no coupon; bring it in with a member")
    if said.valid_until is not None and said.valid_until <= now:
        raise ImportFault(f"it was good until {said.valid_until.isoformat()}; leave the row out")
    made_at = said.made_at or now
    if made_at > now:
        raise ImportFault("`made_at` lies in the future")
    coupon = Coupon(
        program_id=program_id,
        code=canonical(said.code),
        shown=said.code,
        state=OPEN if said.gives is not None else POOLED,
        gives=said.gives,
        pool=said.pool,
        uses=said.uses,
        per_member=said.per_member,
        used=said.used if said.uses is not None else 0,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        made_at=made_at,
    )
    book.shelf.put_coupon(coupon)
    for number in range(max(said.used, len(said.used_by))):
        of_whom = said.used_by[number] if number < len(said.used_by) else OldUse()
        book.shelf.put_use(_use(coupon, said.row, number, of_whom, made_at))


def _use(coupon: Coupon, row: str, number: int, said: OldUse, made_at: datetime) -> CouponUse:
    """A use for an order has the order's id, so that the same order again is the same use."""
    return CouponUse(
        program_id=coupon.program_id,
        code=coupon.code,
        use_id=said.order_id or f"{IMPORT}:{row}:{number}",
        state=IN_USE,
        member_id=said.member_id,
        order_id=said.order_id,
        named=said.named,
        changed_at=said.at or made_at,
    )
