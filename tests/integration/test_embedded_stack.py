"""The embedded stack on the real thing: it answers, outlives crashes, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.process import is_alive
from deploy.local.stack import EmbeddedStack

ROOT = Path(__file__).parents[2]
SECONDS = 60  # A deadline, not an expectation: the machine may be busy.


@pytest.fixture(scope="module")
def stack() -> Iterator[EmbeddedStack]:
    with EmbeddedStack(durable=False) as stack:
        yield stack


async def fetchval(stack: EmbeddedStack, sql: str) -> object:
    connection = await asyncpg.connect(stack.database_url, timeout=SECONDS)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def new_topic(stack: EmbeddedStack) -> str:
    name = f"test.{secrets.token_hex(6)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()
    return name


async def publish(stack: EmbeddedStack, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        max_request_size=16 * 2**20,
    )
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def records(stack: EmbeddedStack, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=stack.kafka_bootstrap,
        group_id=f"test.{secrets.token_hex(6)}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=16 * 2**20,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(SECONDS):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s"
        time.sleep(0.05)


async def test_postgres_is_a_real_18_with_unicode_and_utc(stack: EmbeddedStack) -> None:
    assert str(await fetchval(stack, "SHOW server_version")).startswith("18.")
    assert await fetchval(stack, "SHOW server_encoding") == "UTF8"
    assert await fetchval(stack, "SHOW timezone") == "UTC"
    assert await fetchval(stack, "SELECT lower('ÉÀŽ')") == "éàž"


async def test_postgres_refuses_who_does_not_know_the_password(stack: EmbeddedStack) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.database_url, password="guessed")


async def test_kafka_gives_back_what_an_idempotent_producer_published(stack: EmbeddedStack) -> None:
    topic = await new_topic(stack)
    await publish(stack, topic, b"one", b"two")
    assert await records(stack, topic, 2) == [b"one", b"two"]


async def test_kafka_carries_a_value_of_10_mb(stack: EmbeddedStack) -> None:
    topic = await new_topic(stack)
    value = secrets.token_bytes(10_000_000)
    await publish(stack, topic, value)
    assert await records(stack, topic, 1) == [value]


async def test_a_killed_postgres_comes_back_with_its_data_at_the_same_address(stack: EmbeddedStack) -> None:
    await fetchval(stack, "CREATE TABLE survives AS SELECT 42 AS answer")
    address = stack.database_url
    await asyncio.to_thread(stack.postgres.kill)
    assert stack.postgres.pid is None
    await asyncio.to_thread(stack.postgres.start)
    assert stack.database_url == address
    assert await fetchval(stack, "SELECT answer FROM survives") == 42


async def test_an_immediately_stopped_postgres_comes_back_with_its_data(stack: EmbeddedStack) -> None:
    await fetchval(stack, "CREATE TABLE survives_too AS SELECT 42 AS answer")
    await asyncio.to_thread(stack.postgres.stop, immediate=True)
    await asyncio.to_thread(stack.postgres.start)
    assert await fetchval(stack, "SELECT answer FROM survives_too") == 42


async def test_a_killed_kafka_comes_back_with_its_data_at_the_same_address(stack: EmbeddedStack) -> None:
    topic = await new_topic(stack)
    await publish(stack, topic, b"kept")
    address = stack.kafka_bootstrap
    await asyncio.to_thread(stack.kafka.kill)
    assert stack.kafka.pid is None
    await asyncio.to_thread(stack.kafka.start)
    assert stack.kafka_bootstrap == address
    assert await records(stack, topic, 1) == [b"kept"]


async def test_a_server_stopped_by_sigstop_can_still_be_killed(stack: EmbeddedStack) -> None:
    stack.kafka.signal(signal.SIGSTOP)
    await asyncio.to_thread(stack.kafka.kill)
    await asyncio.to_thread(stack.kafka.start)
    assert stack.answers()


async def test_two_stacks_side_by_side_do_not_disturb_each_other(stack: EmbeddedStack) -> None:
    with EmbeddedStack(durable=False) as other:
        ports = {s.port for s in (stack.postgres, stack.kafka, other.postgres, other.kafka)}
        assert len(ports) == 4
        assert other.answers()
    assert not other.folder.exists()
    assert stack.answers()


def test_a_killed_owner_leaves_no_process_and_no_folder() -> None:
    story = (
        "from deploy.local.stack import EmbeddedStack\n"
        "s = EmbeddedStack(durable=False).start()\n"
        "print(s.folder, s.postgres.pid, s.kafka.pid, flush=True)\n"
        "input()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", story], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        folder, *pids = owner.stdout.readline().split()
        assert all(is_alive(int(pid)) for pid in pids)
        owner.kill()
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids), "the servers end")
    wait_until(lambda: not Path(folder).exists(), "the folder goes")


async def test_a_folder_left_by_a_power_cut_starts_again_with_its_data(tmp_path: Path) -> None:
    first = EmbeddedStack(tmp_path / "stack", detached=True).start()
    await fetchval(first, "CREATE TABLE survives AS SELECT 42 AS answer")
    topic = await new_topic(first)
    await publish(first, topic, b"kept")
    first.postgres.kill()
    first.kafka.kill()
    # The pid in the lock that PostgreSQL left belongs to a stranger now: to us.
    lock = first.postgres.home / "data" / "postmaster.pid"
    _, *rest = lock.read_text().split("\n")
    lock.write_text("\n".join([str(os.getpid()), *rest]))
    again = EmbeddedStack(tmp_path / "stack")
    try:
        with again:
            assert await fetchval(again, "SELECT answer FROM survives") == 42
            assert await records(again, topic, 1) == [b"kept"]
        assert not again.running
    finally:
        again.remove()


async def test_a_detached_stack_is_found_and_stopped_by_another_process(tmp_path: Path) -> None:
    def command(verb: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "deploy.local", verb, "--folder", str(tmp_path / "stack")]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    stack = EmbeddedStack(tmp_path / "stack", detached=True)
    try:
        started = await asyncio.to_thread(command, "start")
        assert started.returncode == 0, started.stderr
        stack.recall()
        assert started.stdout.splitlines() == [
            f"DATABASE_URL={stack.database_url}",
            f"KAFKA_BOOTSTRAP={stack.kafka_bootstrap}",
        ]
        assert stack.answers()
        assert (await asyncio.to_thread(command, "start")).stdout == started.stdout
        assert (await asyncio.to_thread(command, "status")).returncode == 0
        assert (await asyncio.to_thread(command, "stop")).returncode == 0
        assert not stack.running
        assert (await asyncio.to_thread(command, "status")).returncode == 1
    finally:
        stack.stop()
        stack.remove()
