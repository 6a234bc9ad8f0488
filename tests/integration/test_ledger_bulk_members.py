"""Merges, erasures, households and codes, many in one request; and what a key makes of a request that is sent again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from tests.support.events import a_sign_up
from tests.support.keys import KeyPair
from tests.support.ledger import a_rule
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
SCOPES = "ledger:read ledger:write ledger:admin ledger:approve"
ANA, BEN, CEM, DAN = "ana", "ben", "cem", "dan"
CROWD = [f"member-{number:02}" for number in range(40)]
Items = list[dict[str, Any]]
Said = list[tuple[int, str | None]]
OK, MADE = (200, None), (201, None)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        welcome = a_rule("welcome", on="customer.signed_up", points="100")
        words = {"adjustments": {"four_eyes_above": "50 points"}, "pools": {"members": "3"}}
        await ledger.applies(
            tea_and_cups(earn=[welcome], spend={"rewards": [a_reward("tea", "150")]}, **words)
        )
        await ledger.receives(*[a_sign_up(member) for member in (ANA, BEN, CEM, DAN, *CROWD)])
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def clerk(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client(scopes=SCOPES) as client:
        yield client


async def sent(clerk: AsyncClient, form: str, items: Items, *, key: str | None = None) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await clerk.post(f"/v1/bulk/{form}", json={"items": items}, headers=headers)


async def sends(clerk: AsyncClient, form: str, items: Items, *, key: str | None = None) -> Said:
    answer = await sent(clerk, form, items, key=key)
    assert answer.status_code == 200, answer.text
    return [(item["status"], item.get("problem", {}).get("code")) for item in answer.json()["items"]]


def of(*members: str, **more: Any) -> Items:
    return [{"member_id": member, **more} for member in members]


async def available(ledger: Running) -> dict[str, int]:
    query = "SELECT member_id, available FROM ledger.balance WHERE asset = 'points'"
    return {row["member_id"]: row["available"] for row in await ledger.ports.pool.fetch(query)}


async def test_merges_are_done_in_their_order_and_one_that_makes_no_sense_stops_none(
    ledger: Running, clerk: AsyncClient
) -> None:
    items = [
        {"member_id": ANA, "from": BEN, "reason": "two accounts"},
        {"member_id": ANA, "from": ANA},
        {"member_id": CEM, "from": "nobody"},
        {"member_id": CEM, "from": ANA},
        {"member_id": ANA, "from": BEN},
    ]
    said: Said = [OK, (422, "same_member"), (404, "unknown_member"), OK, OK]
    assert await sends(clerk, "merges", items) == said, "the last is done: Ana's id means Cem by now"
    assert (await available(ledger))[CEM] == 300
    assert await sends(clerk, "merges", items[:1] + items[3:4], key="k") == [OK, OK], "done before"
    async with ledger.client() as writer:
        assert (await sent(writer, "merges", items[:1])).status_code == 403, "it asks for ledger:admin"


async def test_members_are_forgotten_each_once_and_a_key_tells_again_what_went(
    ledger: Running, clerk: AsyncClient
) -> None:
    items = of(ANA, "nobody", BEN, ANA, reason="asked by letter")
    tried = await clerk.post("/v1/bulk/erasures?dry_run=true", json={"items": items})
    assert [item["status"] for item in tried.json()["items"]] == [200, 404, 200, 200]
    first = await sent(clerk, "erasures", items, key="letters")
    said: Said = [OK, (404, "unknown_member"), OK, (409, "member_erased")]
    assert [(item["status"], item.get("problem", {}).get("code")) for item in first.json()["items"]] == said
    again = await sent(clerk, "erasures", items, key="letters")
    assert again.json()["items"][0] == first.json()["items"][0] | {"replayed": True}
    assert [item.get("replayed", False) for item in again.json()["items"]] == [True, False, True, False]
    assert await sends(clerk, "erasures", items) == [(409, "member_erased"), said[1]] + [said[3]] * 2
    assert {each: points for each, points in (await available(ledger)).items() if not points} == {
        ANA: 0,
        BEN: 0,
    }


async def test_households_are_made_filled_used_and_left(ledger: Running, clerk: AsyncClient) -> None:
    made = [*of(ANA, pool_id="home"), *of(CEM, pool_id="home"), *of(CEM, pool_id="other")]
    assert await sends(clerk, "pools", made) == [MADE, (409, "pool_taken"), MADE]
    invited = [*of(ANA, ANA, invited_id=BEN), *of(BEN, invited_id=DAN), *of(CEM, invited_id=DAN)]
    assert await sends(clerk, "pool-invitations", invited) == [OK, OK, (404, "not_in_pool"), OK]
    joins = [*of(BEN, pool_id="home"), *of(DAN, pool_id="home"), *of(DAN, pool_id="other")]
    assert await sends(clerk, "pool-joins", joins) == [OK, (404, "not_invited"), OK]
    spends = [
        *of(BEN, points=150, spend_id="s-1"),
        *of(ANA, points=60, spend_id="s-2"),
        *of(ANA, points=50, spend_id="s-3"),
        *of("member-00", points=1, spend_id="s-4"),
        *of(BEN, points=150, spend_id="s-1"),
    ]
    poor, alone = (409, "insufficient_points"), (404, "not_in_pool")
    assert await sends(clerk, "pool-spends", spends) == [MADE, poor, MADE, alone, MADE]
    holds = [*of(DAN, points=120, hold_id="h-1"), *of(CEM, points=81, hold_id="h-2")]
    assert await sends(clerk, "pool-holds", holds) == [MADE, poor]
    assert await sends(clerk, "releases", of(DAN, hold_id="h-1")) == [OK]
    buys = [*of(DAN, reward="tea", reward_id="r-1"), *of(CEM, reward="tea", reward_id="r-2")]
    assert await sends(clerk, "pool-redemptions", buys) == [MADE, poor]
    assert await sends(clerk, "pool-leaves", of(BEN, BEN)) == [OK, alone]
    dissolved = [OK, (409, "not_pool_owner"), OK, alone]
    assert await sends(clerk, "pool-dissolutions", of(ANA, DAN, CEM, CEM)) == dissolved
    mine = {name: points for name, points in (await available(ledger)).items() if name not in CROWD}
    assert sum(mine.values()) == 50


async def test_codes_are_reserved_and_released_and_proposals_decided(
    ledger: Running, clerk: AsyncClient
) -> None:
    mug = {"kind": "product", "product_id": "mug-1"}
    made = await clerk.post("/v1/coupons", json={"gives": mug, "count": 2})
    one, two = (each["code"] for each in made.json()["coupons"])
    wishes = [(one, "c-1"), (one, "c-2"), ("no-such", "c-3"), (two, "c-4"), (one, "c-1")]
    reserved = [{"code": code, "reservation_id": name} for code, name in wishes]
    refused, unknown = (409, "coupon_refused"), (404, "unknown_coupon")
    assert await sends(clerk, "coupon-reservations", reserved) == [MADE, refused, unknown, MADE, MADE]
    assert await sends(clerk, "coupon-releases", reserved[:3] + reserved[:1]) == [OK, unknown, unknown, OK]
    assert await sends(clerk, "coupon-uses", [{"code": one, "order_id": "o-1"}]) == [OK]
    big = [{"adjustment_id": name, "points": 60, "reason": "late"} for name in ("a", "b", "c")]
    proposed = [item | {"member_id": member} for item, member in zip(big, (ANA, BEN, CEM), strict=True)]
    assert await sends(clerk, "adjustments", proposed) == [MADE] * 3
    async with ledger.client(token=False) as boss:
        boss.headers["Authorization"] = (
            f"Bearer {ledger.keys.token('ledger:approve', subject='another person')}"
        )
        decided = [{"adjustment_id": "a"}, {"adjustment_id": "x"}, {"adjustment_id": "a"}]
        lost, closed = (404, "unknown_adjustment"), (409, "adjustment_decided")
        assert await sends(boss, "adjustment-approvals", decided) == [OK, lost, closed]
        assert await sends(boss, "adjustment-rejections", [{"adjustment_id": "b"}]) == [OK]
    assert await sends(clerk, "adjustment-approvals", [{"adjustment_id": "c"}]) == [(403, "own_adjustment")]
    found = await available(ledger)
    assert (found[ANA], found[BEN]) == (160, 100)


async def test_a_request_that_broke_off_in_the_middle_is_sent_again_and_nothing_is_done_twice(
    ledger: Running, clerk: AsyncClient
) -> None:
    """Neither captures nor uses have an id of their own: only the key tells that they are done."""
    holds = of(*CROWD, points=40, hold_id="h")
    assert await sends(clerk, "holds", holds, key="k-1") == [MADE] * len(CROWD)
    captures = of(*CROWD, points=30, hold_id="h")
    begun = asyncio.create_task(sent(clerk, "captures", captures, key="k-2"))
    while not begun.done() and not await _captured(ledger):
        continue  # each look lets the others go on
    begun.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await begun
    done = await _captured(ledger)
    assert done > 0
    again = await sent(clerk, "captures", captures, key="k-2")
    assert again.json()["succeeded"] == len(CROWD)
    assert [item.get("replayed", False) for item in again.json()["items"]].count(True) == done
    assert await sends(clerk, "holds", holds, key="k-1") == [MADE] * len(CROWD)
    found = await available(ledger)
    assert {found[member] for member in CROWD} == {70}
    assert await sends(clerk, "captures", captures) == [(409, "hold_closed")] * len(CROWD)


async def _captured(ledger: Running) -> int:
    return int(await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.hold WHERE state = 'captured'"))


async def test_the_same_key_at_once_does_each_item_once(ledger: Running, clerk: AsyncClient) -> None:
    holds = of(*CROWD[:10], points=40, hold_id="h")
    await sends(clerk, "holds", holds)
    captures = of(*CROWD[:10], hold_id="h")
    answers = await asyncio.gather(*[sent(clerk, "captures", captures, key="k") for _ in range(4)])
    seen = [item for answer in answers for item in answer.json().get("items", [])]
    assert {item.get("problem", {}).get("code") for item in seen} <= {None, "request_in_progress"}
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert await sends(clerk, "captures", captures, key="k") == [OK] * 10


async def test_a_key_belongs_to_one_request_as_a_whole(ledger: Running, clerk: AsyncClient) -> None:
    items = of(ANA, BEN, points=10, spend_id="s")
    assert await sends(clerk, "spends", items, key="k") == [MADE, MADE]
    more = of(ANA, BEN, CEM, points=10, spend_id="s")
    for form, body in (("spends", more), ("spends", items[:1]), ("pool-leaves", of(ANA))):
        answer = await sent(clerk, form, body, key="k")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    alone = await clerk.post(
        f"/v1/members/{CEM}/spends", json={"points": 1, "spend_id": "x"}, headers={"Idempotency-Key": "k"}
    )
    assert alone.json()["code"] == "idempotency_key_reused"
    dry = await clerk.post(
        "/v1/bulk/spends?dry_run=true", json={"items": more}, headers={"Idempotency-Key": "k"}
    )
    assert dry.json()["succeeded"] == 3, "a dry run keeps nothing"
    assert (await available(ledger))[CEM] == 100


async def test_members_themselves_cannot(ledger: Running) -> None:
    async with ledger.client(member=ANA) as ana:
        for form in ("merges", "erasures", "pool-leaves", "pool-spends", "coupon-reservations"):
            assert (await ana.post(f"/v1/bulk/{form}", json={"items": of(ANA)})).status_code == 403
