"""How a merchant writes the ledger's section of a program file: its words and their shapes.

What a newcomer would get wrong: nothing is reckoned here. `program` turns these words into the values of the domain,
and refuses what has the right shape but cannot work. The JSON Schema for editors is made from these models.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from services.ledger.words.adjustments import Adjustments
from services.ledger.words.assets import Asset, AssetName
from services.ledger.words.caps import ProgramCap
from services.ledger.words.early import Early
from services.ledger.words.earning import EarnRule
from services.ledger.words.gifts import Transfers
from services.ledger.words.guests import Guests
from services.ledger.words.partners import Partner
from services.ledger.words.points import Points
from services.ledger.words.pools import Pools
from services.ledger.words.spending import Spend
from shared.program_faults import written
from shared.program_file import Section


class LedgerSection(Section):
    """The section `ledger` of a program file."""

    points: Points = Points()
    assets: dict[AssetName, Asset] = Field(
        default_factory=dict,
        description="What else is counted, where it lives otherwise than points, or has a name of your own.",
        examples=[{"stamps": {"expire": "6 months"}, "credit": {"expire": "never"}}],
    )
    pending: dict[str, str] = Field(
        default_factory=dict,
        description="How long what an event earns waits: `immediate`, or so many days after it. Orders may wait for "
        "their first fulfilment; without one it is cancelled 90 days after the payment, or as many as `within` says.",
        examples=[
            {"order.paid": "14 days after order.fulfilled"},
            {"order.paid": "14 days after order.fulfilled, within 60 days"},
        ],
    )
    guests: Guests | None = Field(
        default=None, description="Absent: an order without a customer has no effect."
    )
    early: Early = Early()
    earn: Annotated[list[EarnRule], Field(default_factory=list, max_length=500)]
    caps: Annotated[list[ProgramCap], Field(default_factory=list, max_length=100)]
    spend: Spend = Spend()
    adjustments: Adjustments = Adjustments()
    pools: Pools | None = Field(default=None, description="Absent: households cannot share what they earn.")
    partners: Annotated[list[Partner], Field(default_factory=list, max_length=100)]
    transfers: Transfers | None = Field(
        default=None, description="Absent: members cannot give points to each other."
    )


class Head(Section):
    """What stands above the sections, for all services."""

    model_config = ConfigDict(**Section.model_config | {"extra": "ignore"})

    currency: Annotated[str, written(r"^[A-Z]{3}$", "a currency by its three letters, such as `EUR`")]
    time_zone: str = "UTC"
    languages: tuple[str, ...] = ("en",)
