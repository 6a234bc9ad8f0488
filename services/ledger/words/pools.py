"""How a merchant writes whether households may share what they earn.

pools: {members: 4, share: 50 %, who_may_spend: everybody}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.ledger.words.assets import AssetName
from services.ledger.words.earning import Percent
from shared.program_file import Section


class Pools(Section):
    """Pools of households."""

    members: Annotated[int, Field(ge=2, le=20)] = Field(
        default=6, description="How many at most.", examples=["4"]
    )
    share: Percent = Field(
        default="100 %",
        description="Which part of what each earns the others may spend; the rest is theirs alone.",
        examples=["50 %"],
    )
    who_may_spend: Literal["everybody", "owner"] = Field(
        default="everybody",
        description="Who may spend from the others: everybody, or only who has been in the pool longest.",
    )
    assets: Annotated[list[AssetName], Field(min_length=1, max_length=20)] = Field(
        default=["points"], description="What is shared.", examples=[["points", "stamps"]]
    )
