"""How a merchant writes for whom a rule is: levels, segments, new members, people near their birthday."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.ledger.words.kinds import Wanted
from shared.program_faults import written
from shared.program_file import Section

IN_DAYS = written(r"^\d{1,3} days?$", "so many days, such as `30 days`")
Days = Annotated[str, IN_DAYS, Field(examples=["30 days"])]


class Audience(Section):
    """For whom a rule is."""

    level: Wanted | None = Field(default=None, description="Held just before the event.", examples=["Gold"])
    not_level: Wanted | None = None
    segment: Wanted | None = Field(
        default=None, description="In one of these at the time of the event.", examples=["tea lovers"]
    )
    not_segment: Wanted | None = None
    joined_within: Days | None = Field(
        default=None, description="New members only: signed up so many calendar days ago, or less."
    )
    birthday_within: Annotated[Days, Field(examples=["7 days"])] | None = Field(
        default=None, description="The nearest birthday is so many days away, or less, before or after."
    )
