"""What households ask: make a pool, invite, join, leave, dissolve it, and spend from each other.

What a newcomer would get wrong: the pool is locked before its members, all of whom are locked then, in the order of
their keys. So nobody joins or leaves while somebody spends; and nothing else ever waits for a pool.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.actions.checkout import Wanted
from services.ledger.domain import checkout
from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.pools import (
    Origins,
    Pool,
    bring,
    check_owner,
    leave,
    living,
    offers_to,
    pool_terms_of,
)
from services.ledger.domain.records import Hold, MemberKey
from services.ledger.errors import (
    InAnotherPool,
    NotInPool,
    NotInvited,
    PoolFull,
    PoolTaken,
    UnknownMember,
    UnknownReceiver,
)
from services.ledger.store import pools
from shared.database import AnyConnection


@dataclass(frozen=True, slots=True)
class Seen:
    """What a member sees of pools: the own one with its members, what of each asset the others offer, invitations."""

    pool_id: str | None
    members: tuple[str, ...]
    offered: dict[str, int]
    invitations: list[str]


async def make(
    actions: Actions, connection: AnyConnection, key: MemberKey, pool_id: str, now: datetime
) -> Pool:
    """A new pool, with this member in it; the same again is the same.

    Raises:
        UnknownMember, MemberErased, PoolsOff, InAnotherPool, PoolTaken: see there.
    """
    fresh = await pools.make(connection, actions.sql, key[0], pool_id, now)
    async with actions.command(connection, key, now) as book:
        pool_terms_of(book, key[0], now)
        own = await pools.pool_of(connection, actions.sql, key)
        if own is not None and own != pool_id:
            raise InAnotherPool(f"member {key[1]!r} is in pool {own!r}")
        if own is None:
            if not fresh:
                raise PoolTaken(f"there is, or was, a pool {pool_id!r}; choose another id")
            await pools.join(connection, actions.sql, key, pool_id, now)
    return (
        Pool(*(key[0], pool_id), (key[1],)) if own is None else await _read(actions, connection, key[0], own)
    )


async def invite(
    actions: Actions, connection: AnyConnection, key: MemberKey, invited: str, now: datetime
) -> Pool:
    """Invite another member to the own pool; only who has been in it longest may.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, UnknownReceiver: see there.
    """
    other = (key[0], invited)
    known = set((await actions.store.known_members(connection, {other})).values())
    other = next(iter(known), other)  # the one into whom the invited was merged, where that was done
    async with _own_pool(actions, connection, key, now, others=known) as (book, pool):
        pool_terms_of(book, key[0], now)
        check_owner(book, pool, key[1])
        if not known or book.member(other).erased_at is not None:
            raise UnknownReceiver(f"there is no member {invited!r}")
        await pools.invite(connection, actions.sql, other, pool.pool_id)
    return pool


async def join(
    actions: Actions, connection: AnyConnection, key: MemberKey, pool_id: str, now: datetime
) -> Pool:
    """Join a pool that one is invited to; once joined, one has joined.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInvited, InAnotherPool, PoolFull: see there.
    """
    pool = await pools.read(connection, actions.sql, key[0], pool_id)
    async with actions.command(connection, key, now, others=_keys_of(pool) - {key}) as book:
        terms = pool_terms_of(book, key[0], now)
        if pool is not None and key[1] in pool.members:
            return pool
        if pool is None or pool_id not in await pools.invitations(connection, actions.sql, key):
            raise NotInvited(f"nobody invited member {key[1]!r} to pool {pool_id!r}")
        if (own := await pools.pool_of(connection, actions.sql, key)) is not None:
            raise InAnotherPool(f"member {key[1]!r} is in pool {own!r}")
        if len(living(book, pool)) >= terms.most_members:
            raise PoolFull(f"a pool has {terms.most_members} members at most")
        await pools.join(connection, actions.sql, key, pool_id, now)
    return await _read(actions, connection, key[0], pool_id)


async def part(
    actions: Actions, connection: AnyConnection, key: MemberKey, now: datetime, *, dissolving: bool = False
) -> Pool:
    """Leave the own pool, or dissolve it; everybody concerned takes what they earned and is left of it.

    Raises:
        UnknownMember, MemberErased, NotInPool, NotPoolOwner: see there.
    """
    async with _own_pool(actions, connection, key, now) as (book, pool):
        if dissolving:
            check_owner(book, pool, key[1])
        staying = {*living(book, pool)} - {key[1]} if not dissolving else set()
        leaving = [
            name for name in pool.members if name not in staying
        ]  # with those who were erased meanwhile
        before = await pools.origins_of(connection, actions.sql, pool)
        after = leave(book, pool, leaving, before, cause=f"pool:{pool.pool_id}:{now.isoformat()}", at=now)
        await pools.save_origins(connection, actions.sql, pool, before, after)
        await pools.part(connection, actions.sql, pool, leaving, now)
    return pool


async def spend(
    actions: Actions, connection: AnyConnection, key: MemberKey, wanted: Wanted, now: datetime
) -> tuple[Hold, Book]:
    """Spend at once; what the member lacks comes from the others. The same id again is the same spend.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, InsufficientPoints, SpendConflict,
        NotWholeBlocks, NotUsable: see there.
    """
    async with _bringing(actions, connection, key, wanted, now) as book:
        made = checkout.spend_at_once(
            book, key, spend_id=wanted.id, points=wanted.points, now=now, asset=wanted.asset,
            order_id=wanted.order_id, cart=wanted.cart,
        )  # fmt: skip
    return made, book


async def hold(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    wanted: Wanted,
    now: datetime,
    *,
    minutes: int | None,
) -> tuple[Hold, Book]:
    """Set points aside; what the member lacks comes from the others. The same id again is the same hold.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, InsufficientPoints, HoldConflict,
        NotWholeBlocks, NotUsable: see there.
    """
    async with _bringing(actions, connection, key, wanted, now) as book:
        made = checkout.hold_for_checkout(
            book, key, hold_id=wanted.id, points=wanted.points, now=now, minutes=minutes, asset=wanted.asset,
            order_id=wanted.order_id, cart=wanted.cart,
        )  # fmt: skip
    return made, book


async def look(actions: Actions, connection: AnyConnection, key: MemberKey, now: datetime) -> Seen:
    """What a member sees of pools; nothing is locked or written.

    Raises:
        UnknownMember: see there.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if not await connection.fetchval(actions.sql.member_exists, *key):
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
        invitations = await pools.invitations(connection, actions.sql, key)
        own = await pools.pool_of(connection, actions.sql, key)
        if own is None:
            return Seen(None, (), {}, invitations)
        pool = await _read(actions, connection, key[0], own)
        keys = dict.fromkeys(_keys_of(pool), now)
        programs = {key[0]: await actions.programs.one(connection, key[0])}
        needs = Needs(members=keys, detailed=set(keys))
        book = await actions.settled(connection, needs, programs, locking=False)
        origins = await pools.origins_of(connection, actions.sql, pool)
    terms = programs[key[0]].at(now).rules.pools
    offered: dict[str, int] = {}
    if terms is not None and (terms.everybody or living(book, pool)[:1] == [key[1]]):
        for asset in sorted(terms.assets):
            offered[asset] = sum(part for _, part in offers_to(book, pool, key, asset, terms, origins))
    return Seen(own, tuple(living(book, pool)), offered, invitations)


