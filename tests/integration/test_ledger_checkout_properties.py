"""What stays spent on an order is the same on real Postgres, too, whatever came in which order and batch.

The rules are tried in memory by the thousand (`tests/unit/test_ledger_returns.py`). Here it is about what is loaded: of
a member's holds only those that a batch needs are in memory, and one that is missing would be one that never was.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from services.ledger.main import SERVICE
from shared.events import (
    Event,
    OrderCancelled,
    OrderFulfilled,
    OrderPaid,
    OrderRefunded,
    PaidWith,
    RefundLine,
)
from tests.support.events import NOON, a_line, a_sign_up, an_event
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
CHECKOUT = {"points": "100", "are_worth": "1.00 EUR"}
PROGRAMS = {"some-back": "proportional", "all-back": "full_only", "none-back": "never"}
A_WEEK = 60 * 24 * 7  # in minutes: as long as a hold can be

amounts = st.integers(0, 9_000).map(lambda cents: f"{cents / 100:.2f}")
numbers = itertools.count()


@dataclass(frozen=True)
class Story:
    """A member holds points, and the shop tells of the order that they pay; each telling is of a member of its own."""

    program: str
    points: int
    told: tuple[Callable[..., Any], ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """An order that points pay, perhaps edited, refunded, handed over, called off."""
    names = ("a", "b", "c")[: draw(st.integers(1, 3))]
    told: list[Callable[..., Any]] = []
    for _ in range(draw(st.integers(1, 2))):
        said = draw(st.sampled_from([(), (PaidWith(kind="points", amount="3.00"),)]))
        lines = tuple(a_line(draw(amounts), line_id=name) for name in names)
        told.append(partial(OrderPaid, total="300.00", lines=lines, paid_with=said))
    for number in range(draw(st.integers(0, 3))):
        some = tuple(RefundLine(line_id=name) for name in names if draw(st.booleans()))
        amount = draw(st.none() | amounts) if some else draw(amounts)
        told.append(partial(OrderRefunded, refund_id=str(number), lines=some, amount=amount))
    told += [partial(OrderFulfilled)] * draw(st.integers(0, 1))
    told += [partial(OrderCancelled)] * draw(st.sampled_from([0, 0, 1]))
    return Story(
        draw(st.sampled_from(sorted(PROGRAMS))), draw(st.sampled_from([100, 500, 1000])), tuple(told)
    )


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        for program, policy in PROGRAMS.items():
            earn = [a_rule("hello", on="customer.signed_up", points="1000"), PER_EURO]
            spend = {"at_checkout": CHECKOUT, "spent_points_back": policy}
            await ledger.applies(tea_and_cups(earn=earn, spend=spend) | {"program": program})
        yield ledger


async def tell(ledger: Running, story: Story, rng: random.Random) -> tuple[int, ...]:
    """Let it happen in some order and batches; what is spent, what the order holds, what the member has."""
    member = f"member-{next(numbers)}"
    events = [
        an_event(
            data(order_id="o", customer_id=member),
            at=NOON + timedelta(hours=place),
            event_id=f"{member}-{place}",
            program=story.program,
        )
        for place, data in enumerate(story.told)
    ]
    await ledger.receives(an_event(a_sign_up(member).data, event_id=f"{member}-hello", program=story.program))
    async with ledger.client(program=story.program) as client:
        held = await client.post(
            f"/v1/members/{member}/holds", json={"hold_id": "h", "points": story.points, "minutes": A_WEEK}
        )
        assert held.status_code == 201, held.text
        steps: list[Event[Any] | None] = [*events, None]
        rng.shuffle(steps)
        batch: list[Event[Any]] = []
        for step in [*steps, *rng.sample(events, k=len(events) // 2)]:
            if step is not None:
                batch.append(step)
            if step is None or rng.random() < 0.4:
                await ledger.receives(*batch)
                batch = []
            if step is None:
                captured = await client.post(f"/v1/members/{member}/holds/h/capture", json={"order_id": "o"})
                assert captured.status_code == 200, captured.text
        await ledger.receives(*batch)
    note(f"{member}: {[step.data if step else 'capture' for step in steps]}")
    return await outcome(ledger, member)


async def outcome(ledger: Running, member: str) -> tuple[int, ...]:
    row = await ledger.ports.pool.fetchrow(
        """
        SELECT (SELECT captured - returned + borne FROM ledger.hold WHERE member_id = $1),
               (SELECT sum(points - reversed)::int FROM ledger.award WHERE member_id = $1 AND order_id = 'o'),
               pending + available, held
        FROM ledger.balance WHERE member_id = $1 AND asset = 'points'
        """,
        member,
    )
    return tuple(row) if row else ()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stories(), st.integers(0, 10**9), st.integers(0, 10**9))
async def test_what_stays_spent_is_the_same_whatever_came_first_and_in_which_batch(
    ledger: Running, story: Story, one: int, other: int
) -> None:
    ledger.now = NOON
    first = await tell(ledger, story, random.Random(one))
    ledger.now = NOON
    assert await tell(ledger, story, random.Random(other)) == first
    assert await ledger.differences() == []
