"""Households of another system: which pools there are, who is in them, and which lots are whose.

Example: Ana, Ben and Cem are the pool `home`, Ana the longest. 70 of the points in Ben's purse are Ana's, since an
order of his came back a moment before the move: their row says so, and a moment later they are in Ana's purse.

What a newcomer would get wrong: nobody is asked to consent again, since they did so there. So the members come at once,
in the order in which they joined, and nobody is written to.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.households import Borrowed
from services.ledger.domain.joining import join
from services.ledger.domain.records import Lot, MemberKey
from services.ledger.errors import ImportFault
from shared.rows import Row


class OldPool(Row, frozen=True, gc=False):
    """A pool with its members, those first who have been in it longest."""

    row: str
    pool_id: str
    members: tuple[str, ...]


class OldOwner(Row, frozen=True, gc=False):
    """Whose a lot is that lies in another member's purse, and the pool in which it came there."""

    member_id: str
    pool_id: str


def bring_pool(book: Book, program_id: str, said: OldPool, now: datetime) -> None:
    """All members are in the pool, which has to be new and empty.

    Raises:
        ImportFault: there is, or was, such a pool; or a member was forgotten or merged.
        PoolsOff, InAnotherPool, PoolFull: see there.
    """
    pool = book.pools.get(program_id, said.pool_id)
    if pool is None or pool.members:
        raise ImportFault(f"there is, or was, a pool {said.pool_id!r} here already; give this one another id")
    for name in said.members:
        require_here(book, (program_id, name))
        join(book, (program_id, name), said.pool_id, now, replayed=True)


def bring_owner(book: Book, lot: Lot, owner: OldOwner) -> None:
    """The lot is another member's, to whom it goes home as soon as somebody looks.

    Raises:
        ImportFault: it is said to be of its own holder, or of somebody who was forgotten or merged.
    """
    key, place = (lot.program_id, lot.member_id), (lot.asset, lot.lot_no)
    if owner.member_id == lot.member_id:
        raise ImportFault("`belongs_to` is the member themselves; leave it out")
    require_here(book, (lot.program_id, owner.member_id))
    book.borrowed.put(key, place, Borrowed(*key, *place, owner.pool_id, owner.member_id))
    book.came_back.append((*key, *place, lot.lot_no))


def require_here(book: Book, key: MemberKey) -> None:
    """Make sure that a member can get something.

    Raises:
        ImportFault: they asked to be forgotten, or were merged into somebody.
    """
    if book.member(key).erased_at is not None:
        raise ImportFault(f"member {key[1]!r} asked to be forgotten; leave them out")
    if (home := book.homes.get(key)) is not None:
        raise ImportFault(f"member {key[1]!r} was merged into {home[1]!r}; say that one")
