"""The shapes of the ledger's HTTP door, a module per idea; here is what they share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.events.fields import NO_NUL

Points = Annotated[int, Field(ge=1, le=10**15)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]


class Shape(BaseModel):
    """Base of the shapes that are answered."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class Wish(BaseModel):
    """Base of the shapes that are asked for: a member that is not known is a fault, not silence."""

    model_config = ConfigDict(extra="forbid")


class AssetBalance(Shape):
    """What a member has of one asset."""

    asset: str = Field(examples=["points"])
    pending: int = Field(description="Awarded, and not available yet.", examples=[133])
    available: int = Field(description="May be spent now; below 0 where the member owes.", examples=[420])
    held: int = Field(description="Set aside for a checkout.", examples=[0])
    version: int = Field(description="The number of the last transfer.", examples=[17])
