"""The merchant's donations: a rule gives to a charity instead of the member whose order or deed is the cause.

Worked example: `donate: 2.00 USD`, `per: item`, `to: food bank`. An order of three items: 600 of `donation:USD` go from
`issued` to `charity:food bank`, in one transfer that concerns the member. One item comes back: 200 go to `reversed`.
All come back: 400 more, and the charity is owed nothing for this order.

What a newcomer would get wrong: nothing of it ever enters an account of the member, so it neither waits nor expires,
and no level multiplies it. All else is as with every award: conditions, caps, budgets, decision, targets of refunds.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.records import REVERSED, Award
from shared.events import PointsDonated, PointsReversed
from shared.rows import replace

DONATION = "donation"
"""The asset of what a merchant donates is `donation:` and its currency, counted in minor units."""
PREFIX = f"{DONATION}:"


def is_donation(asset: str) -> bool:
    """Whether this goes to a charity and not to a member."""
    return asset.startswith(PREFIX)


def donated_in(currency: str) -> str:
    """What is donated in a currency."""
    return f"{PREFIX}{currency}"


def donate(
    book: Book, award: Award, points: int, *, kind: str, from_account: str, cause: str, at: datetime
) -> None:
    """Give to the charity of the version that the award was made under."""
    charity = _charity(book, award)
    transfer = book.post(
        (award.program_id, award.member_id),
        award.asset,
        kind,
        from_account,
        f"charity:{charity}",
        points,
        cause=cause,
        at=at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    held = award.held_points if award.order_id else None
    book.announce(transfer, PointsDonated, kind="merchant_donation", charity=charity, order_points=held)


def take_donation_back(book: Book, award: Award, points: int, *, cause: str, at: datetime) -> None:
    """The customer keeps less: the charity is owed less."""
    less = replace(award, reversed=award.reversed + points)
    book.put_award(less)
    transfer = book.post(
        (award.program_id, award.member_id),
        award.asset,
        "reversal",
        f"charity:{_charity(book, award)}",
        REVERSED,
        points,
        cause=cause,
        at=at,
        award_id=award.award_id,
        order_id=award.order_id,
    )
    held = less.held_points if less.order_id else None
    book.announce(transfer, PointsReversed, kind="merchant_donation", order_points=held)


def _charity(book: Book, award: Award) -> str:
    versions = book.versions_of(award.program_id)
    known = versions.numbered(award.program_version).rules.charities
    return known.get(award.asset) or versions.newest.rules.charities.get(award.asset, "unknown")
