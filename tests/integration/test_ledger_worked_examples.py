"""The worked examples of the rules as stories, through events and HTTP: what a member would see after each step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from shared.events import RefundLine
from tests.support.events import MEMBER, NOON, a_line, a_refund, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
PROGRAM = a_document(
    PER_EURO, points={"expire": "12 months"}, spend={"rewards": [a_reward("five off", "400")]}
)
TEA, CUP = RefundLine(line_id="tea"), RefundLine(line_id="cup")


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(PROGRAM)
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def member(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        client.base_url = client.base_url.join(f"/v1/members/{MEMBER}/")
        yield client


async def available(member: AsyncClient) -> int:
    (points,) = (await member.get("balances")).json()["balances"]
    return int(points["available"])


async def lots(member: AsyncClient) -> list[int]:
    """What the lots hold, the soonest expiry first."""
    return [lot["remaining"] for lot in (await member.get("lots")).json()["lots"]]


async def asks(member: AsyncClient, path: str, **body: Any) -> Any:
    answer = await member.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def months_ago(number: int, points: int) -> Any:
    return an_order_paid(f"{points}.00", at=NOON - timedelta(days=30 * number))


@pytest.mark.parametrize(
    ("first", "second", "between", "lots_between"),
    [(CUP, TEA, 583, [583, 25]), (TEA, CUP, 416, [416, 35])],
    ids=["the cup first", "the tea first"],
)
async def test_an_order_that_1000_points_paid_comes_back_line_by_line(
    ledger: Running,
    member: AsyncClient,
    first: RefundLine,
    second: RefundLine,
    between: int,
    lots_between: list[int],
) -> None:
    """Lots A (300) and B (700) pay for tea 25.00 and cup 35.00; what is kept of 60.00 stays paid, rounded up."""
    await ledger.receives(months_ago(2, 300), months_ago(1, 700))
    await asks(member, "spends", spend_id="s", points=1000, order_id="o")
    order = an_order_paid(
        "60.00",
        order_id="o",
        lines=(a_line("25.00", line_id="tea"), a_line("35.00", line_id="cup")),
    )
    await ledger.receives(order)
    assert (await available(member), await lots(member)) == (60, [60])
    await ledger.receives(a_refund(order, lines=(first,), at=NOON + timedelta(days=1)))
    kept = 25 if first is CUP else 35
    assert (await available(member), await lots(member)) == (between + kept, lots_between)
    await ledger.receives(a_refund(order, lines=(second,), at=NOON + timedelta(days=2)))
    assert (await available(member), await lots(member)) == (1000, [300, 700])


async def test_a_refund_voids_the_unused_reward_before_it_makes_a_debt(
    ledger: Running, member: AsyncClient
) -> None:
    """500 earned, `five off` for 400 bought with them, 100 left; then the order comes back."""
    order = an_order_paid("500.00")
    await ledger.receives(order)
    await asks(member, "redemptions", reward_id="r", reward="five off")
    assert await available(member) == 100
    await ledger.receives(a_refund(order, amount="500.00"))
    assert await available(member) == 0
    (reward,) = (await member.get("rewards")).json()["items"]
    assert reward["state"] == "voided"


async def test_had_it_been_used_the_member_owes_and_what_comes_next_fills_that_first(
    ledger: Running, member: AsyncClient
) -> None:
    order = an_order_paid("500.00")
    await ledger.receives(order)
    code = (await asks(member, "redemptions", reward_id="r", reward="five off"))["code"]
    await ledger.receives(an_order_paid("0.00", order_id="used", coupon_codes=(code,)))
    await ledger.receives(a_refund(order, amount="500.00"))
    assert (await available(member), await lots(member)) == (-400, [])
    refused = await member.post("spends", json={"spend_id": "s", "points": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_points")
    await ledger.receives(an_order_paid("390.00"))
    assert (await available(member), await lots(member)) == (-10, [])
    await ledger.receives(an_order_paid("30.00"))
    assert (await available(member), await lots(member)) == (20, [20])


async def test_what_the_program_bears_is_named_with_the_decision(
    ledger: Running, member: AsyncClient
) -> None:
    """Of 100 points 70 are spent; the order comes back, and nobody owes: 30 are taken, and the 70 are the program's."""
    await ledger.applies(a_document(PER_EURO, points={"negative": "to_zero"}), at=NOON - timedelta(days=1))
    order = an_order_paid("100.00", event_id="evt-order")
    await ledger.receives(order)
    await asks(member, "spends", spend_id="s", points=70)
    await ledger.receives(a_refund(order, amount="100.00", at=NOON + timedelta(days=1)))
    assert await available(member) == 0
    (award,) = (await member.get("decisions/evt-order")).json()["awards"]
    assert (award["reversed"], award["borne"], award["expired"]) == (100, 70, 0)
    newest = (await member.get("statement")).json()["items"][0]
    assert (newest["kind"], newest["amount"]) == ("reversal", 30)


async def test_a_hold_of_60_draws_the_soonest_lots_and_what_is_not_captured_goes_back_last_drawn_first(
    ledger: Running, member: AsyncClient
) -> None:
    """Lots A (30, expires soonest) and B (50); 60 held, 40 captured: 30 of A and 10 of B are spent."""
    await ledger.receives(months_ago(2, 30), months_ago(1, 50))
    await asks(member, "holds", hold_id="h", points=60)
    assert await lots(member) == [20]
    await asks(member, "holds/h/capture", points=40)
    assert (await available(member), await lots(member)) == (40, [40])


async def test_what_expired_unused_is_taken_back_first_so_that_nobody_owes_for_it(
    ledger: Running, member: AsyncClient
) -> None:
    order = an_order_paid("80.00")
    await ledger.receives(order)
    ledger.now = NOON + timedelta(days=380)
    await ledger.runs("settle_due")
    await ledger.receives(a_refund(order, amount="50.00", at=ledger.now))
    assert await available(member) == 0
    kinds = [entry["kind"] for entry in (await member.get("statement")).json()["items"]]
    assert kinds == ["expiry", "award"]
