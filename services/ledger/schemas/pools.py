"""The shapes of pools: members of a household who share what they earn."""

from __future__ import annotations

from pydantic import Field

from services.ledger.schemas import Name, Shape, Wish


class PoolNewIn(Wish):
    """A new pool."""

    pool_id: Name = Field(
        description="Your id of it, one of its own in the program.", examples=["household-12"]
    )


class InvitationIn(Wish):
    """Whom to invite."""

    invited_id: Name = Field(description="The id of the other member.", examples=["customer-8"])


class JoinIn(Wish):
    """Which pool to join."""

    pool_id: Name = Field(examples=["household-12"])


class PoolOut(Shape):
    """A pool, and who is in it."""

    pool_id: str = Field(examples=["household-12"])
    members: list[str] = Field(
        description="Those first who have been in it longest; the first may invite and dissolve.",
        examples=[["customer-7", "customer-8"]],
    )


class OfferedOut(Shape):
    """What of an asset the others' lots offer."""

    asset: str = Field(examples=["points"])
    points: int = Field(examples=[70])


class MyPoolOut(Shape):
    """What a member sees of pools."""

    pool_id: str | None = Field(description="Absent where they are in none.", examples=["household-12"])
    members: list[str] = Field(examples=[["customer-7", "customer-8"]])
    offered: list[OfferedOut] = Field(
        description="What the member can spend of the others' beside their own."
    )
    invitations: list[str] = Field(description="Pools that they may join.", examples=[["household-13"]])
