"""What the services tell: points, rewards, levels, referrals, messages.

What a newcomer would get wrong: these events carry targets beside deltas. `points` is what moved just now,
`balance` and `order_points` are what the member and the order hold after it: a reader that missed one, or saw
one twice, believes the targets.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from pydantic import Field

from shared.events.data import Data
from shared.events.fields import (
    MAX_LABELS,
    Amount,
    Asset,
    Count,
    Currency,
    Factor,
    Flag,
    Id,
    Language,
    Points,
    SignedPoints,
    Text,
    Timestamp,
    Word,
)
from shared.events.registry import event


class OfMember(Data, frozen=True, kw_only=True):
    """An event about one member."""

    member_id: Id
    cause: Id | None = None
    """The id of the event or request that led to this."""
    reason: Text | None = None
    """Why, in words for people."""


class Balance(Data, frozen=True, kw_only=True):
    """What a member has of one asset."""

    pending: SignedPoints = 0
    available: SignedPoints = 0
    held: SignedPoints = 0


class RulePoints(Data, frozen=True, kw_only=True):
    """What one rule gave of an award."""

    rule: Id
    points: SignedPoints


Names = Annotated[tuple[Id, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)]


class Grant(Data, frozen=True, kw_only=True):
    """A reward that somebody is to get."""

    kind: Word
    """`points`, `credit`, `coupon` (money or a percentage off), `free_shipping`, `product`, `gift_card`, `ticket`,
    `donation`, …"""
    asset: Asset | None = None
    points: Points | None = None
    percent: Factor | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    at_most: Amount | None = None
    """The most that a percentage takes off, in `currency`."""
    order_at_least: Amount | None = None
    """The items after discounts that an order must have, in `currency`."""
    product_id: Id | None = None
    """The product that is given."""
    products: Names = ()
    """The only products that it counts for; none = all."""
    name: Text | None = None
    """What a ticket lets in to."""
    charity: Id | None = None
    code: Id | None = None
    """The coupon, once it exists."""
    valid_until: Timestamp | None = None


Grants = Annotated[tuple[Grant, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)]


class PointsMoved(OfMember, frozen=True, kw_only=True):
    """Points of one member moved."""

    asset: Asset
    points: Points
    """How many moved, never below zero: the type says in which direction."""
    balance: Balance
    """What the member has after it."""
    order_id: Id | None = None
    order_points: SignedPoints | None = None
    """What the order holds after it: awarded less reversed."""
    kind: Word = "award"
    """What made them: `award` of an earning rule, `referral`, `entry_reward`, `adjustment`, `gift`, `import`,
    … Only an `award` counts for levels."""
    rules: Annotated[tuple[RulePoints, ...], Meta(max_length=MAX_LABELS), Field(max_length=MAX_LABELS)] = ()
    """Which rules gave how much."""
    expires_at: Timestamp | None = None


@event("points.pending.v1", topic="loyalty.points")
class PointsPending(PointsMoved, frozen=True, kw_only=True):
    """Points were awarded and wait to become available."""

    available_at: Timestamp | None = None
    """When they will be; absent while that hangs on a fulfilment."""


@event("points.earned.v1", topic="loyalty.points")
class PointsEarned(PointsMoved, frozen=True, kw_only=True):
    """Points became available, at once or after their wait."""


@event("points.held.v1", topic="loyalty.points")
class PointsHeld(PointsMoved, frozen=True, kw_only=True):
    """Points were set aside for a checkout."""

    hold_id: Id
    held_until: Timestamp


@event("points.released.v1", topic="loyalty.points")
class PointsReleased(PointsMoved, frozen=True, kw_only=True):
    """Held points were set free again."""

    hold_id: Id


@event("points.spent.v1", topic="loyalty.points")
class PointsSpent(PointsMoved, frozen=True, kw_only=True):
    """Points were spent on an order or a reward."""

    hold_id: Id | None = None
    reward_id: Id | None = None
    order_spent: Points | None = None
    """What the order is paid with after it: spent less restored."""


@event("points.restored.v1", topic="loyalty.points")
class PointsRestored(PointsMoved, frozen=True, kw_only=True):
    """Spent points came back, after a refund or a voided reward."""

    hold_id: Id | None = None
    reward_id: Id | None = None
    order_spent: Points | None = None
    """What the order is paid with after it: spent less restored."""


@event("points.reversed.v1", topic="loyalty.points")
class PointsReversed(PointsMoved, frozen=True, kw_only=True):
    """Earned points were taken back, after a refund, a removal or a correction."""

    taken_from_pending: Points = 0
    """How many of them had not become available yet, and so were never announced as earned."""


@event("points.expired.v1", topic="loyalty.points")
class PointsExpired(PointsMoved, frozen=True, kw_only=True):
    """Points ran out of time."""


@event("points.transferred.v1", topic="loyalty.points")
class PointsTransferred(PointsMoved, frozen=True, kw_only=True):
    """Points went from one member to another; each side has its own event."""

    direction: Literal["sent", "received"]
    counterpart_id: Id


@event("points.donated.v1", topic="loyalty.points")
class PointsDonated(PointsMoved, frozen=True, kw_only=True):
    """Points were given to a charity."""

    charity: Id


@event("points.expiring.v1", topic="loyalty.points")
class PointsExpiring(OfMember, frozen=True, kw_only=True):
    """Points will run out of time, unless they are spent before."""

    asset: Asset
    points: Points
    expires_at: Timestamp
    days_left: Count
    balance: Balance


class RewardChanged(OfMember, frozen=True, kw_only=True):
    """Something happened to one reward of a member."""

    reward_id: Id
    """This very reward, not the catalogue's entry."""
    reward: Id
    """The name of the catalogue's entry."""
    grant: Grant
    """What it gives."""
    asset: Asset | None = None
    points: Points | None = None
    """What it cost."""
    order_id: Id | None = None


