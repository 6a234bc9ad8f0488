"""Some different programs, and members who shop, return and edit by chance: the same chance for the same seed.

Every event is a plain dict: the data of its type with `type`, `time` and `member` beside it, as the second opinion
reads it; `as_event` makes the ledger's event of it.

What a newcomer would get wrong: amounts are drawn to meet the edges on purpose: exactly 60.00, zero, equal lines whose
remainders tie, payments and refunds that are larger than the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from shared.events import (
    ContentShared,
    CustomerSignedUp,
    Event,
    OrderCancelled,
    OrderPaid,
    OrderRefunded,
    ReviewPublished,
    ReviewRemoved,
    TierRaised,
    event_type,
)
from tests.support.events import an_event

Told = dict[str, Any]
TYPES: dict[str, Any] = {
    event_type(kind).removesuffix(".v1"): kind
    for kind in (
        OrderPaid, OrderRefunded, OrderCancelled, CustomerSignedUp, ReviewPublished, ReviewRemoved, ContentShared,
        TierRaised,
    )
}  # fmt: skip
COME_BACK = ("order.refunded", "order.cancelled")
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}


def order_rule(name: str, **words: Any) -> dict[str, Any]:
    """An earning rule for orders; `if_` stands for the word `if`."""
    asked = words.pop("if_", None)
    return {"rule": name, "on": "order.paid", **words} | ({"if": asked} if asked else {})


WHOLE, ALONE = {"whole_units": "true"}, {"stackable": "false"}
BASE = order_rule("base", points="1", per="1.00 EUR")
TEA_TWICE = order_rule("tea counts double", times="2", if_={"category": "tea"})


def document(
    *earn: Mapping[str, Any],
    currency: str = "EUR",
    zone: str = "Europe/Paris",
    rounding: str = "down",
    caps: Sequence[Mapping[str, Any]] = (),
) -> Any:
    """A program file with these rules, and caps of the program."""
    section: dict[str, Any] = {"earn": [dict(rule) for rule in earn], "points": {"rounding": rounding}}
    section |= {"caps": [dict(cap) for cap in caps]} if caps else {}
    return {"program": "demo", "currency": currency, "time_zone": zone, "ledger": section}


PROGRAMS: dict[str, dict[str, Any]] = {
    "tea and cups": document(
        BASE, TEA_TWICE, order_rule("big basket", points="50", if_={"order_at_least": "60.00 EUR"})
    ),
    "priorities": document(
        BASE,
        order_rule("brand", points="3", per="1.00 EUR", if_={"brand": ["kyo", "leaf"]}, priority="5", **ALONE),
        order_rule("cups", points="7", per="item", if_={"category": "cups"}, priority="5", **ALONE),
        order_rule("books", points="2", per="item", priority="1", if_={"not_category": ["tea", "cups"]}),
        order_rule("shelf", points="0.5", per="1.00 EUR", priority="-3", **ALONE),
        order_rule("new", times="3", if_={"collection": "new"}, priority="2", **ALONE),
        order_rule("evening", times="1.5", if_={"hours": "18:00 to 02:00"}),
        rounding="half-up",
    ),
    "multipliers": document(
        order_rule("base", points="1.25", per="1.00 EUR"),
        order_rule("items", points="2", per="item"),
        TEA_TWICE,
        order_rule("kyo", times="2.5", if_={"brand": "kyo"}),
        order_rule("new", times="1.5", if_={"collection": "new"}),
        order_rule("gold week", times="3", if_={"level": ["Gold", "Silver"]}),
        order_rule("large", times="1.1", if_={"order_at_least": "60.00 EUR"}),
        order_rule("gold bonus", points="5", bonus="true", per="10.00 EUR", if_={"level": "Gold"}),
    ),
    "caps that shrink": document(
        order_rule("base", points="1", per="1.00 EUR", at_most="150 per month"),
        order_rule("tea", points="1", per="0.75 EUR", at_most="40 per day", if_={"category": "tea"}),
        TEA_TWICE,
        order_rule("big basket", points="50", limit="1 per week", if_={"order_at_least": "60.00 EUR"}),
        order_rule("extra", points="1", bonus="true", per="3.00 EUR", at_most="90 per year", limit="3 a month"),
        order_rule("ever", points="0.5", per="item", at_most="7 per lifetime"),
    ),
    "caps that reject": document(
        order_rule("base", points="1", per="1.00 EUR", at_most="200 per week", beyond="reject"),
        order_rule("cups", points="4", per="item", at_most="9 per day", beyond="reject", if_={"category": "cups"}),
        order_rule("spree", points="30", limit="2 per lifetime", beyond="reject"),
        order_rule("tenth", points="1", bonus="true", per="7.00 EUR", at_most="20 per year", beyond="reject"),
        zone="America/New_York",
        rounding="up",
    ),
    "caps of the program": document(
        order_rule("base", points="1", per="1.00 EUR", at_most="250 per month"),
        order_rule("cups", points="2", per="item", if_={"category": "cups", "not_collection": "old"}),
        TEA_TWICE,
        order_rule("basket", points="40", limit="2 per month", if_={"order_at_least": "60.00 EUR"}),
        {"rule": "welcome", "on": "customer.signed_up", "points": "30"},
        {"rule": "review", "on": "review.published", "points": "20"},
        {"rule": "share", "on": "content.shared", "points": "7"},
        caps=[{"at_most": "90 points per day"}, {"at_most": "300 points per month"}],
        rounding="half-up",
    ),
    "caps of the program that reject": document(
        BASE,
        order_rule("kyo", times="2.5", if_={"brand": "kyo"}),
        order_rule("extra", points="1", bonus="true", per="4.00 EUR", at_most="60 per year"),
        caps=[{"at_most": "220 points per week", "beyond": "reject"}],
        zone="Asia/Tokyo",
    ),
    "yen": document(
        order_rule("base", points="1", per="100 JPY", **WHOLE),
        order_rule("tea", points="3", per="500 JPY", if_={"category": "tea"}, priority="1", **WHOLE, **ALONE),
        order_rule("kyo", times="2", if_={"brand": "kyo"}),
        order_rule("full basket", points="100", if_={"order_at_least": "6000 JPY"}),
        currency="JPY",
        zone="Asia/Tokyo",
    ),
    "dinar": document(
        order_rule("base", points="1", per="0.500 KWD", tax="false"),
        order_rule("extra", points="7", bonus="true", whole_units="true", per="10.000 KWD", shipping="true"),
        order_rule("large", times="1.25", if_={"order_at_least": "60.000 KWD"}),
        currency="KWD",
        zone="Asia/Kuwait",
        rounding="half-up",
    ),
    "all that was charged": document(
        order_rule("base", points="1", per="1.00 EUR", basis="total", shipping="true"),
        order_rule("tea parcel", points="0.1", per="1.00 EUR", shipping="true", if_={"category": "tea"}),
        order_rule("without tax", points="1", bonus="true", per="9.00 EUR", basis="total", tax="false"),
        rounding="up",
    ),
    "two currencies": document(
        order_rule("base", points="2", per=["1.00 USD", "0.90 EUR"]),
        order_rule("dollars", times="1.5", if_={"currency": "USD"}),
        order_rule("net", points="1", per="4.00 USD", tax="false", shipping="true", whole_units="true"),
        order_rule("euros", points="25", if_={"currency": "EUR", "order_at_least": "60.00 EUR"}),
        order_rule("dollar basket", points="10", if_={"order_at_least": "60.00 USD"}),
        currency="USD",
        zone="America/Chicago",
    ),
    "nth order": document(
        BASE,
        order_rule("first", points="100", if_={"first_order": "true"}),
        order_rule("third", times="3", if_={"order_number": "3"}),
        order_rule("every second", points="20", if_={"every_nth_order": "2"}),
        order_rule("every third", points="5", bonus="true", per="6.00 EUR", if_={"every_nth_order": "3"}),
        order_rule("sampler", points="15", if_={"sku": ["sku-1", "sku-2"]}),
    ),
    "when": document(
        BASE,
        order_rule("weekend", times="2", if_={"weekday": ["saturday", "sunday"]}),
        order_rule("night owls", points="10", if_={"hours": "22:00 to 06:00"}),
        order_rule("lunch", points="1", per="2.00 EUR", if_={"hours": "12:00 to 14:00", "weekday": "friday"}),
        order_rule("summer", times="1.5", **{"from": "2025-06-01", "until": "2025-08-31"}),
        order_rule("from october", points="3", per="item", **{"from": "2025-10-26"}),
        zone="America/New_York",
    ),
    "how": document(
        BASE,
        order_rule("app", times="2", if_={"channel": ["app", "store"]}),
        order_rule("card", points="1", per="2.00 EUR", if_={"card_partner": "nordbank"}),
        order_rule("invoice", points="5", if_={"payment_method": "invoice", "not_product": "p-2"}),
        order_rule("old stock", points="4", per="item", if_={"product": ["p-1", "p-3"], "not_brand": "kyo"}),
        order_rule("no new", times="1.5", if_={"not_collection": "new", "not_sku": "sku-1"}),
    ),
    "deeds": document(
        BASE,
        {"rule": "welcome", "on": "customer.signed_up", "points": "100"},
        {"rule": "review", "on": "review.published", "points": "20.5", "if": {"text_at_least": "10"}},
        {"rule": "photo", "on": "review.published", "points": "10", "if": {"photo": "true"}, "limit": "2 per month"},
        {"rule": "share", "on": "content.shared", "points": "5", "at_most": "12 per week"},
        {"rule": "on x", "on": "content.shared", "points": "7", "limit": "1 per lifetime", "if": {"network": "x"}},
    ),
}  # fmt: skip


def as_event(told: Told) -> Event[Any]:
    """The event of the contract that says the same."""
    kind = TYPES[told["type"]]
    owner = "member_id" if kind is TierRaised else "customer_id"
    data = {name: value for name, value in told.items() if name not in ("type", "time", "member")}
    return an_event(msgspec.convert(data | {owner: told["member"]}, kind), at=told["time"])


@dataclass
class Shopper:
    """One member of one program, who does things by chance; the order ids hold the member's name."""

    chance: Random
    program: dict[str, Any]
    member: str
    edits: bool = True
    """Whether the shop edits paid orders."""
    now: datetime = field(init=False)
    statements: dict[str, Told] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        self.now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=self.chance.randrange(500 * 24 * 60))
        rules = self.program["ledger"]["earn"]
        self.has_deeds = any(rule["on"] != "order.paid" for rule in rules)
        self.has_levels = any("level" in rule.get("if", {}) for rule in rules)
        said = {text.split()[1] for rule in rules for text in _listed(rule.get("per", ())) if " " in text}
        self.currencies = sorted(said)

    def life(self, orders: int) -> list[Told]:
        """What the shop tells about this member until there were so many orders, as it arrives.

        It happens in the order of its times; some refunds and cancellations arrive at any other moment.
        """
        told = list(self._lived(orders))
        late = [each for each in told if each["type"] in COME_BACK and self.chance.random() < 0.3]
        arrived = [each for each in told if each not in late]
        for each in late:
            arrived.insert(self.chance.randrange(len(arrived) + 1), each)
        return arrived

    def _lived(self, orders: int) -> Iterator[Told]:
        if self.has_levels:
            yield self._rise()
        if self.has_deeds:
            yield self._told("customer.signed_up")
        while len(self.statements) < orders:
            yield from self._something()
        for order_id in list(self.statements):
            if self.chance.random() < 0.3:
                yield self._refund(order_id)

    def _something(self) -> Iterator[Told]:
        luck = self.chance.random()
        known = self.chance.choice(list(self.statements)) if self.statements else None
        if known is None or luck < 0.36:
            order = self._order(self._name("order"))
            self.statements[order["order_id"]] = order
            if self.chance.random() < 0.06:
                yield self._refund(order["order_id"])  # a refund that overtakes its order
            yield self._told("order.paid", **order)
        elif luck < 0.80:
            yield self._refund(known)
        elif luck < 0.83:
            yield self._told("order.cancelled", order_id=known)
        elif luck < 0.92 and self.edits:
            self.statements[known] = self._order(known, self.statements[known])
            yield self._told("order.paid", **self.statements[known])
        elif self.has_levels:
            yield self._rise()
        elif self.has_deeds:
            yield self._deed()

    def _told(self, kind: str, **data: Any) -> Told:
        self.now += timedelta(minutes=self.chance.choice((0, 1, 30, 300, 1_500, 9_000, 40_000)))
        return {"type": kind, "time": self.now, "member": self.member, **data}

    def _name(self, kind: str) -> str:
        self.number += 1
        return f"{self.member}-{kind}-{self.number}"

    # --- Orders

    def _order(self, order_id: str, before: Told | None = None) -> Told:
        """An order; where there is one before, an edit of it: in its currency, with some of its lines."""
        chance = self.chance
        currency = before["currency"] if before else chance.choice(self.currencies)
        if before is None and chance.random() < 0.12:
            return self._bare(order_id, currency)
        if before is None:
            lines = [self._line(currency) for _ in range(chance.randint(1, 4))]
        else:
            lines = [line for line in before.get("lines", ()) if chance.random() < 0.7]
            lines += [self._line(currency) for _ in range(chance.randint(0 if lines else 1, 2))]
        return self._with_sums({"order_id": order_id, "currency": currency, "lines": lines})

    def _bare(self, order_id: str, currency: str) -> Told:
        """An order that gives only a total, perhaps with its shipping."""
        total, shipping = self._price(currency), self.chance.choice((0, 0, 490))
        order = {"order_id": order_id, "currency": currency, "total": _said(total + shipping, currency)}
        return order | self._paid_with(total + shipping, currency) | {"shipping": _said(shipping, currency)}

    def _line(self, currency: str) -> dict[str, Any]:
        chance = self.chance
        line: dict[str, Any] = {
            "line_id": self._name("line"),
            "total": _said(self._price(currency), currency),
        }
        line["quantity"] = chance.choice(("1", "1", "2", "3", "1.5", "0.25", "7"))
        line["categories"] = chance.sample(("tea", "cups", "books"), chance.choice((0, 1, 1, 2)))
        line["collections"] = chance.choice(((), (), ("new",), ("new", "old")))
        line["brand"] = chance.choice((None, "kyo", "leaf"))
        line["sku"] = chance.choice((None, "sku-1", "sku-2", "sku-3"))
        line["product_id"] = chance.choice((None, "p-1", "p-2", "p-3"))
        line["gift_card"] = chance.random() < 0.08
        return line

    def _price(self, currency: str) -> int:
        """In minor units; often one of few amounts, so that lines tie and thresholds are met exactly."""
        usual = self.chance.choice((0, 1, 999, 1_000, 1_999, 2_500, 3_000, 3_333, 6_000, 6_000))
        price = usual if self.chance.random() < 0.6 else self.chance.randrange(20_000)
        return price * 10 if DECIMALS[currency] == 3 else price

    def _with_sums(self, order: Told) -> Told:
        """Discount, shipping, tax, payments and a total that fits them, most of the time."""
        chance, currency = self.chance, order["currency"]
        prices = [_read(line["total"], currency) for line in order["lines"]]
        discount = chance.choice((0, 0, 0, 1, 500, sum(prices) // 3, sum(prices), sum(prices) + 7))
        shipping = chance.choice((0, 0, 490, 1_000))
        order |= {"discount": _said(discount, currency), "shipping": _said(shipping, currency)}
        total = max(0, sum(prices) - discount) + shipping
        included = chance.random() < 0.6
        tax = 0
        if chance.random() < 0.5:
            tax = total * chance.choice((0, 7, 20)) // 100
            order |= {"tax": _said(tax, currency), "tax_included": included}
        total += 0 if included else tax
        total += chance.choice((0, 0, 0, 0, 0, 0, 150))  # a fee that no line knows of
        order["total"] = _said(total, currency)
        order["channel"] = chance.choice((None, "web", "app", "store"))
        order["payment_method"] = chance.choice((None, "invoice", "card"))
        order["card_partner"] = chance.choice((None, None, "nordbank"))
        return order | self._paid_with(total, currency)

    def _paid_with(self, total: int, currency: str) -> Told:
        chance = self.chance
        if chance.random() < 0.65:
            return {}
        parts = [
            chance.choice((total, total // 2, total // 3, 500, 1, total + 10))
            for _ in range(chance.randint(1, 2))
        ]
        kinds = ("points", "credit", "gift_card")
        return {
            "paid_with": [{"kind": chance.choice(kinds), "amount": _said(part, currency)} for part in parts]
        }

    # --- What comes back

    def _refund(self, order_id: str) -> Told:
        """A refund of any kind; some do not fit their order, and are refused."""
        chance, order = self.chance, self.statements[order_id]
        currency = order["currency"]
        refund: Told = {"order_id": order_id, "refund_id": self._name("refund")}
        lines = order.get("lines", ())
        total = _read(order["total"], currency)
        kind = chance.choice(("lines", "lines", "lines", "amount", "amount", "shipping", "otherwise", "odd"))
        if kind == "lines" and lines:
            refund["lines"] = [
                self._back(line, currency) for line in chance.sample(lines, chance.randint(1, len(lines)))
            ]
            if chance.random() < 0.4:  # a sum that is, or is not, what the lines are worth
                refund["amount"] = _said(chance.randrange(total + 1), currency)
            if chance.random() < 0.2:
                refund["shipping"] = order.get("shipping", "0")
        elif kind == "shipping":
            refund["shipping"] = _said(chance.choice((1, 490)), currency)
            if chance.random() < 0.5:
                refund["amount"] = refund["shipping"]
        elif kind == "otherwise":
            refund["given_back"] = [
                {"kind": "points", "amount": _said(chance.choice((1, total // 2, total)), currency)}
            ]
        else:
            amounts = (1, 100, total // 4, total // 2, total, total + 999, chance.randrange(total + 1))
            refund["amount"] = _said(chance.choice(amounts), currency)
        if kind == "odd":
            refund |= chance.choice(
                ({"currency": "CHF"}, {"lines": [{"line_id": "never sold"}]}, {"currency": currency})
            )
        return self._told("order.refunded", **refund)

    def _back(self, line: dict[str, Any], currency: str) -> dict[str, Any]:
        how = self.chance.random()
        if how < 0.4:
            return {"line_id": line["line_id"]}
        if how < 0.75:
            return {
                "line_id": line["line_id"],
                "quantity": self.chance.choice(("0.5", "1", line["quantity"])),
            }
        price = _read(line["total"], currency)
        amount = _said(self.chance.choice((0, price // 2, price, price + 50)), currency)
        more = {"quantity": "1"} if how < 0.85 else {}
        return {"line_id": line["line_id"], "amount": amount, **more}

    # --- The rest

    def _rise(self) -> Told:
        level, times = self.chance.choice((("Silver", "1.25"), ("Gold", "2"), ("Habitué", "4")))
        self._told("")
        data = {"ladder": "main", "level": level, "earn_times": times, "since": self.now}
        return {"type": "tier.raised", "time": self.now, "member": self.member, **data}

    def _deed(self) -> Told:
        chance = self.chance
        kind = chance.choice(("review", "review", "removal", "share", "share"))
        if kind == "share":
            return self._told("content.shared", network=chance.choice(("x", "facebook")))
        review = f"{self.member}-review-{chance.randrange(8)}"
        if kind == "removal":
            return self._told("review.removed", review_id=review)
        text = chance.choice(("", "short", "   padded      ", "long enough, that is"))
        product = chance.choice(("p-1", "p-2"))
        photo = chance.random() < 0.5
        return self._told("review.published", review_id=review, product_id=product, text=text, photo=photo)


def _listed(words: Any) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _said(minor: int, currency: str) -> str:
    """As a shop writes it: `_said(1250, "EUR") == "12.50"`."""
    digits = DECIMALS[currency]
    text = str(minor).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


def _read(amount: str, currency: str) -> int:
    return int(amount.replace(".", ""))
