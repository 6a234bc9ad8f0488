"""A change of the program over HTTP: its dry run tells what it would do, and it takes effect at one exact point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.actions import trials
from services.ledger.main import SERVICE
from services.ledger.store import trials as store
from shared.cli.programs import as_yaml
from tests.support.events import NOON, a_line, a_refund, a_share, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
RULES = tea_and_cups()["ledger"]["earn"]
TWICE = [{**RULES[0], "points": "2"}, *RULES[1:]]
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def merchant(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client(scopes="program:read program:write") as client:
        yield client


async def put(
    client: AsyncClient, match: str | None = None, query: str = "", **ledger: Any
) -> dict[str, Any]:
    headers = {"Content-Type": "application/yaml"} | ({"If-Match": match} if match else {})
    answer = await client.put(f"/v1/program{query}", content=as_yaml(tea_and_cups(**ledger)), headers=headers)
    said: dict[str, Any] = answer.json()
    return {**said, "status": answer.status_code}


def points(before: int, after: int, **more: int) -> dict[str, Any]:
    """The points of a trial; what is kept of them is all, where nothing else is said."""
    return {
        "asset": "points",
        "before": before,
        "after": after,
        "kept_before": before,
        "kept_after": after,
    } | more


async def test_a_dry_run_tells_what_the_newest_orders_would_have_earned(
    ledger: Running, merchant: AsyncClient
) -> None:
    assert (await put(merchant, query="?dry_run=true"))["trial"] is None
    await put(merchant)
    tea = a_line("10.00", categories=("tea",))
    await ledger.receives(an_order_paid("10.00", lines=(tea,)), an_order_paid("5.50", member="ada"))
    ledger.now += timedelta(days=40)
    said = await put(merchant, '"1"', "?dry_run=true", earn=TWICE, points={"expire": "24 months"})
    trial = said["trial"]
    assert (trial["orders"], trial["skipped"], trial["since"]) == (2, 0, "2026-05-04T12:00:00Z")
    assert trial["assets"] == [points(25, 51)]
    assert {rule["rule"]: (rule["before"], rule["after"]) for rule in trial["rules"]} == {
        "base": (15, 31),
        "tea counts double": (10, 20),
    }
    (expiry,) = trial["expiry"]
    assert (expiry["open_lots"], expiry["points"], expiry["looked_at"]) == (2, 25, 2)
    assert (expiry["longer_lots"], expiry["longer_points"], expiry["same_lots"]) == (2, 25, 0)
    assert trial["sentences"][:2] == [
        "rule `base` gives 2 points per 1.00 EUR instead of 1 point per 1.00 EUR",
        "points: `expire` is 24 months instead of 12 months",
    ]
    assert (trial["left_out"], trial["earlier_orders"]) == ([], 0)
    assert {"what": "orders", "at_most": 500} in trial["limits"]
    assert {change["path"] for change in said["changes"]} >= {"ledger.earn[base].points"}


async def test_a_dry_run_leaves_nothing_also_in_memory(ledger: Running, merchant: AsyncClient) -> None:
    await put(merchant)
    await ledger.receives(an_order_paid("10.00"))
    await put(merchant, '"1"', "?dry_run=true", earn=TWICE)
    ledger.now += timedelta(hours=1)
    thrice = [{**RULES[0], "points": "3"}, *RULES[1:]]
    assert (await put(merchant, '"1"', earn=thrice))["trial"] is None
    await ledger.receives(an_order_paid("10.00", at=ledger.now))
    points = await ledger.ports.pool.fetch(
        "SELECT points, program_version FROM ledger.award ORDER BY happened_at"
    )
    assert [tuple(row) for row in points] == [(10, 1), (30, 2)]


async def test_the_same_program_again_needs_no_trial(merchant: AsyncClient) -> None:
    await put(merchant)
    said = await put(merchant, '"1"', "?dry_run=true")
    assert (said["changes"], said["trial"]) == ([], None)


async def test_a_change_takes_effect_at_one_instant_and_every_award_remembers_its_version(
    ledger: Running, merchant: AsyncClient
) -> None:
    await put(merchant)
    ledger.now = change = NOON + timedelta(days=1)
    await put(merchant, '"1"', earn=TWICE)
    orders = [an_order_paid("10.00", order_id=name, at=at) for name, at in
              (("before", change - INSTANT), ("at", change), ("after", change + INSTANT))]  # fmt: skip
    await ledger.receives(*reversed(orders))
    rows = await ledger.ports.pool.fetch("SELECT order_id, points, program_version FROM ledger.award")
    assert {tuple(row) for row in rows} == {("before", 10, 1), ("at", 20, 2), ("after", 20, 2)}


async def test_of_two_who_change_it_at_once_one_is_told_that_it_changed(
    ledger: Running, merchant: AsyncClient
) -> None:
    await put(merchant)
    ledger.now += timedelta(days=1)
    answers = await asyncio.gather(
        *[put(merchant, '"1"', earn=[{**RULES[0], "points": str(points)}]) for points in (2, 3, 4)],
        *[put(merchant, '"1"', "?dry_run=true", earn=TWICE) for _ in range(2)],
    )
    assert sorted(each["status"] for each in answers[:3]) == [200, 412, 412]
    assert {each["status"] for each in answers[3:]} <= {200, 412}
    versions = (await merchant.get("/v1/program/versions")).json()["items"]
    assert [each["version"] for each in versions] == [2, 1]


async def test_a_rule_that_counts_orders_counts_them_beyond_the_trial(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(merchant)
    monkeypatch.setattr(trials, "ORDERS_TRIED", 2)
    times = [NOON + timedelta(hours=number) for number in range(4)]
    await ledger.receives(*[an_order_paid("10.00", order_id=f"o-{at.hour}", at=at) for at in times])
    ledger.now += timedelta(days=1)
    third = {"rule": "third", "on": "order.paid", "if": {"order_number": "3"}, "points": "7"}
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=[*RULES, third]))["trial"]
    assert (trial["orders"], trial["assets"]) == (2, [points(20, 27)])


async def test_where_orders_cannot_be_found_in_time_the_rest_is_told(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(merchant)
    await ledger.receives(an_order_paid("10.00"))
    ledger.now += timedelta(days=1)
    slow = "SELECT pg_sleep(60), $1::text, $2::timestamptz, $3::timestamptz, $4::int"
    monkeypatch.setattr(ledger.ports.sql, "recent_purchases", slow, raising=False)
    monkeypatch.setattr(store, "TRIAL_SECONDS", 0.05)
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=TWICE))["trial"]
    assert (trial["orders"], trial["left_out"][0]["what"]) == (0, "orders")
    assert len(trial["sentences"]) == 1


CAPPED = [{**RULES[0], "at_most": "100 per month"}]
HUNDREDS = {
    "rule": "hundreds",
    "on": "order.paid",
    "credit": "5.00 EUR",
    "for_spending": "each 100.00 EUR per month",
}

KINDS = {
    "earlier_purchases": ("text", "text[]", "timestamptz", "timestamptz", "int", "int"),
    "budget_slots": ("text[]", "text[]", "text[]"),
}
"""What these queries are given."""


async def test_caps_and_goals_count_what_the_same_members_paid_before_the_trial(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(merchant, earn=CAPPED)
    monkeypatch.setattr(trials, "ORDERS_TRIED", 2)
    days = [NOON + timedelta(days=number) for number in range(4)]
    totals = ["40.00", "30.00", "50.00", "20.00"]
    await ledger.receives(*[an_order_paid(total, at=day) for total, day in zip(totals, days, strict=True)])
    await ledger.receives(an_order_paid("900.00", member="ada", at=NOON - timedelta(days=40)))
    ledger.now += timedelta(days=5)
    wider = [{**RULES[0], "at_most": "125 per month"}, HUNDREDS]
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=wider))["trial"]
    assert (trial["orders"], trial["earlier_orders"], trial["left_out"]) == (2, 2, [])
    credit = {"asset": "credit:EUR", "before": 0, "after": 500, "kept_before": 0, "kept_after": 500}
    assert trial["assets"] == [credit, points(30, 55)]
    monkeypatch.setattr(trials, "EARLIER_ORDERS", 1)
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=wider))["trial"]
    assert (trial["earlier_orders"], trial["left_out"][0]["what"]) == (1, "earlier orders")


async def test_a_dry_run_says_what_orders_hold_after_what_came_back_of_them(
    ledger: Running, merchant: AsyncClient
) -> None:
    await put(merchant)
    order, other = an_order_paid("80.00"), an_order_paid("10.00", member="ada")
    await ledger.receives(order, other, a_refund(order, amount="30.00", at=NOON + timedelta(days=1)))
    ledger.now += timedelta(days=2)
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=TWICE))["trial"]
    assert trial["assets"] == [points(140, 230, kept_before=60, kept_after=120)]
    held = await ledger.ports.pool.fetchval("SELECT sum(points - reversed)::bigint FROM ledger.award")
    assert held == 60


async def test_a_budget_begins_with_what_others_left_and_a_new_one_is_said_to_begin_whole(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(merchant, earn=[{**RULES[0], "budget": "100 points"}])
    monkeypatch.setattr(trials, "ORDERS_TRIED", 1)
    first = an_order_paid("60.00")
    await ledger.receives(first, an_order_paid("70.00", member="ada", at=NOON + timedelta(hours=1)))
    ledger.now += timedelta(days=2)
    more = [{**RULES[0], "budget": "120 points"}]
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=more))["trial"]
    assert (trial["assets"], trial["left_out"]) == ([points(40, 60)], [])
    monthly = [{**RULES[0], "budget": "100 points per month"}]
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=monthly))["trial"]
    assert trial["assets"] == [points(40, 70)]
    assert [each["what"] for each in trial["left_out"]] == ["budgets"]


async def test_the_caps_of_the_program_know_what_was_earned_otherwise(
    ledger: Running, merchant: AsyncClient
) -> None:
    caps = [{"at_most": "60 points per month", "beyond": "shrink"}]
    await put(merchant, caps=caps)
    await ledger.receives(a_share(at=NOON), an_order_paid("58.00", at=NOON + timedelta(days=1)))
    ledger.now += timedelta(days=2)
    wider = [{"at_most": "61 points per month", "beyond": "shrink"}]
    trial = (await put(merchant, '"1"', "?dry_run=true", caps=wider))["trial"]
    assert (trial["assets"], trial["left_out"]) == ([points(55, 56)], [])


async def test_a_dry_run_tells_what_the_same_orders_earn_where_the_program_is_in_force(
    ledger: Running, merchant: AsyncClient, fresh_database: Database, keys: KeyPair
) -> None:
    await put(merchant)
    wanted: dict[str, Any] = {"earn": [*CAPPED, RULES[2], HUNDREDS], "caps": [{"budget": "300 points"}]}
    orders = [
        an_order_paid(f"{10 + 7 * number}.00", member=f"m-{number % 3}", at=NOON + timedelta(days=number))
        for number in range(12)
    ]
    back = [a_refund(order, amount="9.00", at=order.time + timedelta(hours=30)) for order in orders[::4]]
    history = sorted([*orders, *back], key=lambda event: event.time)
    await ledger.receives(*history)
    ledger.now += timedelta(days=30)
    said = [await put(merchant, '"1"', "?dry_run=true", **wanted) for _ in range(2)]
    assert said[0]["trial"] == said[1]["trial"]
    async with running(SERVICE, await fresh_database(), keys) as other:
        async with other.client(scopes="program:read program:write") as client:
            await put(client, **wanted)
        await other.receives(*history)
        rows = await other.ports.pool.fetch(
            "SELECT asset, sum(points)::bigint, sum(points - reversed)::bigint FROM ledger.award GROUP BY asset"
        )
    told = {each["asset"]: (each["after"], each["kept_after"]) for each in said[0]["trial"]["assets"]}
    assert told == {asset: (given, held) for asset, given, held in rows}


async def test_a_dry_run_waits_for_nobody_and_what_takes_too_long_is_said(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = [{**CAPPED[0], "budget": "100 points"}]
    await put(merchant, earn=budget)
    await ledger.receives(an_order_paid("10.00"))
    ledger.now += timedelta(days=1)
    wanted = [{**budget[0], "points": "2"}]
    async with ledger.ports.pool.acquire() as worker, worker.transaction():
        await worker.fetch("SELECT 1 FROM ledger.member FOR UPDATE")
        await worker.fetch("SELECT 1 FROM ledger.budget_slot FOR UPDATE")
        trial = (await put(merchant, '"1"', "?dry_run=true", earn=wanted))["trial"]
        assert (trial["assets"], trial["left_out"]) == ([points(10, 20)], [])
    for name, kinds in KINDS.items():
        slow = ", ".join(f"${number}::{kind}" for number, kind in enumerate(kinds, 1))
        monkeypatch.setattr(ledger.ports.sql, name, f"SELECT pg_sleep(60), {slow}", raising=False)
    monkeypatch.setattr(store, "TRIAL_SECONDS", 0.05)
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=wanted))["trial"]
    assert [each["what"] for each in trial["left_out"]] == ["earlier orders", "budgets"]