@event("reward.issued.v1", topic="loyalty.rewards")
class RewardIssued(RewardChanged, frozen=True, kw_only=True):
    """A member got a reward."""


@event("reward.used.v1", topic="loyalty.rewards")
class RewardUsed(RewardChanged, frozen=True, kw_only=True):
    """A reward was used."""


@event("reward.voided.v1", topic="loyalty.rewards")
class RewardVoided(RewardChanged, frozen=True, kw_only=True):
    """A reward was taken back unused."""


@event("reward.expired.v1", topic="loyalty.rewards")
class RewardExpired(RewardChanged, frozen=True, kw_only=True):
    """A reward ran out of time unused."""


class TierStanding(OfMember, frozen=True, kw_only=True):
    """Where a member stands after a change of level, or its confirmation."""

    level: Id
    """The level held from now on."""
    previous_level: Id | None = None
    since: Timestamp
    valid_until: Timestamp | None = None
    """Absent = for good, or while met."""
    earn_times: Factor = "1"
    """By what the points of an order are multiplied at this level."""
    ladder: Id = "main"


@event("tier.raised.v1", topic="loyalty.tiers")
class TierRaised(TierStanding, frozen=True, kw_only=True):
    """A member rose, from nothing or from a lower level."""

    rewards: Grants = ()
    """Entry rewards of the level, and of levels skipped on the way, lowest first; the ledger grants them."""


@event("tier.kept.v1", topic="loyalty.tiers")
class TierKept(TierStanding, frozen=True, kw_only=True):
    """A member keeps a level for a further period."""


@event("tier.lowered.v1", topic="loyalty.tiers")
class TierLowered(TierStanding, frozen=True, kw_only=True):
    """A member dropped to a lower level."""

    rewards_taken_back: Grants = ()
    """Entry rewards of a level that was gained through an order which was then refunded."""


@event("tier.will_lower.v1", topic="loyalty.tiers")
class TierWillLower(TierStanding, frozen=True, kw_only=True):
    """A member will drop at `valid_until`, unless what is missing comes in time."""

    next_level: Id
    measure: Word = "spend"
    missing: Amount
    """What would keep the level, in units of the measure."""
    currency: Currency | None = None
    days_left: Count


