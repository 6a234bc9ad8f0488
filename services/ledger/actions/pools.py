"""What households ask: make a pool, invite, join, leave, dissolve it, and spend from each other.

What a newcomer would get wrong: the pool is locked before its members, all of whom are locked then, in the order of
their keys. So nobody joins or leaves while somebody spends; and nothing else ever waits for a pool. Spends and holds of
a household that come together share a transaction (see `together`), or they would stand in line for the pool's row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel

from services.ledger.actions import Actions, checkout
from services.ledger.actions.checkout import AnswerWith, Wanted
from services.ledger.actions.rewards import on_the_shelf
from services.ledger.actions.together import Command
from services.ledger.domain.book import Book
from services.ledger.domain.households import Pool
from services.ledger.domain.issued import Issued
from services.ledger.domain.joining import DISSOLVED, LEFT, join, leave
from services.ledger.domain.lending import send_home
from services.ledger.domain.needs import Needs
from services.ledger.domain.pooling import bring_for, buy_together
from services.ledger.domain.pools import check_owner, offers_to, own_pool, pool_of, pool_terms_of
from services.ledger.domain.records import MemberKey
from services.ledger.errors import InAnotherPool, NotInvited, PoolTaken, UnknownMember, UnknownReceiver
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
    async with actions.command(connection, key, now, pools=()) as book:
        pool_terms_of(book, key[0], now)
        own = pool_of(book, key)
        if own is not None and own.pool_id != pool_id:
            raise InAnotherPool(f"member {key[1]!r} is in pool {own.pool_id!r}")
        if own is None and not fresh:
            raise PoolTaken(f"there is, or was, a pool {pool_id!r}; choose another id")
        return own or join(book, key, pool_id, now)


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
    async with actions.command(connection, key, now, others=known, pools=()) as book:
        pool = own_pool(book, key)
        pool_terms_of(book, key[0], now)
        check_owner(pool, key[1])
        if not known or book.member(other).erased_at is not None:
            raise UnknownReceiver(f"there is no member {invited!r}")
        await pools.invite(connection, actions.sql, other, pool.pool_id)
    return pool


async def enter(
    actions: Actions, connection: AnyConnection, key: MemberKey, pool_id: str, now: datetime
) -> Pool:
    """Join a pool that one is invited to; once joined, one has joined.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInvited, InAnotherPool, PoolFull: see there.
    """
    async with actions.command(connection, key, now, pools=[pool_id]) as book:
        pool = book.pools.get(key[0], pool_id)
        if pool is None or (
            key[1] not in pool.members
            and pool_id not in await pools.invitations(connection, actions.sql, key)
        ):
            pool_terms_of(book, key[0], now)
            raise NotInvited(f"nobody invited member {key[1]!r} to pool {pool_id!r}")
        return join(book, key, pool_id, now)


async def part(
    actions: Actions, connection: AnyConnection, key: MemberKey, now: datetime, *, dissolving: bool = False
) -> Pool:
    """Leave the own pool, or dissolve it; everybody concerned takes what they earned and is left of it. The pool after.

    Raises:
        UnknownMember, MemberErased, NotInPool, NotPoolOwner: see there.
    """
    async with actions.command(connection, key, now, pools=()) as book:
        pool = own_pool(book, key)
        if dissolving:
            check_owner(pool, key[1])
            return leave(book, pool, pool.members, how=DISSOLVED, at=now)
        return leave(book, pool, {key[1]}, how=LEFT, at=now)


def spend(key: MemberKey, wanted: Wanted, *, answer: AnswerWith) -> Command:
    """Spend at once; what the member lacks comes from the others. The same id again is the same spend.

    Refused with UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, InsufficientPoints, SpendConflict,
    NotWholeBlocks, NotUsable.
    """
    return _brought_together(checkout.spend(key, wanted, answer=answer), wanted)


def hold(key: MemberKey, wanted: Wanted, *, minutes: int | None, answer: AnswerWith) -> Command:
    """Set points aside; what the member lacks comes from the others. The same id again is the same hold.

    Refused with UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, InsufficientPoints, HoldConflict,
    NotWholeBlocks, NotUsable.
    """
    return _brought_together(checkout.hold(key, wanted, minutes=minutes, answer=answer), wanted)


async def redeem(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    reward: str,
    reward_id: str,
    charity: str | None,
    now: datetime,
) -> tuple[Issued, Book]:
    """Buy a reward of the catalogue; what the member lacks of its price comes from the others.

    Raises:
        UnknownMember, MemberErased, PoolsOff, NotInPool, NotPoolOwner, UnknownReward, RewardUnavailable,
        RewardSoldOut, InsufficientPoints, PoolEmpty, CharityUnknown, RewardConflict: see there.
    """
    shelf = await on_the_shelf(actions, connection, key, reward, reward_id, now)
    async with actions.command(connection, key, now, shelf=shelf, pools=()) as book:
        own_pool(book, key)
        issued = buy_together(book, key, reward, reward_id=reward_id, charity=charity, at=now)
    return issued, book


async def look(actions: Actions, connection: AnyConnection, key: MemberKey, now: datetime) -> Seen:
    """What a member sees of pools; nothing is locked or written.

    Raises:
        UnknownMember: see there.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if not await connection.fetchval(actions.sql.member_exists, *key):
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
        invitations = await pools.invitations(connection, actions.sql, key)
        programs = {key[0]: await actions.programs.one(connection, key[0])}
        needs = Needs(members={key: now}, detailed={key}, pooling={key})
        book = await actions.settled(connection, needs, programs, locking=False)
    pool = pool_of(book, key)
    if pool is None:
        return Seen(None, (), {}, invitations)
    terms = programs[key[0]].at(now).rules.pools
    offered: dict[str, int] = {}
    if terms is not None and (terms.everybody or pool.members[0] == key[1]):
        for asset in sorted(terms.assets):
            offered[asset] = sum(part for _, part in offers_to(book, pool, key, asset, terms))
    return Seen(pool.pool_id, pool.members, offered, invitations)


async def send_all_home(actions: Actions, connection: AnyConnection, now: datetime) -> bool:
    """Send home what came back to one member and is others'; whether there was such a one."""
    found = await pools.members_to_send_home_from(connection, actions.sql, 1)
    for key in found:
        programs = {key[0]: await actions.programs.one(connection, key[0])}
        needs = Needs(members={key: now}, detailed={key}, returning={key})
        book = await actions.settled(connection, needs, programs)
        send_home(book, key, cause=f"home:{key[1]}:{now.isoformat()}", at=now)
        await actions.finish(connection, book)
        await pools.went_home(connection, actions.sql, key)
    return bool(found)


def _brought_together(command: Command, wanted: Wanted) -> Command:
    """The same, once the pool has brought what the member lacks; a hold or spend that is there brings nothing."""

    def decide(book: Book, key: MemberKey, now: datetime) -> BaseModel:
        own_pool(book, key)
        if book.holds.get(key, wanted.id) is None:
            bring_for(book, key, wanted.id, wanted.points, wanted.asset, at=now)
        return command.decide(book, key, now)

    return replace(command, decide=decide, pooling=True)
