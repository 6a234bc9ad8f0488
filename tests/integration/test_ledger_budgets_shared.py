"""Budgets for everybody on real Postgres: workers side by side never give more, and give nearly all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.events import Event
from tests.support.events import MEMBER, NOON, a_refund, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
WORKERS, BATCHES, ORDERS = 4, 12, 60


@pytest.fixture
async def workers(fresh_database: Database, keys: KeyPair) -> AsyncIterator[list[Running]]:
    """Workers on one database, each with connections of its own."""
    url = await fresh_database()
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(running(SERVICE, url, keys)) for _ in range(WORKERS)]
        for number, worker in enumerate(found):
            worker.partition = number
        yield found
        assert await found[0].differences() == []


async def used(worker: Running, budget: str = "rule:base") -> float:
    """What was given out of a budget, as its slots say."""
    rows = await worker.ports.pool.fetch("SELECT used FROM ledger.budget_slot WHERE budget = $1", budget)
    return sum(float(row["used"]) for row in rows)


async def awarded(worker: Running, asset: str = "points") -> int:
    """What all awards of an asset were made of."""
    query = "SELECT coalesce(sum(points), 0)::bigint FROM ledger.award WHERE asset = $1"
    return int(await worker.ports.pool.fetchval(query, asset))


def orders_of(worker: int, batch: int, total: str) -> list[Event[Any]]:
    return [
        an_order_paid(
            total, order_id=f"{worker}-{batch}-{number}", member=f"m-{worker}-{number % 20}", at=NOON
        )
        for number in range(ORDERS)
    ]


async def all_at_once(workers: list[Running], total: str) -> None:
    async def work(number: int, worker: Running) -> None:
        for batch in range(BATCHES):
            await worker.receives(*orders_of(number, batch, total))

    await asyncio.gather(*(work(number, worker) for number, worker in enumerate(workers)))


@pytest.mark.parametrize(("budget", "given"), [("20011 points", 20_011), ("1300 times", 1300 * 17)])
async def test_side_by_side_they_give_all_of_it_and_never_more(
    workers: list[Running], budget: str, given: int
) -> None:
    await workers[0].applies(a_document(PER_EURO | {"budget": budget}))
    await all_at_once(workers, "17.00")
    assert await awarded(workers[0]) <= given
    assert await awarded(workers[0]) >= given * 0.99
    assert await used(workers[0]) == (given if "points" in budget else 1300)


async def test_budgets_of_rules_and_of_the_program_hold_together(workers: list[Running]) -> None:
    bonus = a_rule("bonus", points="5", budget="2000 points per month", beyond="reject")
    stamp = a_rule("stamp", gives="1 stamp", budget="777 times")
    caps = [{"budget": "15000 points per year"}, {"budget": "700 stamps"}]
    await workers[0].applies(a_document(PER_EURO, bonus, stamp, caps=caps))
    await all_at_once(workers, "9.50")
    points, stamps = await awarded(workers[0]), await awarded(workers[0], "stamps")
    assert 14_900 <= points <= 15_000
    assert 690 <= stamps <= 700
    assert await used(workers[0], "rule:bonus") <= 2000
    assert await used(workers[0], "asset:points") == points


async def test_one_order_may_take_more_than_any_slot_holds(workers: list[Running]) -> None:
    await workers[0].applies(a_document(PER_EURO | {"budget": "1000 points"}))
    await workers[0].receives(an_order_paid("400.00"), an_order_paid("700.00"))
    assert await awarded(workers[0]) == 1000


async def test_a_batch_that_fails_gives_back_what_it_had_leased(workers: list[Running]) -> None:
    one, other, *_ = workers
    await one.applies(a_document(PER_EURO | {"budget": "100 points"}))
    await one.receives(an_order_paid("10.00"))
    async with one.ports.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await one.doors.handle(connection, [an_order_paid("80.00", member="lost")], NOON)
        await transaction.rollback()
    await other.receives(an_order_paid("95.00"))
    assert (await awarded(one), await used(one)) == (100, 100)


async def test_who_finds_all_slots_leased_waits_for_one(workers: list[Running]) -> None:
    one, other, *_ = workers
    await one.applies(a_document(PER_EURO | {"budget": "100 points"}))
    await one.receives(an_order_paid("1.00", member="first"))
    async with one.ports.pool.acquire() as connection, connection.transaction():
        await one.doors.handle(connection, [an_order_paid("95.00", member="a")], NOON)
        waiting = asyncio.create_task(other.receives(an_order_paid("60.00", member="b")))
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not waiting.done(), "nobody else can have a slot now"
    await waiting
    assert await awarded(one) == 100


async def test_a_budget_that_is_raised_goes_on_and_one_that_is_lowered_stops(workers: list[Running]) -> None:
    one, other, *_ = workers
    given = []
    for day, amount in enumerate((100, 150, 120, 300)):
        at = NOON + timedelta(days=day)
        await one.applies(a_document(PER_EURO | {"budget": f"{amount} points"}), at=at - timedelta(hours=1))
        for worker in (one, other):
            await worker.receives(an_order_paid("70.00", at=at))
        given.append(await awarded(one))
    assert given == [100, 150, 150, 290]


async def test_a_late_order_takes_from_the_budget_of_its_month(workers: list[Running]) -> None:
    worker = workers[0]
    await worker.applies(a_document(PER_EURO | {"budget": "100 points per month"}))
    for day, total in ((0, "80.00"), (40, "80.00"), (1, "80.00")):
        await worker.receives(an_order_paid(total, at=NOON + timedelta(days=day)))
    assert await awarded(worker) == 80 + 80 + 20


async def test_a_decision_tells_what_the_budget_left(workers: list[Running]) -> None:
    worker = workers[0]
    await worker.applies(a_document(PER_EURO | {"budget": "100 points"}))
    first, second = an_order_paid("80.00"), an_order_paid("80.00")
    await worker.receives(first, second, a_refund(second, amount="30.00"))
    async with worker.client() as client:
        (award,) = (await client.get(f"/v1/members/{MEMBER}/decisions/{second.id}")).json()["awards"]
    assert (award["points"], award["reversed"]) == (20, 0)
    cap = {"rule": "base", "cap": "a budget of 100", "used": None, "wanted": "80", "room": "20"}
    assert award["caps"] == [cap]


async def test_people_see_how_much_of_each_budget_is_given(workers: list[Running]) -> None:
    worker = workers[0]
    base = PER_EURO | {"budget": "100 points per month"}
    caps = [{"budget": "5 stamps"}]
    await worker.applies(a_document(base, a_rule("stamp", gives="1 stamp", budget="9 times"), caps=caps))
    await worker.receives(
        an_order_paid("10.25"), an_order_paid("7.00"), an_order_paid("0.50", at=NOON + timedelta(days=40))
    )
    async with worker.client() as client:
        first = (await client.get("/v1/budgets?limit=2")).json()
        rest = (await client.get(f"/v1/budgets?limit=2&cursor={first['next']}")).json()
    async with worker.client(member=MEMBER) as client:
        assert (await client.get("/v1/budgets")).status_code == 403
    found = [tuple(row.values()) for row in first["items"] + rest["items"]]
    assert found == [
        (None, None, "stamps", "points", "ever", 5, "3", "2"),
        ("base", None, "points", "points", "month:2026-05-01", 100, "17.25", "82.75"),
        ("base", None, "points", "points", "month:2026-06-01", 100, "0.5", "99.5"),
        ("stamp", None, "stamps", "times", "ever", 9, "3", "6"),
    ]
    assert rest["next"] is None


async def test_a_program_without_budgets_has_no_slots(workers: list[Running]) -> None:
    await workers[0].applies(a_document(PER_EURO, caps=[{"at_most": "50 points per day"}]))
    await workers[0].receives(an_order_paid("80.00"))
    assert await awarded(workers[0]) == 50
    assert await workers[0].ports.pool.fetchval("SELECT count(*) FROM ledger.budget_slot") == 0
