"""How a merchant writes how points live and die."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.ledger.domain.program import Negative
from services.ledger.words.kinds import EXPIRY
from services.ledger.words.persons import IN_DAYS, Days
from shared.money import Rounding
from shared.program_faults import written
from shared.program_file import Section

EXPIRIES = (
    "`never`, `12 months`, `every 31 december` or `after 12 months without activity` (in small letters)"
)
ROUNDINGS = "`day`, `month`, `quarter` or `year`"


class Points(Section):
    """How points live and die."""

    expire: Annotated[str, written(f"^({EXPIRY.pattern})$", EXPIRIES)] = Field(
        default="never",
        description="How long they live: so many months, to a day of the calendar, or as long as the member is active.",
        examples=["never", "12 months", "every 31 december", "after 12 months without activity"],
    )
    least: Annotated[str, IN_DAYS] = Field(
        default="90 days",
        description="How long they live at least that expire on a day of the calendar.",
    )
    rounded_to: Annotated[str, written(r"^(day|month|quarter|year)$", ROUNDINGS)] = "day"
    announce: Annotated[list[Days], Field(max_length=10)] = Field(
        default=["30 days", "7 days", "1 day"],
        description="How long before they expire the member is told (points.expiring); `[]` for not at all.",
    )
    negative: Negative = Negative.ALLOW
    rounding: Rounding = Rounding.DOWN
