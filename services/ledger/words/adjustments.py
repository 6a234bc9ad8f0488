"""How a merchant writes who may adjust balances by hand."""

from __future__ import annotations

from pydantic import Field

from shared.program_file import Section


class Adjustments(Section):
    """Adjustments by hand."""

    four_eyes_above: str | list[str] | None = Field(
        default=None,
        description="Above so many, given or taken, a second person has to approve; one amount for each asset. Absent "
        "= never.",
        examples=["1000 points", ["1000 points", "50.00 EUR"]],
    )
