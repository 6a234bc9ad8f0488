"""Who is in a pool: how members join and leave it, and how the world is told.

Example: Ben has 20 of Ana's that an order gave back a second ago, and holds 50 of hers for a checkout. He leaves: the
20 go home, what the others have of his comes home to him, and `pool.left` says that Ana and Cem are left. The 50 stay
held; the order captures them, or they are released and go home, too.

What a newcomer would get wrong: nobody is refused to leave, whatever is held. What is spent by then is spent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from services.ledger.domain.book import SOURCE, Book
from services.ledger.domain.households import Pool
from services.ledger.domain.lending import send_home
from services.ledger.domain.pools import pool_of, pool_terms_of
from services.ledger.domain.records import MemberKey
from services.ledger.errors import InAnotherPool, PoolFull
from shared.cloudevents import derived_id
from shared.events import Event, PoolJoined, PoolLeft, event_type
from shared.rows import replace

LEFT, DISSOLVED, ERASED, MERGED = "left", "dissolved", "erased", "merged"
"""How members leave a pool."""

Place = tuple[str, int]
"""A pool, and how many have been in it longer."""


def join(book: Book, key: MemberKey, pool_id: str, at: datetime, *, replayed: bool = False) -> Pool:
    """The member is in the pool, behind those who are; the same again is the same.

    `replayed`: nobody is to be written to because of it.

    Raises:
        PoolsOff: the program has none.
        InAnotherPool: they leave that one first.
        PoolFull: it has as many members as the program allows.
    """
    terms = pool_terms_of(book, key[0], at)
    own, pool = pool_of(book, key), book.pools.get(key[0], pool_id) or Pool(key[0], pool_id, ())
    if own is not None and own.pool_id == pool_id:
        return own
    if own is not None:
        raise InAnotherPool(f"member {key[1]!r} is in pool {own.pool_id!r}")
    if len(pool.members) >= terms.most_members:
        raise PoolFull(f"a pool has {terms.most_members} members at most")
    return take_place(book, key, pool_id, len(pool.members), at, replayed=replayed)


def take_place(
    book: Book, key: MemberKey, pool_id: str, place: int, at: datetime, *, replayed: bool = False
) -> Pool:
    """The member is in the pool at this place, before those behind it."""
    pool = book.pools.get(key[0], pool_id) or Pool(key[0], pool_id, ())
    members = (*pool.members[:place], key[1], *pool.members[place:])
    joined = replace(pool, members=members, changed_at=at)
    book.pools.put(key[0], pool_id, joined)
    _tell(book, joined, key[1], PoolJoined, at, replayed=replayed)
    return joined


def leave(book: Book, pool: Pool, leaving: Collection[str], *, how: str, at: datetime) -> Pool:
    """Members leave, with what they earned and is left of it, and without what is others'."""
    cause = f"pool:{pool.pool_id}:{at.isoformat()}"
    for name in pool.members:
        owners = None if name in leaving else leaving
        send_home(book, (pool.program_id, name), owners=owners, cause=cause, at=at)
    return _without(book, pool, leaving, how, at)


def forget(book: Book, key: MemberKey, *, cause: str, at: datetime) -> None:
    """A member who is about to be erased leaves their pool, and what is others' goes home.

    What others have of theirs stays with these.
    """
    send_home(book, key, cause=cause, at=at)
    pool = pool_of(book, key)
    if pool is not None:
        _without(book, pool, {key[1]}, ERASED, at)


def leave_merged(book: Book, survivor: MemberKey, other: MemberKey, at: datetime) -> Place | None:
    """A member who is about to be merged leaves their pool; the place in it that the survivor takes, if any.

    Who is in another pool stays there. In the same one the survivor has the better place of both.
    """
    pool, mine = pool_of(book, other), pool_of(book, survivor)
    if pool is None:
        return None
    place = pool.members.index(other[1])
    left = leave(book, pool, {other[1]}, how=MERGED, at=at)
    if mine is None:
        return (pool.pool_id, place) if left.members else None
    if mine.pool_id == pool.pool_id and place < left.members.index(survivor[1]):
        staying = [name for name in left.members if name != survivor[1]]
        members = (*staying[:place], survivor[1], *staying[place:])
        book.pools.put(pool.program_id, pool.pool_id, replace(left, members=members))
    return None


def _without(book: Book, pool: Pool, leaving: Collection[str], how: str, at: datetime) -> Pool:
    staying = tuple(name for name in pool.members if name not in leaving)
    left = replace(pool, members=staying, changed_at=at)
    book.pools.put(pool.program_id, pool.pool_id, left)
    for name in pool.members:
        if name in leaving:
            _tell(book, left, name, PoolLeft, at, how=how)
    return left


def _tell(
    book: Book,
    pool: Pool,
    member_id: str,
    data: type[Any],
    at: datetime,
    *,
    replayed: bool = False,
    **more: Any,
) -> None:
    """Its id is derived from what happened, so that telling twice is telling once."""
    what = (event_type(data), pool.pool_id, at.isoformat())
    book.outgoing.append(
        Event(
            id=derived_id("ledger", pool.program_id, member_id, *what),
            source=SOURCE,
            type=event_type(data),
            program_id=pool.program_id,
            time=at,
            data=data(member_id=member_id, pool_id=pool.pool_id, members=pool.members, **more),
            replayed=replayed,
        )
    )
