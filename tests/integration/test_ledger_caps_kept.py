"""Caps on real Postgres: where the usage of an edited order is found again, also under another version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from services.ledger.main import SERVICE
from tests.support.events import MEMBER, NOON, a_review, a_review_removed, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
CAPPED = PER_EURO | {"at_most": "100 per month"}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


async def held(ledger: Running, asset: str = "points") -> list[int]:
    """What each order holds, by its id."""
    query = "SELECT points - reversed FROM ledger.award WHERE asset = $1 ORDER BY order_id"
    return [row[0] for row in await ledger.ports.pool.fetch(query, asset)]


async def test_an_edit_of_next_month_counts_in_the_month_of_its_order(ledger: Running) -> None:
    await ledger.applies(a_document(CAPPED, caps=[{"at_most": "130 points per month"}]))
    june = NOON + timedelta(days=40)
    await ledger.receives(an_order_paid("60.00", order_id="a"))
    await ledger.receives(an_order_paid("90.00", order_id="a", at=june))
    assert await held(ledger) == [90]
    await ledger.receives(an_order_paid("60.00", order_id="b"), an_order_paid("95.00", order_id="c", at=june))
    assert await held(ledger) == [90, 10, 95]
    used = await ledger.ports.pool.fetch(
        "SELECT rule, bucket, times, points FROM ledger.usage WHERE member_id = $1 ORDER BY 1, 2", MEMBER
    )
    assert [tuple(row) for row in used] == [
        ("", "points|points:month=2026-05", 2, "100"),
        ("", "points|points:month=2026-06", 1, "95"),
        ("base", "points:month=2026-05", 2, "100"),
        ("base", "points:month=2026-06", 1, "95"),
    ]


async def test_an_order_whose_first_statement_comes_last_follows_the_version_of_that(ledger: Running) -> None:
    stamp = a_rule("stamp", gives="1 stamp", limit="1 per month")
    await ledger.applies(a_document(CAPPED, stamp))
    await ledger.applies(a_document(PER_EURO), at=NOON)
    after, before = NOON + timedelta(days=1), NOON - timedelta(days=1)
    await ledger.receives(an_order_paid("150.00", order_id="a", at=after))
    assert (await held(ledger), await held(ledger, "stamps")) == ([150], [])
    await ledger.receives(an_order_paid("120.00", order_id="a", at=before))
    assert (await held(ledger), await held(ledger, "stamps")) == ([100], [1]), "its cap is there too"
    await ledger.receives(an_order_paid("50.00", order_id="b", at=before))
    assert (await held(ledger), await held(ledger, "stamps")) == ([100, 0], [1, 0])


async def test_an_asset_that_the_first_version_does_not_give_goes_back(ledger: Running) -> None:
    await ledger.applies(a_document(PER_EURO))
    await ledger.applies(a_document(PER_EURO, a_rule("stamp", gives="1 stamp")), at=NOON)
    await ledger.receives(an_order_paid("20.00", order_id="a", at=NOON + timedelta(days=1)))
    assert await held(ledger, "stamps") == [1]
    await ledger.receives(an_order_paid("10.00", order_id="a", at=NOON - timedelta(days=1)))
    assert (await held(ledger), await held(ledger, "stamps")) == ([20], [0])


async def test_a_removed_review_frees_its_product_also_much_later_and_under_another_version(
    ledger: Running,
) -> None:
    rules = [
        a_rule(on="review.published", points="20"),
        a_rule("star", on="review.published", gives="1 stamp"),
    ]
    await ledger.applies(a_document(*rules))
    first, second = a_review(product="tea"), a_review(product="tea")
    await ledger.receives(first)
    await ledger.receives(second)
    await ledger.applies(a_document(rules[0]), at=NOON + timedelta(hours=1))
    await ledger.receives(a_review_removed(first, at=NOON + timedelta(days=1)))
    await ledger.receives(a_review(product="tea", at=NOON + timedelta(days=2)))
    query = "SELECT asset, pending + available AS has FROM ledger.balance ORDER BY asset"
    assert [tuple(row) for row in await ledger.ports.pool.fetch(query)] == [("points", 20), ("stamps", 0)]
