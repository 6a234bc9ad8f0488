"""How a merchant writes what points can be spent on, and what comes back of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from services.ledger.domain.spending import SpentBack
from services.ledger.words.assets import AssetName
from services.ledger.words.kinds import MoneyText, Whole
from services.ledger.words.rewards import CatalogueReward
from shared.program_faults import written
from shared.program_file import Section


class CheckoutTerms(Section):
    """What holds for everything that pays at a checkout."""

    order_at_least: MoneyText | None = Field(
        default=None, description="The items after discounts, gift cards left out; inclusive."
    )
    at_most: Annotated[str, written(r"^\d{1,3} ?%$", "a part in percent, such as `50 %`")] = Field(
        default="100 %", description="Which part of the items after discounts may be paid so."
    )
    at_least: Whole = Field(default=0, description="The fewest that are used at once.")
    hold: Annotated[str, written(r"^\d{1,4} minutes?$", "so many minutes, such as `30 minutes`")] = Field(
        default="30 minutes", description="How long a checkout sets them aside, unless it says otherwise."
    )


class AtCheckout(CheckoutTerms):
    """Points as money at checkout, in whole blocks."""

    points: Annotated[int, Field(ge=1)] = Field(
        description="The points of one block; they are used in whole blocks.", examples=[100]
    )
    are_worth: MoneyText = Field(description="What one block is worth.", examples=["1.00 EUR"])


class AlsoAtCheckout(CheckoutTerms):
    """Another asset as money at checkout; store credit is worth what it says."""

    units: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="How many of it are worth `are_worth`.", examples=[10]
    )
    are_worth: MoneyText | None = None

    @model_validator(mode="after")
    def _says_both_or_none(self) -> AlsoAtCheckout:
        if (self.units is None) != (self.are_worth is None):
            raise ValueError("say both, so many `units` and what they `are_worth`")
        return self


class Spend(Section):
    """How points are spent, and come back."""

    at_checkout: AtCheckout | None = None
    also_at_checkout: dict[AssetName, AlsoAtCheckout] = Field(
        default_factory=dict,
        description="What else pays at a checkout. Store credit does without a word, all of it.",
        examples=[{"credit": {"at_most": "50 %"}, "stamps": {"units": 10, "are_worth": "5.00 EUR"}}],
    )
    spent_points_back: SpentBack = Field(
        default=SpentBack.PROPORTIONAL,
        description="What a refund gives back of what was spent on its order: `proportional`, `full_only`, `never`.",
    )
    grace: Annotated[str, written(r"^\d{1,4} days?$", "so many days, such as `30 days`")] = Field(
        default="30 days", description="How long what comes back lives where its own time is over."
    )
    rewards: tuple[CatalogueReward, ...] = Field(default=(), max_length=500)
    used_coupons_back: Annotated[str, written(r"^(full_only|never)$", "`full_only` or `never`")] = Field(
        default="full_only",
        description="When an order gives the use of a coupon back: `full_only` (nothing of it is kept), `never`.",
    )
