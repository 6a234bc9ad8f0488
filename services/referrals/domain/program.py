"""The merchant's offer as values; `services.referrals.program` reads them from the program file.

What a newcomer would get wrong: `Wait` is not referrals' own. It is how long the points of an order wait in the ledger,
which every service reads in the same program file, so that a referral is never approved before the order's points are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from zoneinfo import ZoneInfo

from shared.events import Grant


class After(Enum):
    """From when a wait is counted."""

    PAID = "order.paid"
    FULFILLED = "order.fulfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long a referral waits after its order, in days; without a fulfilment it is voided after `deadline_days`."""

    days: int
    after: After = After.PAID
    deadline_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is promised to both sides, and on which conditions.

    `minimum_minor` is in minor units of `currency`; an order in another currency does not qualify.
    """

    currency: str
    minimum_minor: int = 0
    first_order: bool = True
    window_days: int = 30
    welcome: tuple[Grant, ...] = ()
    friend_reward: tuple[Grant, ...] = ()
    advocate_reward: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralProgram:
    """What referrals reads in a program file. Without an `offer`, nobody is referred."""

    currency: str
    zone: ZoneInfo
    wait: Wait = field(default=Wait(days=14))
    offer: Offer | None = None
    landing: str | None = None
