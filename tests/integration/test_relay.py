"""The relay on real Kafka and Postgres: everything that was committed is published, in its order, by one at a time."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition

from services.ledger.main import SERVICE
from shared import outbox, relay
from shared.cloudevents import decode
from shared.database import connect
from shared.kafka import consumer_client, create_topics, producer_client, started
from shared.metrics import Metrics
from shared.migrations import migrate
from shared.outbox import Message
from shared.partitioning import partition_of
from shared.relay import LARGE_BYTES, Relay
from tests.support.events import NOON, an_order_paid
from tests.support.servers import Servers

Database = Callable[[], Awaitable[str]]
PARTITIONS = 3
DEADLINE_SECONDS = 60.0


@dataclass
class Outgoing:
    """The outbox of a service, a topic of its own, and those who relay the one to the other."""

    url: str
    bootstrap: str
    topic: str
    relays: list[Relay] = field(default_factory=list)
    _running: list[tuple[asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    async def writes(self, *messages: Message, connection: Any = None) -> None:
        """One bundle, committed at once unless it goes over somebody's open transaction."""
        sql = SERVICE.load_machinery()
        if connection is not None:
            await outbox.write_bundle(connection, sql, messages)
            return
        own = await connect(self.url, schema="ledger")
        try:
            await outbox.write_bundle(own, sql, messages)
        finally:
            await own.close()

    def message(self, member: str, value: str | bytes) -> Message:
        """A message about a member."""
        return Message(
            self.topic, f"demo:{member}".encode(), value.encode() if isinstance(value, str) else value
        )

    def starts(self) -> Relay:
        """A relay, as each worker process has one."""
        made = Relay(
            self.url, "ledger", self.bootstrap, SERVICE.load_machinery(), Metrics("ledger"), poll_seconds=0.05
        )
        stop = asyncio.Event()
        self.relays.append(made)
        self._running.append((stop, asyncio.create_task(made.run(stop))))
        return made

    async def stops(self, made: Relay) -> None:
        """Let this relay finish."""
        stop, task = self._running[self.relays.index(made)]
        stop.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await task

    async def left(self) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM ledger.outbox"))
        finally:
            await connection.close()

    async def is_empty(self) -> None:
        """Wait until every bundle was published and deleted."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self.left():  # noqa: ASYNC110 - the condition lies in the database
                await asyncio.sleep(0.02)

    async def published(self) -> dict[str, list[bytes]]:
        """What lies in the topic, by member, in its order."""
        found: dict[str, list[bytes]] = {}
        for raw in await self.records():
            found.setdefault(raw.key.decode().removeprefix("demo:"), []).append(raw.value)
        return found

    async def records(self) -> list[Any]:
        """Everything in the topic, partition by partition."""
        async with started(consumer_client(self.bootstrap, group=None)) as consumer:
            partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: dict[Any, list[Any]] = {each: [] for each in partitions if ends[each]}
            async with asyncio.timeout(DEADLINE_SECONDS):
                while any(not found[each] or found[each][-1].offset + 1 < ends[each] for each in found):
                    for key, raw in (await consumer.getmany(timeout_ms=200)).items():
                        found[key] += raw
        return [raw for each in partitions for raw in found.get(each, [])]


@pytest.fixture
async def outgoing(servers: Servers, fresh_database: Database) -> AsyncIterator[Outgoing]:
    url = await fresh_database()
    await migrate(url, "services.ledger", schema="ledger")
    topic = f"relay-{secrets.token_hex(4)}"
    await create_topics(servers.kafka_bootstrap, [topic], partitions=PARTITIONS)
    found = Outgoing(url, servers.kafka_bootstrap, topic)
    yield found
    for made in found.relays:
        await found.stops(made)


async def test_bundles_are_published_in_order_per_member_and_then_deleted(outgoing: Outgoing) -> None:
    members = ("anna", "ben", "cleo", "dora")
    for bundle in range(40):  # more than are read at once
        await outgoing.writes(
            *(outgoing.message(member, f"{bundle}-{n}") for n in (1, 2) for member in members)
        )
    outgoing.starts()
    await outgoing.is_empty()
    wanted = [f"{bundle}-{n}".encode() for bundle in range(40) for n in (1, 2)]
    assert await outgoing.published() == dict.fromkeys(members, wanted)


async def test_keys_and_headers_arrive_and_a_key_finds_its_usual_partition(outgoing: Outgoing) -> None:
    message = outgoing.message("anna", "1")._replace(headers=(("trace", b"\x00\xff"),))
    tombstone = Message(outgoing.topic, b"demo:ben", None)
    await outgoing.writes(message, tombstone)
    outgoing.starts()
    await outgoing.is_empty()
    found = {raw.key: raw for raw in await outgoing.records()}
    assert (found[b"demo:anna"].headers, found[b"demo:ben"].value) == ((("trace", b"\x00\xff"),), None)
    async with started(producer_client(outgoing.bootstrap)) as producer:
        usual = await producer.send_and_wait(outgoing.topic, b"2", key=b"demo:anna")
    assert found[b"demo:anna"].partition == usual.partition == partition_of(b"demo:anna", PARTITIONS)


async def test_a_message_too_large_for_a_batch_keeps_its_place(outgoing: Outgoing) -> None:
    large = b"x" * (10 * 2**20)
    values = [b"1", b"y" * LARGE_BYTES, large, b"2", b"z" * (LARGE_BYTES + 1), b"3"]
    await outgoing.writes(*(outgoing.message("anna", value) for value in values))
    outgoing.starts()
    await outgoing.is_empty()
    assert await outgoing.published() == {"anna": values}


async def test_a_crash_between_publish_and_delete_publishes_the_same_events_again(
    outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        """The process is gone."""

    def crash(point: str) -> None:
        raise Crash(point)

    order = outbox.message_of(an_order_paid("42.00"))._replace(topic=outgoing.topic)
    await outgoing.writes(order)
    with monkeypatch.context() as patched:
        patched.setattr(relay, "pass_point", crash)
        dying = Relay(outgoing.url, "ledger", outgoing.bootstrap, SERVICE.load_machinery(), Metrics("ledger"))
        with pytest.raises(Crash, match="between_publish_and_delete"):
            await dying.run(asyncio.Event())
    assert await outgoing.left() == 1
    outgoing.starts()
    await outgoing.is_empty()
    records = await outgoing.records()
    ids = [decode(raw.value, raw.headers, topic="t", key=raw.key, timestamp=NOON).id for raw in records]
    assert len(ids) == 2
    assert len(set(ids)) == 1, "every reader's inbox knows the second one"


async def test_of_two_relays_only_one_publishes_and_the_other_takes_over_when_it_goes(
    outgoing: Outgoing,
) -> None:
    first = outgoing.starts()
    await outgoing.writes(outgoing.message("anna", "0"))
    await outgoing.is_empty()
    outgoing.starts()
    for number in range(1, 30):
        await outgoing.writes(outgoing.message("anna", str(number)))
    await outgoing.is_empty()
    await outgoing.stops(first)
    await outgoing.writes(outgoing.message("anna", "30"))
    await outgoing.is_empty()
    assert await outgoing.published() == {"anna": [str(number).encode() for number in range(31)]}


async def test_what_is_committed_late_under_a_lower_number_is_not_lost(outgoing: Outgoing) -> None:
    slow = await connect(outgoing.url, schema="ledger")
    try:
        async with slow.transaction():
            await outgoing.writes(outgoing.message("slow", "lower"), connection=slow)
            await outgoing.writes(outgoing.message("fast", "higher"))
            outgoing.starts()
            await outgoing.is_empty()
            assert await outgoing.published() == {"fast": [b"higher"]}
    finally:
        await slow.close()
    await outgoing.is_empty()
    assert await outgoing.published() == {"fast": [b"higher"], "slow": [b"lower"]}


async def test_a_relay_whose_session_was_ended_comes_back_by_itself(outgoing: Outgoing) -> None:
    outgoing.starts()
    await outgoing.writes(outgoing.message("anna", "1"))
    await outgoing.is_empty()
    async with _an_administrator(outgoing.url) as administrator:
        ended = await administrator.fetchval(
            "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'habitue ledger relay' AND datname = current_database()"
        )
    assert ended is True
    await outgoing.writes(outgoing.message("anna", "2"))
    await outgoing.is_empty()
    assert await outgoing.published() == {"anna": [b"1", b"2"]}


async def test_a_relay_takes_over_from_a_process_that_froze_with_the_lock(outgoing: Outgoing) -> None:
    frozen = await connect(outgoing.url, schema="ledger")
    assert await frozen.fetchval("SELECT pg_try_advisory_lock($1)", zlib.crc32(b"ledger.relay"))
    await outgoing.writes(outgoing.message("anna", "1"))
    outgoing.starts().frozen_seconds = 1.0
    await outgoing.is_empty()
    assert frozen.is_closed()
    assert await outgoing.published() == {"anna": [b"1"]}


async def test_a_transaction_that_is_rolled_back_announces_nothing(outgoing: Outgoing) -> None:
    connection = await connect(outgoing.url, schema="ledger")
    try:
        transaction = connection.transaction()
        await transaction.start()
        await outgoing.writes(outgoing.message("anna", "never"), connection=connection)
        await transaction.rollback()
    finally:
        await connection.close()
    await outgoing.writes(outgoing.message("anna", "always"))
    outgoing.starts()
    await outgoing.is_empty()
    assert await outgoing.published() == {"anna": [b"always"]}


@asynccontextmanager
async def _an_administrator(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
