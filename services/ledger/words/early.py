"""How a merchant writes what becomes of what comes before what it belongs to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.program_file import Section


class Early(Section):
    """Refunds, cancellations and fulfilments before their order, removals before their review."""

    wait: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,2} days?$")] = Field(
        default="30 days",
        description="So long they wait until people are told that it never came. They count whenever it comes.",
        examples=["30 days"],
    )
