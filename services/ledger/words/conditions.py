"""How a merchant writes when a rule holds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from services.ledger.words.kinds import MoneyText, Wanted, Whole
from services.ledger.words.persons import Audience
from shared.program_faults import written

NO_STARS = (
    "the reward may not depend on the stars: that would buy good reviews, which laws on fake reviews forbid"
)


def _refuse_stars(value: Any) -> Any:  # noqa: ARG001 - whatever it asks of them
    raise ValueError(NO_STARS)


Stars = SkipJsonSchema[Annotated[Any, BeforeValidator(_refuse_stars)]]
"""A word that is known only to say why it may not stand here."""


class If(Audience):
    """When a rule holds; every condition that stands here must."""

    order_at_least: MoneyText | None = Field(
        default=None, description="The items after discounts, however they were paid, without gift cards."
    )
    currency: str | None = None
    category: Wanted | None = None
    not_category: Wanted | None = None
    brand: Wanted | None = None
    not_brand: Wanted | None = None
    product: Wanted | None = None
    not_product: Wanted | None = None
    sku: Wanted | None = None
    not_sku: Wanted | None = None
    collection: Wanted | None = None
    not_collection: Wanted | None = None
    channel: Wanted | None = None
    payment_method: Wanted | None = None
    card_partner: Wanted | None = None
    network: Wanted | None = None
    first_order: bool | None = Field(
        default=None, description="True: the first paid order; false: any later one."
    )
    order_number: Annotated[int, Field(ge=1)] | None = None
    every_nth_order: Annotated[int, Field(ge=2)] | None = None
    weekday: Wanted | None = Field(
        default=None,
        description="Days in the program's zone. Hours that cross midnight belong to the day on which they begin.",
        examples=["friday"],
    )
    hours: Annotated[str, written(r"^\d\d:\d\d to \d\d:\d\d$", "hours such as `09:00 to 17:30`")] | None = (
        Field(
            default=None,
            description="In the program's zone, the end not included.",
            examples=["22:00 to 02:00"],
        )
    )
    verified_purchase: bool | None = None
    text_at_least: Whole | None = Field(default=None, description="Characters after trimming.")
    photo: bool | None = None
    video: bool | None = None
    stars: Stars = Field(default=None, exclude=True)
    rating: Stars = Field(default=None, exclude=True)
