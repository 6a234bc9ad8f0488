"""A new expiry policy on real Postgres: the sweep finds everybody, and nobody is looked at where nothing changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from services.ledger.main import SERVICE
from tests.support.events import NOON, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import at
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
SWITCH = at("2026-07-01T10:00")


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


async def expiries(ledger: Running) -> set[datetime | None]:
    rows = await ledger.ports.pool.fetch("SELECT expires_at FROM ledger.lot WHERE remaining > 0")
    return {row["expires_at"] for row in rows}


async def switches(ledger: Running, before: str, after: str) -> None:
    await ledger.applies(tea_and_cups(points={"expire": before}), at=NOON - timedelta(days=1))
    await ledger.receives(
        *[an_order_paid("42.00", member=f"m-{number}") for number in range(5)], a_sign_up("m-1")
    )
    ledger.now = SWITCH - timedelta(hours=1)
    await ledger.runs("sweep_occasions")
    await ledger.applies(tea_and_cups(points={"expire": after}), at=SWITCH)
    ledger.now = SWITCH + timedelta(hours=1)


@pytest.mark.parametrize(
    ("before", "after", "expires_at"),
    [
        ("never", "12 months", at("2027-07-01T22:00")),
        ("12 months", "24 months", at("2028-05-04T22:00")),
        ("12 months", "6 months", at("2027-05-04T22:00")),
        ("12 months", "never", None),
    ],
)
async def test_the_lots_of_all_members_follow_a_new_policy(
    ledger: Running, before: str, after: str, expires_at: datetime | None
) -> None:
    await switches(ledger, before, after)
    assert await ledger.runs("sweep_occasions") > 0
    await ledger.runs("settle_due")
    assert await expiries(ledger) == {expires_at}
    assert await ledger.runs("settle_due") == 0
    assert await ledger.runs("sweep_occasions") == 0
    numbers = await ledger.ports.pool.fetch("SELECT DISTINCT lots_version FROM ledger.member")
    assert [row["lots_version"] for row in numbers] == [2]


async def test_an_order_between_switch_and_sweep_loses_nothing_and_a_late_one_lives_as_the_others(
    ledger: Running,
) -> None:
    await switches(ledger, "never", "12 months")
    await ledger.receives(an_order_paid("10.00", member="m-0", at=SWITCH + timedelta(minutes=2)))
    await ledger.runs("sweep_occasions")
    await ledger.runs("settle_due")
    await ledger.receives(
        an_order_paid("10.00", member="m-9", at=NOON), an_order_paid("10.00", member="m-1", at=NOON)
    )
    assert await expiries(ledger) == {at("2027-07-01T22:00")}


async def test_a_program_that_never_switches_looks_at_nobody(ledger: Running) -> None:
    await switches(ledger, "12 months", "12 months")
    assert await ledger.runs("sweep_occasions") == 0
    assert await ledger.ports.pool.fetchval("SELECT max(lots_version) FROM ledger.member") == 0
