"""Points that the members of a pool have of each other: how they get there, and how they go home.

Example: Ben holds 100, 70 of them Ana's. The hold is released: 70 are in Ben's purse again, and a moment later in
Ana's, with the expiry that they always had. It makes no difference whether the two are still in a pool by then.

What a newcomer would get wrong: a released hold, a refund or a voided reward is the affair of one member, who alone is
locked then. What came back goes home by itself (`jobs`), and at once where somebody leaves or is erased.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.households import Borrowed
from services.ledger.domain.records import Draw, Lot, MemberKey
from services.ledger.domain.transit import next_lot_no, send_lots
from shared.events import PointsTransferred

POOL = "pool"
"""The kind of transfers between the members of a pool."""

Part = tuple[Lot, int]
"""So many points out of one lot."""


def owner_of(book: Book, lot: Lot) -> str:
    """Whose a lot is: another member's, where it was borrowed."""
    row = book.borrowed.get((lot.program_id, lot.member_id), (lot.asset, lot.lot_no))
    return row.from_member_id if row is not None else lot.member_id


def lenders_of(book: Book, key: MemberKey) -> list[MemberKey]:
    """Those of whom a member has something, or had, and to whom it can go home now."""
    owners = {(key[0], row.from_member_id) for row in book.borrowed.of(key).values()}
    return sorted(owner for owner in owners if _takes_back(book, owner))


def move(
    book: Book, key: MemberKey, asset: str, taken: Iterable[Part], *, pool_id: str, cause: str, at: datetime
) -> None:
    """Move parts of the others' lots to a member, one pair of transfers for each of the others."""
    by_sender: dict[str, list[Part]] = {}
    for lot, part in taken:
        by_sender.setdefault(lot.member_id, []).append((lot, part))
    for sender, parts in sorted(by_sender.items()):
        first = next_lot_no(book, key, asset)
        draws = [Draw(lot.lot_no, part) for lot, part in parts]
        sent, received = send_lots(book, (key[0], sender), key, draws, asset, kind=POOL, cause=cause, at=at)
        for transfer, direction, counterpart in ((sent, "sent", key[1]), (received, "received", sender)):
            book.announce(
                transfer, PointsTransferred, kind=POOL, direction=direction, counterpart_id=counterpart
            )
        for number, (lot, _) in enumerate(parts):
            if (owner := owner_of(book, lot)) != key[1]:
                place = (asset, first - number)
                book.borrowed.put(key, place, Borrowed(*key, *place, pool_id, owner))


def send_home(
    book: Book, key: MemberKey, *, cause: str, at: datetime, owners: Collection[str] | None = None
) -> None:
    """What a member has of others' and has not spent goes back to them; to `owners` alone, where they are named.

    Only those are looked at whose lots the batch has; an erased owner takes nothing back.
    """
    parts: dict[tuple[str, str, str], list[Part]] = {}
    for place, row in sorted(book.borrowed.of(key).items()):
        lot = book.lots.get(key, place)
        if lot is None or not lot.remaining or (owners is not None and row.from_member_id not in owners):
            continue
        if _takes_back(book, (key[0], row.from_member_id)):
            parts.setdefault((row.from_member_id, row.asset, row.pool_id), []).append((lot, lot.remaining))
    for (owner, asset, pool_id), taken in parts.items():
        move(book, (key[0], owner), asset, taken, pool_id=pool_id, cause=cause, at=at)


def _takes_back(book: Book, owner: MemberKey) -> bool:
    if owner not in book.detailed:
        return False
    member = book.member(owner)
    return member.erased_at is None and member.merged_into is None
