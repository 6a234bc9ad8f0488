"""What a `when` expression may look at, and the condition that asks one.

| variable | its fields |
|---|---|
| `order` | `items` and `shipping` (whole smallest units of the currency, of what is kept), `currency`, `channel`, `payment_method`, `card_partner`, `country`, `coupon_codes`, `number` (the how many-th paid order of the member) |
| `lines` | of each line that is kept: `cost` (smallest units), `quantity` (whole ones), `sku`, `product`, `brand`, `categories`, `collections`, `gift_card` |
| `member` | `level`, `segments`, `days` since sign-up, `days_from_birthday` |
| `event` | of a review: `product`, `verified_purchase`, `text_length`, `photo`, `video`; of a share: `network`, `url`; of an activity: `subject`, `amount`, `currency`, `url`; of a sign-up: `country`, `language` |
| `time` | of the event in the program's zone: `year`, `month`, `day`, `weekday` (`monday`), `hour`, `minute` |

Example: `order.items >= 6000 && lines.exists(line, "tea" in line.categories)`: at least 60.00 EUR, and tea among it.

What a newcomer would get wrong: a field that the event does not give is absent, not empty; whoever asks for it does not
match, unless `has(order.channel)` is asked first. After a refund, `order` and `lines` are what is kept, and everything
else is as it was when the order was paid. A fraction of a smallest unit, which only a refund leaves, is dropped.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.ledger.domain.conditions import Facts
from shared.errors import ServiceError
from shared.money import minor_units
from shared.orders import Line, Share

MOST_LINES = 500  # what one look at every line may cost; a larger order is a wholesaler's
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Uses = Mapping[str, frozenset[str]]
"""Which fields of which variables expressions name."""
Getter = Callable[[Any], Any]
VALUES = frozenset({"items", "shipping"})
PERSON: Mapping[str, str] = {
    "segments": "segments",
    "days": "days_as_member",
    "days_from_birthday": "days_from_birthday",
}
"""The fields of `member` that are facts about the person, by how the facts call them."""


@dataclass(frozen=True, slots=True)
class When:
    """An expression of the rule is true.

    `ask` says why it is not so, None where it is; the reader of programs compiled it. `uses` are the fields it names.
    """

    source: str
    ask: Callable[[Facts], str | None] = field(compare=False)
    uses: Uses

    @property
    def asks(self) -> frozenset[str]:
        """Which facts about the person it asks for."""
        return frozenset(PERSON[name] for name in self.uses.get("member", ()) if name in PERSON)

    @property
    def reads_value(self) -> bool:
        """True where it asks for what is kept of the order, which a refund changes."""
        return "lines" in self.uses or not VALUES.isdisjoint(self.uses.get("order", ()))

    @property
    def reads_history(self) -> bool:
        """True where it asks for the member, or for the how many-th order it is."""
        return "member" in self.uses or self.counts_orders

    @property
    def counts_orders(self) -> bool:
        """True where it asks for the number of the order."""
        return "number" in self.uses.get("order", ())

    def holds(self, facts: Facts) -> bool:
        """Whether it is true of these facts."""
        return self.ask(facts) is None

    def reason(self, facts: Facts) -> str:
        """Why it is not."""
        return self.ask(facts) or ""


def variables_of(facts: Facts, uses: Uses) -> dict[str, Any]:
    """The variables with the fields that are used and that the event gives; lists are lists, texts are texts."""
    found: dict[str, Any] = {}
    for name, fields in uses.items():
        if name == "lines":
            found[name] = [_fields(LINE, line, fields) for line in _kept_lines(facts)]
        else:
            found[name] = _fields(VARIABLES[name], facts, fields)
    return found


def too_many_lines(facts: Facts) -> bool:
    """Whether the order has more lines than an expression looks at."""
    return facts.order is not None and len(facts.order.lines) > MOST_LINES


def _fields(getters: Mapping[str, Getter], of: Any, fields: frozenset[str]) -> dict[str, Any]:
    values = ((name, getters[name](of)) for name in sorted(fields))
    return {name: value for name, value in values if value is not None}


KeptLine = tuple[Line, Share]
"""A line, and the part of it that is kept."""


def _kept_lines(facts: Facts) -> Iterator[KeptLine]:
    lines = facts.order.lines if facts.order is not None else ()
    shares: tuple[Share, ...] = facts.kept.shares if facts.kept is not None else (1,) * len(lines)
    return (pair for pair in zip(lines, shares, strict=True) if pair[1])


def _shipping(facts: Facts) -> int | None:
    if facts.order is None:
        return None
    return int(facts.kept.shipping if facts.kept is not None else facts.order.shipping)


def _amount(facts: Facts) -> int | None:
    """What an activity is worth; absent where its amount is none of its currency."""
    amount, currency = facts.data.amount, facts.data.currency
    try:
        return None if amount is None or currency is None else minor_units(amount, currency)
    except ServiceError:
        return None


def _datum(name: str) -> Getter:
    return lambda facts: getattr(facts.data, name, None)


def _fact(name: str) -> Getter:
    return lambda facts: getattr(facts, name)


LINE: Mapping[str, Getter] = {
    "cost": lambda line: int(line[0].cost * line[1]),
    "quantity": lambda line: int(line[0].quantity * line[1]),
    "sku": lambda line: line[0].item.sku,
    "product": lambda line: line[0].item.product_id,
    "brand": lambda line: line[0].item.brand,
    "categories": lambda line: list(line[0].item.categories),
    "collections": lambda line: list(line[0].item.collections),
    "gift_card": lambda line: line[0].item.gift_card,
}
VARIABLES: Mapping[str, Mapping[str, Getter]] = {
    "order": {
        "items": lambda facts: int(facts.items),
        "shipping": _shipping,
        "currency": lambda facts: facts.order.currency if facts.order is not None else None,
        "channel": _fact("channel"),
        "payment_method": _fact("payment_method"),
        "card_partner": _fact("card_partner"),
        "country": _datum("country"),
        "coupon_codes": lambda facts: list(getattr(facts.data, "coupon_codes", ())),
        "number": _fact("nth_order"),
    },
    "member": {
        "level": _fact("level"),
        "segments": lambda facts: sorted(facts.segments),
        "days": _fact("days_as_member"),
        "days_from_birthday": _fact("days_from_birthday"),
    },
    "event": {
        "product": _fact("product_id"),
        "verified_purchase": _fact("verified_purchase"),
        "text_length": _fact("text_length"),
        "photo": _fact("photo"),
        "video": _fact("video"),
        "network": _fact("network"),
        "url": _datum("url"),
        "subject": _datum("subject"),
        "amount": _amount,
        "currency": _datum("currency"),
        "country": _datum("country"),
        "language": _datum("language"),
    },
    "time": {
        "year": lambda facts: facts.at.year,
        "month": lambda facts: facts.at.month,
        "day": lambda facts: facts.at.day,
        "weekday": lambda facts: WEEKDAYS[facts.at.weekday()],
        "hour": lambda facts: facts.at.hour,
        "minute": lambda facts: facts.at.minute,
    },
}
"""What each field of a variable says; of `lines` it is `LINE`."""
