"""How a merchant writes how points live and die."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from services.ledger.domain.program import Negative
from services.ledger.words.kinds import EXPIRY
from shared.money import Rounding
from shared.program_file import Section


class Points(Section):
    """How points live and die."""

    expire: Annotated[str, StringConstraints(pattern=EXPIRY.pattern)] = "never"
    rounded_to: Annotated[str, StringConstraints(pattern=r"^(day|month|quarter|year)$")] = "day"
    negative: Negative = Negative.ALLOW
    rounding: Rounding = Rounding.DOWN
