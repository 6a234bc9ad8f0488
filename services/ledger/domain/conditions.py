"""When a rule holds, and why it does not: each condition answers in words for the explanation of a decision.

Example: `order_at_least: 60.00 EUR` on a basket of 59.99 answers "items after discounts are 59.99 EUR, 60.00 EUR asked
for". What a newcomer would get wrong: a condition on lines (category, brand, ...) narrows what a base rule counts, and
holds for a bonus or multiplier of the order as soon as one line fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol

from shared.events import OrderLine
from shared.money import to_decimal_string
from shared.orders import Kept, Order, items_after_discounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What conditions look at. `at` is the time of the event in the program's zone.

    `nth_order` counts this order among the member's paid ones, refunded or not.
    """

    trigger: str
    at: datetime
    order: Order | None = None
    kept: Kept | None = None
    nth_order: int | None = None
    level: str | None = None
    channel: str | None = None
    payment_method: str | None = None
    card_partner: str | None = None
    network: str | None = None
    product_id: str | None = None
    subject: str | None = None
    verified_purchase: bool = False
    text_length: int = 0
    photo: bool = False
    video: bool = False


class Condition(Protocol):
    """A condition on the whole event."""

    @property
    def counts_orders(self) -> bool:
        """True where it needs to know the how many-th order it is."""

    def why_not(self, facts: Facts) -> str | None:
        """None where it holds, else the reason in words."""


class LineCondition(Protocol):
    """A condition on a line of an order."""

    def covers(self, line: OrderLine) -> bool:
        """True where the line counts."""

    def wanted(self) -> str:
        """What it asks for, in words."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text of the event is one of these (or, where `excluded`, none of them)."""

    name: str
    values: frozenset[str]
    excluded: bool = False
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        value = getattr(facts, self.name)
        if (value in self.values) is not self.excluded:
            return None
        wanted = " or ".join(sorted(self.values))
        return f"{self.name} is {value or 'not given'}, {'other than ' if self.excluded else ''}{wanted} asked for"


@dataclass(frozen=True, slots=True)
class Is:
    """A yes-or-no of the event."""

    name: str
    wanted: bool
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        if getattr(facts, self.name) is self.wanted:
            return None
        return f"{self.name} is {'no' if self.wanted else 'yes'}, {'yes' if self.wanted else 'no'} asked for"


@dataclass(frozen=True, slots=True)
class TextAtLeast:
    """The text of a review has so many characters after trimming."""

    length: int
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        if facts.text_length >= self.length:
            return None
        return f"the text has {facts.text_length} characters, {self.length} asked for"


@dataclass(frozen=True, slots=True)
class OrderAtLeast:
    """The items after discounts, however they were paid and without gift cards, reach an amount (inclusive)."""

    minor: int
    currency: str
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        order = facts.order
        if order is None or order.currency != self.currency:
            return f"the order is not in {self.currency}"
        items = items_after_discounts(order, facts.kept)
        if items >= self.minor:
            return None
        has, asked = (to_decimal_string(minor, self.currency) for minor in (int(items), self.minor))
        return f"items after discounts are {has} {self.currency}, {asked} {self.currency} asked for"


@dataclass(frozen=True, slots=True)
class InCurrency:
    """The order is in this currency."""

    currency: str
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        if facts.order is not None and facts.order.currency == self.currency:
            return None
        return f"the order is not in {self.currency}"


@dataclass(frozen=True, slots=True)
class NthOrder:
    """It is the member's nth paid order, or every nth."""

    number: int
    every: bool = False
    counts_orders: bool = True

    def why_not(self, facts: Facts) -> str | None:
        nth = facts.nth_order or 0
        if (nth % self.number == 0 and nth > 0) if self.every else nth == self.number:
            return None
        return f"it is order number {nth}, {'every ' if self.every else ''}number {self.number} asked for"


@dataclass(frozen=True, slots=True)
class Weekdays:
    """The event happened on one of these days of the program's zone (0 is Monday)."""

    days: frozenset[int]
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        if facts.at.weekday() in self.days:
            return None
        return f"it was a {facts.at:%A}"


@dataclass(frozen=True, slots=True)
class Hours:
    """The event happened between these times of the program's zone, the end not included; midnight may lie between."""

    start: time
    end: time
    counts_orders: bool = False

    def why_not(self, facts: Facts) -> str | None:
        now = facts.at.timetz().replace(tzinfo=None)
        inside = (
            self.start <= now < self.end if self.start < self.end else now >= self.start or now < self.end
        )
        return (
            None
            if inside
            else f"it was {now:%H:%M}, between {self.start:%H:%M} and {self.end:%H:%M} asked for"
        )


@dataclass(frozen=True, slots=True)
class LineIn:
    """A line's category, collection, brand, product or SKU is one of these (or none of them)."""

    name: str
    values: frozenset[str]
    excluded: bool = False

    def covers(self, line: OrderLine) -> bool:
        return (not self.values.isdisjoint(_labels(line, self.name))) is not self.excluded

    def wanted(self) -> str:
        return f"{'no ' if self.excluded else ''}{self.name} {' or '.join(sorted(self.values))}"


def _labels(line: OrderLine, name: str) -> tuple[str, ...]:
    if name == "category":
        return line.categories
    if name == "collection":
        return line.collections
    one = line.brand if name == "brand" else line.product_id if name == "product" else line.sku
    return () if one is None else (one,)
