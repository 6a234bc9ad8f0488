"""How a merchant writes what points can be spent on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.ledger.words.kinds import MoneyText
from services.ledger.words.rewards import CatalogueReward, Coupons
from shared.program_file import Section


class AtCheckout(Section):
    """Points as money at checkout."""

    points: Annotated[int, Field(ge=1)]
    are_worth: MoneyText
    order_at_least: MoneyText | None = None
    at_most: Annotated[str, StringConstraints(pattern=r"^\d{1,3} ?%$")] = "100 %"
    hold: Annotated[str, StringConstraints(pattern=r"^\d{1,4} minutes?$")] = "30 minutes"


class Spend(Section):
    """How points are spent."""

    at_checkout: AtCheckout | None = None
    rewards: tuple[CatalogueReward, ...] = Field(default=(), max_length=500)
    coupons: Coupons = Coupons()
