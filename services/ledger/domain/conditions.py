"""When a rule holds, and, for the explanation of a decision, why it does not.

Example: `order_at_least: 60.00 EUR` on a basket of 59.99 answers "items after discounts are 59.99 EUR, 60.00 EUR asked
for". What a newcomer would get wrong: a condition on lines (category, brand, ...) narrows what a base rule counts, and
holds for a bonus or multiplier of the order as soon as one line fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from shared.events import OrderLine
from shared.money import to_decimal_string
from shared.orders import Kept, Order, Share
from shared.rows import Row

LABELS = {
    "category": "categories",
    "collection": "collections",
    "brand": "brand",
    "product": "product_id",
    "sku": "sku",
}
"""By what a rule may name a line, and where the line says it."""


class Facts(Row, frozen=True, gc=False, kw_only=True):
    """What conditions look at. `at` is the time of the event in the program's zone, `utc` the same in UTC, if known.

    `items` are what `order_at_least` looks at, in minor units, of what is kept. `nth_order` counts this order among the
    member's paid ones, refunded or not. What concerns the person (`level`, `segments`, `days_...`) is as it was when
    the event was decided. `data` is what the event says, where a `when` expression asks for more.
    """

    trigger: str
    at: datetime
    utc: datetime | None = None
    order: Order | None = None
    kept: Kept | None = None
    items: Share = 0
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
    segments: frozenset[str] = frozenset()
    days_as_member: int | None = None
    days_from_birthday: int | None = None
    data: Any = None


class Condition(Protocol):
    """A condition on the whole event."""

    @property
    def counts_orders(self) -> bool:
        """True where it needs to know the how many-th order it is."""

    def holds(self, facts: Facts) -> bool:
        """Whether it is so."""

    def reason(self, facts: Facts) -> str:
        """Where it does not hold: why, in words."""


def unmet(conditions: Iterable[Condition], facts: Facts) -> str | None:
    """Why not all of these hold, in words; None where they do."""
    return "; ".join(each.reason(facts) for each in conditions if not each.holds(facts)) or None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text of the event is one of these (or, where `excluded`, none of them)."""

    name: str
    values: frozenset[str]
    excluded: bool = False
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return (getattr(facts, self.name) in self.values) is not self.excluded

    def reason(self, facts: Facts) -> str:
        wanted = " or ".join(sorted(self.values))
        value = getattr(facts, self.name) or "not given"
        return f"{self.name} is {value}, {'other than ' if self.excluded else ''}{wanted} asked for"


@dataclass(frozen=True, slots=True)
class Is:
    """A yes-or-no of the event."""

    name: str
    wanted: bool
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return getattr(facts, self.name) is self.wanted

    def reason(self, facts: Facts) -> str:  # noqa: ARG002 - the answer can only be the other one
        return f"{self.name} is {'no' if self.wanted else 'yes'}, {'yes' if self.wanted else 'no'} asked for"


@dataclass(frozen=True, slots=True)
class TextAtLeast:
    """The text of a review has so many characters after trimming."""

    length: int
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return facts.text_length >= self.length

    def reason(self, facts: Facts) -> str:
        return f"the text has {facts.text_length} characters, {self.length} asked for"


@dataclass(frozen=True, slots=True)
class OrderAtLeast:
    """The items after discounts, however they were paid and without gift cards, reach an amount (inclusive)."""

    minor: int
    currency: str
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return facts.order is not None and facts.order.currency == self.currency and facts.items >= self.minor

    def reason(self, facts: Facts) -> str:
        if facts.order is None or facts.order.currency != self.currency:
            return f"the order is not in {self.currency}"
        has, asked = (to_decimal_string(minor, self.currency) for minor in (int(facts.items), self.minor))
        return f"items after discounts are {has} {self.currency}, {asked} {self.currency} asked for"


@dataclass(frozen=True, slots=True)
class InCurrency:
    """The order is in this currency."""

    currency: str
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return facts.order is not None and facts.order.currency == self.currency

    def reason(self, facts: Facts) -> str:  # noqa: ARG002 - which other one it is does not matter
        return f"the order is not in {self.currency}"


@dataclass(frozen=True, slots=True)
class NthOrder:
    """It is the member's nth paid order, or every nth, or (`excluded`) any but the nth."""

    number: int
    every: bool = False
    excluded: bool = False
    counts_orders: bool = True

    def holds(self, facts: Facts) -> bool:
        nth = facts.nth_order or 0
        if self.every:
            return nth > 0 and nth % self.number == 0
        return (nth == self.number) is not self.excluded

    def reason(self, facts: Facts) -> str:
        if self.excluded:
            return f"it is order number {facts.nth_order}, any other asked for"
        return f"it is order number {facts.nth_order}, {'every ' if self.every else ''}number {self.number} asked for"


@dataclass(frozen=True, slots=True)
class Between:
    """The event happened in this time; the end is not included."""

    start: datetime | None = None
    end: datetime | None = None
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        at = (
            facts.utc or facts.at
        )  # start and end are in UTC: comparing across zones takes twenty times as long
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)

    def reason(self, facts: Facts) -> str:
        if self.start is not None and facts.at < self.start:
            return f"it begins on {self.start.astimezone(facts.at.tzinfo):%Y-%m-%d}"
        return "it has ended"


@dataclass(frozen=True, slots=True)
class Weekdays:
    """The event happened on one of these days of the program's zone (0 is Monday).

    Before `nights_end` it is still the night of the day before: `friday`, `22:00 to 02:00` is the night to Saturday.
    """

    days: frozenset[int]
    nights_end: time = time(0)
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        return self._day(facts).weekday() in self.days

    def reason(self, facts: Facts) -> str:
        return f"it was a {self._day(facts):%A}"

    def _day(self, facts: Facts) -> date:
        day = facts.at.date()
        return day - timedelta(days=1) if facts.at.time() < self.nights_end else day


@dataclass(frozen=True, slots=True)
class Hours:
    """The event happened between these times of the program's zone, the end not included; midnight may lie between."""

    start: time
    end: time
    counts_orders: bool = False

    def holds(self, facts: Facts) -> bool:
        now = facts.at.time()
        return self.start <= now < self.end if self.start < self.end else now >= self.start or now < self.end

    def reason(self, facts: Facts) -> str:
        return f"it was {facts.at:%H:%M}, between {self.start:%H:%M} and {self.end:%H:%M} asked for"


@dataclass(frozen=True, slots=True)
class LineIn:
    """A line's category, collection, brand, product or SKU is one of these (or none of them)."""

    name: str
    values: frozenset[str]
    excluded: bool = False

    @property
    def label(self) -> str:
        """Where a line says it."""
        return LABELS[self.name]

    def meets(self, line: OrderLine) -> bool:
        label = getattr(line, self.label)
        said = label if isinstance(label, tuple) else (label,)
        return self.values.isdisjoint(said) is self.excluded

    def wanted(self) -> str:
        return f"{'no ' if self.excluded else ''}{self.name} {' or '.join(sorted(self.values))}"
