"""Gifts from member to member over HTTP: limits, ids, refusals, and fifty who give to each other at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted
from tests.support.doors import on_a_port
from tests.support.events import MEMBER, NOON, a_refund, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
BEN = "ben"
TERMS = {"older_than": "30 days", "at_most": ["100 per day", "250 per month"]}
LATER = NOON + timedelta(days=40)
CLIENTS = 50


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[PER_EURO], transfers=TERMS))
        await ledger.receives(
            an_order_paid("300.00", order_id="o-1"), an_order_paid("20.00", member=BEN, order_id="o-2")
        )
        ledger.now = LATER
        yield ledger
        assert await ledger.differences() == []


async def gives(
    ledger: Running, points: int, name: str = "g-1", *, by: str = MEMBER, query: str = "", **more: Any
) -> Response:
    body = {"transfer_id": name, "to": BEN, "points": points} | more
    async with ledger.client(member=by, scopes="ledger:write") as member:
        return await member.post(f"/v1/members/{by}/transfers{query}", json=body)


async def available(ledger: Running, member: str = MEMBER) -> int:
    return int(
        await ledger.ports.pool.fetchval(
            "SELECT available FROM ledger.balance WHERE asset = 'points' AND member_id = $1", member
        )
    )


async def test_a_member_gives_points_and_both_sides_are_told(ledger: Running) -> None:
    assert (await gives(ledger, 60, query="?dry_run=true")).json()["balance"]["available"] == 240
    assert await available(ledger) == 300
    made = await gives(ledger, 60, message="for the cake")
    assert (made.status_code, made.json()["to"], made.json()["balance"]["available"]) == (201, BEN, 240)
    assert (await available(ledger), await available(ledger, BEN)) == (240, 80)
    sent, received = (await ledger.told())[-2:]
    assert {(e.data.member_id, e.data.direction, e.data.reason) for e in (sent, received)} == {
        (MEMBER, "sent", "for the cake"),
        (BEN, "received", "for the cake"),
    }
    async with ledger.client() as shop:
        entry = (await shop.get(f"/v1/members/{BEN}/statement")).json()["items"][0]
        lots = (await shop.get(f"/v1/members/{BEN}/lots")).json()["lots"]
    assert (entry["kind"], entry["from_account"], entry["amount"]) == ("gift", "in_transit", 60)
    assert sorted(lot["remaining"] for lot in lots) == [20, 60]


async def test_the_same_id_is_the_same_gift(ledger: Running) -> None:
    answers = await asyncio.gather(*[gives(ledger, 60) for _ in range(4)])
    assert {each.status_code for each in answers} == {201}
    assert await available(ledger) == 240
    assert (await gives(ledger, 61)).json()["code"] == "transfer_conflict"


async def test_limits_count_by_the_calendar_of_the_program(ledger: Running) -> None:
    assert (await gives(ledger, 100)).status_code == 201
    refused = (await gives(ledger, 1, "g-2")).json()
    assert (refused["code"], refused["limit"], refused["left"]) == ("transfer_limit", "100 per day", 0)
    ledger.now += timedelta(days=1)
    assert (await gives(ledger, 100, "g-2")).status_code == 201
    ledger.now += timedelta(days=1)
    assert (await gives(ledger, 51, "g-3")).json()["limit"] == "250 per month"
    assert (await gives(ledger, 50, "g-3")).status_code == 201


async def test_what_cannot_be_is_refused(ledger: Running) -> None:
    await ledger.receives(
        an_order_paid("5.00", member="eve", at=LATER), an_event(CustomerDeleted(customer_id="eve"), at=LATER)
    )
    for more in ({"to": "nobody"}, {"to": "eve"}, {"to": MEMBER}):
        assert (await gives(ledger, 5, **more)).json()["code"] == "unknown_receiver"
    assert (await gives(ledger, 5, by="nobody")).json()["code"] == "unknown_member"
    assert (await gives(ledger, 301)).json()["code"] in ("transfer_limit", "insufficient_points")
    assert (await gives(ledger, 0)).status_code == 422
    async with ledger.client(member=BEN, scopes="ledger:write") as ben:
        body = {"transfer_id": "x", "to": BEN, "points": 5}
        assert (await ben.post(f"/v1/members/{MEMBER}/transfers", json=body)).status_code == 403
    await ledger.applies(tea_and_cups(), at=LATER)
    assert (await gives(ledger, 5)).json()["code"] == "transfers_off"
    assert (
        await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.member WHERE member_id = 'nobody'") == 0
    )


async def test_a_refund_of_what_was_given_away_is_owed_by_the_giver(ledger: Running) -> None:
    await gives(ledger, 100)
    await ledger.receives(a_refund(an_order_paid("300.00", order_id="o-1"), amount="300.00", at=LATER))
    assert (await available(ledger), await available(ledger, BEN)) == (-100, 120)


async def test_verify_names_gifts_that_no_transfer_carried(fresh_database: Database, keys: KeyPair) -> None:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.receives(an_order_paid("300.00"))
        await ledger.ports.pool.execute(
            "INSERT INTO ledger.gift VALUES ('demo', $1, 'g', $2, 'points', 61, now())", MEMBER, BEN
        )
        (found,) = await ledger.differences()
    assert "gifts say that they sent 61 points, but their transfers sent 0" in found


async def test_fifty_who_give_to_each_other_at_once_never_wait_in_a_circle(
    fresh_database: Database, keys: KeyPair
) -> None:
    url = await fresh_database()
    people = [f"m-{n}" for n in range(5)]
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(running(SERVICE, url, keys)) for _ in range(2)]
        await ledgers[0].applies(tea_and_cups(earn=[PER_EURO], transfers={"older_than": "0 days"}))
        await ledgers[0].receives(*(an_order_paid("100.00", member=name) for name in people))
        doors = [
            await stack.enter_async_context(on_a_port(each, scopes="ledger:read ledger:write"))
            for each in ledgers
        ]
        answers = await asyncio.gather(
            *(
                doors[n % 2].post(
                    f"/v1/members/{people[n % 5]}/transfers",
                    json={"transfer_id": f"g-{n}", "to": people[(n + 1 + n // 5 % 4) % 5], "points": 30},
                )
                for n in range(CLIENTS)
            )
        )
        found = Counter(
            "201" if each.status_code == 201 else f"{each.status_code} {each.json()['code']}"
            for each in answers
        )
        assert set(found) <= {"201", "409 insufficient_points"}
        assert found["201"] >= 15
        assert sum([await available(ledgers[0], name) for name in people]) == 500
        assert await ledgers[0].differences() == []
