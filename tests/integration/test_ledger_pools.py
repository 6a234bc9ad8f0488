"""Pools over HTTP: making, joining and leaving them, and spending from each other, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted
from tests.support.doors import on_a_port
from tests.support.events import NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
ANA, BEN, CEM = "ana", "ben", "cem"
PER_EURO = {"rule": "base", "on": "order.paid", "points": "1", "per": "1.00 EUR"}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[PER_EURO], pools={"members": "3"}))
        for member in (ANA, BEN, CEM, "dan"):
            await ledger.receives(a_sign_up(member))
        await earns(ledger, {ANA: 80, BEN: 30})
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def client(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        yield client


async def earns(ledger: Running, points: dict[str, int]) -> list[Any]:
    orders = [an_order_paid(f"{many}.00", member=member) for member, many in points.items()]
    await ledger.receives(*orders)
    return orders


async def asks(client: AsyncClient, member: str, what: str, **body: Any) -> Response:
    return await client.post(f"/v1/members/{member}/pool{what}", json=body or None)


async def moves_in(client: AsyncClient, *members: str) -> None:
    """A pool of Ana's, which these join."""
    assert (await asks(client, ANA, "", pool_id="home")).status_code == 201
    for member in members:
        assert (await asks(client, ANA, "/invitations", invited_id=member)).status_code == 200
        assert (await asks(client, member, "/join", pool_id="home")).status_code == 200


async def has(ledger: Running) -> dict[str, int]:
    rows = await ledger.ports.pool.fetch(
        "SELECT member_id, available FROM ledger.balance WHERE asset = 'points'"
    )
    return {row["member_id"]: row["available"] for row in rows}


async def test_a_household_is_made_joined_seen_and_dissolved(ledger: Running, client: AsyncClient) -> None:
    assert (await client.get(f"/v1/members/{ANA}/pool")).json() == {
        "pool_id": None, "members": [], "offered": [], "invitations": [],
    }  # fmt: skip
    await moves_in(client, BEN)
    assert (await asks(client, ANA, "", pool_id="home")).json()["members"] == [ANA, BEN], "the same again"
    assert (await asks(client, BEN, "", pool_id="mine")).json()["code"] == "in_another_pool"
    assert (await asks(client, CEM, "", pool_id="home")).json()["code"] == "pool_taken"
    assert (await asks(client, CEM, "/join", pool_id="home")).json()["code"] == "not_invited"
    assert (await asks(client, BEN, "/invitations", invited_id=CEM)).json()["code"] == "not_pool_owner"
    assert (await asks(client, ANA, "/invitations", invited_id="nobody")).json()["code"] == "unknown_receiver"
    assert (await asks(client, CEM, "/leave")).json()["code"] == "not_in_pool"
    await asks(client, ANA, "/invitations", invited_id=CEM)
    async with ledger.client(member=CEM) as cem:
        assert (await cem.get(f"/v1/members/{CEM}/pool")).json()["invitations"] == ["home"]
        assert (await asks(cem, CEM, "/join", pool_id="home")).json()["members"] == [ANA, BEN, CEM]
        mine = (await cem.get(f"/v1/members/{CEM}/pool")).json()
        assert (mine["members"], mine["offered"]) == ([ANA, BEN, CEM], [{"asset": "points", "points": 110}])
    await asks(client, ANA, "/invitations", invited_id="dan")
    assert (await asks(client, "dan", "/join", pool_id="home")).json()["code"] == "pool_full"
    assert (await asks(client, BEN, "/dissolve")).json()["code"] == "not_pool_owner"
    assert (await asks(client, ANA, "/dissolve")).json() == {"pool_id": "home", "members": []}
    assert (await client.get(f"/v1/members/{BEN}/pool")).json()["pool_id"] is None
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.pool_member") == 0


