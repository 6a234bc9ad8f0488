"""`verify` counts anew what caps, budgets and goals have counted, and finds whatever somebody changed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from tests.support.events import (
    MEMBER,
    NOON,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    a_sign_up,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
PROGRAM = a_document(
    PER_EURO | {"at_most": ["30 per day", "90 per week", "200 per month"], "budget": "1000 points per year"},
    a_rule("half", points="0.25", per="1.00 EUR", at_most="20 per lifetime"),
    a_rule("share", on="content.shared", points="5"),
    a_rule("review", on="review.published", points="20", at_most="100 per year"),
    a_rule("goal", points="50", for_spending="each 100.00 EUR per month"),
    caps=[{"at_most": "300 points per month"}, {"budget": "5000 points"}],
    guests={"keep": "90 days"},
)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(PROGRAM)
        await lived(ledger)
        assert await ledger.differences() == []
        yield ledger


async def lived(ledger: Running) -> None:
    """Orders, one of them edited up, down and given back in part, a removed review, shares."""
    days = (0, 0, 1, 2, 3, 9, 30, 31, 240)
    orders = [
        an_order_paid(f"{17 * number + 5}.35", order_id=f"o{number}", at=NOON + timedelta(days=day))
        for number, day in enumerate(days)
    ]
    guest: dict[str, Any] = {"member": None, "email": "ada@example.org"}
    await ledger.receives(
        *orders[:5], an_order_paid("12.50", order_id="g", at=NOON + timedelta(days=6), **guest)
    )
    review = a_review(product="tea")
    await ledger.receives(
        *orders[5:],
        an_order_paid("3.00", order_id="o2", at=NOON + timedelta(days=4)),
        an_order_paid("99.00", order_id="o1", at=NOON + timedelta(days=33)),
        a_refund(orders[4], amount="20.00", at=NOON + timedelta(days=35)),
        a_share(network="x"),
        review,
        a_review_removed(review),
        a_review(product="tea", at=NOON + timedelta(days=1)),
        a_sign_up(MEMBER, email="ada@example.org", at=NOON + timedelta(days=50)),
    )
    guests = "SELECT count(*) FROM ledger.award WHERE order_id = 'g' AND breakdown ? 'asked_at'"
    assert await ledger.ports.pool.fetchval(guests) == 1


SEEDS = {
    "usage SET points = '7/2' WHERE bucket = 'points:month=2026-05' AND rule = 'base'": "rule 'base' counted 3.5 ",
    "usage SET points = '19' WHERE bucket = 'points:ever' AND rule = 'half'": "rule 'half' counted 19 ",
    "usage SET points = '1' WHERE rule = '' AND bucket LIKE '%2026-06'": "the caps of the program counted 1 ",
    "usage SET times = times + 1 WHERE bucket = 'times:product=tea'": "rule 'review' counted 20 in",
    "usage SET times = 0, points = '0' WHERE rule = 'share' AND bucket LIKE '%network=%'": "rule 'share' counted 0 in",
    "usage SET times = times - 1 WHERE rule = 'half'": "rule 'half' counted",
    "usage SET bucket = 'times:product=cup' WHERE bucket LIKE 'times:product=%'": "rule 'review' counted",
    "budget_slot SET rest = '999' WHERE slot = 7 AND budget = 'asset:points'": "budget asset:points",
    "budget_slot SET used = '0' WHERE budget = 'rule:base' AND used <> '0'": "budget rule:base",
    """
    budget_slot SET rest = (rest::int + CASE slot WHEN 7 THEN 5 ELSE -5 END)::text,
                    used = (used::int - CASE slot WHEN 7 THEN 5 ELSE -5 END)::text
    WHERE budget = 'asset:points' AND slot = 7
    """: "budget asset:points",
    "award SET reversed = reversed + 1 WHERE award_id = 'order:o4:points'": "award order:o4:points",
    "purchase SET refunds = '[]', cancelled_at = now() WHERE order_id = 'o3'": "award order:o3:points holds",
    "goal_part SET spent = '0' WHERE spent = (SELECT max(spent) FROM ledger.goal_part)": "award goal:goal:month:",
    "goal_reached SET ends = '[1, 2, 3, 4]' WHERE period LIKE '%2026-05-01'": "award goal:goal:month:2026-05-01:",
}


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_somebody_changed_by_hand_is_found(ledger: Running, seed: str) -> None:
    told = SEEDS[seed]
    async with ledger.ports.pool.acquire() as connection:
        assert await connection.execute(f"UPDATE ledger.{seed}") != "UPDATE 0"
    found = await ledger.differences()
    assert found, "nothing was found"
    assert all(told in each for each in found), found
    assert all(MEMBER in each for each in found if "budget" not in told)


async def test_a_budget_that_was_lowered_below_what_is_used_is_no_fault(ledger: Running) -> None:
    lower = a_document(PER_EURO | {"budget": "10 points per year"})
    await ledger.applies(lower, at=NOON + timedelta(days=300))
    await ledger.receives(an_order_paid("50.00", at=NOON + timedelta(days=301)), an_order_paid("50.00"))
    assert await ledger.differences() == []


async def test_each_version_counts_in_the_buckets_of_its_own_caps(ledger: Running) -> None:
    start = NOON + timedelta(days=300)
    weekly = a_document(PER_EURO | {"at_most": "70 per week", "budget": "900 points per month"})
    free = a_document(PER_EURO, a_rule("half", points="0.25", per="1.00 EUR", limit="2 per month"))
    for number, program in enumerate([weekly, free, PROGRAM]):
        await ledger.applies(program, at=start + timedelta(days=3 * number))
    for day in (-1, 0, 1, 3, 4, 6, 7):
        await ledger.receives(
            an_order_paid("31.00", order_id=f"v{day}", at=start + timedelta(days=day, hours=1))
        )
    assert await ledger.differences() == []
    earlier = [
        an_order_paid("47.00", order_id=f"v{day}", at=start + timedelta(days=day - 3))
        for day in (1, 3, 4, 6, 7)
    ]
    await ledger.receives(*earlier)
    await ledger.receives(an_order_paid("80.00", order_id="v0", at=start + timedelta(days=8)))
    assert await ledger.differences() == []
