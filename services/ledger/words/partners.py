"""How a merchant writes agreements with partners: other companies that credit points to the program's members.

partners:
  - partner: river-bank
    gives: 1 point per 2.00 EUR
    budget: 100000 points per month
    price: 0.008 EUR per point
    until: 2026-12-31
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from shared.program_faults import written
from shared.program_file import Section

PARTNER_NAME = r"^[a-z][a-z0-9-]{0,40}$"
PartnerName = Annotated[str, written(PARTNER_NAME, "a name in small letters, digits and `-`")]


class Partner(Section):
    """An agreement with one partner."""

    model_config = ConfigDict(**Section.model_config | {"populate_by_name": True})

    partner: PartnerName = Field(
        description="Its name in addresses, tokens and accounts.", examples=["river-bank"]
    )
    gives: str = Field(
        default="points",
        description="What a purchase there is worth; or an asset alone, where the partner says how many.",
        examples=["1 point per 2.00 EUR", "points", "1 stamp per 5.00 EUR"],
    )
    budget: str | None = Field(
        default=None,
        description="How much it may give everybody together; a credit for which there is not enough is refused.",
        examples=["100000 points per month"],
    )
    price: str | None = Field(
        default=None, description="What it pays for each.", examples=["0.008 EUR per point"]
    )
    from_: date | None = Field(default=None, validation_alias=AliasChoices("from", "from_"))
    until: date | None = Field(default=None, description="That day included.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Partner:
        if self.from_ is not None and self.until is not None and self.until < self.from_:
            raise ValueError("`until` is before `from`")
        return self
