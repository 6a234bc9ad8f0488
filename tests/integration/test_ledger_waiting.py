"""What comes before its order or review waits on real Postgres: listed, told to people once, and never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted, OrderCancelled, OrderFulfilled, OrderRefunded
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_fulfilment,
    a_refund,
    a_review,
    a_review_removed,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
DAY = timedelta(days=1)
REVIEW = a_rule("review", on="review.published", points="20")
ADA = "ada@example.org"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        words: dict[str, Any] = {"guests": {"keep": "90 days"}, "early": {"wait": "10 days"}}
        await ledger.applies(a_document(PER_EURO, REVIEW, **words))
        yield ledger
        assert await ledger.differences() == []


async def listed(ledger: Running) -> list[dict[str, Any]]:
    """All pages of one item each."""
    items, query = [], "limit=1"
    async with ledger.client() as client:
        while query:
            page = (await client.get(f"/v1/waiting?{query}")).json()
            items += page["items"]
            query = f"limit=1&cursor={page['next']}" if page["next"] else ""
    return items


async def in_short(ledger: Running) -> set[tuple[Any, ...]]:
    """Of whom, what is waited for, and what waits."""
    return {
        (
            each["member_id"], each["waits_for"], each["id"], *each["refunds"],
            *(["fulfilled"] if each["fulfilled"] else []), *(["cancelled"] if each["cancelled"] else []),
        )
        for each in await listed(ledger)
    }  # fmt: skip


async def reported(ledger: Running) -> list[tuple[Any, ...]]:
    """What the job tells people."""
    with capture_logs() as lines:
        told = await ledger.runs("report_waiting")
    found = [
        (line["event"], line["member"], line.get("order") or line.get("review"))
        for line in lines
        if line["event"].endswith("never_came")
    ]
    assert told == len(found)
    return sorted(found, key=repr)


async def test_all_four_kinds_of_members_and_guests_are_listed_until_what_they_wait_for_comes(
    ledger: Running,
) -> None:
    orders = [an_order_paid("10.00", order_id=name) for name in "abc"]
    guest = an_order_paid("10.00", order_id="g", member=None, email=ADA)  # type: ignore[arg-type]
    review = a_review(review_id="v")
    await ledger.receives(a_refund(orders[0], amount="3.00", refund_id="r-1"), a_fulfilment(orders[1]))
    await ledger.receives(a_cancellation(orders[2]), a_review_removed(review))
    await ledger.receives(
        an_event(OrderRefunded(order_id="g", refund_id="r-2", amount="4.00")),
        an_event(OrderFulfilled(order_id="h")),
        an_event(OrderCancelled(order_id="i")),
    )
    assert await in_short(ledger) == {
        (MEMBER, "order", "a", "r-1"),
        (MEMBER, "order", "b", "fulfilled"),
        (MEMBER, "order", "c", "cancelled"),
        (MEMBER, "review", "v"),
        (None, "order", "g", "r-2"),
        (None, "order", "h", "fulfilled"),
        (None, "order", "i", "cancelled"),
    }
    await ledger.receives(*orders, review, guest)
    assert await in_short(ledger) == {(None, "order", "h", "fulfilled"), (None, "order", "i", "cancelled")}
    async with ledger.client(member=MEMBER) as client:
        assert (await client.get("/v1/waiting")).status_code == 403


async def test_people_are_told_of_each_once_when_the_programs_time_is_over(ledger: Running) -> None:
    order, review = an_order_paid("10.00", order_id="a"), a_review(review_id="v", at=datetime.now(UTC))
    await ledger.receives(a_refund(order, amount="3.00"), a_review_removed(review))
    await ledger.receives(an_event(OrderRefunded(order_id="g", refund_id="r", amount="4.00")))
    ledger.now = datetime.now(UTC) + 9 * DAY
    assert await reported(ledger) == []
    ledger.now += 2 * DAY
    assert await reported(ledger) == [
        ("order_never_came", MEMBER, "a"),
        ("order_never_came", None, "g"),
        ("review_never_came", MEMBER, "v"),
    ]
    assert await reported(ledger) == []
    assert {each["reported_at"] is not None for each in await listed(ledger)} == {True}


async def test_what_was_told_to_people_still_counts_when_its_order_or_review_comes(ledger: Running) -> None:
    order, review = an_order_paid("10.00", order_id="a"), a_review(review_id="v")
    await ledger.receives(a_refund(order, amount="3.00"), a_review_removed(review))
    ledger.now = datetime.now(UTC) + 60 * DAY
    assert len(await reported(ledger)) == 2
    await ledger.receives(order, review)
    balance = await ledger.ports.pool.fetchval("SELECT available FROM ledger.balance")
    assert (balance, await listed(ledger)) == (7, [])


async def test_more_than_fit_into_one_transaction_are_all_told_of(ledger: Running) -> None:
    orders = [an_order_paid(order_id=f"o{number}") for number in range(205)]
    await ledger.receives(*(a_fulfilment(order) for order in orders))
    ledger.now = datetime.now(UTC) + 11 * DAY
    assert len(await reported(ledger)) == 205


async def test_nothing_waits_of_who_was_forgotten(ledger: Running) -> None:
    order = an_order_paid("10.00", order_id="a")
    await ledger.receives(a_sign_up(), a_refund(order, amount="3.00"), a_review_removed(a_review()))
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + DAY))
    ledger.now = datetime.now(UTC) + 60 * DAY
    assert (await listed(ledger), await reported(ledger)) == ([], [])
