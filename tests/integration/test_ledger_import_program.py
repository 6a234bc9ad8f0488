"""Import and export of a whole program over HTTP: codes, budgets, households, and the lines of orders in a table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asyncpg.connection import LoggedQuery
from httpx import Response

from services.ledger.actions.imports import Entry, bring_in_rows
from services.ledger.importing import entries_of
from services.ledger.main import SERVICE
from shared.events import RefundLine, SegmentEntered
from tests.support.events import NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
PAID = "2026-03-03T09:00:00Z"
ANA, BEN, CEM = "ana", "ben", "cem"
CLUB = tea_and_cups(
    earn=[
        PER_EURO,
        a_rule("welcome", "customer.signed_up", points="100", budget="1000 points"),
        a_rule("tea", points="10", if_={"segment": "tea lovers"}, at_most="30 per month"),
    ],
    caps=[{"budget": "500 points per month"}],
    pools={"members": "3"},
)
HOME = {"row": "p", "kind": "pool", "pool_id": "home", "members": [ANA, BEN]}
GIVEN = {"row": "b", "kind": "budget", "rule": "welcome", "used": 850}
OF_MAY = {"row": "b2", "kind": "budget", "used": 100, "at": "2026-05-01T09:00:00Z"}
SUMMER = {"row": "c", "kind": "coupon", "code": "Summer-10", "gives": {"kind": "coupon", "percent": "10"},
          "uses": 3, "used_by": [{"member_id": ANA}], "per_member": 1}  # fmt: skip
SUN = {"row": "s", "kind": "coupon", "code": "SUN-1", "pool": "sun"}
TEA = {"row": "m", "kind": "member", "member_id": CEM, "segments": [{"segment": "tea lovers", "since": PAID}]}


def a_lot(member: str, points: int, **said: Any) -> dict[str, Any]:
    return {
        "row": "lot",
        "kind": "points",
        "member_id": member,
        "points": points,
        "expires_at": "never",
    } | said


EVERYTHING: list[dict[str, Any]] = [HOME, GIVEN, OF_MAY, SUMMER, SUN, TEA, a_lot(ANA, 80),
              a_lot(BEN, 70, belongs_to=ANA, pool_id="home")]  # fmt: skip


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(CLUB)
        yield ledger
        assert await ledger.differences() == []


async def imports(ledger: Running, *rows: dict[str, Any], query: str = "") -> Response:
    async with ledger.client() as client:
        return await client.post(f"/v1/import{query}", json={"rows": list(rows)})


async def exports(ledger: Running) -> list[dict[str, Any]]:
    async with ledger.client() as client:
        told = await client.get("/v1/export")
    assert (told.status_code, told.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in told.text.splitlines()]


async def asks(ledger: Running, path: str) -> Any:
    async with ledger.client() as client:
        told = await client.get(path)
    assert told.status_code == 200, told.text
    return told.json()


async def given(ledger: Running) -> dict[str, float]:
    """What was given of each budget, as its slots say."""
    rows = await ledger.ports.pool.fetch(
        "SELECT budget || ' ' || bucket, sum(used::float) FROM ledger.budget_slot GROUP BY 1"
    )
    return {row[0]: row[1] for row in rows}


async def points(ledger: Running) -> dict[str, int]:
    rows = await ledger.ports.pool.fetch(
        "SELECT member_id, available FROM ledger.balance WHERE asset = 'points'"
    )
    return {row[0]: row[1] for row in rows}


async def test_a_program_moves_in_with_its_households_codes_and_budgets(ledger: Running) -> None:
    dry = await imports(ledger, *EVERYTHING, query="?dry_run=true")
    assert dry.json() == {"imported": 8, "known": 0, "faults": []}
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.pool") == 0
    assert (await imports(ledger, *EVERYTHING)).json() == {"imported": 8, "known": 0, "faults": []}
    assert (await imports(ledger, *EVERYTHING)).json() == {"imported": 0, "known": 8, "faults": []}
    assert {event.replayed for event in await ledger.told()} == {True}
    assert await given(ledger) == {
        "rule:welcome points:ever": 850,
        "asset:points points:month:2026-05-01": 100,
    }
    assert (await asks(ledger, f"/v1/members/{ANA}/pool"))["members"] == [ANA, BEN]
    assert (await asks(ledger, "/v1/coupon-pools"))["pools"] == [{"pool": "sun", "left": 1}]
    assert await ledger.runs("send_home") > 0
    assert await points(ledger) == {ANA: 150, BEN: 0}


async def test_a_budget_gives_only_what_was_left_of_it_there(ledger: Running) -> None:
    await imports(ledger, GIVEN)
    for member in (ANA, BEN, CEM):
        await ledger.receives(a_sign_up(member))
    assert sorted((await points(ledger)).values()) == [50, 100]


async def test_what_was_given_of_a_budget_is_taken_while_others_take_from_it(ledger: Running) -> None:
    signing = [ledger.receives(*[a_sign_up(f"m-{number}") for number in range(4)])]
    rows = [imports(ledger, GIVEN | {"row": f"b-{number}", "used": 300}) for number in range(3)]
    await asyncio.gather(*signing, *rows)
    assert (await given(ledger))["rule:welcome points:ever"] >= 1000


async def test_verify_finds_what_no_row_says_that_a_budget_gave(ledger: Running) -> None:
    await imports(ledger, GIVEN)
    say = "INSERT INTO ledger.imported_budget VALUES ('demo', $1, 'rule:welcome', 'points:ever', $2)"
    await ledger.ports.pool.execute(say, "never taken", "10")
    assert await ledger.differences() == [
        "program demo: budget rule:welcome points:ever says that it gave 850, but the awards make 860"
    ]
    await ledger.ports.pool.execute(say, "as if it had been", "-10")


async def test_a_code_is_as_used_as_it_was_and_the_next_buyer_gets_the_pooled_one(ledger: Running) -> None:
    await imports(ledger, SUMMER, SUN, a_lot(ANA, 1), a_lot(BEN, 1))
    async with ledger.client() as client:
        checked = [
            (await client.post("/v1/coupons/validate", json={"code": "summer10", "member_id": member})).json()
            for member in (ANA, BEN)
        ]
    assert [each["valid"] for each in checked] == [False, True]
    assert checked[0]["reasons"][0]["code"] == "had_by_member"


async def test_a_household_that_is_there_is_a_fault_and_of_two_at_once_one_is_taken(ledger: Running) -> None:
    both = await asyncio.gather(*[imports(ledger, HOME | {"row": f"p-{n}"}) for n in range(2)])
    assert sorted(each.status_code for each in both) == [200, 422]
    refused = await imports(ledger, HOME | {"row": "q", "pool_id": "other"})
    assert "is in pool 'home'" in refused.json()["faults"][0]["message"]
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.pool") == 1


TABLE = f"""row,kind,member_id,order_id,total,points,paid_at,expires_at,line_id
lot,points,{ANA},,,100,,never,
o,order,{ANA},order-1,80.00,100,{PAID},,
,line,,,25.00,,,,tea
,line,,,55.00,,,,cup
"""


async def test_a_refund_that_names_a_line_finds_it_in_an_order_of_a_table(ledger: Running) -> None:
    async with ledger.client() as client:
        made = await client.post("/v1/import", content=TABLE, headers={"Content-Type": "text/csv"})
    assert made.json() == {"imported": 2, "known": 0, "faults": []}
    order = an_order_paid("80.00", order_id="order-1", member=ANA)
    await ledger.receives(a_refund(order, lines=(RefundLine(line_id="cup"),), at=NOON))
    assert await points(ledger) == {ANA: 31}
    await ledger.receives(a_refund(order, lines=(RefundLine(line_id="tea"),), at=NOON))
    assert (await points(ledger), await ledger.dead_letters()) == ({ANA: 0}, [])


async def test_an_export_imported_into_an_empty_program_is_the_same_export(
    ledger: Running, fresh_database: Database, keys: KeyPair
) -> None:
    await imports(ledger, *EVERYTHING)
    await ledger.receives(
        an_event(SegmentEntered(member_id=BEN, segment="tea lovers"), at=NOON),
        *[
            an_order_paid("20.00", member=BEN, order_id=f"o-{n}", at=NOON + timedelta(hours=1 + n))
            for n in range(4)
        ],
        a_sign_up("dan"),
    )
    rows = [row for row in await exports(ledger) if row["kind"] != "history"]
    async with running(SERVICE, await fresh_database(), keys) as other:
        other.now = ledger.now
        await other.applies(CLUB)
        made = await imports(other, *rows)
        assert made.json() == {"imported": len(rows), "known": 0, "faults": []}
        again = [row for row in await exports(other) if row["kind"] != "history"]
        assert told_of(again) == told_of(rows)
        assert await points(other) == await points(ledger)
        assert await other.differences() == []


def told_of(rows: list[dict[str, Any]]) -> list[str]:
    """What rows say, without their ids (a lot is numbered anew)."""
    return sorted(json.dumps({**row, "row": ""}, sort_keys=True) for row in rows)


async def test_members_and_other_programs_export_nothing(ledger: Running) -> None:
    async with ledger.client(member=ANA) as member:
        assert (await member.get("/v1/export")).status_code == 403
    async with ledger.client(program="other") as stranger:
        assert (await stranger.get("/v1/export")).status_code == 404


async def test_an_import_of_many_members_is_as_many_statements_as_one_of_few(ledger: Running) -> None:
    await statements_of(ledger, 2)  # the program is read for the first time
    few = await statements_of(ledger, 10)
    many = await statements_of(ledger, 10_000)
    assert many == few, "whatever is done once per member shows here"


async def statements_of(ledger: Running, members: int) -> int:
    """How many statements an import of so many members took: a lot, or an order and a code, of each."""
    names = [f"m-{members}-{number}" for number in range(members)]
    rows: list[dict[str, Any]] = [a_lot(name, 5) for name in names[: members // 2]]
    for name in names[members // 2 :]:
        order = {"row": "o", "kind": "order", "member_id": name, "order_id": f"o-{name}", "total": "8.00"}
        code = {"row": "c", "kind": "reward", "member_id": name, "reward": "mug", "code": name}
        rows += [
            order | {"points": 8, "paid_at": PAID},
            code | {"gives": {"kind": "product", "product_id": "mug"}},
        ]
    entries = [each for each in entries_of(map(json.dumps, rows), is_csv=False) if isinstance(each, Entry)]
    seen: list[str] = []

    def note(asked: LoggedQuery) -> None:
        seen.append(asked.query)

    async with ledger.ports.pool.acquire() as connection, connection.transaction():
        connection.add_query_logger(note)
        report = await bring_in_rows(ledger.doors.state["actions"], connection, "demo", entries, ledger.now)
        connection.remove_query_logger(note)
    assert (report.imported, report.faults) == (len(rows), [])
    return len(seen)
