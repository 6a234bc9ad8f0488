"""What the file does not tell and a shop would: sign-ups, codes of friends, shares, reviews, refunds, repetitions.

All of it is made up, from a seed, and says so: the `source` of these events is `habitue/demo-generator`, and their ids
begin with `made-up-`. Addresses end in `.example`, which belongs to nobody.

What a newcomer would get wrong: a repetition is not another event. It is the same record published twice, as an
at-least-once producer does; it must change nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from deploy.local.history import CURRENCY, Placed, money, paid
from shared.events import (
    ContentShared,
    CustomerSignedUp,
    Event,
    OrderRefunded,
    RefundLine,
    ReviewPublished,
    event_type,
)

SOURCE = "habitue/demo-generator"
MARK = "made-up-"
BEFORE_FIRST_ORDER = timedelta(minutes=10)
SHARE_OF_FRENCH = 0.2
SHARE_OF_REFERRED = 0.08
SHARE_OF_SELF_REFERRED = 0.003
SHARE_OF_SHARERS = 0.15
SHARE_OF_REVIEWED = 0.08
SHARE_OF_REFUNDED = 0.04
SHARE_OF_REPEATED = 0.02
REPEATED_WITHIN = 2_000  # records; some repetitions meet the original in one batch, others long after
_PLAIN = re.compile(r"[a-z0-9]{1,40}")
NETWORKS = ("instagram", "facebook", "tiktok", "mastodon")
NAMES = ("Ada", "Bela", "Chloé", "Dario", "Elif", "Farid", "Grete", "Hugo", "Inès", "Jonas", "Kaya", "Lina")
REVIEW = "Warm sound, no surprises, and the second half grows on you every time you listen to it."


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody in the file, with whom they say sent them (themselves, if they try that)."""

    customer_id: str
    signed_up_at: datetime
    orders: tuple[Placed, ...]
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is published: `events` in the order of time, each once, and `records` with the repetitions."""

    events: tuple[Event[Any], ...]
    records: tuple[Event[Any], ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def repetitions(self) -> int:
        """How many records are there that were published before."""
        return len(self.records) - len(self.events)


def customers_of(orders: Sequence[Placed], *, seed: int) -> list[Customer]:
    """The customers by the time of their first order; some of them came through another one."""
    by_customer: dict[str, list[Placed]] = {}
    for order in orders:
        by_customer.setdefault(order.customer_id, []).append(order)
    found: list[Customer] = []
    for customer_id, own in by_customer.items():
        draw = Random(f"{seed}:referral:{customer_id}")
        sent_by = None
        if draw.random() < SHARE_OF_SELF_REFERRED:
            sent_by = customer_id
        elif found and draw.random() < SHARE_OF_REFERRED:
            sent_by = draw.choice(found).customer_id
        found.append(Customer(customer_id, own[0].at - BEFORE_FIRST_ORDER, tuple(own), sent_by))
    return found


def advocates_of(customers: Sequence[Customer]) -> list[str]:
    """Whose codes are named, sorted."""
    return sorted({customer.sent_by for customer in customers if customer.sent_by is not None})


def tell(
    customers: Sequence[Customer],
    codes: Mapping[str, str],
    *,
    program_id: str,
    source: str,
    until: datetime,
    seed: int,
) -> Story:
    """The whole story up to `until`; `source` is the shop's own, under which the orders of the file are told.

    `codes` are the codes of `advocates_of`, as the referrals service gives them.
    """
    events = [
        event
        for customer in customers
        for event in _life(customer, codes, program_id, source, seed)
        if event.time < until
    ]
    events.sort(key=lambda event: (event.time, event.id))
    records = _with_repetitions(events, Random(f"{seed}:repetitions"))
    counts: dict[str, int] = {}
    for event in events:
        counts[event.type] = counts.get(event.type, 0) + 1
    return Story(tuple(events), tuple(records), counts)


def _life(
    customer: Customer, codes: Mapping[str, str], program_id: str, source: str, seed: int
) -> Iterator[Event[Any]]:
    draw = Random(f"{seed}:life:{customer.customer_id}")
    yield _event(program_id, customer.signed_up_at, _sign_up(customer, codes, draw), "sign-up")
    yield from _shares(customer, program_id, draw)
    for order in customer.orders:
        yield paid(order, program_id, source)
        yield from _refund(order, program_id, draw)
        yield from _reviews(order, program_id, draw)


def _event(program_id: str, at: datetime, data: Any, *name: str) -> Event[Any]:
    about = getattr(data, "order_id", None) or data.customer_id
    return Event(
        id=MARK + "-".join((*name, about)),
        source=SOURCE,
        type=event_type(type(data)),
        program_id=program_id,
        time=at,
        data=data,
    )


def _sign_up(customer: Customer, codes: Mapping[str, str], draw: Random) -> CustomerSignedUp:
    name = draw.choice(NAMES)
    return CustomerSignedUp(
        customer_id=customer.customer_id,
        email=_address(customer.customer_id),
        name=name,
        language="fr" if draw.random() < SHARE_OF_FRENCH else "en",
        referral_code=codes[customer.sent_by] if customer.sent_by is not None else None,
    )


def _address(customer_id: str) -> str:
    """An address that belongs to nobody, another one for each customer."""
    plain = _PLAIN.fullmatch(customer_id)
    name = customer_id if plain else hashlib.sha256(customer_id.encode()).hexdigest()[:16]
    return f"{name}@customers.example"


def _shares(customer: Customer, program_id: str, draw: Random) -> Iterator[Event[Any]]:
    """A few posts; now and then two on the same network and day, of which one counts."""
    if draw.random() >= SHARE_OF_SHARERS:
        return
    for number in range(draw.randint(1, 4)):
        at = customer.signed_up_at + timedelta(days=draw.randint(0, 60), seconds=draw.randrange(3600))
        network = draw.choice(NETWORKS)
        for again in range(2 if draw.random() < 0.2 else 1):
            yield _event(
                program_id,
                at + timedelta(minutes=again),
                ContentShared(
                    customer_id=customer.customer_id,
                    network=network,
                    share_id=f"{MARK}post-{customer.customer_id}-{number}-{again}",
                ),
                f"share-{number}-{again}",
            )


def _refund(order: Placed, program_id: str, draw: Random) -> Iterator[Event[Any]]:
    """At most one an order: everything, one line, or an amount."""
    if draw.random() >= SHARE_OF_REFUNDED or not order.amount_minor:
        return
    at = order.at + timedelta(days=draw.randint(1, 25), seconds=draw.randrange(3600))
    kind = draw.choice(("full", "line", "amount"))
    refund = OrderRefunded(
        order_id=order.order_id,
        customer_id=order.customer_id,
        refund_id=f"{MARK}refund-{order.order_id}",
        currency=CURRENCY,
        amount=_amount(kind, order, draw),
        lines=(RefundLine(line_id=draw.choice(order.lines).line_id or "1"),) if kind == "line" else (),
    )
    yield _event(program_id, at, refund, "refund")


def _amount(kind: str, order: Placed, draw: Random) -> str | None:
    """What is given back; a refund that names its line leaves that to the worth of the line."""
    if kind == "line":
        return None
    return money(order.amount_minor if kind == "full" else draw.randint(1, order.amount_minor))


def _reviews(order: Placed, program_id: str, draw: Random) -> Iterator[Event[Any]]:
    """A review of one of the CDs; some are too short to count, some come twice, of which one counts."""
    if draw.random() >= SHARE_OF_REVIEWED:
        return
    line = draw.choice(order.lines)
    at = order.at + timedelta(days=draw.randint(3, 20), seconds=draw.randrange(3600))
    for again in range(2 if draw.random() < 0.1 else 1):
        yield _event(
            program_id,
            at + timedelta(days=again),
            ReviewPublished(
                customer_id=order.customer_id,
                review_id=f"{MARK}review-{order.order_id}-{again}",
                product_id=line.product_id or "",
                rating=draw.randint(2, 5),
                text="Fine." if draw.random() < 0.1 else REVIEW,
                verified_purchase=True,
                order_id=order.order_id,
            ),
            f"review-{again}",
        )


def _with_repetitions(events: Sequence[Event[Any]], draw: Random) -> list[Event[Any]]:
    """The events, and some of them once more a little later."""
    chosen = draw.sample(range(len(events)), round(len(events) * SHARE_OF_REPEATED))
    places = {number: number + draw.randint(1, REPEATED_WITHIN) + 0.5 for number in chosen}
    told: list[tuple[float, Event[Any]]] = list(enumerate(events))
    told += [(place, events[number]) for number, place in places.items()]
    return [event for _, event in sorted(told, key=lambda pair: pair[0])]
