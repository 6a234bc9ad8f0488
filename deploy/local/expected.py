"""What must come out of a story, reckoned anew in a straight line, with none of the services' code.

It knows the rules of `examples/programs/starter.yaml` and no others, and reads their numbers from that file. What a
newcomer would get wrong: with which level's multiplier an order earned is first come, first served (the level comes
from another service), so it is taken from the ledger's award and only held against what the member could have had.
Everything else has one right answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from shared.events import (
    ContentShared,
    CustomerSignedUp,
    Event,
    OrderPaid,
    OrderRefunded,
    ReviewPublished,
)


class OtherRules(Exception):
    """The program has rules that this module does not know; the message names what is missing or too much."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level: from which spend in cents, and by what it multiplies."""

    name: str
    from_minor: int
    earn_times: Fraction


@dataclass(frozen=True, slots=True)
class Terms:
    """The numbers of the starter program. Money in cents, `wait` in days."""

    zone: ZoneInfo
    per_dollar: Fraction
    welcome_rule: str
    share_rule: str
    review_rule: str
    welcome: int
    share: int
    share_at_most: int
    review: int
    review_text: int
    wait: int
    levels: tuple[Level, ...]
    referral_minimum: int
    referral_points: Mapping[str, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Terms:
        """Read them from the program's document.

        Raises:
            OtherRules: its rules are of another kind than those of the starter program.
        """
        rules = {rule["on"]: rule for rule in document["ledger"]["earn"]}
        known = {"order.paid", "customer.signed_up", "content.shared", "review.published"}
        if set(rules) != known or len(document["ledger"]["earn"]) != len(known):
            raise OtherRules(
                "the books can be reckoned anew for one rule each on " + ", ".join(sorted(known))
            )
        referrals = document["referrals"]
        return cls(
            zone=ZoneInfo(document["time_zone"]),
            per_dollar=Fraction(rules["order.paid"]["points"])
            / Fraction(rules["order.paid"]["per"].split()[0]),
            welcome_rule=rules["customer.signed_up"]["rule"],
            share_rule=rules["content.shared"]["rule"],
            review_rule=rules["review.published"]["rule"],
            welcome=int(rules["customer.signed_up"]["points"]),
            share=int(rules["content.shared"]["points"]),
            share_at_most=int(rules["content.shared"]["at_most"].split()[0]),
            review=int(rules["review.published"]["points"]),
            review_text=int(rules["review.published"]["if"]["text_at_least"]),
            wait=int(document["ledger"]["pending"]["order.paid"].split()[0]),
            levels=tuple(_level(each) for each in document["tiers"]["levels"]),
            referral_minimum=cents(referrals["qualifies"]["order_at_least"].split()[0]),
            referral_points={role: int(gain["points"]) for role, gain in referrals["reward"].items()},
        )


@dataclass(slots=True)
class Order:
    """An order with what is kept of it, all in cents; `most` is the largest multiplier it may have earned with."""

    customer_id: str
    at: datetime
    total: int
    refunds: list[tuple[datetime, int]] = field(default_factory=list)
    most: Fraction = Fraction(1)

    def kept(self, before: datetime | None = None) -> int:
        """What is kept after all refunds, or after those before a moment."""
        given = sum(amount for at, amount in self.refunds if before is None or at < before)
        return max(0, self.total - given)

    def points(self, terms: Terms, times: Fraction, *, kept: bool) -> int:
        """What it earns at this multiplier; of all, or of what is kept."""
        minor = self.kept() if kept else self.total
        return floor(Fraction(minor, 100) * terms.per_dollar * times)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the services must have come to."""

    orders: Mapping[str, Order]
    members: int
    welcome: int
    shares: int
    reviews: int
    levels: Mapping[str, int]
    referrals: Mapping[str, int]
    blocked: int


def expect(events: Sequence[Event[Any]], terms: Terms, codes: Mapping[str, str], now: datetime) -> Expected:
    """Reckon anew. `codes` says whose code is whose (member → code), `now` up to when what was due is done."""
    orders = _orders(events)
    _bound(orders, terms)
    signed_up = [event for event in events if isinstance(event.data, CustomerSignedUp)]
    return Expected(
        orders=orders,
        members=len({event.data.customer_id for event in events}),
        welcome=terms.welcome * len(signed_up),
        shares=_shares(events, terms),
        reviews=_reviews(events, terms),
        levels=_levels(orders, signed_up, terms, now),
        referrals=_referrals(signed_up, orders, terms, codes, now),
        blocked=sum(1 for event in signed_up if _names_self(event.data, codes)),
    )


def cents(text: str) -> int:
    """A decimal amount in cents."""
    return int(Fraction(text) * 100)


def _level(words: Mapping[str, Any]) -> Level:
    return Level(words["level"], cents(words["from"].split()[0]), Fraction(words.get("earn_times", "1")))


def _orders(events: Iterable[Event[Any]]) -> dict[str, Order]:
    """The orders, each with its refunds; a refund that names a line gives back its worth."""
    orders: dict[str, Order] = {}
    lines: dict[tuple[str, str], int] = {}
    for event in events:
        data = event.data
        if isinstance(data, OrderPaid):
            orders[data.order_id] = Order(data.customer_id or "", event.time, cents(data.total))
            for line in data.lines:
                lines[data.order_id, line.line_id or ""] = cents(line.total)
        elif isinstance(data, OrderRefunded):
            worth = sum(lines[data.order_id, line.line_id] for line in data.lines)
            amount = worth if data.amount is None else cents(data.amount)
            orders[data.order_id].refunds.append((event.time, amount))
    return orders


def _by_customer(orders: Mapping[str, Order]) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = defaultdict(list)
    for order in sorted(orders.values(), key=lambda order: order.at):
        found[order.customer_id].append(order)
    return found


def _bound(orders: Mapping[str, Order], terms: Terms) -> None:
    """No order earns with a multiplier above that of the highest level reached before it."""
    for own in _by_customer(orders).values():
        spent: Counter[int] = Counter()
        most = Fraction(1)
        for order in own:
            order.most = most
            year = order.at.astimezone(terms.zone).year
            spent[year] += order.total
            most = max(most, terms.levels[_met(spent[year], terms)].earn_times)


def _met(minor: int, terms: Terms) -> int:
    """The rank of the highest level that a spend reaches."""
    return max(rank for rank, level in enumerate(terms.levels) if level.from_minor <= minor)


def _levels(
    orders: Mapping[str, Order], signed_up: Sequence[Event[Any]], terms: Terms, now: datetime
) -> dict[str, int]:
    """Members per level: up by the kept spend of a calendar year, one level down at the end of the next one."""
    spent: dict[str, Counter[int]] = {event.data.customer_id: Counter() for event in signed_up}
    for order in orders.values():
        year = order.at.astimezone(terms.zone).year
        spent.setdefault(order.customer_id, Counter())[year] += order.kept()
    this_year = now.astimezone(terms.zone).year
    ranks = Counter(_rank(by_year, this_year, terms) for by_year in spent.values())
    return {level.name: ranks[rank] for rank, level in enumerate(terms.levels)}


def _rank(by_year: Mapping[int, int], this_year: int, terms: Terms) -> int:
    rank, last = 0, this_year
    for year in range(min(by_year, default=this_year), this_year + 1):
        if rank and last < year:  # the level ended with the year before
            rank, last = max(rank - 1, _met(by_year.get(year - 1, 0), terms)), year
        if (met := _met(by_year.get(year, 0), terms)) and met >= rank:
            rank, last = met, year + 1
    return rank


def _shares(events: Iterable[Event[Any]], terms: Terms) -> int:
    """One a member, network and day; no more than so many points a month."""
    posts = {
        (event.data.customer_id, event.time.astimezone(terms.zone).date(), event.data.network)
        for event in events
        if isinstance(event.data, ContentShared)
    }
    months = Counter((customer_id, day.year, day.month) for customer_id, day, _ in posts)
    return sum(min(count * terms.share, terms.share_at_most) for count in months.values())


def _reviews(events: Iterable[Event[Any]], terms: Terms) -> int:
    """One a member and product, if it is long enough and of something bought."""
    counted = {
        (event.data.customer_id, event.data.product_id)
        for event in events
        if isinstance(event.data, ReviewPublished)
        and event.data.verified_purchase
        and len((event.data.text or "").strip()) >= terms.review_text
    }
    return terms.review * len(counted)


def _names_self(data: CustomerSignedUp, codes: Mapping[str, str]) -> bool:
    return data.referral_code is not None and codes.get(data.customer_id) == data.referral_code


def _referrals(
    signed_up: Iterable[Event[Any]],
    orders: Mapping[str, Order],
    terms: Terms,
    codes: Mapping[str, str],
    now: datetime,
) -> dict[str, int]:
    """Referrals by state: the first order decides, by what is kept of it when its wait is over."""
    own = _by_customer(orders)
    states: Counter[str] = Counter()
    for event in signed_up:
        data = event.data
        if data.referral_code is not None and not _names_self(data, codes):
            states[_state(own[data.customer_id][0], terms, now)] += 1
    return dict(states)


def _state(first: Order, terms: Terms, now: datetime) -> str:
    day = first.at.astimezone(terms.zone).date() + timedelta(days=terms.wait + 1)
    due = datetime(day.year, day.month, day.day, tzinfo=terms.zone)
    if first.kept(before=due) < max(1, terms.referral_minimum):
        return "voided"
    return "approved" if due <= now else "pending"
