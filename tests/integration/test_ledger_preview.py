"""What a cart would earn, over HTTP: as the same order then does, and nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from tests.support.events import MEMBER, NOON, a_line, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rise, a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
CART: dict[str, Any] = {
    "lines": [
        {"line_id": "tea", "total": "25.00", "categories": ["tea"]},
        {"line_id": "cup", "total": "40.00"},
    ],
    "discount": "5.00",
    "shipping": "4.90",
}
LINES = (a_line("25.00", line_id="tea", categories=("tea",)), a_line("40.00", line_id="cup"))


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield ledger
        assert await ledger.differences() == []


async def previews(ledger: Running, *, status: int = 200, member: str | None = None, **body: Any) -> Any:
    async with ledger.client(member=member) as client:
        answer = await client.post("/v1/earning/preview", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def decides(ledger: Running, event_id: str) -> Any:
    async with ledger.client() as client:
        return (await client.get(f"/v1/members/{MEMBER}/decisions/{event_id}")).json()


async def rows_of(ledger: Running) -> list[int]:
    return [
        await ledger.ports.pool.fetchval(f"SELECT count(*) FROM ledger.{table}")
        for table in ("member", "purchase", "award", "transfer", "lot", "usage", "outbox", "budget_slot")
    ]


async def test_a_preview_says_what_the_same_order_then_earns_and_why(ledger: Running) -> None:
    await ledger.receives(a_sign_up(), a_rise("Gold", times="2", since=NOON - timedelta(days=1)))
    before = await rows_of(ledger)
    seen = await previews(ledger, member_id=MEMBER, **CART)
    assert await rows_of(ledger) == before
    order = an_order_paid("64.90", lines=LINES, discount="5.00", shipping="4.90")
    await ledger.receives(order)
    (award,) = (await decides(ledger, order.id))["awards"]
    (would,) = seen["awards"]
    assert would == {name: award[name] for name in would}
    assert would["earn_times"] == "2"
    assert seen["earns"] == [{"asset": "points", "points": award["points"]}]
    assert seen["member_known"] is True


async def test_who_is_not_known_earns_as_a_newcomer_with_every_reason_why_not(ledger: Running) -> None:
    before = await rows_of(ledger)
    for whom in (None, "nobody-yet"):
        seen = await previews(ledger, lines=CART["lines"][1:], member_id=whom)
        (award,) = seen["awards"]
        assert (award["points"], award["by_line"], seen["member_known"]) == (40, [40], False)
        assert {rule["rule"]: rule["why_not"] for rule in award["rules"] if not rule["matched"]} == {
            "tea counts double": "no line has category tea",
            "big basket": "items after discounts are 40.00 EUR, 60.00 EUR asked for",
        }
    assert await rows_of(ledger) == before


async def test_caps_and_the_count_of_orders_are_those_of_the_member(ledger: Running) -> None:
    capped = PER_EURO | {"at_most": "100 per month"}
    second = a_rule("second order", points="7", if_={"order_number": "2"})
    await ledger.applies(tea_and_cups(earn=[capped, second]), at=NOON - timedelta(days=1))
    await ledger.receives(an_order_paid("80.00"))
    now = await previews(ledger, member_id=MEMBER, total="60.00")
    assert now["earns"] == [{"asset": "points", "points": 27}]
    (cap,) = now["awards"][0]["caps"]
    assert (cap["cap"], cap["used"], cap["wanted"], cap["room"]) == ("100 per month", "80", "60", "20")
    later = await previews(
        ledger, member_id=MEMBER, total="60.00", at=(NOON + timedelta(days=40)).isoformat()
    )
    assert later["earns"] == [{"asset": "points", "points": 67}]


async def test_a_budget_for_everybody_is_looked_at_and_not_used(ledger: Running) -> None:
    await ledger.applies(
        tea_and_cups(earn=[PER_EURO | {"budget": "100 per month"}]), at=NOON - timedelta(days=1)
    )
    await ledger.receives(an_order_paid("80.00"))
    for whom in (None, MEMBER) * 2:
        assert (await previews(ledger, total="60.00", member_id=whom))["earns"] == [
            {"asset": "points", "points": 20}
        ]


async def test_goals_that_the_cart_reaches_are_counted(ledger: Running) -> None:
    goal = a_rule("five per hundred", points="500", for_spending="each 100.00 EUR per month")
    await ledger.applies(tea_and_cups(earn=[PER_EURO, goal]), at=NOON - timedelta(days=1))
    await ledger.receives(an_order_paid("80.00"))
    seen = await previews(ledger, member_id=MEMBER, total="60.00")
    assert seen["earns"] == [{"asset": "points", "points": 560}]
    assert [(each["spent"], each["times"]) for each in seen["goals"]] == [("140.00 EUR", 1)]


async def test_a_cart_that_makes_no_sense_is_refused_and_anothers_cart_too(ledger: Running) -> None:
    assert (await previews(ledger, status=422, member_id=MEMBER))["code"] == "invalid_input"
    await previews(ledger, status=422, total="5.00", at="9999-12-31T23:59:59Z")
    await previews(ledger, status=422, total="5.00", at="2026-01-01T00:00:00")
    await previews(ledger, status=403, total="5.00", member="one", member_id="two")
    assert (await previews(ledger, total="5.00", member="one"))["member_id"] == "one"
