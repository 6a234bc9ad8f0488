"""How a merchant writes what all earning rules together may give: one member, or everybody.

    caps:
      - at_most: 500 points per day
      - {at_most: 20.00 EUR per month, beyond: reject}
      - budget: 1000000 points per month

What a newcomer would get wrong: these count whole points of awards of earning rules. Rewards of levels and referrals,
adjustments, gifts and returns are no such awards.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from services.ledger.words.kinds import BEYOND
from shared.program_file import Section


class ProgramCap(Section):
    """One bound over all earning rules of an asset."""

    at_most: str | None = Field(
        default=None,
        description="What one member gets at most.",
        examples=["500 points per day", "20.00 EUR per month"],
    )
    budget: str | None = Field(
        default=None,
        description="What everybody together gets at most.",
        examples=["1000000 points per month", "5000.00 EUR"],
    )
    beyond: Annotated[str, BEYOND] = Field(
        default="shrink", description="Whether an award with too little room shrinks, or is refused for good."
    )

    @model_validator(mode="after")
    def _bounds_one_thing(self) -> ProgramCap:
        if (self.at_most is None) == (self.budget is None):
            raise ValueError("a cap has either `at_most`, for each member, or `budget`, for everybody")
        return self
