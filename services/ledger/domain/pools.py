"""Households: members who share what they earn, each with a purse of their own.

Example: Ana has 80, Ben 30, and Ben spends 100 for both. 70 go from Ana to Ben through `in_transit`, soonest expiry
first, and he spends 100. His order comes back: 100 return to the lots they were spent from, 70 of them to those that
came from Ana, and these go home to her.

What a newcomer would get wrong: the pool has no account. Everybody earns, owes and lets expire as they did before, and
a refund is the affair of whoever earned; a pool is the right to spend from each other.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.households import Pool
from services.ledger.domain.lending import Part, move, owner_of
from services.ledger.domain.lots import open_lots, spending_order
from services.ledger.domain.pool_terms import PoolTerms
from services.ledger.domain.records import MemberKey
from services.ledger.errors import InsufficientPoints, NotInPool, NotPoolOwner, PoolsOff


def pool_terms_of(book: Book, program_id: str, at: datetime) -> PoolTerms:
    """How pools are at this moment.

    Raises:
        PoolsOff: there are none.
    """
    terms = book.versions_of(program_id).at(at).rules.pools
    if terms is None:
        raise PoolsOff("the program has no pools")
    return terms


def pool_of(book: Book, key: MemberKey) -> Pool | None:
    """The pool that a member is in."""
    return next((pool for pool in book.pools.of(key[0]).values() if key[1] in pool.members), None)


def own_pool(book: Book, key: MemberKey) -> Pool:
    """The pool that a member is in.

    Raises:
        NotInPool: they are in none.
    """
    pool = pool_of(book, key)
    if pool is None:
        raise NotInPool(f"member {key[1]!r} is in no pool")
    return pool


def check_owner(pool: Pool, member_id: str) -> None:
    """Make sure that it is the one who has been in the pool longest.

    Raises:
        NotPoolOwner: it is somebody else.
    """
    owner = pool.members[0]
    if owner != member_id:
        raise NotPoolOwner("only the member who has been in the pool longest may do that", owner_id=owner)


def offers_to(book: Book, pool: Pool, key: MemberKey, asset: str, terms: PoolTerms) -> list[Part]:
    """What the others' lots offer this member, in spending order; what is a third's is offered wholly."""
    found: list[Part] = []
    for name in pool.members:
        if name == key[1] or asset not in terms.assets:
            continue
        for lot in open_lots(book, (pool.program_id, name), asset):
            came = owner_of(book, lot) != name
            found.append((lot, lot.remaining if came else terms.offered(lot.amount, lot.remaining)))
    return sorted(
        found, key=lambda offer: (*spending_order(offer[0])[:2], offer[0].member_id, offer[0].lot_no)
    )


def bring(book: Book, key: MemberKey, points: int, asset: str, *, cause: str, at: datetime) -> None:
    """See to it that a member can spend so much: what they lack comes from the others.

    Raises:
        NotInPool: there are no others.
        PoolsOff, NotPoolOwner: they may not spend from the others.
        InsufficientPoints: all together offer less.
    """
    pool = own_pool(book, key)
    available = book.balance(key, asset).available
    missing = points - available
    if missing <= 0:
        return
    terms = pool_terms_of(book, pool.program_id, at)
    if not terms.everybody:
        check_owner(pool, key[1])
    offers = offers_to(book, pool, key, asset, terms)
    offered = sum(part for _, part in offers)
    if offered < missing:
        raise InsufficientPoints(
            f"{points} {asset} asked for, {max(0, available + offered)} are in the pool for this member",
            asked=points,
            available=max(0, available + offered),
        )
    taken: list[Part] = []
    for lot, part in offers:
        if part and missing:
            taken.append((lot, min(part, missing)))
            missing -= taken[-1][1]
    move(book, key, asset, taken, pool_id=pool.pool_id, cause=cause, at=at)
