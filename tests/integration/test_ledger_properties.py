"""Whatever comes in which order, in which batches and how often: each order ends up holding the same points.

Left out on purpose is what the rules call first come, first served: caps, the nth purchase, levels, spends. And where
a refund names a line that the edit of its order removed, the statements of this order come in their order, as they do
in one partition: a refund of a line that the order does not have so far is a dead letter.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from services.ledger.main import SERVICE
from shared.events import (
    CustomerSignedUp,
    Event,
    OrderCancelled,
    OrderFulfilled,
    OrderLine,
    OrderPaid,
    OrderRefunded,
    RefundLine,
    ReviewPublished,
    ReviewRemoved,
)
from shared.worker.batch import Done
from tests.support.events import NOON, a_record, an_event
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
PROGRAMS: dict[str, dict[str, Any]] = {
    "at-once": {},
    "after-paid": {"pending": {"order.paid": "14 days after order.paid"}},
    "after-fulfilled": {"pending": {"order.paid": "14 days after order.fulfilled"}},
}
PARTITIONS = 3
DAYS = 100  # the wait for a fulfilment is cancelled after ninety
SETTLED = NOON + timedelta(days=2 * DAYS + 30)


@dataclass(frozen=True)
class Told:
    """Something that a shop tells, under names that each delivery makes its own."""

    day: float
    data: Callable[[str], Any]
    """The data, with this put before its names."""
    statement_of: str | None = None
    """The order that this states, if its statements have to keep their order."""


@dataclass(frozen=True)
class Case:
    program: str
    told: tuple[Told, ...]

    def __repr__(self) -> str:
        return f"{self.program}: " + "\n    ".join(
            f"day {told.day:.1f} {told.data('')}" for told in self.told
        )


days = st.integers(0, DAYS * 24).map(lambda hours: hours / 24)
amounts = st.integers(0, 9_000).map(lambda cents: f"{cents / 100:.2f}")


def lines_of(draw: st.DrawFn, names: Sequence[str]) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            total=draw(amounts),
            line_id=name,
            quantity=draw(st.sampled_from(["1", "2", "3"])),
            categories=draw(st.sampled_from([(), ("tea",)])),
        )
        for name in names
    )


@st.composite
def an_orders_life(draw: st.DrawFn, member: str, order: str) -> list[Told]:
    """An order, perhaps edited, refunded, fulfilled, cancelled."""
    names = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    paid = draw(days)

    def of(make: Callable[..., Any], day: float, **words: Any) -> Told:
        return Told(day, lambda prefix: make(order_id=prefix + order, customer_id=prefix + member, **words))

    def later() -> float:
        return paid + draw(st.integers(1, DAYS * 24)) / 24

    words: dict[str, Any] = {"total": "500.00", "discount": draw(amounts), "shipping": "4.90"}
    statements, kept = [of(OrderPaid, paid, lines=lines_of(draw, names), **words)], names
    if draw(st.integers(0, 3)) == 0:
        kept = (*names[draw(st.integers(0, 1)) :], *draw(st.sampled_from([(), ("new",)]))) or names
        statements.append(of(OrderPaid, later(), lines=lines_of(draw, kept), **words))
    life, named = [], set()
    for number in range(draw(st.integers(0, 3))):
        back = [
            RefundLine(line_id=name, quantity=draw(st.sampled_from([None, "1"])))
            for name in names
            if draw(st.booleans())
        ]
        named |= {line.line_id for line in back}
        amount = draw(st.none() | amounts) if back else draw(amounts)
        refund: dict[str, Any] = {"refund_id": f"{order}-{number}", "lines": tuple(back), "amount": amount}
        life.append(of(OrderRefunded, later(), **refund))
    for _ in range(draw(st.integers(0, 2))):
        life.append(of(OrderFulfilled, later()))
    if draw(st.integers(0, 5)) == 0:
        life.append(of(OrderCancelled, later()))
    if not named <= set(kept):
        statements = [replace(each, statement_of=order) for each in statements]
    return statements + life


@st.composite
def a_review_s_life(draw: st.DrawFn, member: str, review: str) -> list[Told]:
    """A review, perhaps removed."""

    def published(prefix: str) -> Any:
        return ReviewPublished(
            customer_id=prefix + member, review_id=prefix + review, product_id=prefix + review, text_length=50
        )

    def removed(prefix: str) -> Any:
        return ReviewRemoved(customer_id=prefix + member, review_id=prefix + review)

    day = draw(days)
    return [Told(day, published)] + ([Told(day, removed)] if draw(st.booleans()) else [])


def a_joining(day: float, member: str) -> Told:
    """Somebody opens an account."""
    return Told(day, lambda prefix: CustomerSignedUp(customer_id=prefix + member))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """What a few members do in some months."""
    told: list[Told] = []
    for member in ("anna", "ben", "cleo")[: draw(st.integers(1, 3))]:
        if draw(st.booleans()):
            told.append(a_joining(draw(days), member))
        for number in range(draw(st.integers(1, 4))):
            told += draw(an_orders_life(member, f"{member}-{number}"))
        for number in range(draw(st.integers(0, 2))):
            told += draw(a_review_s_life(member, f"{member}-review-{number}"))
    return Case(draw(st.sampled_from(sorted(PROGRAMS))), tuple(told))


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        for program, words in PROGRAMS.items():
            await ledger.applies(tea_and_cups(**words) | {"program": program})
        yield ledger


numbers = itertools.count()


def in_some_order(events: list[Event[Any]], states: list[str | None], rng: random.Random) -> list[Event[Any]]:
    """Shuffled, and some of them twice; statements that have to keep their order do."""
    places = list(range(len(events)))
    rng.shuffle(places)
    for order in {each for each in states if each is not None}:
        mine = [spot for spot, place in enumerate(places) if states[place] == order]
        for spot, place in zip(mine, sorted(places[spot] for spot in mine), strict=True):
            places[spot] = place
    walk: list[Event[Any]] = []
    for place in places:
        walk.append(events[place])
        if rng.random() < 0.3:
            walk.append(rng.choice(walk))
    return walk


async def deliver(ledger: Running, case: Case, rng: random.Random) -> str:
    """Send all of it, in some order, in batches of some size, over partitions that tell nothing; the prefix used."""
    prefix = f"{next(numbers)}/"
    events = [
        an_event(
            told.data(prefix),
            at=NOON + timedelta(days=told.day),
            event_id=f"{prefix}{place}",
            program=case.program,
        )
        for place, told in enumerate(case.told)
    ]
    walk = in_some_order(events, [told.statement_of for told in case.told], rng)
    note("\n".join(f"{event.id} {event.data}" for event in walk))
    ledger.now = max(ledger.now, SETTLED)
    done = Done({}, 0, 0, 0)
    while walk:
        size = rng.randint(1, 12)
        batch, walk = walk[:size], walk[size:]
        records = [
            ledger._placed(a_record(each, offset=0, partition=rng.randrange(PARTITIONS))) for each in batch
        ]
        done = done.and_then(await ledger.takes(records))
    assert (done.applied, done.refused) == (len(events), 0), await ledger.dead_letters()
    await ledger.runs("settle_due")
    return prefix


async def outcome(ledger: Running, prefix: str) -> dict[str, tuple[int, ...]]:
    """What each order and review holds, and what each member has, without the prefix."""
    awards = await ledger.ports.pool.fetch(
        "SELECT award_id AS name, points - reversed AS held FROM ledger.award WHERE starts_with(member_id, $1)",
        prefix,
    )
    balances = await ledger.ports.pool.fetch(
        "SELECT member_id AS name, pending, available, held FROM ledger.balance WHERE starts_with(member_id, $1)",
        prefix,
    )
    return {
        row["name"].replace(prefix, ""): tuple(row)[1:]
        for row in (*awards, *balances)
        if not row["name"].startswith("event:") and any(tuple(row)[1:])
    }


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cases(), st.integers(0, 10**9), st.integers(0, 10**9))
async def test_each_order_ends_up_holding_the_same_points_whatever_the_order_of_arrival(
    ledger: Running, case: Case, one: int, other: int
) -> None:
    first = await deliver(ledger, case, random.Random(one))
    second = await deliver(ledger, case, random.Random(other))
    assert await outcome(ledger, first) == await outcome(ledger, second)
    assert await ledger.differences() == []


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cases(), st.integers(0, 10**9))
async def test_what_a_member_has_is_what_the_orders_and_deeds_hold(
    ledger: Running, case: Case, seed: int
) -> None:
    prefix = await deliver(ledger, case, random.Random(seed))
    held = await ledger.ports.pool.fetch(
        "SELECT member_id, sum(points - reversed)::int FROM ledger.award WHERE starts_with(member_id, $1) GROUP BY 1",
        prefix,
    )
    has = await ledger.ports.pool.fetch(
        "SELECT member_id, pending + available + held FROM ledger.balance WHERE starts_with(member_id, $1)",
        prefix,
    )
    assert {key: points for key, points in map(tuple, held) if points} == {
        key: points for key, points in map(tuple, has) if points
    }
