"""How a merchant writes that members may give points to each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.ledger.words.kinds import Whole
from shared.program_faults import written
from shared.program_file import Section

Limit = Annotated[
    str,
    written(
        r"^\d{1,12} (per|a) (day|week|month|quarter|year|lifetime)$",
        "so many in a period, such as `500 per month`",
    ),
]


class Transfers(Section):
    """Gifts of points from one member to another."""

    assets: list[str] = Field(
        default=["points"],
        min_length=1,
        max_length=50,
        description="What may be given; each counts by itself.",
        examples=[["points", "stamps"]],
    )
    older_than: Annotated[str, written(r"^\d{1,4} days?$", "so many days, such as `30 days`")] = Field(
        default="30 days",
        description="How long points are available before they may be given: the return window.",
        examples=["30 days", "0 days"],
    )
    at_most: Limit | list[Limit] | None = Field(
        default=None,
        description="What one member gives at most in a period; several for several periods.",
        examples=["5000 per month", ["500 per day", "20000 per lifetime"]],
    )
    smallest: Annotated[Whole, Field(ge=1)] = Field(default=1, description="In one gift.", examples=[100])
    largest: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="In one gift; absent = no bound.", examples=[1000]
    )
