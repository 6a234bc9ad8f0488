"""How a merchant writes what members can have for their points.

    - reward: five off
      costs: 500
      gives: {money_off: 5.00 EUR, order_at_least: 30.00 EUR, valid: 60 days}

What a newcomer would get wrong: a reward without `costs` cannot be bought; it is there for people to give by hand.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from services.ledger.words.kinds import MoneyText, Wanted
from shared.program_faults import written
from shared.program_file import Section

COUPON_KINDS = ("money_off", "percent_off", "free_shipping", "product", "gift_card", "ticket")
"""What is handed over as a code."""
KINDS = (*COUPON_KINDS, "credit", "points", "donate_to")
LANGUAGE = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$"
MOST_IMAGES = 20  # more than a page of a shop shows


def _text(value: object) -> object:
    """A number of JSON as the text that YAML gives."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Price = Annotated[
    str,
    BeforeValidator(_text, json_schema_input_type=str | int),
    StringConstraints(max_length=60),
    Field(examples=["500", "10 stamps", "5.00 EUR"]),
]
Percent = Annotated[
    str,
    written(r"^(100|[1-9]?[0-9](\.[0-9]{1,2})?) ?%$", "a part in percent, such as `10 %`"),
    Field(examples=["10 %"]),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\u0000]+$")]
Lasting = Annotated[
    str,
    written(r"^\d{1,4} (days?|months?)$", "so many days or months, such as `60 days`"),
    Field(examples=["60 days", "12 months"]),
]
Limit = Annotated[
    str,
    BeforeValidator(_text, json_schema_input_type=str | int),
    written(r"^[1-9]\d{0,5}( per (day|week|month|year))?$", "so many, such as `1` or `2 per month`"),
    Field(examples=["1", "2 per month"]),
]
Language = Annotated[str, written(LANGUAGE, "a language such as `fr` or `ro-MD`")]


class Gives(Section):
    """What a reward gives: one of `money_off`, `percent_off`, …, and what it needs."""

    money_off: MoneyText | None = None
    percent_off: Percent | None = None
    at_most: MoneyText | None = Field(default=None, description="The most that a percentage takes off.")
    free_shipping: bool | None = None
    product: Name | None = Field(default=None, description="The product that is free.")
    gift_card: MoneyText | None = None
    ticket: Name | None = Field(
        default=None, description="What it lets in to: an event, an early access.", examples=["tea tasting"]
    )
    credit: MoneyText | None = Field(default=None, description="Store credit, available at once.")
    points: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        default=None, description="Points, for a gift by hand."
    )
    donate_to: Wanted | None = Field(
        default=None, description="The charities of which the member chooses one; it gets the price."
    )
    order_at_least: MoneyText | None = Field(
        default=None, description="The items after discounts, however they were paid; inclusive."
    )
    products: Wanted | None = Field(
        default=None, description="The only products (ids or SKUs) that it counts for."
    )
    valid: Lasting | None = Field(
        default=None, description="How long from the day it is issued, that day's end; without it, for ever."
    )
    uses: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many orders it is good for."
    )
    anyone: bool = Field(default=False, description="True = whoever has the code may use it, as a gift card.")
    pool: Name | None = Field(
        default=None, description="Codes come from this pool, which the shop fills; else they are generated."
    )
    warn_below: Annotated[int, Field(ge=0, le=10**6)] = Field(
        default=20, description="People are warned when the pool has fewer codes left."
    )

    @model_validator(mode="after")
    def _gives_one_thing(self) -> Gives:
        given = [kind for kind in KINDS if getattr(self, kind)]
        if len(given) != 1:
            raise ValueError(
                f"a reward gives one of {', '.join(KINDS)}; this gives {' and '.join(given) or 'none'}"
            )
        if self.at_most is not None and self.percent_off is None:
            raise ValueError("`at_most` bounds a percentage; this gives none")
        return self

    @property
    def kind(self) -> str:
        """The word of what it gives."""
        return next(kind for kind in KINDS if getattr(self, kind))


class ForWhom(Section):
    """Who may have it; of several levels or segments, one is enough, of both words both must hold."""

    level: Wanted | None = None
    segment: Wanted | None = None


class RewardText(Section):
    """What members read of it."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    text: Annotated[str, StringConstraints(max_length=5000)] = ""
    terms: Annotated[str, StringConstraints(max_length=20_000)] = ""


class CatalogueReward(Section):
    """One reward of the catalogue."""

    model_config = ConfigDict(**Section.model_config | {"populate_by_name": True})

    reward: Name
    costs: Price | None = Field(
        default=None, description="Points, or so many of another asset; without it, it is given by hand only."
    )
    gives: Gives
    stock: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        default=None, description="How many there are in all, counted since a stock is named."
    )
    limit: Limit | None = Field(default=None, description="How many one member may have.")
    for_: ForWhom = Field(
        default=ForWhom(), validation_alias=AliasChoices("for", "for_"), serialization_alias="for"
    )
    from_: date | None = Field(default=None, validation_alias=AliasChoices("from", "from_"))
    until: date | None = Field(default=None, description="The last day on which it can be had.")
    images: Annotated[list[str], Field(default_factory=list, max_length=MOST_IMAGES)]
    texts: Annotated[dict[Language, RewardText], Field(default_factory=dict, max_length=50)]
