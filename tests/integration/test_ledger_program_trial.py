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
from tests.support.events import NOON, a_line, an_order_paid
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
    assert trial["assets"] == [{"asset": "points", "before": 25, "after": 51}]
    assert {rule["rule"]: (rule["before"], rule["after"]) for rule in trial["rules"]} == {
        "base": ("15.5", "31"),
        "tea counts double": ("10", "20"),
    }
    (expiry,) = trial["expiry"]
    assert (expiry["open_lots"], expiry["points"], expiry["looked_at"]) == (2, 25, 2)
    assert (expiry["longer_lots"], expiry["longer_points"], expiry["same_lots"]) == (2, 25, 0)
    assert trial["sentences"][:2] == [
        "rule `base` gives 2 points per 1.00 EUR instead of 1 point per 1.00 EUR",
        "points: `expire` is 24 months instead of 12 months",
    ]
    assert [each["what"] for each in trial["left_out"]] == ["caps", "refunds"]
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
    assert (trial["orders"], trial["assets"]) == (2, [{"asset": "points", "before": 20, "after": 27}])


async def test_where_orders_cannot_be_found_in_time_the_rest_is_told(
    ledger: Running, merchant: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(merchant)
    await ledger.receives(an_order_paid("10.00"))
    ledger.now += timedelta(days=1)
    slow = "SELECT pg_sleep(60), $1::text, $2::timestamptz, $3::timestamptz, $4::int, $5::boolean"
    monkeypatch.setattr(ledger.ports.sql, "recent_purchases", slow, raising=False)
    monkeypatch.setattr(store, "TRIAL_SECONDS", 0.05)
    trial = (await put(merchant, '"1"', "?dry_run=true", earn=TWICE))["trial"]
    assert (trial["orders"], trial["left_out"][0]["what"]) == (0, "orders")
    assert len(trial["sentences"]) == 1
