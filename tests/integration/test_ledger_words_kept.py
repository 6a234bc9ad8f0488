"""Words of a program that no other story over Postgres and HTTP tells: each does what it says, and says why not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from shared.events import ActivityRecorded, SegmentEntered
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_line,
    a_review,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rise, a_rule
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
FRIEND = "customer-8"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def client(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        yield client


async def has(client: AsyncClient, member: str = MEMBER) -> dict[str, int]:
    answer = await client.get(f"/v1/members/{member}/balances")
    return {each["asset"]: each["available"] for each in answer.json()["balances"]}


async def test_videos_levels_segments_and_subjects_decide_and_spins_are_given(
    ledger: Running, client: AsyncClient
) -> None:
    rules = (
        a_rule("video", on="review.published", points="30", if_={"video": "true"}),
        a_rule("not for gold", points="7", if_={"not_level": "Gold"}),
        a_rule("not for staff", points="5", if_={"not_segment": "staff"}),
        a_rule("any later order", points="3", if_={"first_order": "false"}),
        a_rule("quiz", on="quiz.answered", gives="2 spins", limit="1 per subject"),
    )
    await ledger.applies(a_document(*rules))
    await ledger.receives(a_review(video=False), a_review(product="cup", video=True))
    assert await has(client) == {"points": 30}
    await ledger.receives(an_order_paid("9.00"))
    assert await has(client) == {"points": 42}
    later = NOON + timedelta(hours=1)
    await ledger.receives(
        a_rise("Gold", since=later), an_event(SegmentEntered(member_id=MEMBER, segment="staff"), at=later)
    )
    await ledger.receives(an_order_paid("9.00", at=later + timedelta(hours=1)))
    assert await has(client) == {"points": 45}
    quiz = [ActivityRecorded(customer_id=MEMBER, activity="quiz.answered", subject=each) for each in "aab"]
    await ledger.receives(*(an_event(each) for each in quiz))
    assert await has(client) == {"points": 45, "spins": 4}


async def test_stamps_pay_beside_points_by_their_own_terms(ledger: Running, client: AsyncClient) -> None:
    stamps = {"units": "10", "are_worth": "5.00 EUR", "order_at_least": "20.00 EUR"}
    spend = {"also_at_checkout": {"stamps": stamps}}
    await ledger.applies(a_document(a_rule("hello", on="customer.signed_up", gives="25 stamps"), spend=spend))
    await ledger.receives(a_sign_up())
    path = f"/v1/members/{MEMBER}/holds"
    wants = {"hold_id": "h", "asset": "stamps", "points": 15}
    refused = await client.post(path, json=wants)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_whole_blocks")
    held = await client.post(path, json=wants | {"points": 20})
    assert held.status_code == 201, held.text
    assert await has(client) == {"stamps": 5}


async def test_codes_say_from_when_and_for_what_and_stay_used_where_nothing_comes_back(
    ledger: Running, client: AsyncClient
) -> None:
    spend = {"rewards": [a_reward("five off", "80")], "used_coupons_back": "never"}
    await ledger.applies(a_document(PER_EURO, spend=spend))
    made = await client.post(
        "/v1/coupons",
        json={
            "gives": {"kind": "coupon", "percent": "10", "products": ["tea"]},
            "valid_from": (NOON + timedelta(days=1)).isoformat(),
        },
    )
    code = made.json()["coupons"][0]["code"]
    cart: dict[str, Any] = {"total": "9.00", "lines": [{"total": "9.00", "product_id": "cup"}]}
    ledger.now = NOON
    told = (await client.post("/v1/coupons/validate", json={"code": code, "cart": cart})).json()
    assert [each["code"] for each in told["reasons"]] == ["not_yet", "no_such_product"]
    await ledger.receives(an_order_paid("100.00"))
    bought = await client.post(
        f"/v1/members/{MEMBER}/redemptions", json={"reward_id": "r", "reward": "five off"}
    )
    order = an_order_paid("50.00", coupon_codes=(bought.json()["code"],), lines=(a_line("50.00"),))
    await ledger.receives(order, a_cancellation(order))
    (reward,) = (await client.get(f"/v1/members/{MEMBER}/rewards")).json()["items"]
    assert reward["state"] == "used"


async def test_gifts_have_a_smallest_and_a_largest_size(ledger: Running, client: AsyncClient) -> None:
    terms = {"older_than": "0 days", "smallest": "10", "largest": "50"}
    await ledger.applies(a_document(PER_EURO, transfers=terms))
    await ledger.receives(an_order_paid("100.00"), a_sign_up(FRIEND))
    codes = []
    for points in (9, 51, 50):
        body = {"transfer_id": f"t{points}", "to": FRIEND, "points": points}
        answer = await client.post(f"/v1/members/{MEMBER}/transfers", json=body)
        codes.append((answer.status_code, answer.json().get("code")))
    assert [code for _, code in codes] == ["not_givable", "not_givable", None]
    assert (await has(client), await has(client, FRIEND)) == ({"points": 50}, {"points": 50})


async def test_only_who_has_been_in_the_pool_longest_spends_from_the_others(
    ledger: Running, client: AsyncClient
) -> None:
    await ledger.applies(a_document(PER_EURO, pools={"who_may_spend": "owner"}))
    await ledger.receives(an_order_paid("60.00"), an_order_paid("40.00", member=FRIEND))
    for member, what, body in (
        (MEMBER, "", {"pool_id": "home"}),
        (MEMBER, "/invitations", {"invited_id": FRIEND}),
        (FRIEND, "/join", {"pool_id": "home"}),
    ):
        answer = await client.post(f"/v1/members/{member}/pool{what}", json=body)
        assert answer.is_success, answer.text
    refused = await client.post(f"/v1/members/{FRIEND}/pool/spends", json={"spend_id": "s", "points": 50})
    assert refused.json()["code"] == "not_pool_owner"
    spent = await client.post(f"/v1/members/{MEMBER}/pool/spends", json={"spend_id": "s", "points": 90})
    assert spent.status_code == 201, spent.text
