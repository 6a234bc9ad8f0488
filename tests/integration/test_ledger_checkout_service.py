"""Points as money on real Postgres: a checkout over HTTP, its order and refunds as events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.events import PaidWith, RefundLine
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_line,
    a_refund,
    a_sign_up,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
EARN = [
    a_rule("welcome", on="customer.signed_up", points="4210"),
    a_rule("gift", on="customer.signed_up", credit="7.50 EUR"),
]
CHECKOUT = {
    "points": "100", "are_worth": "1.00 EUR", "order_at_least": "20.00 EUR", "at_most": "50 %",
}  # fmt: skip
CART: dict[str, Any] = {
    "lines": [{"line_id": "tea", "total": "25.00"}, {"line_id": "cup", "total": "40.00"}],
    "discount": "5.00",
    "shipping": "4.90",
}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=EARN, spend={"at_checkout": CHECKOUT}))
        await ledger.receives(a_sign_up())
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def till(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        client.base_url = client.base_url.join(f"/v1/members/{MEMBER}/")
        yield client


async def posts(till: AsyncClient, path: str, *, key: str | None = None, **body: Any) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await till.post(path, json=body, headers=headers)


async def balance(till: AsyncClient, asset: str = "points") -> tuple[int, int]:
    """Available and held."""
    found = (await till.get("balances")).json()["balances"]
    return next((each["available"], each["held"]) for each in found if each["asset"] == asset)


def the_order(**more: Any) -> Any:
    lines = (a_line("25.00", line_id="tea"), a_line("40.00", line_id="cup"))
    return an_order_paid(
        "64.90", order_id="o-1", lines=lines, discount="5.00", shipping="4.90", **more
    )  # fmt: skip


def paid_with(amount: str, kind: Any = "points") -> tuple[PaidWith, ...]:
    return (PaidWith(kind=kind, amount=amount),)


async def test_a_checkout_from_the_quote_to_the_last_refund(ledger: Running, till: AsyncClient) -> None:
    quote = (await posts(till, "quote", **CART)).json()
    assert (quote["points"], quote["worth"], quote["blocks"]) == (3000, "30.00", 30)
    held = await posts(till, "holds", hold_id="c-88", points=quote["points"], cart=CART, order_id="o-1")
    assert (held.status_code, await balance(till)) == (201, (1210, 3000))
    order = the_order(paid_with=paid_with("24.00"), hold_id="c-88")
    await ledger.receives(order)
    assert await balance(till) == (1810, 0)
    await ledger.receives(a_refund(order, lines=(RefundLine(line_id="cup"),)))
    kept = -(-2400 * 2308 // 6000)
    assert await balance(till) == (4210 - kept, 0)
    await ledger.receives(a_refund(order, lines=(RefundLine(line_id="tea"),)))
    assert await balance(till) == (4210, 0)
    told = [(event.type, event.data.points) for event in await ledger.told()]
    assert told[2:] == [
        ("points.held.v1", 3000),
        ("points.spent.v1", 2400),
        ("points.released.v1", 600),
        ("points.restored.v1", 2400 - kept),
        ("points.restored.v1", kept),
    ]


async def test_a_quote_explains_itself_needs_no_right_to_write_and_writes_nothing(
    ledger: Running, till: AsyncClient
) -> None:
    rows = "SELECT (SELECT count(*) FROM ledger.transfer) + (SELECT count(*) FROM ledger.hold)"
    before = await ledger.ports.pool.fetchval(rows)
    async with ledger.client(scopes="ledger:read", member=MEMBER) as page:
        found = (await page.post(f"/v1/members/{MEMBER}/quote", json=CART)).json()
    assert found["limits"] == [
        {
            "limit": "at_most",
            "points": 3000,
            "stops": True,
            "why": "at most 50 % of the items after discounts, 60.00 EUR: 30.00 EUR",
        },
        {
            "limit": "to_pay",
            "points": 6000,
            "stops": False,
            "why": "60.00 EUR of the items are left to be paid",
        },
        {
            "limit": "balance",
            "points": 4200,
            "stops": False,
            "why": "4210 are available: 42 whole blocks of 100",
        },
    ]
    assert await ledger.ports.pool.fetchval(rows) == before


async def test_a_quote_sees_what_is_due_before_anybody_settled_it(ledger: Running, till: AsyncClient) -> None:
    ledger.now = NOON + timedelta(days=500)
    assert (await posts(till, "quote", **CART)).json()["points"] == 0
    assert await balance(till) == (4210, 0), "nobody has written the expiry yet"


@pytest.mark.parametrize(
    ("cart", "status", "code"),
    [
        ({}, 422, "invalid_input"),
        ({"total": "-1"}, 422, "invalid_input"),
        ({"total": "1.001"}, 422, "invalid_amount"),
        ({"total": "9.00", "currency": "XXX"}, 422, "unknown_currency"),
        ({"total": "9.00", "asset": "stamps"}, 409, "no_checkout"),
        ({"total": "9.00", "nonsense": 1}, 422, "invalid_input"),
        ({"lines": [{"line_id": "a", "total": "1"}, {"line_id": "a", "total": "1"}]}, 422, "duplicate_line"),
    ],
)
async def test_a_cart_that_cannot_be_is_refused(
    till: AsyncClient, cart: dict[str, Any], status: int, code: str
) -> None:
    answer = await posts(till, "quote", **cart)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"points": 450}, 422, "not_whole_blocks"),
        ({"points": 3100, "cart": CART}, 409, "not_usable"),
        ({"points": 100, "cart": {"total": "19.99"}}, 409, "not_usable"),
        ({"points": 4300}, 409, "insufficient_points"),
        ({"points": 0}, 422, "invalid_input"),
        ({"points": 100, "asset": "No Asset"}, 422, "invalid_input"),
    ],
)
async def test_a_hold_that_the_program_does_not_allow_is_refused(
    till: AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await posts(till, "holds", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await balance(till) == (4210, 0)


async def test_a_member_that_nobody_knows_has_nothing_to_quote(ledger: Running) -> None:
    async with ledger.client() as client:
        answer = await client.post("/v1/members/nobody/quote", json=CART)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_member")


async def test_store_credit_pays_beside_points(ledger: Running, till: AsyncClient) -> None:
    assert (await posts(till, "quote", **CART, asset="credit:EUR")).json()["worth"] == "7.50"
    await posts(till, "holds", hold_id="p", points=500, order_id="o-1")
    await posts(till, "holds", hold_id="c", points=750, order_id="o-1", asset="credit:EUR")
    order = the_order(paid_with=paid_with("5.00") + paid_with("7.50", "credit"))
    await ledger.receives(order)
    assert (await balance(till), await balance(till, "credit:EUR")) == ((3710, 0), (0, 0))
    await ledger.receives(a_cancellation(order))
    assert (await balance(till), await balance(till, "credit:EUR")) == ((4210, 0), (750, 0))


async def test_a_spend_at_once_is_done_once_however_often_it_is_sent(till: AsyncClient) -> None:
    first = await posts(till, "spends", key="k-1", spend_id="receipt-7", points=100, order_id="o-7")
    assert (first.status_code, first.json()["balance"]["available"]) == (201, 4110)
    again = await posts(till, "spends", key="k-1", spend_id="receipt-7", points=100, order_id="o-7")
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", first.json())
    without_key = await posts(till, "spends", spend_id="receipt-7", points=100, order_id="o-7")
    assert (without_key.status_code, without_key.json()) == (201, first.json())
    other = await posts(till, "spends", spend_id="receipt-7", points=200)
    assert (other.status_code, other.json()["code"]) == (409, "spend_conflict")
    assert await balance(till) == (4110, 0)


async def test_a_capture_sent_again_with_its_key_is_done_once_and_without_it_refused(
    till: AsyncClient,
) -> None:
    await posts(till, "holds", hold_id="h", points=500)
    first = await posts(till, "holds/h/capture", key="k-2", points=300)
    again = await posts(till, "holds/h/capture", key="k-2", points=300)
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", first.json())
    other = await posts(till, "holds/h/capture", points=300)
    assert (other.status_code, other.json()["code"]) == (409, "hold_closed")
    assert await balance(till) == (3910, 0)


async def test_more_than_is_held_is_not_captured(till: AsyncClient) -> None:
    await posts(till, "holds", hold_id="h", points=500)
    answer = await posts(till, "holds/h/capture", points=501)
    assert (answer.status_code, answer.json()["code"]) == (409, "hold_exceeded")
    assert await balance(till) == (3710, 500)


@pytest.mark.parametrize("path", ["holds", "spends"])
async def test_a_dry_run_answers_as_if_and_changes_nothing(till: AsyncClient, path: str) -> None:
    name = {"holds": "hold_id", "spends": "spend_id"}[path]
    answer = await posts(till, f"{path}?dry_run=true", points=100, **{name: "x"})
    assert (answer.status_code, answer.json()["balance"]["available"]) == (201, 4110)
    assert await balance(till) == (4210, 0)


async def test_what_was_captured_after_its_refund_comes_back_at_once(
    ledger: Running, till: AsyncClient
) -> None:
    order = the_order()
    await posts(till, "holds", hold_id="h", points=1000, order_id="o-1")
    await ledger.receives(a_cancellation(order), order)
    captured = await posts(till, "holds/h/capture")
    assert (captured.json()["captured"], captured.json()["returned"]) == (1000, 1000)
    assert await balance(till) == (4210, 0)


async def test_a_refund_that_overtook_its_order_brings_points_back_when_the_order_comes(
    ledger: Running, till: AsyncClient
) -> None:
    order = the_order()
    await posts(till, "spends", spend_id="s", points=1000, order_id="o-1")
    await ledger.receives(a_refund(order, amount="30.00"))
    assert await balance(till) == (3210, 0)
    await ledger.receives(order)
    assert await balance(till) == (3710, 0)


async def test_an_edit_says_anew_what_points_paid(ledger: Running, till: AsyncClient) -> None:
    await posts(till, "spends", spend_id="s", points=1000, order_id="o-1")
    for number, (amount, available) in enumerate((("10.00", 3210), ("4.00", 3810), ("7.00", 3510))):
        await ledger.receives(the_order(paid_with=paid_with(amount), at=NOON + timedelta(hours=number)))
        assert await balance(till) == (available, 0)


async def test_what_returns_into_an_expired_lot_lives_for_the_grace(
    ledger: Running, till: AsyncClient
) -> None:
    await posts(till, "spends", spend_id="s", points=4200, order_id="o-1")
    late = NOON + timedelta(days=500)
    order = the_order()
    await ledger.receives(order, a_cancellation(order, at=late))
    (lot,) = [each for each in (await till.get("lots")).json()["lots"] if each["asset"] == "points"]
    assert (lot["remaining"], lot["expires_at"]) == (4200, "2027-10-16T22:00:00Z")
    ledger.now = late + timedelta(days=31)
    await ledger.runs("settle_due")
    assert await balance(till) == (0, 0)


async def test_members_with_a_long_past_are_read_by_what_the_order_needs(
    ledger: Running, till: AsyncClient
) -> None:
    """The holds of other orders stay where they are."""
    for number in range(5):
        await posts(till, "spends", spend_id=f"s-{number}", points=100, order_id=f"past-{number}")
    await posts(till, "spends", spend_id="s", points=1000, order_id="o-1")
    order = the_order()
    await ledger.receives(order, a_cancellation(order))
    assert await balance(till) == (3710, 0)
    spent = await ledger.ports.pool.fetch("SELECT hold_id FROM ledger.hold WHERE returned = 0 ORDER BY 1")
    assert [row["hold_id"] for row in spent] == [f"s-{number}" for number in range(5)]
