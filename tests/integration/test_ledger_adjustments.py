"""Adjustments by hand over HTTP: at once, and above the bound by two people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.cloudevents import adapter_of
from shared.events.fields import MAX_ID_LENGTH
from shared.token_keys import read_private_key
from shared.tokens import sign_token
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
TWO_PEOPLE = {"adjustments": {"four_eyes_above": "1000 points"}}
STAFF = "ledger:read ledger:write ledger:approve"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(**TWO_PEOPLE))
        await ledger.receives(an_order_paid("120.00", order_id="o-1"))
        yield ledger
        assert await ledger.differences() == []


def person(ledger: Running, name: str, scopes: str = STAFF) -> AsyncClient:
    client = ledger.client(token=False)
    token = sign_token(
        read_private_key(ledger.keys.private),
        program_id=PROGRAM,
        scopes=scopes.split(),
        subject=name,
        now=NOON - timedelta(days=1),
        lifetime=timedelta(days=3650),
    )
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def adjusts(
    ledger: Running, points: int, name: str = "t-1", *, query: str = "", **more: Any
) -> Response:
    body = {"adjustment_id": name, "points": points, "reason": "late parcel"} | more
    async with person(ledger, "ana") as ana:
        return await ana.post(f"/v1/members/{MEMBER}/adjustments{query}", json=body)


async def decides(
    ledger: Running, what: str, by: str = "ben", name: str = "t-1", scopes: str = STAFF
) -> Response:
    async with person(ledger, by, scopes) as somebody:
        return await somebody.post(f"/v1/adjustments/{name}/{what}", json={"reason": "seen"})


async def available(ledger: Running) -> int:
    return int(
        await ledger.ports.pool.fetchval("SELECT available FROM ledger.balance WHERE asset = 'points'")
    )


async def test_what_is_given_opens_a_lot_that_lives_as_points_do_and_is_told_of(ledger: Running) -> None:
    before = await available(ledger)
    made = await adjusts(ledger, 300)
    assert (made.status_code, made.json()["state"], made.json()["moved"]) == (201, "applied", 300)
    assert await available(ledger) == before + 300
    lots = await ledger.ports.pool.fetch("SELECT amount, expires_at FROM ledger.lot ORDER BY lot_no")
    assert lots[-1]["amount"] == 300
    assert lots[-1]["expires_at"] == lots[0]["expires_at"]
    event = (await ledger.told())[-1]
    assert (event.type, event.data.kind, event.data.reason) == (
        "points.earned.v1",
        "adjustment",
        "late parcel",
    )


async def test_the_same_id_is_the_same_adjustment_and_a_dry_run_is_none(ledger: Running) -> None:
    before = await available(ledger)
    assert (await adjusts(ledger, 300, query="?dry_run=true")).json()["moved"] == 300
    assert await available(ledger) == before
    answers = await asyncio.gather(*[adjusts(ledger, 300) for _ in range(3)])
    assert [each.json() for each in answers] == [answers[0].json()] * 3
    assert await available(ledger) == before + 300
    assert (await adjusts(ledger, 301)).json()["code"] == "adjustment_conflict"


async def test_what_is_taken_may_make_a_deficit_that_the_next_gift_fills_first(ledger: Running) -> None:
    before = await available(ledger)
    assert (await adjusts(ledger, -before - 50)).json()["moved"] == -before - 50
    assert await available(ledger) == -50
    assert (await ledger.told())[-1].type == "points.reversed.v1"
    await adjusts(ledger, 80, "t-2")
    assert await available(ledger) == 30
    assert await ledger.ports.pool.fetchval("SELECT sum(remaining) FROM ledger.lot") == 30


@pytest.mark.parametrize(("policy", "answer"), [("to_zero", 201), ("pending_only", 409)])
async def test_what_is_taken_obeys_the_policy_of_the_program(
    ledger: Running, policy: str, answer: int
) -> None:
    before = await available(ledger)
    await ledger.applies(tea_and_cups(points={"negative": policy}), at=NOON - timedelta(hours=1))
    made = await adjusts(ledger, -before - 50)
    assert made.status_code == answer
    if answer == 201:
        assert (made.json()["moved"], await available(ledger)) == (-before, 0)
    else:
        assert (made.json()["code"], await available(ledger)) == ("not_reversible", before)


async def test_above_the_bound_nothing_moves_until_another_person_approves(ledger: Running) -> None:
    before = await available(ledger)
    assert (await adjusts(ledger, 1_001)).json()["state"] == "proposed"
    assert await available(ledger) == before
    async with person(ledger, "ben") as ben:
        (waiting,) = (await ben.get("/v1/adjustments?state=proposed")).json()["items"]
    assert (waiting["adjustment_id"], waiting["proposed_by"], waiting["reason"]) == (
        "t-1",
        "ana",
        "late parcel",
    )
    assert (await decides(ledger, "approve", by="ana")).json()["code"] == "own_adjustment"
    assert (await decides(ledger, "approve", scopes="ledger:write")).json()["code"] == "scope_missing"
    made = (await decides(ledger, "approve")).json()
    assert (made["state"], made["moved"], made["decided_by"], made["decision_reason"]) == (
        "applied", 1_001, "ben", "seen",
    )  # fmt: skip
    assert await available(ledger) == before + 1_001
    assert (await decides(ledger, "reject")).json()["code"] == "adjustment_decided"


async def test_two_who_approve_at_once_move_it_once_and_a_rejected_one_moves_nothing(ledger: Running) -> None:
    before = await available(ledger)
    await adjusts(ledger, 2_000)
    answers = await asyncio.gather(*[decides(ledger, "approve", by=name) for name in ("ben", "eve", "joe")])
    assert sorted(each.status_code for each in answers) == [200, 409, 409]
    assert await available(ledger) == before + 2_000
    await adjusts(ledger, -1_500, "t-2")
    assert (await decides(ledger, "reject", name="t-2")).json()["state"] == "rejected"
    assert await available(ledger) == before + 2_000


async def test_what_makes_no_sense_and_members_themselves_are_refused(ledger: Running) -> None:
    assert (await adjusts(ledger, 0)).status_code == 422
    assert (await adjusts(ledger, 5, reason="")).status_code == 422
    assert (await decides(ledger, "approve", name="nothing")).json()["code"] == "unknown_adjustment"
    async with ledger.client(member=MEMBER) as member:
        body = {"adjustment_id": "mine", "points": 5, "reason": "please"}
        assert (await member.post(f"/v1/members/{MEMBER}/adjustments", json=body)).status_code == 403
        assert (await member.get("/v1/adjustments")).status_code == 403


async def test_a_refund_after_an_adjustment_takes_what_the_order_gave(ledger: Running) -> None:
    before = await available(ledger)
    await adjusts(ledger, 300)
    await ledger.receives(a_refund(an_order_paid("120.00", order_id="o-1"), amount="120.00"))
    assert await available(ledger) == before + 300 - 170


async def test_the_longest_id_still_gives_a_cause_that_every_reader_accepts(ledger: Running) -> None:
    alike = ["t" * 199 + ending for ending in "ab"]
    for name in alike:
        assert (await adjusts(ledger, 10, name)).json()["adjustment_id"] == name
    told = [event for event in await ledger.told() if event.data.kind == "adjustment"]
    causes = {event.data.cause for event in told}
    assert len(causes) == 2
    assert {len(cause) for cause in causes} == {MAX_ID_LENGTH}
    for event in told:
        adapter_of(event.type).validate_json(msgspec.json.encode(event.data))
    kept = await ledger.ports.pool.fetch("SELECT cause FROM ledger.transfer WHERE kind = 'adjustment'")
    assert {row["cause"] for row in kept} == causes


async def test_who_is_erased_leaves_no_words_behind(ledger: Running) -> None:
    await adjusts(ledger, 300, reason="Ana Popescu, 12 Rose Lane, called")
    await adjusts(ledger, 5000, "t-2", reason="Ana again")
    assert (await decides(ledger, "approve", name="t-2")).status_code == 200
    async with person(ledger, "ana") as staff:
        gift = {"gives": {"kind": "coupon", "percent": "15"}, "reason": "Ana moved house", "gift_id": "g"}
        assert (await staff.post(f"/v1/members/{MEMBER}/gifts", json=gift)).status_code == 201
        erased = await staff.post(f"/v1/members/{MEMBER}/erase", json={"reason": "asked by letter"})
        assert erased.status_code == 200
        listed = (await staff.get("/v1/adjustments")).json()["items"]
    assert (
        await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.reward WHERE reason IS NOT NULL") == 0
    )
    assert [(each["moved"], each["reason"], each["decision_reason"]) for each in listed] == [
        (300, "", None),
        (5000, "", None),
    ]
