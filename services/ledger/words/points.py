"""How a merchant writes how points live and die."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.ledger.domain.program import Negative
from services.ledger.words.kinds import EXPIRY
from shared.money import Rounding
from shared.program_file import Section


class Points(Section):
    """How points live and die."""

    expire: Annotated[str, StringConstraints(pattern=f"^({EXPIRY.pattern})$")] = Field(
        default="never",
        description="How long they live: so many months, to a day of the calendar, or as long as the member is active.",
        examples=["never", "12 months", "every 31 december", "after 12 months without activity"],
    )
    least: Annotated[str, StringConstraints(pattern=r"^\d{1,3} days?$")] = Field(
        default="90 days",
        description="How long they live at least that expire on a day of the calendar.",
    )
    rounded_to: Annotated[str, StringConstraints(pattern=r"^(day|month|quarter|year)$")] = "day"
    negative: Negative = Negative.ALLOW
    rounding: Rounding = Rounding.DOWN
