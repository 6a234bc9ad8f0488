"""Orders of guests on real Postgres: kept by hash, credited once, whoever comes first, and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted, CustomerUpdated, Event, OrderCancelled, OrderRefunded, RefundLine
from tests.support.events import MEMBER, NOON, a_line, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
ADA = "ada@example.org"
DAY = timedelta(days=1)
LINES = (a_line("40.00", line_id="tea"), a_line("20.00", line_id="cup"))
KEEP: dict[str, Any] = {"guests": {"keep": "90 days"}}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(a_document(PER_EURO, **KEEP))
        yield ledger
        assert await ledger.differences() == []


def by_guest(total: str = "60.00", *, order_id: str = "A", email: str = ADA, **more: Any) -> Event[Any]:
    return an_order_paid(total, order_id=order_id, member=None, email=email, **more)  # type: ignore[arg-type]


def signs_up(member: str = MEMBER, *, at: Any = NOON + 10 * DAY, email: str = ADA) -> Event[Any]:
    return a_sign_up(member, email=email, at=at)


def refund_of_the_cup(order_id: str = "A") -> Event[Any]:
    data = OrderRefunded(order_id=order_id, refund_id="r1", lines=(RefundLine(line_id="cup"),))
    return an_event(data, at=NOON + DAY)


async def balances(ledger: Running) -> dict[str, int]:
    rows = await ledger.ports.pool.fetch("SELECT member_id, available FROM ledger.balance")
    return {row["member_id"]: row["available"] for row in rows}


async def all_text(ledger: Running) -> str:
    """Everything that the ledger keeps about guests, purchases and members, as text."""
    tables = ("guest_address", "guest_order", "purchase", "member", "person", "award")
    texts = [
        await ledger.ports.pool.fetchval(
            f"SELECT coalesce(string_agg(t::text, '|'), '') FROM ledger.{table} AS t"
        )
        for table in tables
    ]
    return "|".join(texts)


async def at_once(ledger: Running, *batches: list[Event[Any]]) -> None:
    """Batches of several workers in the same moment."""

    async def handle(events: list[Event[Any]]) -> None:
        async with ledger.ports.pool.acquire() as connection, connection.transaction():
            outcome = await ledger.doors.handle(connection, events, ledger.now)
            assert not outcome.refused

    await asyncio.gather(*(handle(batch) for batch in batches))


async def test_an_order_is_credited_at_the_sign_up_and_explains_itself(ledger: Running) -> None:
    order = by_guest(lines=LINES)
    await ledger.receives(order)
    await ledger.receives(refund_of_the_cup())
    assert await balances(ledger) == {}
    await ledger.receives(signs_up())
    assert await balances(ledger) == {MEMBER: 40}
    async with ledger.client() as client:
        decision = (await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")).json()
        statement = (await client.get(f"/v1/members/{MEMBER}/statement")).json()
    (award,) = decision["awards"]
    assert (award["points"], award["reversed"]) == (60, 20)
    assert [entry["happened_at"] for entry in statement["items"]] == ["2026-05-14T12:00:00Z"]


@pytest.mark.parametrize("one_batch", [True, False])
async def test_it_does_not_matter_what_arrives_first(ledger: Running, one_batch: bool) -> None:
    events = [refund_of_the_cup(), signs_up(), by_guest(lines=LINES)]
    if one_batch:
        await ledger.receives(*events)
    else:
        for event in events:
            await ledger.receives(event)
    assert await balances(ledger) == {MEMBER: 40}
    await ledger.receives(an_event(OrderCancelled(order_id="A"), at=NOON + 20 * DAY))
    assert await balances(ledger) == {MEMBER: 0}


async def test_no_address_is_kept_in_the_ledger(ledger: Running) -> None:
    await ledger.receives(by_guest(), by_guest(order_id="B", email="bob@example.org"), signs_up())
    await ledger.receives(an_order_paid("9.00", email=ADA))
    assert "@" not in await all_text(ledger)


async def test_goals_caps_and_budgets_follow_an_order_that_is_credited(ledger: Running) -> None:
    rules = (
        PER_EURO | {"at_most": "50 per day", "budget": "1000 points"},
        a_rule("goal", points="7", for_spending="50.00 EUR per month"),
        a_rule("second", points="3", if_={"order_number": "2"}),
    )
    await ledger.applies(a_document(*rules, **KEEP), at=NOON - DAY)
    await ledger.receives(by_guest(), by_guest("20.00", order_id="B", at=NOON + DAY))
    await ledger.receives(signs_up())
    assert await balances(ledger) == {MEMBER: 50 + 20 + 7 + 3}


async def test_of_two_sign_ups_at_once_one_wins_and_nothing_is_paid_twice(ledger: Running) -> None:
    names = [f"m{number}" for number in range(6)]
    orders = [
        by_guest("10.00", order_id=f"o{number}", at=NOON + timedelta(minutes=number)) for number in range(8)
    ]
    await ledger.receives(*orders[:4])
    await at_once(
        ledger,
        *([signs_up(name)] for name in names),
        *([order] for order in orders[4:]),
        [an_event(OrderCancelled(order_id="o1"), at=NOON + DAY)],
        [an_event(OrderCancelled(order_id="o5"), at=NOON + DAY)],
    )
    found = {member: points for member, points in (await balances(ledger)).items() if points}
    assert len(found) == 1
    assert set(found.values()) == {60}


async def test_batches_that_cross_never_wait_in_a_circle(ledger: Running) -> None:
    people = [(f"m{number}", f"p{number}@example.org") for number in range(12)]
    orders = [by_guest("10.00", order_id=f"o-{name}", email=email) for name, email in people]
    sign_ups = [signs_up(name, email=email) for name, email in people]
    cancels = [an_event(OrderCancelled(order_id=f"o-{name}"), at=NOON + DAY) for name, _ in people[::2]]
    await at_once(
        ledger,
        orders,
        sign_ups[::-1],
        cancels,
        orders[:0] + cancels[:0] + [an_order_paid("1.00", member="m3")],
    )
    found = await balances(ledger)
    assert {name: found.get(name, 0) for name, _ in people} == {
        name: (0 if number % 2 == 0 else 10) + (1 if name == "m3" else 0)
        for number, (name, _) in enumerate(people)
    }


async def test_what_nobody_comes_for_is_forgotten_and_not_credited_later(ledger: Running) -> None:
    await ledger.receives(by_guest(), refund_of_the_cup("never stated"))
    ledger.now = datetime.now(UTC) + 91 * DAY
    await ledger.runs("forget_guests")
    left = await ledger.ports.pool.fetch("SELECT order_id FROM ledger.guest_order")
    assert [row["order_id"] for row in left] == ["never stated"], "people have to be told of it first"
    assert await ledger.runs("report_waiting") == 1
    await ledger.runs("forget_guests")
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.guest_order") == 0
    ledger.now = NOON + 10_000 * DAY
    await ledger.runs("forget_guests")
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.guest_address") == 0
    ledger.now = NOON
    await ledger.receives(signs_up(at=NOON + 80 * DAY))
    assert await balances(ledger) == {}


async def test_whoever_comes_a_moment_too_late_gets_nothing_though_the_job_has_not_run(
    ledger: Running,
) -> None:
    await ledger.receives(by_guest())
    await ledger.receives(signs_up(at=NOON + 90 * DAY))
    assert await balances(ledger) == {}


async def test_the_address_of_the_erased_goes_and_the_order_stays_theirs(ledger: Running) -> None:
    await ledger.receives(by_guest(), signs_up())
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + 11 * DAY))
    await ledger.runs("forget_guests")
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.guest_address") == 0
    later = by_guest(order_id="B", at=NOON + 12 * DAY)
    await ledger.receives(refund_of_the_cup(), later)
    await ledger.receives(signs_up("bob", at=NOON + 13 * DAY))
    assert await balances(ledger) == {MEMBER: 0, "bob": 60}


async def test_an_address_that_is_told_by_an_update_brings_its_orders(ledger: Running) -> None:
    await ledger.receives(by_guest())
    update = an_event(CustomerUpdated(customer_id="carla", email=ADA.upper()), at=NOON + DAY)
    await ledger.receives(update, update)
    assert await balances(ledger) == {"carla": 60}


async def test_a_program_that_keeps_no_guests_writes_nothing_of_them(ledger: Running) -> None:
    await ledger.applies(a_document(PER_EURO) | {"program": "other"}, at=NOON - DAY)
    order = by_guest()
    other = an_event(order.data, program="other")
    await ledger.receives(other)
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.guest_order") == 0
    assert await ledger.dead_letters() == []
