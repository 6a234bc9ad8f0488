"""What is told of members themselves: who is the same person, who shares with whom.

What a newcomer would get wrong: it has a topic of its own, for those who follow who somebody is and not each point that
moves. Between topics there is no order, so a reader must end the same whenever it comes.
"""

from __future__ import annotations

from shared.events.fields import Id, Word
from shared.events.loyalty import Names, OfMember
from shared.events.registry import event


@event("member.merged.v1", topic="loyalty.members")
class MemberMerged(OfMember, frozen=True, kw_only=True):
    """Two members are one person: all that concerns `merged_id` concerns `member_id` from now on."""

    merged_id: Id


class PoolChanged(OfMember, frozen=True, kw_only=True):
    """Who is in a household changed: the members of a pool may spend what the others earned."""

    pool_id: Id
    members: Names = ()
    """Who is in it after it, those first who have been in it longest; none = it is dissolved."""


@event("pool.joined.v1", topic="loyalty.members")
class PoolJoined(PoolChanged, frozen=True, kw_only=True):
    """A member is in a pool from now on; the first one made it."""


@event("pool.left.v1", topic="loyalty.members")
class PoolLeft(PoolChanged, frozen=True, kw_only=True):
    """A member is in a pool no more; what they earned and is left of it went home with them."""

    how: Word = "left"
    """`left` by themselves, `dissolved` with the whole pool, `erased`, `merged` into another member, …"""