class MembershipChanged(OfMember, frozen=True, kw_only=True):
    """Something happened to a paid membership."""

    membership: Id
    level: Id | None = None
    since: Timestamp
    valid_until: Timestamp | None = None
    order_id: Id | None = None


@event("membership.bought.v1", topic="loyalty.tiers")
class MembershipBought(MembershipChanged, frozen=True, kw_only=True):
    """A paid membership was bought or renewed."""

    renewal: Flag = False


@event("membership.lapsed.v1", topic="loyalty.tiers")
class MembershipLapsed(MembershipChanged, frozen=True, kw_only=True):
    """A paid membership ended."""


class ReferralChanged(OfMember, frozen=True, kw_only=True):
    """One side of a referral: `member_id` is the member whose event this is, as `role` says."""

    referral_id: Id
    role: Literal["advocate", "friend"]
    counterpart_id: Id | None = None
    """The other side."""
    code: Id | None = None
    order_id: Id | None = None
    rewards: Grants = ()
    """What this side gets now: the friend's welcome at the start, either side's reward at approval."""
    signals: Names = ()
    """What spoke against it, by name, such as `same_device`."""


@event("referral.started.v1", topic="loyalty.referrals")
class ReferralStarted(ReferralChanged, frozen=True, kw_only=True):
    """A friend came through a member."""


@event("referral.qualified.v1", topic="loyalty.referrals")
class ReferralQualified(ReferralChanged, frozen=True, kw_only=True):
    """The friend paid the order that counts; the reward waits."""

    approves_at: Timestamp | None = None


@event("referral.flagged.v1", topic="loyalty.referrals")
class ReferralFlagged(ReferralChanged, frozen=True, kw_only=True):
    """Something looks wrong: a person decides, and silence never pays."""


@event("referral.approved.v1", topic="loyalty.referrals")
class ReferralApproved(ReferralChanged, frozen=True, kw_only=True):
    """The referral counts; the ledger pays `rewards` to `member_id`."""

    limit_reached: Flag = False
    """True where this side gets nothing because it had its fill."""


@event("referral.voided.v1", topic="loyalty.referrals")
class ReferralVoided(ReferralChanged, frozen=True, kw_only=True):
    """The referral does not count, or no longer; `rewards` are what this side has to give back."""


@event("ambassador.applied.v1", topic="loyalty.referrals")
class AmbassadorApplied(OfMember, frozen=True, kw_only=True):
    """A member asks to become an ambassador."""

    application_id: Id


@event("ambassador.approved.v1", topic="loyalty.referrals")
class AmbassadorApproved(OfMember, frozen=True, kw_only=True):
    """A member became an ambassador."""

    application_id: Id
    code: Id | None = None


class MessageHandled(OfMember, frozen=True, kw_only=True):
    """What became of one message to a member. It names no address: only the notifier keeps those."""

    message_id: Id
    channel: Word
    template: Id
    language: Language


@event("message.sent.v1", topic="loyalty.messages")
class MessageSent(MessageHandled, frozen=True, kw_only=True):
    """A message was handed over for delivery."""


@event("message.deferred.v1", topic="loyalty.messages")
class MessageDeferred(MessageHandled, frozen=True, kw_only=True):
    """A message waits for the next window, since it is night there or enough was said this week."""

    deferred_until: Timestamp


@event("message.failed.v1", topic="loyalty.messages")
class MessageFailed(MessageHandled, frozen=True, kw_only=True):
    """A message could not be delivered, and will not be tried again."""


@event("message.suppressed.v1", topic="loyalty.messages")
class MessageSuppressed(MessageHandled, frozen=True, kw_only=True):
    """A message was not sent, by the member's wish, for lack of an address, or because it came too late."""


@event("member.unsubscribed.v1", topic="loyalty.messages")
class MemberUnsubscribed(OfMember, frozen=True, kw_only=True):
    """A member wants no more of something."""

    purpose: Word = "marketing"
    channel: Word | None = None
    """Absent = on every channel."""
