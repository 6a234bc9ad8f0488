"""Many writes in one request: a result for each, in order, and nothing twice however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from tests.support.events import MEMBER, a_sign_up
from tests.support.keys import KeyPair
from tests.support.ledger import a_rule
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
MEMBERS = [f"member-{number}" for number in range(6)]
SPEND = {"rewards": [a_reward("last mug", "10", gives={"product": "mug-1"}, stock="1")]}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        welcome = a_rule("welcome", on="customer.signed_up", points="100")
        await ledger.applies(
            tea_and_cups(earn=[welcome], spend=SPEND, adjustments={"four_eyes_above": "1000 points"})
        )
        await ledger.receives(*[a_sign_up(member) for member in MEMBERS])
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def clerk(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        yield client


async def sends(
    clerk: AsyncClient, form: str, items: list[dict[str, Any]], query: str = ""
) -> dict[str, Any]:
    answer = await clerk.post(f"/v1/bulk/{form}{query}", json={"items": items})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    assert said["succeeded"] + said["failed"] == len(said["items"]) == len(items)
    return said


def statuses(said: dict[str, Any]) -> list[tuple[int, str | None]]:
    return [(item["status"], item.get("problem", {}).get("code")) for item in said["items"]]


def a_spend(member: str, points: int, name: str = "s") -> dict[str, Any]:
    return {"member_id": member, "points": points, "spend_id": name}


def an_adjustment(member: str, points: int, name: str) -> dict[str, Any]:
    return {"member_id": member, "points": points, "adjustment_id": name, "reason": "moved from the old till"}


async def available(ledger: Running, member: str) -> int:
    query = "SELECT available FROM ledger.balance WHERE member_id = $1 AND asset = 'points'"
    return int(await ledger.ports.pool.fetchval(query, member))


async def test_each_item_has_its_own_result_in_order_and_the_refused_stop_nobody(
    ledger: Running, clerk: AsyncClient
) -> None:
    items = [
        a_spend(MEMBERS[0], 60),
        a_spend("nobody", 1),
        a_spend(MEMBERS[0], 60, "t"),
        a_spend(MEMBERS[1], 1),
    ]
    said = await sends(clerk, "spends", items)
    assert statuses(said) == [
        (201, None), (404, "unknown_member"), (409, "insufficient_points"), (201, None),
    ]  # fmt: skip
    assert (said["succeeded"], said["failed"]) == (2, 2)
    assert said["items"][0]["result"]["balance"]["available"] == 40
    assert said["items"][2]["problem"]["available"] == 40


async def test_what_a_bulk_answers_is_what_each_would_have_been_answered_alone(clerk: AsyncClient) -> None:
    body = {"points": 10, "spend_id": "alone"}
    alone = await clerk.post(f"/v1/members/{MEMBERS[0]}/spends", json=body)
    (item,) = (await sends(clerk, "spends", [a_spend(MEMBERS[0], 10, "alone")]))["items"]
    assert (item["status"], item["result"]) == (alone.status_code, alone.json())


async def test_sent_again_nothing_happens_twice_also_at_once(ledger: Running, clerk: AsyncClient) -> None:
    items = [an_adjustment(member, 7, f"a-{member}") for member in MEMBERS]
    answers = await asyncio.gather(*[sends(clerk, "adjustments", items) for _ in range(3)])
    assert all(said["succeeded"] == len(MEMBERS) for said in answers)
    spends = [a_spend(member, 5) for member in reversed(MEMBERS)]
    await asyncio.gather(*[sends(clerk, "spends", spends) for _ in range(3)])
    assert {await available(ledger, member) for member in MEMBERS} == {102}


async def test_adjustments_obey_the_second_person_and_bad_ids_are_conflicts(
    ledger: Running, clerk: AsyncClient
) -> None:
    items = [
        an_adjustment(MEMBERS[0], 5_000, "big"),
        an_adjustment(MEMBERS[0], 5, "big"),
        an_adjustment(MEMBERS[1], -30, "less"),
    ]
    said = await sends(clerk, "adjustments", items)
    assert statuses(said) == [(201, None), (409, "adjustment_conflict"), (201, None)]
    assert said["items"][0]["result"]["state"] == "proposed"
    assert (await available(ledger, MEMBERS[0]), await available(ledger, MEMBERS[1])) == (100, 70)


async def test_holds_are_made_captured_and_released(ledger: Running, clerk: AsyncClient) -> None:
    holds = [{"member_id": member, "points": 40, "hold_id": f"h-{member}"} for member in MEMBERS[:2]]
    assert statuses(await sends(clerk, "holds", holds)) == [(201, None)] * 2
    named = [{"member_id": hold["member_id"], "hold_id": hold["hold_id"]} for hold in holds]
    assert (
        statuses(await sends(clerk, "captures", [{**named[0], "points": 30}, named[1]])) == [(200, None)] * 2
    )
    assert statuses(await sends(clerk, "releases", named)) == [(409, "hold_closed")] * 2
    assert (await available(ledger, MEMBERS[0]), await available(ledger, MEMBERS[1])) == (70, 60)


async def test_the_last_of_a_reward_is_sold_once(ledger: Running, clerk: AsyncClient) -> None:
    items = [
        {"member_id": member, "reward": "last mug", "reward_id": f"r-{member}"} for member in MEMBERS[:3]
    ]
    said = await sends(clerk, "redemptions", items)
    assert statuses(said) == [(201, None), (409, "reward_sold_out"), (409, "reward_sold_out")]
    gifts = [
        {"member_id": MEMBERS[0], "gift_id": "g", "reason": "sorry", "gives": {"kind": "points", "points": 9}}
    ]
    assert statuses(await sends(clerk, "gifts", gifts * 2)) == [(201, None)] * 2
    assert await available(ledger, MEMBERS[0]) == 99


async def test_rewards_and_codes_are_used_and_voided_each_for_itself(
    ledger: Running, clerk: AsyncClient
) -> None:
    mug = {"kind": "product", "product_id": "mug-1"}
    gifts = [{"member_id": member, "gift_id": "g", "reason": "sorry", "gives": mug} for member in MEMBERS[:4]]
    codes = [item["result"]["code"] for item in (await sends(clerk, "gifts", gifts))["items"]]
    mine = [{"member_id": member, "reward_id": "g"} for member in MEMBERS[:2]]
    assert statuses(await sends(clerk, "reward-uses", mine[:1], "?dry_run=true")) == [(200, None)]
    assert statuses(await sends(clerk, "reward-uses", mine[:1])) == [(200, None)]
    assert statuses(await sends(clerk, "reward-voids", mine)) == [(409, "reward_closed"), (200, None)]
    uses = [
        {"code": code, "order_id": "o-1", "member_id": MEMBERS[2]} for code in (codes[2], codes[0], "no-such")
    ]
    assert statuses(await sends(clerk, "coupon-uses", uses)) == [
        (200, None), (409, "coupon_refused"), (404, "unknown_coupon"),
    ]  # fmt: skip
    voids = [{"code": code, "reason": "a campaign that went wrong"} for code in (codes[3], codes[2])]
    assert statuses(await sends(clerk, "coupon-voids", voids)) == [(200, None), (409, "reward_closed")]


async def test_a_dry_run_tries_each_by_itself_and_changes_nothing(
    ledger: Running, clerk: AsyncClient
) -> None:
    for form, items in (
        ("spends", [a_spend(MEMBERS[0], 60), a_spend(MEMBERS[0], 60, "t"), a_spend(MEMBERS[0], 101, "u")]),
        ("adjustments", [an_adjustment(MEMBERS[0], 60, "a"), an_adjustment(MEMBERS[0], 1, "a")]),
    ):
        said = await sends(clerk, form, items, "?dry_run=true")
        assert said["dry_run"]
        assert [status for status, _ in statuses(said)][:2] == [201, 201]
    assert await available(ledger, MEMBERS[0]) == 100
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.adjustment") == 0


async def test_what_the_program_does_not_offer_is_told_of_each(ledger: Running, clerk: AsyncClient) -> None:
    said = await sends(
        clerk, "transfers", [{"member_id": MEMBERS[0], "to": MEMBERS[1], "points": 5, "transfer_id": "x"}] * 2
    )
    assert {code for _, code in statuses(said)} == {"transfers_off"}


async def test_a_body_out_of_shape_is_refused_as_a_whole_with_its_place(
    ledger: Running, clerk: AsyncClient
) -> None:
    good = a_spend(MEMBERS[0], 10)
    for items in ([], [good] * 1_001, [good, {**good, "points": 0}], [{"member_id": MEMBER, "points": 5}]):
        answer = await clerk.post("/v1/bulk/spends", json={"items": items})
        assert answer.status_code == 422, answer.text
    assert (
        "items" in (await clerk.post("/v1/bulk/spends", json={"items": [good, {**good, "points": 0}]})).text
    )
    assert await available(ledger, MEMBERS[0]) == 100


async def test_a_thousand_items_are_one_request(ledger: Running, clerk: AsyncClient) -> None:
    items = [a_spend(MEMBERS[number % 6], 1, f"s-{number}") for number in range(1_000)]
    said = await sends(clerk, "spends", items)
    assert said["succeeded"] == 600
    assert {await available(ledger, member) for member in MEMBERS} == {0}


async def test_members_themselves_cannot(ledger: Running) -> None:
    async with ledger.client(member=MEMBERS[0]) as member:
        answer = await member.post("/v1/bulk/spends", json={"items": [a_spend(MEMBERS[0], 1)]})
    assert answer.status_code == 403


async def test_a_program_that_nobody_applied_is_told_of_once(ledger: Running) -> None:
    async with ledger.client(program="other") as stranger:
        answer = await stranger.post("/v1/bulk/spends", json={"items": [a_spend(MEMBERS[0], 1)]})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_program")
