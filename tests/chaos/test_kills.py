"""Processes are killed, stopped and starved under load; nothing is lost, nothing counts twice, the books balance."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from shared import failpoints
from tests.support.house import NAMES, House, a_house, until
from tests.support.load import Load

KILLS = 20
DIES_WITHIN_SECONDS = 60
RESUMES_WITHIN_SECONDS = 30


async def kill_again_and_again(house: House, name: str, rng: random.Random) -> list[str]:
    """Run a worker that dies at a named point, twenty times, in random order; the points at which it died.

    Every second one has a name in its group, as in a stateful deployment: it gets its partitions back at once. The
    others come as strangers, and the group has to find out that somebody died.
    """
    points = [point for point in failpoints.ALL for _ in range(KILLS // len(failpoints.ALL))]
    rng.shuffle(points)
    for number, point in enumerate(points):
        named = {"WORKER_INSTANCE": f"{name}-1"} if number % 2 else {}
        passes = 1 if point == failpoints.DURING_REBALANCE else rng.randint(1, 3)
        process = await house.start(name, HABITUE_CRASH_AT=f"{point}:{passes}", **named)
        status = await process.ends(seconds=DIES_WITHIN_SECONDS)
        assert status == -signal.SIGKILL, f"{name} at {point}: {status}\n{process.tail()}"
    return points


async def nothing_is_lost_or_doubled(house: House, load: Load) -> None:
    """Compare what each service holds with what the shop sent."""
    await house.caught_up(*NAMES)
    assert await house.differences(*NAMES) == {}
    orders = len(load.orders)
    assert await house.query("SELECT count(*) FROM ledger.purchase WHERE paid_at IS NOT NULL") == orders
    awarded = await house.query("SELECT sum(points) FROM ledger.award WHERE award_id LIKE 'order:%'")
    moved = await house.query(
        "SELECT sum(amount) FROM ledger.transfer WHERE kind = 'award' AND order_id IS NOT NULL"
    )
    assert awarded == moved
    welcomed = await house.query(
        "SELECT count(*) FROM ledger.transfer WHERE kind = 'award' AND order_id IS NULL"
    )
    assert welcomed == len(load.signed_up)
    spent = await house.query("SELECT sum(spend_minor) FROM tiers.year_spend")
    assert spent == sum(load.spent_cents.values())
    for name in NAMES:
        assert await house.query(f"SELECT count(*) FROM {name}.dead_letter") == 0, name


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


async def test_each_service_is_killed_twenty_times_and_no_event_is_lost_or_counted_twice(
    house: House,
) -> None:
    async with Load(house) as load:
        rng = random.Random(20)
        died = await asyncio.gather(*(kill_again_and_again(house, name, rng) for name in NAMES))
    assert [len(points) for points in died] == [KILLS] * len(NAMES)
    assert load.repeated > 0, "some orders were sent twice"
    workers = [await house.start(name) for name in NAMES]
    await nothing_is_lost_or_doubled(house, load)
    await house.stop(*workers)


async def test_a_worker_that_slept_through_its_session_applies_nothing_when_it_wakes(house: House) -> None:
    workers = [await house.start(name) for name in NAMES]
    async with Load(house) as load:
        sleeper = workers[0]
        await until("orders arrive", partial(_arrived, house, 50), seconds=60)
        sleeper.send(signal.SIGSTOP)
        second = await house.start(
            "ledger", STATEMENT_TIMEOUT_SECONDS="5"
        )  # the sleeper may hold locks as long
        wanted = 100 + await house.query("SELECT count(*) FROM ledger.purchase")
        await until("the other one has taken over", partial(_arrived, house, wanted), seconds=60)
        sleeper.send(signal.SIGCONT)
        wanted = 100 + await house.query("SELECT count(*) FROM ledger.purchase")
        await until("both work", partial(_arrived, house, wanted), seconds=60)
    await nothing_is_lost_or_doubled(house, load)
    await house.stop(*workers, second)


async def test_work_resumes_unaided_when_kafka_or_postgres_comes_back(house: House) -> None:
    workers = [await house.start(name) for name in NAMES]
    async with Load(house) as load:
        await until("orders arrive", partial(_arrived, house, 50), seconds=60)
        for restart in (house.stack.kafka.restart, _stop_at_once_and_start(house)):
            await asyncio.to_thread(restart)
            wanted = 30 + await house.query("SELECT count(*) FROM ledger.purchase")
            await until("orders arrive", partial(_arrived, house, wanted), seconds=RESUMES_WITHIN_SECONDS)
    await nothing_is_lost_or_doubled(house, load)
    assert all(worker.is_alive for worker in workers), "no worker had to be started again"
    await house.stop(*workers)


def _stop_at_once_and_start(house: House) -> Callable[[], None]:
    def restart() -> None:
        house.stack.postgres.stop(immediate=True)
        house.stack.postgres.start()

    return restart


async def _arrived(house: House, count: int) -> bool:
    found: int = await house.query("SELECT count(*) FROM ledger.purchase")
    return found >= count
