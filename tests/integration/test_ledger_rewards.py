"""Rewards and coupons on real Postgres: over HTTP, by events, and fifty at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.events import (
    CustomerDeleted,
    Grant,
    ReferralStarted,
    ReferralVoided,
    RewardIssued,
    SegmentEntered,
)
from tests.support.doors import on_a_port
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_refund,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import a_rise
from tests.support.rewards import a_reward, a_shop
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
TEXTS = {
    "en": {"title": "5 € off", "text": "On your next order."},
    "fr": {"title": "5 € de remise", "terms": "Une fois."},
}
CATALOGUE = (
    a_reward(texts=TEXTS, images=["https://shop.example/five.jpg"]),
    a_reward("last one", "100", gives={"product": "mug-1"}, stock="1"),
    a_reward("monthly", "10", gives={"free_shipping": "true"}, limit="1 per month"),
    a_reward("for gold", "10", gives={"ticket": "tea tasting"}, for_={"level": "Gold"}),
    a_reward("shop code", "10", gives={"percent_off": "10 %", "pool": "summer", "warn_below": "2"}),
    a_reward("give", "50", gives={"donate_to": ["forest", "food bank"]}),
    a_reward("credit", "100", gives={"credit": "5.00 EUR"}),
    a_reward("for lovers", "10", gives={"ticket": "tea tasting"}, for_={"segment": "tea lovers"}),
    a_reward("surprise tea", None, gives={"product": "tea-1"}),
)
ME = f"/v1/members/{MEMBER}"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(a_shop(*CATALOGUE))
        await ledger.receives(an_order_paid("500.00", order_id="first", at=NOON - timedelta(days=1)))
        yield ledger
        assert await ledger.differences() == []
        assert await ledger.dead_letters() == []


@pytest.fixture
async def client(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        yield client


async def available(ledger: Running, member: str = MEMBER, asset: str = "points") -> int:
    found = await ledger.ports.pool.fetchval(
        "SELECT available FROM ledger.balance WHERE member_id = $1 AND asset = $2", member, asset
    )
    return found or 0


async def buys(client: AsyncClient, reward: str = "five off", reward_id: str = "r1", **more: Any) -> Any:
    """The answer to a purchase that goes well."""
    answer = await client.post(f"{ME}/redemptions", json={"reward": reward, "reward_id": reward_id, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def state_of(client: AsyncClient, reward_id: str = "r1") -> str:
    items = (await client.get(f"{ME}/rewards")).json()["items"]
    found: str = next(item["state"] for item in items if item["reward_id"] == reward_id)
    return found


def codes_of(answer: Response) -> list[str]:
    """The words of the reasons in a refusal."""
    return [reason["code"] for reason in answer.json()["reasons"]]


def statuses(answers: list[Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


async def test_the_catalogue_says_what_a_member_can_have_and_why_not(
    ledger: Running, client: AsyncClient
) -> None:
    await buys(client, "monthly")
    offers = (await client.get(f"/v1/rewards?member_id={MEMBER}")).json()["rewards"]
    seen = {offer["reward"]: [reason["code"] for reason in offer["why_not"]] for offer in offers}
    assert seen == {
        "five off": [],
        "last one": [],
        "monthly": ["limit_reached"],
        "for gold": ["not_at_this_level"],
        "shop code": [],
        "give": [],
        "credit": [],
        "for lovers": ["not_in_segment"],
        "surprise tea": ["not_for_sale"],
    }
    await ledger.receives(a_rise(since=NOON + timedelta(hours=1)), a_sign_up("poor"))
    poor = (await client.get("/v1/rewards?member_id=poor")).json()["rewards"][0]
    assert (poor["can_have"], poor["missing"]) == (False, 400)
    gold = (await client.get(f"/v1/rewards?member_id={MEMBER}")).json()["rewards"][3]
    assert (gold["can_have"], gold["levels"]) == (True, ["Gold"])
    await ledger.receives(an_event(SegmentEntered(member_id=MEMBER, segment="tea lovers")))
    lovers = (await client.get(f"/v1/rewards?member_id={MEMBER}")).json()["rewards"][7]
    assert (lovers["can_have"], lovers["segments"]) == (True, ["tea lovers"])
    await buys(client, "for lovers", "l1")


@pytest.mark.parametrize(
    ("query", "accepted", "title"),
    [
        ("", None, "5 € off"),
        ("?language=fr-CA", None, "5 € de remise"),
        ("?language=ro", None, "5 € off"),
        ("", "de;q=0.9, fr;q=0.8", "5 € de remise"),
        ("?language=en", "fr", "5 € off"),
    ],
)
async def test_texts_come_in_the_nearest_language(
    client: AsyncClient, query: str, accepted: str | None, title: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {}
    offer = (await client.get(f"/v1/rewards{query}", headers=headers)).json()["rewards"][0]
    assert (offer["title"], offer["texts"]) == (title, None)


async def test_all_texts_come_where_they_are_asked_for(client: AsyncClient) -> None:
    offer = (await client.get("/v1/rewards?texts=all")).json()["rewards"][0]
    assert offer["texts"]["fr"] == {"title": "5 € de remise", "text": "", "terms": "Une fois."}
    assert (offer["valid"], offer["gives"]["amount"], offer["can_have"]) == ("60 days", "5.00", None)


async def test_a_purchase_takes_points_and_gives_a_code(ledger: Running, client: AsyncClient) -> None:
    bought = await buys(client)
    assert (bought["state"], bought["price"], bought["balance"]["available"]) == ("issued", 400, 100)
    assert bought["valid_until"] == "2026-07-03T22:00:00Z"
    told = await ledger.told()
    assert [event.type for event in told][-2:] == ["points.spent.v1", "reward.issued.v1"]
    assert isinstance(told[-1].data, RewardIssued)
    assert told[-1].data.grant.code == bought["code"]
    again = await buys(client)
    assert (again["code"], await available(ledger)) == (bought["code"], 100)
    listed = (await client.get(f"{ME}/rewards")).json()["items"]
    assert [(item["reward_id"], item["code"]) for item in listed] == [("r1", bought["code"])]


async def test_a_dry_run_changes_nothing_and_tells_no_code(ledger: Running, client: AsyncClient) -> None:
    answer = await client.post(f"{ME}/redemptions?dry_run=true", json={"reward": "five off"})
    assert (answer.status_code, answer.json()["code"]) == (201, None)
    assert answer.json()["balance"]["available"] == 100
    assert await available(ledger) == 500
    assert (await client.get(f"{ME}/rewards")).json()["items"] == []


async def test_a_purchase_with_an_idempotency_key_is_done_once(ledger: Running, client: AsyncClient) -> None:
    said = {"json": {"reward": "five off"}, "headers": {"Idempotency-Key": "k1"}}
    first = await client.post(f"{ME}/redemptions", **said)  # type: ignore[arg-type]
    again = await client.post(f"{ME}/redemptions", **said)  # type: ignore[arg-type]
    assert again.json() == first.json()
    assert await available(ledger) == 100


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"reward": "nothing"}, 404, "unknown_reward"),
        ({"reward": "for gold"}, 409, "reward_unavailable"),
        ({"reward": "surprise tea"}, 409, "reward_unavailable"),
        ({"reward": "give"}, 422, "charity_unknown"),
        ({"reward": "shop code"}, 409, "coupon_pool_empty"),
        ({}, 422, "invalid_input"),
    ],
)
async def test_what_cannot_be_bought_leaves_the_points_alone(
    ledger: Running, client: AsyncClient, body: dict[str, str], status: int, code: str
) -> None:
    answer = await client.post(f"{ME}/redemptions", json=body)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert await available(ledger) == 500


async def test_a_donation_and_store_credit_take_effect_at_once(ledger: Running, client: AsyncClient) -> None:
    given = await buys(client, "give", "d1", charity="forest")
    assert (given["state"], given["gives"]["charity"]) == ("used", "forest")
    await buys(client, "credit", "c1")
    assert (await available(ledger), await available(ledger, asset="credit:EUR")) == (350, 500)
    assert [event.type for event in await ledger.told()][-1] == "points.earned.v1"
    assert "points.donated.v1" in [event.type for event in await ledger.told()]


async def test_a_person_gives_and_a_member_cannot_give_to_themselves(
    ledger: Running, client: AsyncClient
) -> None:
    body = {"gives": {"kind": "coupon", "percent": "15"}, "reason": "a late parcel", "gift_id": "g1"}
    gift = (await client.post(f"{ME}/gifts", json=body)).json()
    assert (gift["source"], gift["reason"], gift["price"]) == ("given", "a late parcel", 0)
    tea = await client.post(f"{ME}/gifts", json={"reward": "surprise tea", "reason": "birthday"})
    assert (tea.status_code, tea.json()["gives"]["product_id"]) == (201, "tea-1")
    async with ledger.client(member=MEMBER) as member:
        answer = await member.post(f"{ME}/gifts", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "other_member")
        assert (await member.post(f"{ME}/redemptions", json={"reward": "monthly"})).status_code == 201
        assert (await member.get("/v1/rewards")).json()["rewards"][2]["can_have"] is False
        assert (await member.get("/v1/rewards?member_id=other")).status_code == 403


async def test_what_is_voided_returns_its_price_and_what_is_used_does_not(
    ledger: Running, client: AsyncClient
) -> None:
    await buys(client)
    voided = await client.post(f"{ME}/rewards/r1/void", json={"reason": "by mistake"})
    assert (voided.json()["state"], await available(ledger)) == ("voided", 500)
    await buys(client, reward_id="r2")
    assert (await client.post(f"{ME}/rewards/r2/use", json={})).json()["state"] == "used"
    refused = await client.post(f"{ME}/rewards/r2/void", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "reward_closed")
    twice = await client.post(f"{ME}/rewards/r2/use", json={})
    assert twice.status_code == 409
    assert (await client.post(f"{ME}/rewards/r9/use", json={})).json()["code"] == "unknown_reward"


async def test_a_reward_expires_by_itself(ledger: Running, client: AsyncClient) -> None:
    await buys(client)
    ledger.now = NOON + timedelta(days=61)
    await ledger.runs("settle_due")
    assert await state_of(client) == "expired"
    assert (await ledger.told())[-1].type == "reward.expired.v1"


async def test_a_refund_voids_an_unused_reward_before_it_makes_a_deficit(
    ledger: Running, client: AsyncClient
) -> None:
    bought = await buys(client)
    order = an_order_paid("500.00", order_id="first", at=NOON - timedelta(days=1))
    await ledger.receives(a_refund(order, amount="450.00", at=NOON + timedelta(hours=1)))
    assert (await state_of(client), await available(ledger)) == ("voided", 50)
    checked = await client.post("/v1/coupons/validate", json={"code": bought["code"], "member_id": MEMBER})
    assert [reason["code"] for reason in checked.json()["reasons"]] == ["voided"]


async def test_an_order_uses_its_codes_and_a_cancellation_gives_them_back(
    ledger: Running, client: AsyncClient
) -> None:
    code = (await buys(client))["code"]
    order = an_order_paid("40.00", order_id="second", coupon_codes=(code.lower(), "SHOPS-OWN"))
    await ledger.receives(order)
    assert await state_of(client) == "used"
    await ledger.receives(order, a_cancellation(order, at=NOON + timedelta(hours=1)))
    assert await state_of(client) == "issued"
    other = an_order_paid("40.00", order_id="third", coupon_codes=(code,), at=NOON + timedelta(hours=2))
    await ledger.receives(other)
    assert await state_of(client) == "used"
    edited = an_order_paid("41.00", order_id="third", at=NOON + timedelta(hours=3))
    await ledger.receives(edited)
    assert await state_of(client) == "issued"


async def test_the_welcome_of_a_referral_is_issued_and_taken_back_with_it(
    ledger: Running, client: AsyncClient
) -> None:
    said: dict[str, Any] = {"member_id": MEMBER, "referral_id": "ref", "role": "friend"}
    welcome = (Grant(kind="coupon", percent="10"),)
    await ledger.receives(an_event(ReferralStarted(**said, rewards=welcome)))
    (reward,) = (await client.get(f"{ME}/rewards")).json()["items"]
    assert (reward["source"], reward["gives"]["percent"], reward["state"]) == ("promised", "10", "issued")
    await ledger.receives(an_event(ReferralVoided(**said), at=NOON + timedelta(days=1)))
    assert await state_of(client, reward["reward_id"]) == "voided"


async def test_an_erased_member_keeps_no_unused_reward(ledger: Running, client: AsyncClient) -> None:
    code = (await buys(client))["code"]
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER)))
    assert (await client.get(f"/v1/coupons/{code}")).json()["state"] == "voided"
    assert await available(ledger) == 0


class TestCoupons:
    async def test_validate_names_every_reason_and_writes_nothing(
        self, ledger: Running, client: AsyncClient
    ) -> None:
        code = (await buys(client))["code"]
        rows = "SELECT count(*) FROM ledger.coupon_use"
        body = {"code": code, "member_id": "other", "cart": {"total": "29.99"}}
        answer = (await client.post("/v1/coupons/validate", json=body)).json()
        assert (answer["valid"], answer["takes_off"]) == (False, "5.00")
        assert [reason["code"] for reason in answer["reasons"]] == ["not_theirs", "order_too_small"]
        body = {"code": code.lower(), "member_id": MEMBER, "cart": {"total": "30.00"}}
        good = (await client.post("/v1/coupons/validate", json=body)).json()
        assert (good["valid"], good["reasons"], good["code"]) == (True, [], code)
        unknown = (await client.post("/v1/coupons/validate", json={"code": "XXXX"})).json()
        assert [reason["code"] for reason in unknown["reasons"]] == ["unknown"]
        assert await ledger.ports.pool.fetchval(rows) == 0

    async def test_reserve_use_release_and_void(self, ledger: Running, client: AsyncClient) -> None:
        code = (await buys(client))["code"]
        path = f"/v1/coupons/{code}"
        kept = await client.post(f"{path}/reserve", json={"reservation_id": "c1", "member_id": MEMBER})
        assert (kept.status_code, kept.json()["reserved_until"]) == (201, "2026-05-04T12:30:00Z")
        refused = await client.post(f"{ME}/rewards/r1/void", json={})
        assert refused.json()["code"] == "reward_closed"
        used = await client.post(
            f"{path}/use", json={"order_id": "o1", "reservation_id": "c1", "member_id": MEMBER}
        )
        assert (used.json()["state"], await state_of(client)) == ("used", "used")
        again = await client.post(f"{path}/use", json={"order_id": "o1", "member_id": MEMBER})
        assert again.json() == used.json()
        other = await client.post(f"{path}/use", json={"order_id": "o2", "member_id": MEMBER})
        assert (other.status_code, codes_of(other)) == (409, ["used_up"])
        freed = await client.post(f"{path}/release", json={"order_id": "o1"})
        assert (freed.json()["state"], await state_of(client)) == ("released", "issued")
        assert (await client.post(f"{path}/release", json={"order_id": "o1"})).json()["state"] == "released"
        assert (await client.post(f"{path}/release", json={"order_id": "o7"})).status_code == 404
        lots = (await client.get(f"{ME}/lots")).json()["lots"]
        assert (await client.post(f"{path}/void", json={})).json()["state"] == "voided"
        assert (await state_of(client), await available(ledger)) == ("voided", 500)
        back = (await client.get(f"{ME}/lots")).json()["lots"]
        assert [lot["lot_no"] for lot in back] == [lot["lot_no"] for lot in lots], "into the lot it came from"

    async def test_a_reservation_times_out_by_itself(self, ledger: Running, client: AsyncClient) -> None:
        made = await client.post("/v1/coupons", json={"gives": {"kind": "coupon", "percent": "10"}})
        code = made.json()["coupons"][0]["code"]
        await client.post(f"/v1/coupons/{code}/reserve", json={"minutes": 5})
        body = {"order_id": "o2"}
        assert codes_of(await client.post(f"/v1/coupons/{code}/use", json=body)) == ["reserved"]
        ledger.now = NOON + timedelta(minutes=5)
        assert (await client.post(f"/v1/coupons/{code}/use", json=body)).status_code == 200

    async def test_codes_of_a_campaign_are_made_and_named(self, ledger: Running, client: AsyncClient) -> None:
        body = {"gives": {"kind": "free_shipping"}, "count": 3}
        made = (await client.post("/v1/coupons", json=body)).json()["coupons"]
        assert len({each["code"] for each in made}) == 3
        own = {
            "gives": {"kind": "coupon", "percent": "10"},
            "code": "Spring 26",
            "uses": None,
            "per_member": 1,
        }
        assert (await client.post("/v1/coupons", json=own)).status_code == 201
        taken = await client.post("/v1/coupons", json=own)
        assert (taken.status_code, taken.json()["code"]) == (409, "code_taken")
        said = {"order_id": "o1", "member_id": MEMBER}
        assert (await client.post("/v1/coupons/spring26/use", json=said)).json()["code"] == "Spring 26"
        twice = await client.post("/v1/coupons/SPRING-26/use", json=said | {"order_id": "o2"})
        assert codes_of(twice) == ["had_by_member"]
        detail = (await client.get("/v1/coupons/spring26")).json()
        assert [use["order_id"] for use in detail["latest"]] == ["o1"]

    async def test_an_order_without_a_right_to_a_code_is_shown_to_people(
        self, ledger: Running, client: AsyncClient
    ) -> None:
        code = (await buys(client))["code"]
        await ledger.receives(an_order_paid("9.00", order_id="o9", member="ada", coupon_codes=(code,)))
        (use,) = (await client.get(f"/v1/coupons/{code}")).json()["latest"]
        assert (use["state"], use["reason"], use["member_id"]) == ("refused", "it is another member's", "ada")
        assert await available(ledger, "ada") == 9

    async def test_a_pool_is_filled_as_json_or_csv_and_duplicates_are_told(
        self, ledger: Running, client: AsyncClient
    ) -> None:
        path = "/v1/coupon-pools/summer/codes"
        first = (await client.post(path, json={"codes": ["SUN-1", "SUN-2", "sun 1"]})).json()
        assert first == {"pool": "summer", "added": 2, "duplicates": ["sun 1"], "left": 2}
        body = "code\nSUN-2\nSUN-3\n"
        second = await client.post(path, content=body, headers={"Content-Type": "text/csv"})
        assert second.json() == {"pool": "summer", "added": 1, "duplicates": ["SUN-2"], "left": 3}
        assert (await client.post(path, json={"codes": ["a/b"]})).status_code == 422
        assert (await client.post(path, json={"codes": []})).status_code == 422
        too_many = [f"C{number}" for number in range(1_001)]
        assert (await client.post(path, json={"codes": too_many})).status_code == 422
        bought = await buys(client, "shop code", "s1")
        assert bought["code"] == "SUN-1"
        assert (await client.get("/v1/coupon-pools")).json() == {"pools": [{"pool": "summer", "left": 2}]}
        assert await ledger.runs("watch_pools") == 0
        await buys(client, "shop code", "s2")
        assert await ledger.runs("watch_pools") == 1
        text = ledger.ports.metrics.render()[0].decode()
        assert 'habitue_coupon_pool_codes{pool="summer",program="demo",service="ledger"} 1.0' in text

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    async def test_a_spreadsheets_further_columns_are_no_part_of_a_code(
        self, ledger: Running, client: AsyncClient, separator: str
    ) -> None:
        body = f"\ufeffcode{separator}campaign\r\nSUN-1{separator}summer\r\n"
        path, kind = "/v1/coupon-pools/summer/codes", {"Content-Type": "text/csv; charset=utf-8"}
        assert (await client.post(path, content=body.encode(), headers=kind)).json()["added"] == 1
        assert (await buys(client, "shop code", "s1"))["code"] == "SUN-1"

    async def test_an_upload_that_is_none_is_told_what_is_wrong(self, client: AsyncClient) -> None:
        path = "/v1/coupon-pools/summer/codes"
        faulty = (await client.post(path, json={"codes": ["SUN-1", ""]})).json()
        assert [each["pointer"] for each in faulty["errors"]] == ["#/codes/1"]
        for content, kind, code in [
            ("<codes/>", "application/xml", "unsupported_media_type"),
            ("{", "application/json", "body_unreadable"),
            (b"\xff", "text/csv", "body_unreadable"),
            ("x" * 200_000, "text/csv", "body_unreadable"),
        ]:
            answer = await client.post(path, content=content, headers={"Content-Type": kind})
            assert answer.json()["code"] == code, content[:20]

    async def test_anyone_may_use_a_bearers_code_and_its_buyers_reward_is_used(
        self, ledger: Running, client: AsyncClient
    ) -> None:
        gift = a_reward("card", "10", gives={"gift_card": "5.00 EUR", "anyone": "true"})
        await ledger.applies(a_shop(gift), at=NOON)
        code = (await buys(client, "card"))["code"]
        order = an_order_paid("9.00", order_id="o9", member="ada", coupon_codes=(code,))
        await ledger.receives(order)
        assert await state_of(client) == "used"
        await ledger.receives(a_cancellation(order, at=NOON + timedelta(hours=1)))
        assert await state_of(client) == "issued"


class TestRaces:
    """Fifty at once over TCP: one winner for each, nobody hangs, nothing breaks."""

    @pytest.fixture
    async def door(self, ledger: Running) -> AsyncIterator[AsyncClient]:
        async with on_a_port(ledger, scopes="ledger:read ledger:write") as door:
            yield door

    async def test_the_last_use_of_a_code(self, ledger: Running, door: AsyncClient) -> None:
        made = await door.post("/v1/coupons", json={"gives": {"kind": "coupon", "percent": "10"}, "uses": 3})
        path = f"/v1/coupons/{made.json()['coupons'][0]['code']}/use"
        answers = await asyncio.gather(
            *(door.post(path, json={"order_id": f"o{n}", "member_id": f"m{n}"}) for n in range(50))
        )
        assert statuses(answers) == {200: 3, 409: 47}

    async def test_the_code_of_one_member(self, ledger: Running, door: AsyncClient) -> None:
        code = (await buys(door))["code"]
        use = [
            door.post(f"/v1/coupons/{code}/use", json={"order_id": f"o{n}", "member_id": MEMBER})
            for n in range(20)
        ]
        void = [door.post(f"{ME}/rewards/r1/void", json={}) for _ in range(15)]
        reserve = [
            door.post(f"/v1/coupons/{code}/reserve", json={"reservation_id": f"c{n}", "member_id": MEMBER})
            for n in range(15)
        ]
        answers = await asyncio.gather(*use, *void, *reserve)
        assert set(statuses(answers)) <= {200, 201, 409}
        used = sum(answer.status_code == 200 for answer in answers[:20])
        voided = sum(answer.status_code == 200 for answer in answers[20:35])
        assert used + voided == 1

    async def test_the_last_one_on_the_shelf(self, ledger: Running, door: AsyncClient) -> None:
        await ledger.receives(*(an_order_paid("100.00", member=f"m{n}") for n in range(50)))
        answers = await asyncio.gather(
            *(door.post(f"/v1/members/m{n}/redemptions", json={"reward": "last one"}) for n in range(50))
        )
        assert statuses(answers) == {201: 1, 409: 49}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {
            "reward_sold_out"
        }

    async def test_the_last_codes_of_a_pool(self, ledger: Running, door: AsyncClient) -> None:
        await ledger.receives(*(an_order_paid("10.00", member=f"m{n}") for n in range(50)))
        codes = [f"SUN-{n}" for n in range(30)]
        await door.post("/v1/coupon-pools/summer/codes", json={"codes": codes})
        answers = await asyncio.gather(
            *(door.post(f"/v1/members/m{n}/redemptions", json={"reward": "shop code"}) for n in range(50))
        )
        assert statuses(answers) == {201: 30, 409: 20}
        assert sorted(a.json()["code"] for a in answers if a.status_code == 201) == sorted(codes)

    async def test_the_last_points_of_a_member(self, ledger: Running, door: AsyncClient) -> None:
        answers = await asyncio.gather(
            *(door.post(f"{ME}/redemptions", json={"reward": "credit"}) for _ in range(50))
        )
        assert statuses(answers) == {201: 5, 409: 45}
        assert await available(ledger) == 0

    async def test_orders_and_checkouts_want_the_same_code(self, ledger: Running, door: AsyncClient) -> None:
        made = await door.post("/v1/coupons", json={"gives": {"kind": "coupon", "percent": "10"}})
        code = made.json()["coupons"][0]["code"]
        orders = [
            an_order_paid("9.00", order_id=f"k{n}", member=f"m{n}", coupon_codes=(code,)) for n in range(20)
        ]
        requests = [door.post(f"/v1/coupons/{code}/use", json={"order_id": f"h{n}"}) for n in range(30)]
        _, *answers = await asyncio.gather(ledger.receives(*orders), *requests)
        assert set(statuses(answers)) <= {200, 409}
        used = await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.coupon_use WHERE state = 'used'")
        assert used == 1


CORRUPTIONS = {
    "UPDATE ledger.reward SET price = price + 1": "were paid for rewards that cost",
    "UPDATE ledger.coupon SET used = 1, uses = 2": "says 1 of 2 uses",
    "UPDATE ledger.reward SET state = 'used'": "its code was used 0 of 1 times",
    "UPDATE ledger.reward_stock SET sold = sold + 1": "are said to be gone",
}


@pytest.mark.parametrize("statement", CORRUPTIONS)
async def test_verify_finds_what_does_not_agree(
    fresh_database: Database, keys: KeyPair, statement: str
) -> None:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(a_shop(*CATALOGUE))
        await ledger.receives(an_order_paid("500.00", at=NOON - timedelta(days=1)))
        async with ledger.client() as client:
            await buys(client, "last one")
        assert await ledger.differences() == []
        await ledger.ports.pool.execute(statement)
        assert any(CORRUPTIONS[statement] in found for found in await ledger.differences())
