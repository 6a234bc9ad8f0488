"""How a merchant writes an earning rule."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field, StringConstraints, model_validator

from services.ledger.words.assets import AssetName
from services.ledger.words.conditions import If
from services.ledger.words.kinds import BEYOND, MoneyText, Number
from shared.program_faults import written
from shared.program_file import Section

GIVES = ("points", "gives", "credit", "cashback", "donate", "times")
"""The words for what a rule gives; it has one of them."""
NOT_OF_GOALS = ("per", "whole_units", "bonus", "at_most", "budget", "beyond", "priority", "stackable")
"""What a rule with `for_spending` cannot say: it is a bonus of its own, outside the award of any order."""
TRIGGER = "an event such as `order.paid` or the name of an activity, in small letters"
OneOrMore = str | Annotated[list[str], Field(min_length=1, max_length=20)]
Given = Annotated[
    str,
    written(r"^\d{1,12}(\.\d{1,6})? [a-z][a-z_]{0,30}(:[A-Z]{3})?$", "how many of what, such as `1 stamp`"),
]
Percent = Annotated[str, written(r"^\d{1,3}(\.\d{1,4})? ?%$", "a part in percent, such as `5 %`")]


class EarnRule(Section):
    """One earning rule. It gives `points`, `gives` so many of any asset, `credit` or `cashback`, or it counts `times`.

    What it gives stands alone (a bonus for the order or event) or is `per` an amount or `item`.
    """

    model_config = ConfigDict(**Section.model_config | {"populate_by_name": True})

    rule: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    on: Annotated[str, written(r"^[a-z][a-z0-9_.]{0,63}$", TRIGGER)]
    points: Number | None = None
    per: str | list[str] | None = Field(default=None, examples=["1.00 EUR", "item"])
    gives: Given | None = Field(
        default=None, description="So many of any asset.", examples=["1 stamp", "2 spins"]
    )
    credit: MoneyText | None = Field(default=None, description="Store credit.", examples=["2.00 EUR"])
    cashback: Percent | None = Field(
        default=None,
        description="This share of what was spent as store credit, in the program's currency or in that of `if`.",
        examples=["5 %"],
    )
    donate: MoneyText | None = Field(
        default=None,
        description="The merchant gives so much to a charity instead of the member; once, or `per: item`.",
        examples=["2.00 USD"],
    )
    to: Annotated[str, written(r"^[^\x00-\x1f:]{1,100}$", "a name without `:`")] | None = Field(
        default=None, description="The charity that gets what is donated.", examples=["food bank"]
    )
    times: Number | None = None
    of: AssetName | None = Field(
        default=None,
        description="What `times` multiplies; points, if it says nothing.",
        examples=["cashback"],
    )
    for_spending: str | None = Field(
        default=None,
        description="It is given when the spend of a period reaches an amount: once, or for each.",
        examples=["200.00 EUR per month", "each 100.00 EUR per month"],
    )
    bonus: bool = False
    whole_units: bool = False
    basis: Annotated[str, written(r"^(items|total)$", "`items` or `total`")] = "items"
    tax: bool = True
    shipping: bool = False
    gift_cards: bool = Field(default=False, description="Gift cards that are bought count, too.")
    paid_otherwise: bool = Field(
        default=False, description="What points, credit or gift cards paid counts as money does."
    )
    if_: If = Field(default=If(), validation_alias=AliasChoices("if", "if_"), serialization_alias="if")
    when: str | None = Field(
        default=None,
        description="Beyond `if`: a yes or no in CEL, the Common Expression Language; see docs/program/when.md.",
        examples=['order.items >= 6000 && lines.exists(line, "tea" in line.categories)'],
    )
    limit: OneOrMore | None = Field(
        default=None,
        description="How often one member gets it.",
        examples=["1 per product", "1 per network and day"],
    )
    at_most: OneOrMore | None = Field(
        default=None,
        description="How much one member gets of it.",
        examples=["500 per month", ["50 per day", "500 per month"], "20.00 EUR per month"],
    )
    budget: str | None = Field(
        default=None,
        description="How much, or how often, everybody together gets it.",
        examples=["100000 points", "500 times", "200.00 EUR per month"],
    )
    beyond: Annotated[str, BEYOND] = "shrink"
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    stackable: bool = True
    from_: date | None = Field(default=None, validation_alias=AliasChoices("from", "from_"))
    until: date | None = None

    @model_validator(mode="after")
    def _gives_one_thing(self) -> EarnRule:
        if sum(getattr(self, name) is not None for name in GIVES) != 1:
            raise ValueError(f"a rule has one of `{'`, `'.join(GIVES)}`")
        if self.of is not None and self.times is None:
            raise ValueError("`of` says what `times` multiplies; this rule has no `times`")
        if self.cashback is not None and (self.per is not None or self.on != "order.paid"):
            raise ValueError(
                "`cashback` is a share of what was spent: it is `on: order.paid` and has no `per`"
            )
        if (self.donate is None) != (self.to is None):
            raise ValueError("`donate` says how much and `to` who gets it; one needs the other")
        if self.for_spending is not None:
            self._is_a_goal()
        if self.times is not None and (self.per or self.limit or self.at_most or self.budget):
            raise ValueError("a multiplier has no `per` and no cap; it only multiplies what base rules give")
        if self.times is not None and not Fraction(self.times) <= 10:
            raise ValueError("`times` goes up to 10")
        if self.bonus and (self.times is not None or self.per == "item"):
            raise ValueError(
                "`bonus` stands beside `per` an amount; a multiplier is none, and what is given `per: item` is a base"
            )
        if self.from_ is not None and self.until is not None and self.until < self.from_:
            raise ValueError("`until` lies before `from`: the rule would never be in force")
        if self.per is not None and self.on != "order.paid":
            raise ValueError(f"`per` counts lines of an order, and {self.on} has none; give `points` alone")
        return self

    def _is_a_goal(self) -> None:
        if self.on != "order.paid":
            raise ValueError("`for_spending` adds up orders: it is `on: order.paid`")
        if self.times is not None or self.cashback is not None or self.donate is not None:
            raise ValueError("for a spend that is reached a rule gives `points`, `gives` or `credit`")
        more = [name for name in NOT_OF_GOALS if name in self.model_fields_set]
        if more:
            raise ValueError(f"`{more[0]}` means nothing where a rule gives something `for_spending`")
