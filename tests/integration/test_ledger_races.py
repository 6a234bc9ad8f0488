"""Races on the real servers: fifty callers want the same points at once, and nobody gets what is not there.

What a newcomer would get wrong: nothing here is timed. All callers are let go at once, through two doors that share a
database as two processes would, and whatever the order in which they come through, the books say the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from tests.support.doors import on_a_port
from tests.support.events import MEMBER, NOON, a_cancellation, a_refund, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rule
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
CLIENTS = 50
SCOPES = "ledger:read ledger:write"
BUDGET, STOCK, USES = 700, 5, 7
EARN = [
    a_rule("welcome", on="customer.signed_up", points="2000"),
    PER_EURO,
    a_rule("for everybody", points="10", budget=f"{BUDGET} points", if_={"channel": "party"}),
]
SPEND = {"rewards": [a_reward("mug", "30", stock=STOCK, gives={"product": "mug-1"})]}


@dataclass
class Town:
    """Two doors to one ledger, and its events."""

    ledgers: tuple[Running, Running]
    doors: tuple[AsyncClient, AsyncClient]

    @property
    def ledger(self) -> Running:
        """One of the two: events go in here."""
        return self.ledgers[0]

    def post(
        self, caller: int, path: str, *, member: str = MEMBER, **body: Any
    ) -> Coroutine[Any, Any, Response]:
        """What a caller asks of one of the doors."""
        key = body.pop("key", None)
        headers = {"Idempotency-Key": key} if key else {}
        return self.doors[caller % 2].post(f"/v1/members/{member}/{path}", json=body, headers=headers)

    async def all_at_once(self, *asking: Coroutine[Any, Any, Response]) -> Counter[str]:
        """How often each answer came: the status, and the code of a refusal."""
        answers = await asyncio.gather(*asking)
        return Counter(
            str(answer.status_code) if answer.is_success else f"{answer.status_code} {answer.json()['code']}"
            for answer in answers
        )

    async def balance(self, member: str = MEMBER) -> tuple[int, int, int]:
        """Pending, available, held."""
        row = await self.ledger.ports.pool.fetchrow(
            "SELECT pending, available, held FROM ledger.balance WHERE member_id = $1 AND asset = 'points'",
            member,
        )
        return tuple(row)  # type: ignore[arg-type]

    def passes(self, time: timedelta) -> None:
        """Let time go on for everybody."""
        for ledger in self.ledgers:
            ledger.now += time


async def deadlocks(url: str) -> int:
    """How often Postgres had to end a circle of waiting; asked once all connections have told what they count."""
    connection = await asyncpg.connect(url)
    try:
        return int(
            await connection.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
        )
    finally:
        await connection.close()


@pytest.fixture
async def town(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Town]:
    url = await fresh_database()
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(running(SERVICE, url, keys)) for _ in range(2)]
        words = {"points": {"expire": "1 month"}, "spend": SPEND, "transfers": {"older_than": "0 days"}}
        await ledgers[0].applies(tea_and_cups(earn=EARN, **words))
        await ledgers[0].receives(a_sign_up())
        doors = [await stack.enter_async_context(on_a_port(ledger, scopes=SCOPES)) for ledger in ledgers]
        ledgers[1].partition = 1
        yield Town((ledgers[0], ledgers[1]), (doors[0], doors[1]))
        assert await ledgers[0].differences() == []
    assert await deadlocks(url) == 0


async def test_fifty_who_hold_and_spend_the_same_balance_get_what_is_there_and_no_point_more(
    town: Town,
) -> None:
    found = await town.all_at_once(
        *(
            town.post(n, "holds", hold_id=f"h-{n}", points=100)
            if n % 3
            else town.post(n, "spends", spend_id=f"s-{n}", points=100)
            for n in range(CLIENTS)
        )
    )
    assert found == {"201": 20, "409 insufficient_points": 30}
    spent = await town.ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.hold WHERE state = 'captured'")
    assert await town.balance() == (0, 0, 2000 - 100 * spent)


async def test_of_fifty_who_capture_the_same_hold_one_does(town: Town) -> None:
    await town.post(0, "holds", hold_id="h", points=500)
    found = await town.all_at_once(
        *(town.post(n, "holds/h/capture", points=100 + n, order_id=f"o-{n}") for n in range(CLIENTS))
    )
    assert found == {"200": 1, "409 hold_closed": 49}
    kinds = await town.ledger.ports.pool.fetch("SELECT kind FROM ledger.transfer ORDER BY version")
    assert [row["kind"] for row in kinds] == ["award", "hold", "capture", "release"]


async def test_a_hold_that_is_captured_released_and_paid_for_at_once_ends_in_one_way(town: Town) -> None:
    for round_ in range(5):
        name = f"h-{round_}"
        await town.post(0, "holds", hold_id=name, points=100)
        order = an_order_paid("0", hold_id=name, at=NOON)
        asking = [
            town.post(n, f"holds/{name}/{'capture' if n % 2 else 'release'}") for n in range(CLIENTS // 5)
        ]
        found, _ = await asyncio.gather(town.all_at_once(*asking), town.ledger.receives(order))
        assert found["200"] <= 1
        assert set(found) <= {"200", "409 hold_closed"}
    states = await town.ledger.ports.pool.fetch("SELECT state, captured FROM ledger.hold")
    captured = sum(row["captured"] for row in states)
    assert await town.balance() == (0, 2000 - captured, 0)


async def test_the_same_spend_sent_by_fifty_is_done_once(town: Town) -> None:
    found = await town.all_at_once(
        *(
            town.post(n, "spends", spend_id="receipt", points=300, key="k" if n % 2 else None)
            for n in range(CLIENTS)
        )
    )
    assert found["201"] >= CLIENTS // 2
    assert set(found) <= {"201", "409 request_in_progress"}
    assert await town.balance() == (0, 1700, 0)


async def test_a_hold_with_the_same_id_and_other_points_has_one_winner(town: Town) -> None:
    found = await town.all_at_once(*(town.post(n, "holds", hold_id="h", points=100 + n) for n in range(20)))
    assert found == {"201": 1, "409 hold_conflict": 19}


async def test_holds_against_refunds_against_expiry_leave_the_books_balanced(town: Town) -> None:
    """Points that have expired since, orders that are refunded, and callers who want both."""
    members = [f"member-{n}" for n in range(5)]
    await town.ledger.receives(*(a_sign_up(member) for member in members))
    later = NOON + timedelta(days=20)
    orders = [an_order_paid("300.00", member=member, at=later) for member in members]
    await town.ledger.receives(*orders)
    for member, order in zip(members, orders, strict=True):
        await town.post(0, "spends", member=member, spend_id="s", points=1000, order_id=order.data.order_id)
    town.passes(timedelta(days=31))  # what the members began with has expired, and nobody has looked yet
    at = town.ledger.now

    async def refunds() -> None:
        for share in ("50.00", "100.00"):
            for order in orders:
                await town.ledger.receives(a_refund(order, amount=share, at=at))
        await town.ledger.receives(*(a_cancellation(order, at=at) for order in orders[:2]))

    async def expiry() -> None:
        for _ in range(5):
            await town.ledger.runs("settle_due")

    asking = [
        town.post(
            n,
            "holds" if n % 2 else "spends",
            member=members[n % 5],
            points=70,
            **{"hold_id" if n % 2 else "spend_id": f"x-{n}"},
        )
        for n in range(CLIENTS)
    ]
    found, *_ = await asyncio.gather(town.all_at_once(*asking), refunds(), expiry())
    assert set(found) <= {"201", "409 insufficient_points"}
    assert found["201"] >= 2 * len(members)
    town.passes(timedelta(days=90))
    await town.ledger.runs("settle_due")
    for member, order in zip(members, orders, strict=True):
        spent = await town.ledger.ports.pool.fetchval(
            "SELECT sum(captured - returned)::int FROM ledger.hold WHERE member_id = $1 AND order_id = $2",
            member,
            order.data.order_id,
        )
        assert spent == (0 if order in orders[:2] else 500)
        pending, available, held = await town.balance(member)
        assert (pending, held) == (0, 0)
        assert available <= 0


async def test_whoever_does_whatever_to_whomever_at_once_there_is_an_answer_and_no_circle(town: Town) -> None:
    """Gifts in all directions, holds, spends, rewards of a small stock, one code, two workers with orders, the jobs."""
    people = [f"m-{n}" for n in range(6)]
    await town.ledger.receives(*(a_sign_up(person) for person in people))
    made = await town.doors[0].post("/v1/coupons", json={"gives": {"kind": "free_shipping"}, "uses": USES})
    code = made.json()["coupons"][0]["code"]

    def asked(n: int) -> Coroutine[Any, Any, Response]:
        member, to = people[n % 6], people[(n + 1 + n // 6 % 5) % 6]
        match n % 5:
            case 0:
                return town.post(n, "transfers", member=member, transfer_id=f"g-{n}", to=to, points=90)
            case 1:
                return town.post(n, "holds", member=member, hold_id=f"h-{n}", points=70)
            case 2:
                return town.post(n, "spends", member=member, spend_id=f"s-{n}", points=50, order_id=f"0-{n}")
            case 3:
                return town.post(n, "redemptions", member=member, reward_id=f"r-{n}", reward="mug")
        path = f"/v1/coupons/{code}/use"
        return town.doors[n % 2].post(path, json={"order_id": f"0-{n}", "member_id": member})

    async def works(number: int) -> None:
        """Orders of all members, by one worker from the first, by the other from the last."""
        for batch in range(8):
            orders = [
                an_order_paid(
                    "9.00",
                    order_id=f"{number}-{batch}-{person}",
                    member=person,
                    channel="party",
                    coupon_codes=(code,),
                )
                for person in people[:: 1 - 2 * number]
            ]
            await town.ledgers[number].receives(*orders, a_refund(orders[0], amount="9.00"))

    async def looks() -> None:
        for _ in range(5):
            await town.ledger.runs("settle_due")
            await town.ledger.runs("fold_and_check")

    found, *_ = await asyncio.gather(
        town.all_at_once(*(asked(n) for n in range(3 * CLIENTS))), works(0), works(1), looks()
    )
    assert {each for each in found if each[0] == "5"} == set()
    assert set(found) <= {
        "200",
        "201",
        "409 insufficient_points",
        "409 reward_sold_out",
        "409 coupon_refused",
    }
    pool = town.ledger.ports.pool
    assert await pool.fetchval("SELECT count(*) FROM ledger.reward WHERE state = 'issued'") == STOCK
    assert await pool.fetchval("SELECT count(*) FROM ledger.coupon_use WHERE state = 'used'") <= USES
    given = await pool.fetch("SELECT used FROM ledger.budget_slot WHERE budget = 'rule:for everybody'")
    assert BUDGET * 0.9 <= sum(float(row["used"]) for row in given) <= BUDGET
