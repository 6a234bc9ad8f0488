"""The shapes of the ledger's HTTP door, a module per idea; here is what they share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.events.fields import NO_NUL, Timestamp

FIRST_DAY, AFTER_LAST_DAY = date(1970, 1, 1), date(2200, 1, 1)
"""What events may tell of, too. A moment near the year 1 or 9999 has no midnight, or none in UTC."""


def within_reach(moment: datetime) -> datetime:
    """The same moment in UTC.

    Raises:
        ValueError: it is not from 1970 to 2199.
    """
    if not FIRST_DAY <= moment.replace(tzinfo=None).date() < AFTER_LAST_DAY:
        raise ValueError("a moment from 1970 to 2199")
    return moment.astimezone(UTC)


def _day_within_reach(day: date) -> date:
    if not FIRST_DAY <= day < AFTER_LAST_DAY:
        raise ValueError("a day from 1970 to 2199")
    return day


Moment = Annotated[Timestamp, AfterValidator(within_reach)]
Day = Annotated[date, AfterValidator(_day_within_reach)]
Whole = Annotated[int, Field(strict=True)]
"""A whole number, and nothing that only looks like it: `true`, `"500"` and `500.0` are faults of whoever asks."""
MOST_POINTS = 10**12
"""At once. Nobody gives as many by intent, and nine thousand times as many is what JavaScript still counts exactly."""
Points = Annotated[Whole, Field(ge=1, le=MOST_POINTS)]


def _some_words(text: str) -> str:
    if not text.strip():
        raise ValueError("say why, in words: blanks tell nobody anything")
    return text


Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=NO_NUL), AfterValidator(_some_words)]
"""A reason that a person gives, for those who read it later."""
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
