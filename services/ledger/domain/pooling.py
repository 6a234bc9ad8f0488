"""What a member buys with the help of their pool.

Example: `five off` costs 100. Ben has 30, Ana 80: 70 come from Ana, then Ben buys it as if all had been his. Voided
unused, 100 come back, and 70 of these go home to Ana. What it is good for, its limits and its code are Ben's.

What a newcomer would get wrong: whether Ben may have it at all is asked first. Nothing is brought for what nobody may
buy, and a second request of the same id brings nothing.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain import obtaining
from services.ledger.domain.book import Book
from services.ledger.domain.issued import Issued
from services.ledger.domain.pools import bring, own_pool
from services.ledger.domain.records import MemberKey


def bring_for(book: Book, key: MemberKey, id_: str, points: int, asset: str, *, at: datetime) -> None:
    """Bring together what the member wants to spend under this id.

    Raises:
        NotInPool, PoolsOff, NotPoolOwner, InsufficientPoints: see there.
    """
    cause = f"pool:{own_pool(book, key).pool_id}:{key[1]}:{id_}"
    bring(book, key, points, asset, cause=cause, at=at)


def buy_together(
    book: Book, key: MemberKey, reward: str, *, reward_id: str, charity: str | None, at: datetime
) -> Issued:
    """Buy a reward, its price brought together by the pool; the same id again is the same purchase.

    Raises:
        NotInPool, PoolsOff, NotPoolOwner, UnknownReward, RewardUnavailable, RewardSoldOut, InsufficientPoints,
        PoolEmpty, CharityUnknown, RewardConflict: see there.
    """
    to_pay = obtaining.to_pay(book, key, reward, reward_id=reward_id, at=at)
    if to_pay is not None:
        bring_for(book, key, reward_id, *to_pay, at=at)
    return obtaining.buy(book, key, reward, reward_id=reward_id, at=at, charity=charity)
