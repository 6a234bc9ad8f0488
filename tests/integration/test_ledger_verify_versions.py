"""`verify` counts anew what caps and budgets of several versions counted of one award, and says which one is off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.ledger.main import SERVICE
from tests.support.events import NOON, a_refund, a_review, a_review_removed, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.seeding import Seeded, is_found_and_named, keep, restore
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running

ADA, BEN, OLD = "ada", "ben", "old-7"
GOAL = a_rule("goal", points="50", for_spending="each 100.00 EUR per month")
REVIEW = a_rule("review", on="review.published", points="20")
ONCE = a_rule("once", points="7", limit="2 per year and month", at_most="9 per day and year")
FIRST = a_document(
    PER_EURO | {"at_most": ["100 per month", "500 per year"]},
    a_rule("half", points="0.5", per="1.00 EUR", budget="800 points per quarter"),
    ONCE,
    REVIEW,
    GOAL,
    caps=[{"at_most": "190 points per month"}, {"budget": "9000 points per year"}],
)
SECOND = a_document(
    PER_EURO | {"at_most": "70 per week"},
    a_rule("half", points="0.5", per="1.00 EUR", limit="9 per month"),
    REVIEW | {"limit": "1 per product and year"},
    GOAL,
    zone="Pacific/Auckland",
)
THIRD = a_document(PER_EURO, a_rule("half", points="0.25", per="1.00 EUR"), GOAL, zone="Pacific/Auckland")
BEFORE, BETWEEN, AFTER = NOON - timedelta(hours=3), NOON + timedelta(hours=3), NOON + timedelta(days=5)
CHANGED = ("usage", "award", "budget_slot", "imported_usage", "purchase")
HERS = "member_id = 'ada'"
SEEDS = {
    "the month of the first version": Seeded(
        f"UPDATE usage SET points = '1' WHERE {HERS} AND rule = 'base' AND bucket = 'points:month=2026-05'",
        ("rule 'base' counted 1 in points:month=2026-05",),
    ),
    "the week of the second version": Seeded(
        f"UPDATE usage SET times = times + 1 WHERE {HERS} AND rule = 'base' AND bucket LIKE 'points:week=%'",
        ("rule 'base' counted", "in points:week=2026-W19, "),
    ),
    "the week that is gone": Seeded(
        f"DELETE FROM usage WHERE {HERS} AND rule = 'base' AND bucket LIKE 'points:week=%'",
        ("rule 'base' counted 0 in points:week=2026-W19, 0 times, but the awards make",),
    ),
    "a limit of orders by two periods": Seeded(
        f"UPDATE usage SET times = times - 1 WHERE {HERS} AND rule = 'once' AND bucket LIKE 'times:year=2026,%'",
        ("rule 'once' counted", "in times:year=2026,month=2026-05, "),
    ),
    "an amount by day and year of orders": Seeded(
        f"UPDATE usage SET bucket = 'points:day=,year=' WHERE {HERS} AND rule = 'once' AND bucket LIKE '%day=%,year=%'",
        ("rule 'once' counted 0 in points:day=2026-05-04,year=2026",),
    ),
    "the caps of the program where a goal met them": Seeded(
        f"UPDATE usage SET points = '0' WHERE {HERS} AND rule = ''",
        ("the caps of the program counted 0 in points|points:month=2026-05",),
    ),
    "what an award was counted with under the version before": Seeded(
        f"""UPDATE award SET breakdown = jsonb_set(breakdown, '{{counted,0,3}}', '"1"')
            WHERE {HERS} AND award_id = 'order:moved:points'""",
        ("in points:week=2026-W19, ", "the awards make 11, 2 times"),
    ),
    "how often it was counted": Seeded(
        f"""UPDATE award SET breakdown = jsonb_set(breakdown, '{{counted,0,2}}', '0')
            WHERE {HERS} AND award_id = 'order:moved:points'""",
        ("in points:week=2026-W19, ", "the awards make 70, 1 times"),
    ),
    "under which version it was counted": Seeded(
        f"""UPDATE award SET breakdown = jsonb_set(breakdown, '{{counted,0,0}}', '3')
            WHERE {HERS} AND award_id = 'order:moved:points'""",
        ("in points:week=2026-W19, ", "the awards make 10, 1 times"),
    ),
    "the version of an award": Seeded(
        f"UPDATE award SET program_version = 2 WHERE {HERS} AND award_id = 'order:moved:points'",
        ("awards of order moved, but no such order was paid under version 2",),
    ),
    "a product that was freed": Seeded(
        f"UPDATE usage SET times = times + 1 WHERE {HERS} AND rule = 'review' AND bucket = 'times:product=tea'",
        ("rule 'review' counted",),
    ),
    "a budget": Seeded(
        "UPDATE budget_slot SET used = '0' WHERE budget = 'rule:half' AND used <> '0'",
        (),
        ("budget rule:half points:quarter:2026-04-01",),
    ),
    "what another system had counted": Seeded(
        "DELETE FROM usage WHERE member_id = 'ben' AND bucket = 'points:year=2024'",
        ("rule 'base' counted 0 in points:year=2024, 0 times, but the awards make 450, 3 times",),
    ),
}


@pytest.fixture(scope="module")
async def ledger(servers: Servers, keys: KeyPair) -> AsyncIterator[Running]:
    async with a_database(servers) as url, running(SERVICE, url, keys) as ledger:
        await ledger.applies(FIRST)
        await imports(ledger, {"rule": "base", "times": 3, "points": 450, "at": "2024-07-01T12:00:00Z"})
        await ledger.applies(SECOND, at=NOON)
        await ledger.applies(THIRD, at=NOON + timedelta(days=2))
        await lived(ledger)
        assert await ledger.differences() == []
        await keep(ledger, CHANGED)
        yield ledger


async def imports(ledger: Running, said: dict[str, Any]) -> None:
    row = {"row": "u", "kind": "usage", "member_id": BEN} | said
    async with ledger.client(scopes="ledger:read ledger:write ledger:admin") as client:
        made = await client.post("/v1/import", json={"rows": [row]})
        assert made.status_code == 200, made.text


async def lived(ledger: Running) -> None:
    """Orders of which the first statement comes last, from version to version, edited, given back, merged."""

    def of_ada(total: str, order_id: str, at: Any) -> Any:
        return an_order_paid(total, order_id=order_id, member=ADA, at=at)

    review = a_review(product="tea", member=ADA, at=BEFORE)
    given_back = of_ada("30.00", "back", BEFORE)
    await ledger.receives(
        of_ada("60.00", "moved", BETWEEN),
        of_ada("44.00", "twice", AFTER),
        of_ada("12.00", "stays", BETWEEN),
        review,
        given_back,
        an_order_paid("21.00", order_id="b", member=BEN, at=BETWEEN),
        an_order_paid("45.00", order_id="o", member=OLD, at=BEFORE),
    )
    await ledger.receives(of_ada("75.00", "twice", BETWEEN), a_refund(given_back, amount="10.00", at=AFTER))
    await ledger.receives(
        of_ada("90.00", "moved", BEFORE), an_order_paid("33.00", order_id="b", member=BEN, at=BEFORE)
    )
    await ledger.receives(of_ada("80.00", "twice", BEFORE), a_review_removed(review, at=BETWEEN))
    await ledger.receives(a_review(product="tea", member=ADA, at=BEFORE + timedelta(hours=1)))
    await ledger.receives(
        of_ada("85.00", "twice", AFTER), of_ada("95.00", "stays", AFTER), of_ada("260.00", "late", BEFORE)
    )
    async with ledger.client(scopes="ledger:read ledger:write ledger:admin") as person:
        made = await person.post(f"/v1/members/{ADA}/merge", json={"from": OLD, "reason": "one person"})
        assert made.status_code == 200, made.text
    await ledger.receives(an_order_paid("50.00", order_id="o", member=OLD, at=AFTER))
    counted = """SELECT count(*) FROM ledger.award
                 WHERE (SELECT count(DISTINCT e ->> 0) FROM jsonb_array_elements(breakdown -> 'counted') AS e) > 1"""
    assert await ledger.ports.pool.fetchval(counted) >= 2, "no award was counted under two versions"


@pytest.mark.parametrize("name", SEEDS)
async def test_what_was_counted_under_several_versions_is_proven_for_each(ledger: Running, name: str) -> None:
    whose = BEN if name == "what another system had counted" else ADA
    try:
        await is_found_and_named(ledger, SEEDS[name], whose)
    finally:
        await restore(ledger, CHANGED)
    assert await ledger.differences() == []


async def test_beside_orders_that_move_and_versions_that_come_nothing_is_found_that_is_not_wrong(
    servers: Servers, keys: KeyPair
) -> None:
    async with a_database(servers) as url, running(SERVICE, url, keys) as ledger:
        await ledger.applies(FIRST)
        await ledger.applies(SECOND, at=NOON)
        done = asyncio.Event()

        async def lives() -> None:
            for n in range(30):
                stated = [
                    an_order_paid("12.00", member=ADA, order_id=f"{n}-{k}", at=BETWEEN) for k in range(5)
                ]
                await ledger.receives(*stated, a_review(ADA, product=f"p{n}", at=BETWEEN))
                if n == 10:
                    await ledger.applies(THIRD, at=NOON + timedelta(hours=1))
                first = [an_order_paid("20.00", member=ADA, order_id=f"{n}-{k}", at=BEFORE) for k in range(5)]
                await ledger.receives(*first, a_refund(first[0], amount="5.00", at=AFTER))
            done.set()

        async def verifies() -> None:
            while not done.is_set():
                assert await ledger.differences() == []

        await asyncio.gather(lives(), verifies())
        assert await ledger.differences() == []
