"""How a merchant writes what else is counted beside points: stamps, spins, store credit, any name of their own.

What a newcomer would get wrong: an asset needs no entry to be given. `points`, `stamps`, `spins` and store credit are
known; an entry says where an asset lives otherwise than points do, or brings in a name of the merchant's own.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.ledger.words.points import Points
from shared.program_faults import written

AssetName = Annotated[
    str,
    written(r"^[a-z][a-z_]{0,30}(:[A-Z]{3})?$", "a name in small letters, such as `stamps` or `credit:EUR`"),
]
"""`stamps`, `credit` for store credit of every currency, `credit:EUR` for that of one."""


class Asset(Points):
    """How one asset lives and dies; what does not stand here is as `points` say."""

    pending: dict[str, str] = Field(
        default_factory=dict,
        description="How long it waits, by event; what does not stand here is as the section's own `pending` says.",
        examples=[{"order.paid": "immediate"}],
    )
