"""What members and people ask of rewards: buy, give, use, void."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.ledger.actions import Actions
from services.ledger.domain import issuing, rewards, using
from services.ledger.domain.book import Book
from services.ledger.domain.issued import Issued, ShelfNeeds
from services.ledger.domain.records import MemberKey
from services.ledger.errors import UnknownReward
from shared.database import AnyConnection
from shared.events import Grant


class Redeem(Protocol):
    """How a member buys a reward of the catalogue: out of their own purse, or their household's."""

    async def __call__(
        self,
        actions: Actions,
        connection: AnyConnection,
        key: MemberKey,
        *,
        reward: str,
        reward_id: str,
        charity: str | None,
        now: datetime,
    ) -> tuple[Issued, Book]:
        """The reward, and the book after it."""
        ...


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
    """The member buys a reward of the catalogue.

    Raises:
        UnknownMember, MemberErased, UnknownReward, RewardUnavailable, RewardSoldOut, InsufficientPoints, PoolEmpty,
        CharityUnknown, RewardConflict: see there.
    """
    shelf = await on_the_shelf(actions, connection, key, reward, reward_id, now)
    async with actions.command(connection, key, now, shelf=shelf) as book:
        issued = issuing.buy(book, key, reward, reward_id=reward_id, at=now, charity=charity)
    return issued, book


async def give(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    reward: str | None,
    gives: Grant | None,
    reward_id: str,
    reason: str,
    now: datetime,
) -> tuple[Issued, Book]:
    """A person gives a reward: one of the catalogue, or one of their own making.

    Raises:
        UnknownMember, MemberErased, UnknownReward, RewardUnavailable, RewardSoldOut, PoolEmpty, RewardConflict: see
        there.
    """
    if reward is None:
        shelf = ShelfNeeds(rewards={(key, reward_id)})
    else:
        shelf = await on_the_shelf(actions, connection, key, reward, reward_id, now)
    async with actions.command(connection, key, now, shelf=shelf) as book:
        issued = issuing.give(book, key, reward_id=reward_id, reason=reason, at=now, name=reward, gives=gives)
    return issued, book


async def use(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    reward_id: str,
    order_id: str | None,
    now: datetime,
) -> tuple[Issued, Book]:
    """A person hands over what a reward promises, or lets its holder in.

    Raises:
        UnknownMember, MemberErased, UnknownReward, RewardClosed, CouponRefused: see there.
    """
    shelf = ShelfNeeds(rewards={(key, reward_id)}, orders={(key[0], order_id)} if order_id else set())
    async with actions.command(connection, key, now, shelf=shelf) as book:
        reward = _reward(book, key, reward_id)
        used = using.use_reward(book, reward, order_id=order_id, cause=f"reward:{reward_id}", at=now)
    return used, book


async def void(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    *,
    reward_id: str,
    reason: str | None,
    now: datetime,
) -> tuple[Issued, Book]:
    """Take an unused reward back; its price returns to the lots it came from.

    Raises:
        UnknownMember, MemberErased, UnknownReward, RewardClosed: see there.
    """
    shelf = ShelfNeeds(rewards={(key, reward_id)})
    async with actions.command(connection, key, now, shelf=shelf) as book:
        reward = _reward(book, key, reward_id)
        voided = rewards.void(book, key, reward, cause=f"reward:{reward_id}", at=now, reason=reason)
    return voided, book


async def on_the_shelf(
    actions: Actions, connection: AnyConnection, key: MemberKey, reward: str, reward_id: str, now: datetime
) -> ShelfNeeds:
    """What a purchase of this reward touches beside the member: what they had of it, its stock, its codes."""
    versions = await actions.programs.one(connection, key[0])
    offer = versions.at(now).rules.catalogue.get(reward)
    needs = ShelfNeeds(rewards={(key, reward_id)}, named={(key, reward)})
    if offer is not None and offer.stock is not None:
        needs.stocks.add((key[0], reward))
    if offer is not None and offer.codes.pool is not None:
        needs.pools.add((key[0], offer.codes.pool))
    return needs


def _reward(book: Book, key: MemberKey, reward_id: str) -> Issued:
    reward = book.shelf.rewards.get(key, reward_id)
    if reward is None:
        raise UnknownReward(f"member {key[1]!r} has no reward {reward_id!r}")
    return reward
