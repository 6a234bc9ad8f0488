"""Members move in while the shop goes on, over real Kafka: nobody is written to, and what they had counts as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from services.ledger.main import SERVICE
from services.notifier.main import SERVICE as NOTIFIER
from shared.events import CustomerDeleted
from shared.kafka import create_topics, producer_client, started
from shared.outbox import read_bundle
from shared.service import processor_of
from shared.worker.consumer import Worker, WorkerOptions
from tests.support.events import NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rule
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running
from tests.support.town import DEADLINE_SECONDS, PARTITIONS, SOON_SECONDS, Town, a_town

Database = Callable[[], Awaitable[str]]
EARN = [PER_EURO, a_rule("welcome", "customer.signed_up", points="100", limit="1 per lifetime")]
SPEND = {"rewards": [a_reward("five off", "40")]}
PAID = "2026-03-03T09:00:00Z"
MEMBERS = 1_000
WRITES = {
    "program": "demo",
    "name": "Tea & Cup Club",
    "time_zone": "Europe/Paris",
    "languages": ["en"],
    "notifier": {
        "from": "Tea & Cup Club <club@tea.example>",
        "messages": [{"on": "points.earned", "by": ["email"]}],
    },
}


@pytest.fixture
async def town(fresh_database: Database, keys: KeyPair, servers: Any) -> AsyncIterator[Town]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=EARN, spend=SPEND, points={"expire": "12 months"}))
        yield await a_town(ledger, servers.kafka_bootstrap)
        assert await ledger.differences() == []


def a_lot(member: str, points: int = 300, **more: Any) -> dict[str, Any]:
    return {"row": "lot", "kind": "points", "member_id": member, "points": points, "earned_at": PAID, **more}


async def imports(ledger: Running, rows: list[dict[str, Any]]) -> Response:
    async with ledger.client() as client:
        made = await client.post("/v1/import", json={"rows": rows})
    assert made.status_code == 200, made.text
    return made


async def hands_on(town: Town) -> tuple[list[str], int]:
    """Publish the ledger's outbox, as its relay does, to topics of this town; which, and how many messages."""
    rows = await town.ledger.ports.pool.fetch("DELETE FROM ledger.outbox RETURNING messages")
    messages = [message for row in rows for message in read_bundle(row["messages"])]
    topics = sorted({message.topic + town.suffix for message in messages})
    await create_topics(town.bootstrap, topics, partitions=PARTITIONS)
    async with started(producer_client(town.bootstrap)) as producer:
        for each in messages:
            await producer.send(
                each.topic + town.suffix, each.value, key=each.key, headers=list(each.headers)
            )
        await producer.flush()
    return topics, len(messages)


@asynccontextmanager
async def reading(notifier: Running, town: Town, topics: list[str]) -> AsyncIterator[None]:
    """A worker of the notifier on these topics."""
    options = WorkerOptions(
        town.bootstrap, f"notifier{town.suffix}", topics, lanes=2, batch_size=1000, session_timeout_ms=6_000
    )

    def processor() -> Any:
        return processor_of(NOTIFIER, notifier.settings, notifier.ports, notifier.doors)

    stop = asyncio.Event()
    task = asyncio.create_task(Worker(options, processor).run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await task


async def until(running_: Running, question: str, least: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await running_.ports.pool.fetchval(question) < least:  # noqa: ASYNC110 - it lies in the database
            await asyncio.sleep(SOON_SECONDS)


async def test_an_import_of_a_thousand_members_writes_to_nobody(
    town: Town, fresh_database: Database, keys: KeyPair
) -> None:
    names = [f"m-{number}" for number in range(MEMBERS)]
    await imports(town.ledger, [a_lot(name) for name in names])
    told = await town.ledger.told()
    assert (len(told), {event.replayed for event in told}) == (MEMBERS, {True})
    await town.ledger.receives(an_order_paid("7.00", member="m-0", at=town.ledger.now))
    topics, count = await hands_on(town)
    links = {"link_keys": "a key of sixteen bytes", "public_url": "https://club.example"}
    async with running(NOTIFIER, await fresh_database(), keys, **links) as notifier:
        await notifier.applies(WRITES)
        await notifier.receives(*[a_sign_up(name, email=f"{name}@shop.example") for name in names])
        async with reading(notifier, town, topics):
            await until(notifier, "SELECT count(*) FROM notifier.inbox", MEMBERS + count)
        rows = await notifier.ports.pool.fetch("SELECT member_id FROM notifier.message")
        assert [row["member_id"] for row in rows] == ["m-0"], "only the order of today is news"
        assert await notifier.dead_letters() == []


async def test_who_moved_in_goes_on_as_before_and_who_leaves_is_forgotten(town: Town) -> None:
    ledger = town.ledger
    old = an_order_paid("80.00", order_id="old", member="ana")
    order = {"row": "o", "kind": "order", "member_id": "ana", "order_id": "old", "total": "80.00", "points": 80,
             "paid_at": PAID}  # fmt: skip
    had = {"row": "u", "kind": "usage", "member_id": "ana", "rule": "welcome", "points": 100}
    code = {
        "row": "r",
        "kind": "reward",
        "member_id": "ana",
        "reward": "five off",
        "code": "TEA-1",
        "points": 40,
    }
    rows = [a_lot("ana"), order, had, code, a_lot("ben", 50), a_lot("eve", 20)]
    async with town.working():
        await imports(ledger, rows)
        await town.publishes(a_sign_up("ana"), a_sign_up("zoe"), an_order_paid("10.00", member="ben"))
        await town.has_handled()
        assert await town.points() == {"ana": 300, "ben": 60, "eve": 20, "zoe": 100}
        assert (await imports(ledger, rows)).json()["known"] == len(rows)

        ledger.now = NOON + timedelta(days=1)
        await ledger.applies(tea_and_cups(earn=EARN, spend=SPEND, points={"expire": "24 months"}))
        change = ledger.now
        await town.publishes(
            a_refund(old, amount="80.00", at=change + timedelta(hours=1)),
            an_event(CustomerDeleted(customer_id="eve"), at=change + timedelta(hours=1)),
            an_order_paid("5.00", member="eve", at=change + timedelta(hours=2)),
        )
        await town.has_handled()
        ledger.now = change + timedelta(hours=3)
        await ledger.runs("sweep_occasions")
        await ledger.runs("settle_due")
    assert await town.points() == {"ana": 220, "ben": 60, "eve": 0, "zoe": 100}
    lots = await ledger.ports.pool.fetch(
        "SELECT DISTINCT expires_at - opened_at > interval '700 days' AS longer FROM ledger.lot WHERE remaining > 0"
    )
    assert [row["longer"] for row in lots] == [True]
    assert await town.asks("SELECT count(*) FROM ledger.imported_row WHERE member_id = 'eve'") == 0
    assert await town.asks("SELECT count(*) FROM ledger.coupon WHERE shown = 'TEA-1' AND state = 'open'") == 1
