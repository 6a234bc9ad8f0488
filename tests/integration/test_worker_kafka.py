"""Worker and relay on real Kafka and Postgres, with topics of their own: from a shop's events to balances and back.

Nothing here waits for a time to pass: each wait is for what the ledger's tables say, with a deadline.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from asyncpg import LockNotAvailableError

from services.ledger.main import SERVICE
from shared.cloudevents import decode
from shared.database import connect
from shared.events import Event
from shared.kafka import consumer_client, create_topics, producer_client, started
from shared.relay import Relay
from shared.worker.consumer import PositionLost
from shared.worker.dead_letters import Limits, TooManyDeadLetters
from tests.support.events import NOON, a_refund, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.servers import Servers
from tests.support.services import running
from tests.support.town import DEADLINE_SECONDS, PARTITIONS, SOON_SECONDS, Town, a_town

Database = Callable[[], Awaitable[str]]


@pytest.fixture
async def town(fresh_database: Database, servers: Servers, keys: KeyPair) -> AsyncIterator[Town]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield await a_town(ledger, servers.kafka_bootstrap)
        assert await ledger.differences() == []


def orders(count: int, *, members: int = 7, total: str = "10.00") -> list[Event[Any]]:
    """Orders of some members in turn."""
    return [an_order_paid(total, member=f"m{number % members}") for number in range(count)]


def earned(events: Iterable[Event[Any]]) -> dict[str, int]:
    """What these orders of whole euros give, one point a euro."""
    found: dict[str, int] = {}
    for event in events:
        found[event.data.customer_id] = found.get(event.data.customer_id, 0) + int(float(event.data.total))
    return dict(sorted(found.items()))


async def test_published_orders_become_balances_and_points_events_on_kafka(town: Town) -> None:
    program = f"p{secrets.token_hex(6)}"  # the topic of the points is everybody's
    await town.ledger.applies(tea_and_cups() | {"program": program})
    await create_topics(town.bootstrap, SERVICE.own_topics, partitions=PARTITIONS)
    bought = [an_order_paid("10.00", member=f"m{n % 3}", program=program) for n in range(9)]
    ports, stop = town.ledger.ports, asyncio.Event()
    relay = Relay(
        town.ledger.settings.dsn, "ledger", town.bootstrap, ports.machinery, ports.metrics, poll_seconds=0.05
    )
    relaying = asyncio.create_task(relay.run(stop))
    async with town.working():
        await town.publishes(*bought)
        await town.has_handled()
        await town.until("SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END FROM ledger.outbox", 1)
    stop.set()
    await relaying
    told = [event for event in await _points_events(town.bootstrap) if event.program_id == program]
    assert await town.points() == earned(bought)
    for member in ("m0", "m1", "m2"):
        mine = [event for event in told if event.data.member_id == member]
        assert [(each.type, each.data.points, each.data.balance.available) for each in mine] == [
            ("points.earned.v1", 10, 10),
            ("points.earned.v1", 10, 20),
            ("points.earned.v1", 10, 30),
        ]
        assert [each.data.cause for each in mine] == [each.id for each in bought if each.member_id == member]


async def _points_events(bootstrap: str) -> list[Event[Any]]:
    """Everything in the topic of the points by now, partition by partition."""
    topic = "loyalty.points"
    async with started(producer_client(bootstrap)) as producer:
        numbers = sorted(await producer.partitions_for(topic))
    partitions = [TopicPartition(topic, number) for number in numbers]
    async with started(consumer_client(bootstrap, group=None)) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[Any, list[Any]] = {each: [] for each in partitions if ends[each]}
        async with asyncio.timeout(DEADLINE_SECONDS):
            while any(not found[each] or found[each][-1].offset + 1 < ends[each] for each in found):
                for key, raw in (await consumer.getmany(timeout_ms=200)).items():
                    found[key] += raw
    return [
        decode(raw.value, raw.headers, topic=topic, key=raw.key, timestamp=NOON)
        for records in found.values()
        for raw in records
    ]


async def test_a_producer_that_partitions_in_its_own_way_still_gets_the_right_balances(town: Town) -> None:
    rng = random.Random(7)
    bought = orders(150, members=3)
    extra = [a_refund(order, amount="4.00") for order in bought[::5]]
    events = [*bought, *extra, *bought[:40]]
    rng.shuffle(events)
    async with town.working(batch_size=20), town.working(batch_size=20):
        await town.publishes(*events, partition=lambda event: rng.randrange(PARTITIONS))
        await town.has_handled()
    expected = earned(bought)
    for refund in extra:
        expected[refund.data.customer_id] -= 4
    assert await town.points() == expected


@pytest.mark.parametrize("compression", ["gzip", "lz4", "snappy", "zstd"])
async def test_compressed_batches_are_read(town: Town, compression: str) -> None:
    bought = orders(50)
    async with town.working():
        await town.publishes(*bought, compression_type=compression, linger_ms=50)
        await town.has_handled()
    assert await town.points() == earned(bought)


async def test_an_order_before_its_sign_up_and_a_refund_before_its_order_end_as_if_in_order(
    town: Town,
) -> None:
    order = an_order_paid("60.00", member="m")
    async with town.working():
        await town.publishes(a_refund(order, amount="20.00"), partition=lambda _: 1)
        await town.has_handled()
        await town.publishes(order, partition=lambda _: 0)
        await town.has_handled()
        assert await town.points() == {"m": 40}
        await town.publishes(a_sign_up("m"))
        await town.has_handled()
    assert await town.points() == {"m": 140}


async def test_a_topic_that_was_made_anew_is_an_error_that_says_what_to_do(town: Town) -> None:
    async with town.working():
        await town.publishes(*orders(20))
        await town.has_handled()
    topic = f"shop.orders{town.suffix}"
    admin = AIOKafkaAdminClient(bootstrap_servers=town.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with asyncio.timeout(DEADLINE_SECONDS):
            while topic in await admin.list_topics():  # noqa: ASYNC110 - the broker deletes in its own time
                await asyncio.sleep(SOON_SECONDS)
    finally:
        await admin.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with suppress(KafkaError):
                await create_topics(town.bootstrap, [topic], partitions=PARTITIONS)
                break
    await town.publishes(an_order_paid("1.00"))
    with pytest.raises(
        PositionLost, match=r"has offsets 0 to \d, but the stored position is \d+.*replay --from"
    ):
        async with town.working() as task, asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.wait([task])
    assert sum((await town.points()).values()) == 200


async def test_a_worker_that_is_told_to_stop_finishes_its_batch_and_another_goes_on_from_there(
    town: Town,
) -> None:
    bought = orders(600)
    await town.publishes(*bought)
    async with town.working(batch_size=25):
        await town.has_handled(50)
    handled = await town.asks("SELECT sum(next_offset) FROM ledger.position")
    assert handled >= 50
    await town.handled_each_once()
    async with town.working():
        await town.has_handled()
    await town.handled_each_once()
    assert await town.points() == earned(bought)


async def test_workers_that_come_and_go_share_the_partitions_and_lose_nothing(town: Town) -> None:
    bought = orders(900)
    async with town.working(batch_size=10):
        await town.publishes(*bought[:300])
        async with town.working(batch_size=10):
            await town.has_handled(50)
            await town.publishes(*bought[300:600])
            first, second = town.workers
            every = PARTITIONS * len(town.topics)
            await _until(
                lambda: 0 < len(second.positions()) < every == len(first.positions() | second.positions())
            )
            shares = [set(worker.positions()) for worker in (first, second)]
            assert not shares[0] & shares[1]
            assert {key.number for key in shares[0]}.isdisjoint({key.number for key in shares[1]}), (
                "a partition's number belongs to one worker in every topic"
            )
        await town.publishes(*bought[600:])
        await town.has_handled()
        await _until(lambda: len(town.workers[0].positions()) == PARTITIONS * len(town.topics))
    await town.handled_each_once()
    assert await town.points() == earned(bought)


@pytest.fixture
async def hasty(fresh_database: Database, servers: Servers, keys: KeyPair) -> AsyncIterator[Town]:
    """A town with short timeouts, whose worker has handled one order."""
    short = {"statement_timeout_seconds": 2.0, "lock_timeout_seconds": 0.5}
    async with running(SERVICE, await fresh_database(), keys, **short) as ledger:
        await ledger.applies(tea_and_cups())
        town = await a_town(ledger, servers.kafka_bootstrap)
        async with town.working():
            await town.publishes(*orders(1))
            await town.has_handled()
        yield town
        assert await ledger.differences() == []


@asynccontextmanager
async def frozen_in_copy(town: Town, table: str, column: str) -> AsyncIterator[None]:
    """A session of the ledger that holds rows of a table, and whose client sends no more; it is ended meanwhile."""
    session = await connect(town.ledger.settings.dsn, schema="ledger", application="habitue ledger")
    await session.execute(f"BEGIN; UPDATE ledger.{table} SET {column} = {column}")
    copying = session.copy_records_to_table("lot", schema_name="ledger", columns=["asset"], records=_never())
    asleep = asyncio.create_task(copying)
    yield
    assert session.is_closed()
    asleep.cancel()
    await asyncio.wait([asleep])
    assert asleep.exception() is not None


@pytest.mark.parametrize(("table", "column"), [("position", "next_offset"), ("member", "joined_at")])
async def test_a_process_that_froze_in_the_middle_of_copy_holds_up_a_worker_no_longer_than_a_statement(
    hasty: Town, table: str, column: str
) -> None:
    async with hasty.working():
        await _until(lambda: bool(hasty.workers[-1].positions()))
        async with frozen_in_copy(hasty, table, column):
            await hasty.publishes(*orders(20, members=1))
            await hasty.has_handled()
    assert await hasty.points() == {"m0": 210}
    await hasty.handled_each_once()


async def test_a_worker_takes_the_partitions_of_one_that_froze_in_the_middle_of_copy(hasty: Town) -> None:
    async with frozen_in_copy(hasty, "position", "next_offset"):
        await hasty.publishes(*orders(20, members=1))
        handled = asyncio.create_task(hasty.has_handled())
        while not handled.done():
            with suppress(LockNotAvailableError):  # its supervisor starts it again
                async with hasty.working() as work:
                    await asyncio.wait([work, handled], return_when=asyncio.FIRST_COMPLETED)
        await handled
    assert await hasty.points() == {"m0": 210}


async def _never() -> AsyncIterator[tuple[str]]:
    await asyncio.Event().wait()
    yield ("",)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110 - a rebalance takes its time
            await asyncio.sleep(SOON_SECONDS)


async def test_events_that_are_read_once_more_change_nothing(town: Town) -> None:
    bought = orders(80)
    async with town.working():
        await town.publishes(*bought)
        await town.has_handled()
    told = len(await town.ledger.told())
    await town.ledger.ports.pool.execute("UPDATE ledger.position SET next_offset = 0")
    async with town.working():
        await town.has_handled()
    assert await town.points() == earned(bought)
    assert len(await town.ledger.told()) == told
    await town.handled_each_once()


async def test_a_topic_full_of_rubbish_stops_the_worker_and_is_not_poured_away(town: Town) -> None:
    town.limits = lambda: Limits(in_a_row=5)
    await town.publishes_rubbish(20)
    with pytest.raises(TooManyDeadLetters, match="refused 5 events in a row"):
        async with town.working() as task, asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.wait([task])
    assert await town.asks("SELECT sum(next_offset) FROM ledger.position") <= 5
    town.limits = lambda: Limits(in_a_row=100, proportion=1.0)
    async with town.working():
        await town.has_handled(20)
    assert await town.asks("SELECT count(*) FROM ledger.dead_letter") == 20
