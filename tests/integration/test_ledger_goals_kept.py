"""Threshold credit on real Postgres: the rows of the periods, late orders, refunds, and what the decision tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.events import Event
from tests.support.events import MEMBER, NOON, a_cancellation, a_fulfilment, a_refund, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
EACH_HUNDRED = a_rule("five per hundred", credit="5.00 EUR", for_spending="each 100.00 EUR per month")
WAITS = {"order.paid": "14 days after order.fulfilled"}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(a_document(PER_EURO, EACH_HUNDRED, assets={"credit": {"pending": WAITS}}))
        yield ledger
        assert await ledger.differences() == []


async def credit(ledger: Running, member: str = MEMBER) -> tuple[int, int]:
    """Pending and available."""
    row = await ledger.ports.pool.fetchrow(
        "SELECT pending, available FROM ledger.balance WHERE member_id = $1 AND asset = 'credit:EUR'", member
    )
    return tuple(row) if row else (0, 0)


async def test_each_event_in_a_batch_of_its_own_or_all_in_one(ledger: Running) -> None:
    def life(member: str) -> list[Event[Any]]:
        orders = [
            an_order_paid(total, at=NOON + timedelta(days=day), member=member, order_id=f"{member}-{day}")
            for day, total in enumerate(("60.00", "70.00", "90.00"))
        ]
        edit = an_order_paid("95.00", at=NOON + timedelta(days=4), member=member, order_id=f"{member}-0")
        refund = a_refund(orders[2], amount="70.00", at=NOON + timedelta(days=5))
        return [orders[2], orders[0], orders[1], edit, refund, a_cancellation(orders[1])]

    seen = []
    for event in life("one"):
        await ledger.receives(event)
        seen.append(await credit(ledger, "one"))
    assert seen == [(0, 0), (500, 0), (1000, 0), (1000, 0), (500, 0), (500, 0)]
    await ledger.receives(*life("two"))
    assert await credit(ledger, "two") == (500, 0)


async def test_the_order_that_reaches_it_starts_the_wait_when_it_is_fulfilled(ledger: Running) -> None:
    first, second = (an_order_paid("60.00", at=NOON + timedelta(days=day)) for day in (0, 1))
    await ledger.receives(first, second)
    await ledger.receives(a_fulfilment(first, at=NOON + timedelta(days=2)))
    await ledger.receives(a_fulfilment(second, at=NOON + timedelta(days=5)))
    ledger.now = NOON + timedelta(days=19)
    await ledger.runs("settle_due")
    assert await credit(ledger) == (500, 0)
    ledger.now = NOON + timedelta(days=20)
    await ledger.runs("settle_due")
    assert await credit(ledger) == (0, 500)


async def test_a_decision_tells_how_far_the_member_is(ledger: Running) -> None:
    first, second = (an_order_paid("60.00", at=NOON + timedelta(days=day)) for day in (0, 1))
    await ledger.receives(first, second)
    async with ledger.client() as client:
        one, two = [
            (await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")).json()
            for order in (first, second)
        ]
    progress = {
        "rule": "five per hundred",
        "period": "month:2026-05-01",
        "matched": True,
        "why_not": None,
        "counted": "60.00 EUR",
        "spent": "120.00 EUR",
        "asked": "100.00 EUR",
        "times": 1,
    }
    assert one["goals"] == two["goals"] == [progress]
    assert [award["asset"] for award in one["awards"]] == ["points"]
    assert {award["asset"]: award["rules"] for award in two["awards"]} == {
        "points": [{"rule": "base", "matched": True, "points": "60", "why_not": None, "left": None}],
        "credit:EUR": [
            {"rule": "five per hundred", "matched": True, "points": "500", "why_not": None, "left": None}
        ],
    }


async def test_a_decision_of_goals_alone_says_which_count_an_order_and_why_others_do_not(
    ledger: Running,
) -> None:
    goals = [
        EACH_HUNDRED,
        a_rule(
            "big", credit="1.00 EUR", for_spending="50.00 EUR per month", if_={"order_at_least": "80.00 EUR"}
        ),
        a_rule("in the app", credit="1.00 EUR", for_spending="50.00 EUR per month", if_={"channel": "app"}),
        a_rule("tea", credit="1.00 EUR", for_spending="50.00 EUR per month", if_={"category": "tea"}),
    ]
    await ledger.applies(a_document(*goals), at=NOON - timedelta(days=1))
    first, second = (an_order_paid("70.00", at=NOON + timedelta(days=day), channel="web") for day in (0, 1))
    await ledger.receives(first, second)
    async with ledger.client() as client:
        one, two = [
            (await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")).json()
            for order in (first, second)
        ]
        unknown = await client.get(f"/v1/members/{MEMBER}/decisions/evt-0")
    assert unknown.json()["code"] == "unknown_decision"
    assert one["goals"] == two["goals"]
    assert (one["awards"], [award["points"] for award in two["awards"]]) == ([], [500])
    assert one["happened_at"].startswith("2026-05-04")
    assert {goal["rule"]: (goal["matched"], goal["counted"], goal["why_not"]) for goal in one["goals"]} == {
        "five per hundred": (True, "70.00 EUR", None),
        "big": (False, "0.00 EUR", "items after discounts are 70.00 EUR, 80.00 EUR asked for"),
        "in the app": (False, "0.00 EUR", "channel is web, app asked for"),
        "tea": (False, "0.00 EUR", "no line has category tea"),
    }
    assert {goal["rule"]: goal["spent"] for goal in one["goals"]}["five per hundred"] == "140.00 EUR"


async def test_a_program_without_goals_leaves_no_row(ledger: Running) -> None:
    await ledger.applies(a_document(PER_EURO), at=NOON - timedelta(days=1))
    await ledger.receives(an_order_paid("100.00"))
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.goal_part") == 0
