"""How long points live, on real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import pytest

from services.ledger.main import SERVICE
from tests.support.events import NOON, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, at
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


async def expiries(ledger: Running) -> list[datetime | None]:
    rows = await ledger.ports.pool.fetch("SELECT expires_at FROM ledger.lot ORDER BY lot_no")
    return [row["expires_at"] for row in rows]


async def passes(ledger: Running, moment: datetime) -> None:
    """The clock goes on, and the jobs run."""
    ledger.now = moment
    await ledger.runs("sweep_occasions")
    await ledger.runs("settle_due")


async def test_a_later_order_keeps_the_points_of_earlier_ones_alive(ledger: Running) -> None:
    await ledger.applies(a_document(PER_EURO, points={"expire": "after 12 months without activity"}))
    ledger.now = at("2027-03-01T12:00")
    await ledger.receives(an_order_paid("10.00", order_id="a", at=NOON))
    await ledger.receives(an_order_paid("20.00", order_id="b", at=at("2027-03-01T10:00")))
    await ledger.receives(an_order_paid("5.00", order_id="late", at=at("2026-12-01T10:00")))
    assert await expiries(ledger) == [at("2028-03-01T23:00")] * 3
    await passes(ledger, at("2028-03-02"))
    kinds = await ledger.ports.pool.fetch("SELECT kind FROM ledger.transfer ORDER BY version")
    assert [row["kind"] for row in kinds] == ["award"] * 3 + ["expiry"] * 3


async def test_what_will_expire_is_announced_once_for_each_step(ledger: Running) -> None:
    await ledger.applies(a_document(PER_EURO, points={"expire": "12 months", "rounded_to": "month"}))
    await ledger.receives(
        an_order_paid("50.00", order_id="a", at=NOON), an_order_paid("30.00", order_id="b", at=NOON)
    )
    for moment in (at("2027-05-02"), at("2027-05-03"), at("2027-05-25"), at("2027-05-31"), at("2027-06-01")):
        await passes(ledger, moment)
    told = [event for event in await ledger.told() if event.type == "points.expiring.v1"]
    assert [(event.data.points, event.data.days_left) for event in told] == [(80, 30), (80, 7), (80, 1)]
    assert len({event.id for event in told}) == 3
