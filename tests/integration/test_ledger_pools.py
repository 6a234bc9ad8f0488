"""Pools over HTTP: making, joining and leaving them, and spending from each other, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted
from tests.support.doors import on_a_port
from tests.support.events import NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
ANA, BEN, CEM = "ana", "ben", "cem"
FIVE = {"reward": "five off", "reward_id": "r-1"}
SHELF = [a_reward("five off", "100"), a_reward("mug", "5", stock=0)]
PER_EURO = {"rule": "base", "on": "order.paid", "points": "1", "per": "1.00 EUR"}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[PER_EURO], pools={"members": "3"}, spend={"rewards": SHELF}))
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


async def moves_in_again(client: AsyncClient, member: str) -> None:
    """The same requests once more, one of them with its key."""
    for key in ("", "", "a-key", "a-key"):
        answer = await client.post(
            f"/v1/members/{member}/pool/join",
            json={"pool_id": "home"},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert answer.status_code == 200


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
    assert await ledger.runs("send_home") == 1, "looked at, and nothing was left to do"
    assert await ledger.runs("send_home") == 0
    assert (await asks(client, BEN, "/spends", spend_id="s-2", points=31)).json()[
        "code"
    ] == "insufficient_points"
    told = [event.data.kind for event in await ledger.told() if event.type == "points.transferred.v1"]
    assert told == ["pool"] * 4


async def test_who_joins_and_leaves_is_told_exactly_once(ledger: Running, client: AsyncClient) -> None:
    await moves_in(client, BEN, CEM)
    await moves_in_again(client, BEN)
    for member, what in ((BEN, "/leave"), (BEN, "/leave"), (ANA, "/dissolve"), (ANA, "/dissolve")):
        await client.post(f"/v1/members/{member}/pool{what}", headers={"Idempotency-Key": f"{member}{what}"})
    told = [event for event in await ledger.told() if event.type.startswith("pool.")]
    assert [(event.type, event.data.member_id, event.data.members) for event in told] == [
        ("pool.joined.v1", ANA, (ANA,)),
        ("pool.joined.v1", BEN, (ANA, BEN)),
        ("pool.joined.v1", CEM, (ANA, BEN, CEM)),
        ("pool.left.v1", BEN, (ANA, CEM)),
        ("pool.left.v1", ANA, ()),
        ("pool.left.v1", CEM, ()),
    ]
    assert [event.data.how for event in told[3:]] == ["left", "dissolved", "dissolved"]
    assert len({event.id for event in told}) == 6


async def test_a_reward_is_bought_by_the_household_and_its_price_goes_home_when_it_is_voided(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    bought = await asks(client, BEN, "/redemptions?dry_run=true", **FIVE)
    assert (bought.status_code, bought.json()["code"], await has(ledger)) == (201, None, {ANA: 80, BEN: 30})
    bought = await asks(client, BEN, "/redemptions", **FIVE)
    assert (bought.status_code, bought.json()["price"], await has(ledger)) == (201, 100, {ANA: 10, BEN: 0})
    again = await asks(client, BEN, "/redemptions", **FIVE)
    assert (again.json()["code"], await has(ledger)) == (bought.json()["code"], {ANA: 10, BEN: 0})
    assert (await asks(client, BEN, "/redemptions", reward="mug", reward_id="r-2")).json()["code"] == (
        "reward_sold_out"
    )
    assert (await asks(client, CEM, "/redemptions", **FIVE)).json()["code"] == "not_in_pool"
    poor = (await asks(client, BEN, "/redemptions", reward="five off", reward_id="r-3")).json()
    assert (poor["code"], poor["available"]) == ("insufficient_points", 10)
    voided = await client.post(f"/v1/members/{BEN}/rewards/r-1/void", json={})
    assert (voided.status_code, await has(ledger)) == (200, {ANA: 10, BEN: 100})
    await ledger.runs("send_home")
    assert await has(ledger) == {ANA: 80, BEN: 30}


async def test_what_is_refunded_after_a_household_parted_goes_home_even_when_its_lot_has_expired(
    ledger: Running, client: AsyncClient
) -> None:
    await ledger.applies(
        tea_and_cups(earn=[PER_EURO], pools={}, points={"expire": "2 months"}, spend={"rewards": SHELF}),
        at=NOON + timedelta(seconds=1),
    )
    ledger.now = NOON + timedelta(seconds=1)
    await earns(ledger, {CEM: 50})
    await moves_in(client, BEN, CEM)
    spent = await asks(client, BEN, "/spends", spend_id="s-1", points=160, order_id="o-1")
    assert (spent.status_code, await has(ledger)) == (201, {ANA: 0, BEN: 0, CEM: 0})
    order = an_order_paid("2.00", order_id="o-1", member=BEN)
    await ledger.receives(order)
    assert (await asks(client, BEN, "/leave")).status_code == 200
    ledger.now += timedelta(days=100)
    await ledger.runs("settle_due")
    await ledger.receives(a_refund(order, amount="2.00", at=ledger.now))
    await ledger.runs("send_home")
    assert await has(ledger) == {ANA: 80, BEN: 30, CEM: 50}
    assert (await asks(client, CEM, "/spends", spend_id="s-2", points=130)).status_code == 201


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
    how = [event.data.how for event in await ledger.told() if event.type == "pool.left.v1"]
    assert how == ["erased", "left", "left"]


@pytest.mark.parametrize("by", ["the shop", "a person"])
async def test_what_an_erased_member_has_of_others_goes_home_first(
    ledger: Running, client: AsyncClient, by: str
) -> None:
    await moves_in(client, BEN, CEM)
    assert (await asks(client, BEN, "/holds", hold_id="h", points=60)).status_code == 201
    await earns(ledger, {CEM: 50})
    assert (await asks(client, BEN, "/redemptions", **FIVE)).status_code == 201
    assert (await asks(client, CEM, "/leave")).status_code == 200
    assert await has(ledger) == {ANA: 0, BEN: 0, CEM: 0}
    if by == "the shop":
        gone, order = an_event(CustomerDeleted(customer_id=BEN)), an_order_paid("7.00", member=CEM)
        assert (await ledger.receives(order, gone)).refused == 0
        assert await has(ledger) == {ANA: 80, BEN: 0, CEM: 57}
    else:
        erased = await client.post(f"/v1/members/{BEN}/erase", json={"reason": "asked for it"})
        assert erased.json()["expired"] == [{"asset": "points", "points": 30}]
        assert await has(ledger) == {ANA: 80, BEN: 0, CEM: 50}
    assert (await client.get(f"/v1/members/{ANA}/pool")).json()["members"] == [ANA]
    assert await ledger.runs("send_home") <= 1


async def merges(ledger: Running, old: str, into: str) -> Response:
    async with ledger.client(scopes="ledger:admin ledger:write") as person:
        return await person.post(f"/v1/members/{into}/merge", json={"from": old, "reason": "one person"})


async def test_who_is_merged_into_somebody_without_a_pool_stays_in_it_under_the_new_name(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    assert (await asks(client, BEN, "/holds", hold_id="h", points=100)).status_code == 201
    assert (await merges(ledger, ANA, "dan")).status_code == 200
    assert (await client.get(f"/v1/members/{BEN}/pool")).json()["members"] == ["dan", BEN]
    assert (await merges(ledger, BEN, CEM)).status_code == 200
    assert (await client.post(f"/v1/members/{CEM}/holds/h/release")).status_code == 200
    assert await ledger.runs("send_home") == 1
    assert {name: points for name, points in (await has(ledger)).items() if points} == {"dan": 80, CEM: 30}
    assert (await asks(client, CEM, "/spends", spend_id="s", points=110)).status_code == 201
    told = [(event.type, event.data.member_id, event.data.members) for event in await ledger.told()
            if event.type.startswith("pool.")]  # fmt: skip
    assert told[2:] == [
        ("pool.left.v1", ANA, (BEN,)),
        ("pool.joined.v1", "dan", ("dan", BEN)),
        ("pool.left.v1", BEN, ("dan",)),
        ("pool.joined.v1", CEM, ("dan", CEM)),
    ]


async def test_two_of_one_household_who_are_one_person_owe_each_other_nothing(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN, CEM)
    assert (await asks(client, BEN, "/holds", hold_id="h", points=100)).status_code == 201
    assert (await merges(ledger, ANA, BEN)).status_code == 200
    assert (await client.get(f"/v1/members/{CEM}/pool")).json()["members"] == [BEN, CEM]
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.pool_lot") == 0
    assert (await client.post(f"/v1/members/{BEN}/holds/h/release")).status_code == 200
    assert await ledger.runs("send_home") == 0
    assert (await asks(client, CEM, "/spends", spend_id="s", points=110)).status_code == 201


async def test_who_is_in_a_pool_stays_there_when_a_member_of_another_is_merged_into_them(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    assert (await asks(client, CEM, "", pool_id="other")).status_code == 201
    await asks(client, CEM, "/invitations", invited_id="dan")
    assert (await asks(client, "dan", "/join", pool_id="other")).status_code == 200
    await earns(ledger, {"dan": 20})
    assert (await asks(client, CEM, "/spends", spend_id="c", points=10)).status_code == 201
    assert (await asks(client, BEN, "/spends", spend_id="s", points=100)).status_code == 201
    assert (await merges(ledger, BEN, CEM)).status_code == 200
    assert (await client.get(f"/v1/members/{CEM}/pool")).json()["members"] == [CEM, "dan"]
    assert (await client.get(f"/v1/members/{ANA}/pool")).json()["members"] == [ANA]
    assert (await merges(ledger, CEM, ANA)).status_code == 200
    assert (await client.get(f"/v1/members/{ANA}/pool")).json()["members"] == [ANA]
    assert (await client.get("/v1/members/dan/pool")).json()["members"] == ["dan"]
    assert {name: points for name, points in (await has(ledger)).items() if points} == {ANA: 10, "dan": 10}


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


async def test_spends_holds_rewards_orders_and_news_of_one_household_at_once_lose_no_point(
    ledger: Running,
) -> None:
    """Everything that touches a pool, together: what is taken is what was there, and nobody meets an error."""
    members = (ANA, BEN, CEM)
    async with on_a_port(ledger, scopes="ledger:read ledger:write") as client:
        await moves_in(client, BEN, CEM)
        await earns(ledger, {CEM: 290})

        async def in_turn() -> None:
            for number in range(6):
                orders = [
                    an_order_paid("5.00", member=member) for member in members[:: 1 if number % 2 else -1]
                ]
                await ledger.receives(*orders)
                await ledger.runs("send_home")

        def wish(number: int) -> Awaitable[Response]:
            member = members[number % 3]
            if number % 4 == 0:
                return asks(client, member, "/redemptions", reward="five off", reward_id=f"r-{number}")
            if number % 4 == 1:
                return asks(client, member, "/holds", hold_id=f"h-{number}", points=10)
            return asks(client, member, "/spends", spend_id=f"s-{number}", points=10)

        answers, _ = await asyncio.gather(asyncio.gather(*map(wish, range(32))), in_turn())
        assert {answer.status_code for answer in answers} == {201, 409}
        held = [number for number in range(1, 32, 4) if answers[number].status_code == 201]
        freed = [client.post(f"/v1/members/{members[n % 3]}/holds/h-{n}/release") for n in held]
        left, _ = await asyncio.gather(asyncio.gather(*freed), ledger.runs("send_home"))
        assert {answer.status_code for answer in left} <= {200}
    taken = sum(
        100 if number % 4 == 0 else 10
        for number, answer in enumerate(answers)
        if answer.status_code == 201 and number not in held
    )
    await ledger.runs("send_home")
    assert sum((await has(ledger)).values()) == 110 + 290 + 90 - taken
    lent = "SELECT count(*) FROM ledger.pool_lot JOIN ledger.lot USING (program_id, member_id, asset, lot_no)"
    assert await ledger.ports.pool.fetchval(f"{lent} WHERE remaining > 0") == 0


async def test_a_household_that_leaves_joins_and_is_erased_while_it_spends_loses_no_point(
    ledger: Running,
) -> None:
    async with on_a_port(ledger, scopes="ledger:read ledger:write") as client:
        await moves_in(client, BEN, CEM)

        async def comes_and_goes() -> set[int]:
            found = set()
            for _ in range(5):
                found.add((await asks(client, CEM, "/leave")).status_code)
                await asks(client, ANA, "/invitations", invited_id=CEM)
                found.add((await asks(client, CEM, "/join", pool_id="home")).status_code)
            return found

        async def forgets() -> None:
            await ledger.receives(
                an_order_paid("3.00", member=CEM), an_event(CustomerDeleted(customer_id=BEN))
            )
            await ledger.runs("send_home")

        wishes = [
            asks(client, (ANA, BEN, CEM)[number % 3], "/spends", spend_id=f"s-{number}", points=5)
            for number in range(30)
        ]
        answers, seen, _ = await asyncio.gather(asyncio.gather(*wishes), comes_and_goes(), forgets())
    assert {answer.status_code for answer in answers} <= {201, 404, 409, 410}
    assert seen == {200}
    spent = 5 * sum(answer.status_code == 201 for answer in answers)
    gone = await ledger.ports.pool.fetchval(
        "SELECT coalesce(sum(amount), 0)::int FROM ledger.transfer WHERE kind = 'erasure' AND to_account = 'expired'"
    )
    assert sum((await has(ledger)).values()) == 113 - spent - gone


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
    lent = "SELECT count(*) FROM ledger.pool_lot JOIN ledger.lot USING (program_id, member_id, asset, lot_no)"
    assert await ledger.ports.pool.fetchval(f"{lent} WHERE remaining > 0") == 0
    spent = 10 * sum(answer.status_code == 201 for answer in answers)
    assert sum((await has(ledger)).values()) == 110 - spent


async def test_verify_names_lots_of_nobody_and_pools_with_members_who_are_gone(
    ledger: Running, client: AsyncClient
) -> None:
    await moves_in(client, BEN)
    assert (await asks(client, BEN, "/holds", hold_id="h", points=100)).status_code == 201
    await ledger.ports.pool.execute("UPDATE ledger.pool_lot SET from_member_id = 'nobody'")
    await ledger.ports.pool.execute("UPDATE ledger.pool SET dissolved_at = now()")
    strange, ana, ben = await ledger.differences()
    assert "is said to come from nobody in pool home" in strange
    assert ("member ana" in ana, "is in pool home" in ana, "is in pool home" in ben) == (True, True, True)
    await ledger.ports.pool.execute("UPDATE ledger.pool_lot SET from_member_id = 'ana'")
    await ledger.ports.pool.execute("UPDATE ledger.pool SET dissolved_at = NULL")