async def test_what_is_spent_together_comes_back_and_goes_home_with_who_leaves(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    spend = {"spend_id": "s-1", "points": 100, "order_id": "o-1"}
    order = an_order_paid("2.00", order_id="o-1", member=BEN)
    made = await asks(client, BEN, "/spends", **spend)
    assert (made.status_code, made.json()["points"], await has(ledger)) == (201, 100, {ANA: 10, BEN: 0})
    assert (await asks(client, BEN, "/spends", **spend)).json()["spend_id"] == "s-1"
    assert await has(ledger) == {ANA: 10, BEN: 0}
    await ledger.receives(order)
    await ledger.receives(a_refund(order, amount="2.00"))
    assert await has(ledger) == {ANA: 10, BEN: 100}
    assert (await asks(client, ANA, "/leave")).json()["members"] == [BEN]
    assert await has(ledger) == {ANA: 80, BEN: 30}
    assert (await asks(client, BEN, "/spends", spend_id="s-2", points=31)).json()[
        "code"
    ] == "insufficient_points"
    told = [event.data.kind for event in await ledger.told() if event.type == "points.transferred.v1"]
    assert told == ["pool"] * 4


async def test_a_hold_of_the_household_is_captured_by_its_order_and_a_dry_run_moves_nothing(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    hold = {"hold_id": "h-1", "points": 100}
    assert (await asks(client, BEN, "/holds?dry_run=true", **hold)).status_code == 201
    assert await has(ledger) == {ANA: 80, BEN: 30}
    assert (await asks(client, BEN, "/holds", **hold)).json()["balance"]["held"] == 100
    assert (await client.get(f"/v1/members/{BEN}/pool")).json()["offered"] == [
        {"asset": "points", "points": 10}
    ]
    await client.post(f"/v1/members/{BEN}/holds/h-1/release")
    assert await has(ledger) == {ANA: 10, BEN: 100}
    spent = await asks(client, ANA, "/spends", spend_id="s-1", points=80)
    assert (spent.status_code, sum((await has(ledger)).values())) == (201, 30)
    assert (await asks(client, BEN, "/dissolve")).json()["code"] == "not_pool_owner"
    assert (await asks(client, ANA, "/dissolve")).status_code == 200
    assert await has(ledger) == {ANA: 0, BEN: 30}


async def test_a_member_who_is_erased_is_in_no_pool_any_more(ledger: Running, client: AsyncClient) -> None:
    await moves_in(client, BEN, CEM)
    await ledger.receives(an_event(CustomerDeleted(customer_id=ANA), at=NOON))
    assert (await client.get(f"/v1/members/{BEN}/pool")).json()["members"] == [BEN, CEM]
    assert (await asks(client, CEM, "/spends", spend_id="s-1", points=31)).json()["available"] == 30
    assert (await asks(client, CEM, "/spends", spend_id="s-1", points=30)).status_code == 201
    assert (await asks(client, CEM, "/leave")).status_code == 200
    assert (await asks(client, BEN, "/leave")).status_code == 200
    assert await ledger.ports.pool.fetchval("SELECT dissolved_at IS NOT NULL FROM ledger.pool")


async def test_a_whole_household_that_spends_at_once_spends_each_point_once(ledger: Running) -> None:
    async with on_a_port(ledger, scopes="ledger:read ledger:write") as client:
        await moves_in(client, BEN, CEM)
        spends = [
            asks(client, (ANA, BEN, CEM)[number % 3], "/spends", spend_id=f"s-{number}", points=5)
            for number in range(40)
        ]
        alone = [
            client.post(f"/v1/members/{ANA}/spends", json={"spend_id": f"a-{number}", "points": 5})
            for number in range(10)
        ]
        answers = await asyncio.gather(*spends, *alone)
    assert {answer.status_code for answer in answers} == {201, 409}
    done = sum(answer.status_code == 201 for answer in answers)
    assert (done, sum((await has(ledger)).values())) == (22, 0)


async def test_who_leaves_while_others_spend_loses_nothing_of_what_is_left(ledger: Running) -> None:
    async with on_a_port(ledger, scopes="ledger:read ledger:write") as client:
        await moves_in(client, BEN, CEM)
        assert (await asks(client, CEM, "/holds", hold_id="h", points=100)).status_code == 201
        await client.post(f"/v1/members/{CEM}/holds/h/release")
        answers = await asyncio.gather(
            *[asks(client, BEN, "/spends", spend_id=f"s-{number}", points=10) for number in range(6)],
            asks(client, ANA, "/leave"),
            *[asks(client, CEM, "/spends", spend_id=f"c-{number}", points=10) for number in range(6)],
            asks(client, CEM, "/leave"),
        )
    assert {answer.status_code for answer in answers} <= {200, 201, 404, 409}
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.pool_lot") == 0
    spent = 10 * sum(answer.status_code == 201 for answer in answers)
    assert sum((await has(ledger)).values()) == 110 - spent


async def test_verify_names_a_lot_that_is_said_to_come_from_a_stranger(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    assert (await asks(client, BEN, "/holds", hold_id="h", points=100)).status_code == 201
    await ledger.ports.pool.execute("UPDATE ledger.pool_member SET joined_at = NULL WHERE member_id = 'ana'")
    (text,) = await ledger.differences()
    assert "is said to come from ana in pool home" in text
    await ledger.ports.pool.execute("UPDATE ledger.pool_member SET joined_at = now() WHERE member_id = 'ana'")
