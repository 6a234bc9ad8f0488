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
from shared.events import CustomerDeleted, event_type
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
        "messages": [
            {"on": what, "by": ["email", "inbox"]}
            for what in ("points.earned", "points.expiring", "tier.raised", "referral.approved")
        ],
    },
}


@pytest.fixture
async def town(fresh_database: Database, keys: KeyPair, servers: Any) -> AsyncIterator[Town]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        pools = {"members": "3"}
        await ledger.applies(
            tea_and_cups(earn=EARN, spend=SPEND, points={"expire": "12 months"}, pools=pools)
        )
        yield await a_town(ledger, servers.kafka_bootstrap)
        assert await ledger.differences() == []


def a_lot(member: str, points: int = 300, **more: Any) -> dict[str, Any]:
    return {"row": "lot", "kind": "points", "member_id": member, "points": points, "earned_at": PAID, **more}


async def imports(ledger: Running, rows: list[dict[str, Any]]) -> Response:
    async with ledger.client() as client:
        made = await client.post("/v1/import", json={"rows": rows})
    assert made.status_code == 200, made.text
    return made


async def hands_on(town: Town) -> list[str]:
    """Publish the ledger's outbox, as its relay does, to topics of this town; which."""
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
    return topics


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


def all_kinds(names: list[str]) -> list[dict[str, Any]]:
    """A lot of each member, and by turns points that are pending, a reward, a level and a segment, or a household."""
    rows = [a_lot(name) for name in names]
    tomorrow = (NOON + timedelta(days=1)).isoformat()
    for place, name in enumerate(names):
        of = {"member_id": name}
        rows.append(
            (
                of | {"row": "p", "kind": "points", "points": 9, "available_at": tomorrow},
                of | {"row": "r", "kind": "reward", "reward": "five off", "points": 40, "issued_at": PAID},
                of
                | {
                    "row": "m",
                    "kind": "member",
                    "segments": ["vip"],
                    "levels": [{"level": "Gold", "since": PAID}],
                },
                {"row": f"h-{place}", "kind": "pool", "pool_id": name, "members": [name]},
            )[place % 4]
        )
    return rows


async def test_an_import_of_a_thousand_members_writes_to_nobody(
    town: Town, fresh_database: Database, keys: KeyPair
) -> None:
    names = [f"m-{number}" for number in range(MEMBERS)]
    rows = all_kinds(names)
    for start in range(0, len(rows), 1_000):
        await imports(town.ledger, rows[start : start + 1_000])
    told = await town.ledger.told()
    assert {event.replayed for event in told} == {True}
    assert {event.type for event in told} == {
        "points.earned.v1", "points.pending.v1", "points.spent.v1", "reward.issued.v1", "pool.joined.v1",
    }  # fmt: skip
    town.ledger.now += timedelta(days=2)
    assert await town.ledger.runs("settle_due") > 0, "what was pending became available meanwhile"
    await town.ledger.receives(an_order_paid("7.00", member="m-0", at=town.ledger.now))
    heard = {event_type(data) for data in NOTIFIER.listens}
    count = sum(event.type in heard for event in await town.ledger.told())
    topics = await hands_on(town)
    links = {"link_keys": "a key of sixteen bytes", "public_url": "https://club.example"}
    async with running(NOTIFIER, await fresh_database(), keys, **links) as notifier:
        await notifier.applies(WRITES)
        notifier.now = town.ledger.now
        await notifier.receives(*[a_sign_up(name, email=f"{name}@shop.example") for name in names])
        async with reading(notifier, town, topics):
            await until(notifier, "SELECT count(*) FROM notifier.inbox", MEMBERS + count)
        written = await notifier.ports.pool.fetch("SELECT member_id FROM notifier.message")
        assert {row["member_id"] for row in written} == {"m-0"}, "only the order of today is news"
        assert len(written) == 2
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