@asynccontextmanager
async def _bringing(
    actions: Actions, connection: AnyConnection, key: MemberKey, wanted: Wanted, now: datetime
) -> AsyncIterator[Book]:
    """The book of the pool, in which the member has as much as they want to spend."""
    orders = [wanted.order_id] if wanted.order_id is not None else []
    async with _own_pool(actions, connection, key, now, holds=[wanted.id], orders=orders) as (book, pool):
        if book.holds.get(key, wanted.id) is None:
            before = await pools.origins_of(connection, actions.sql, pool)
            after = _brought(book, pool, key, wanted, before, now)
            await pools.save_origins(connection, actions.sql, pool, before, after)
        yield book


def _brought(
    book: Book, pool: Pool, key: MemberKey, wanted: Wanted, before: Origins, now: datetime
) -> Origins:
    cause = f"pool:{pool.pool_id}:{key[1]}:{wanted.id}"
    return bring(book, pool, key, wanted.points, wanted.asset, before, cause=cause, at=now)


@asynccontextmanager
async def _own_pool(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    now: datetime,
    *,
    others: Iterable[MemberKey] = (),
    holds: Iterable[str] = (),
    orders: Iterable[str] = (),
) -> AsyncIterator[tuple[Book, Pool]]:
    """The pool of a member, locked, and the book of all who are in it; saved when the block ends.

    Raises:
        UnknownMember, MemberErased: see there.
        NotInPool: they are in none.
    """
    own = await pools.pool_of(connection, actions.sql, key)
    pool = await pools.read(connection, actions.sql, key[0], own) if own is not None else None
    further = (_keys_of(pool) | set(others)) - {key}
    async with actions.command(connection, key, now, others=further, holds=holds, orders=orders) as book:
        if pool is None or key[1] not in pool.members:
            raise NotInPool(f"member {key[1]!r} is in no pool")
        yield book, pool


async def _read(actions: Actions, connection: AnyConnection, program_id: str, pool_id: str) -> Pool:
    found = await pools.read(connection, actions.sql, program_id, pool_id, locking=False)
    assert found is not None, f"pool {pool_id} is there"
    return found


def _keys_of(pool: Pool | None) -> set[MemberKey]:
    return {(pool.program_id, name) for name in pool.members} if pool is not None else set()
