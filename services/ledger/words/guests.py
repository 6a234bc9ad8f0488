"""How a merchant writes what becomes of orders of guests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.program_faults import written
from shared.program_file import Section


class Guests(Section):
    """Orders without a customer."""

    keep: Annotated[str, written(r"^[1-9]\d{0,2} days?$", "so many days, such as `90 days`")] = Field(
        description="So long an order waits for its guest to open an account with the same e-mail address.",
        examples=["90 days"],
    )
