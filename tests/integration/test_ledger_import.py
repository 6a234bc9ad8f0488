"""Import over HTTP: all of a request or none of it, no row twice, and nobody is written to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from services.ledger.main import SERVICE
from shared.events import CustomerDeleted
from tests.support.events import MEMBER, NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import a_rule
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
PAID = "2026-03-03T09:00:00Z"
LOT = {
    "row": "lot-1",
    "kind": "points",
    "member_id": MEMBER,
    "points": 300,
    "earned_at": PAID,
    "expires_at": "never",
}
ORDER = {"row": "o", "kind": "order", "member_id": MEMBER, "order_id": "o-1", "total": "80.00", "points": 100,
         "paid_at": PAID}  # fmt: skip
PAST = {"row": "h-1", "kind": "history", "member_id": MEMBER, "points": -50, "at": PAID, "text": "Gift card"}
ADA = {"row": "m", "kind": "member", "member_id": "ada", "joined_at": PAID, "birthday": "03-14"}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield ledger
        assert await ledger.differences() == []


async def imports(ledger: Running, *rows: dict[str, Any], query: str = "") -> Response:
    async with ledger.client() as client:
        return await client.post(f"/v1/import{query}", json={"rows": list(rows)})


async def available(ledger: Running, member: str = MEMBER) -> int | None:
    found: int | None = await ledger.ports.pool.fetchval(
        "SELECT available FROM ledger.balance WHERE member_id = $1 AND asset = 'points'", member
    )
    return found


async def test_what_a_member_had_is_there_with_its_dates_and_nobody_is_written_to(ledger: Running) -> None:
    made = await imports(ledger, LOT, ORDER, PAST, ADA)
    assert (made.status_code, made.json()) == (200, {"imported": 4, "known": 0, "faults": []})
    assert await available(ledger) == 300
    async with ledger.client() as client:
        (lot,) = (await client.get(f"/v1/members/{MEMBER}/lots")).json()["lots"]
        (entry,) = (await client.get(f"/v1/members/{MEMBER}/history")).json()["items"]
        (moved,) = (await client.get(f"/v1/members/{MEMBER}/statement")).json()["items"]
    assert (lot["opened_at"], lot["expires_at"]) == (PAID, None)
    assert (entry["points"], entry["text"]) == (-50, "Gift card")
    assert (moved["kind"], moved["from_account"], moved["cause"]) == ("import", "imported", "import:lot-1")
    assert [(event.type, event.replayed) for event in await ledger.told()] == [("points.earned.v1", True)]


async def test_a_refund_of_an_imported_order_takes_its_share(ledger: Running) -> None:
    await imports(ledger, LOT, ORDER)
    order = an_order_paid("80.00", order_id="o-1")
    await ledger.receives(a_refund(order, amount="20.00"))
    assert await available(ledger) == 275
    await ledger.receives(a_refund(order, amount="60.00"))
    assert await available(ledger) == 200
    assert await ledger.dead_letters() == []


async def test_a_row_is_taken_once_also_by_many_at_once_and_never_with_other_content(ledger: Running) -> None:
    answers = await asyncio.gather(*[imports(ledger, LOT, ORDER) for _ in range(5)])
    assert sorted(each.json()["imported"] for each in answers) == [0, 0, 0, 0, 2]
    assert await available(ledger) == 300
    other = await imports(ledger, LOT | {"points": 301})
    assert (other.status_code, other.json()["code"]) == (422, "import_refused")
    assert "other content" in other.json()["faults"][0]["message"]


async def test_one_fault_keeps_all_rows_out_and_a_dry_run_tells_every_one(ledger: Running) -> None:
    rows: list[Any] = [LOT, LOT | {"row": "lot-2", "expires_at": "2026-01-01T00:00:00Z"}, {"row": "x"}]
    dry = await imports(ledger, *rows, query="?dry_run=true")
    assert (dry.status_code, dry.json()["imported"]) == (200, 1)
    assert [(fault["line"], fault["message"][:21]) for fault in dry.json()["faults"]] == [
        (2, "these points expired "), (3, "Unable to extract tag"),
    ]  # fmt: skip
    refused = await imports(ledger, *rows)
    assert (refused.status_code, refused.json()["faults"]) == (422, dry.json()["faults"])
    assert await available(ledger) is None
    assert (await imports(ledger, LOT, query="?dry_run=true")).json()["imported"] == 1
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.imported_row") == 0


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/csv"])
async def test_json_lines_and_csv_are_read_as_well(ledger: Running, kind: str) -> None:
    lines = json.dumps(LOT) + "\n" + json.dumps(PAST)
    table = f"row,kind,member_id,points,earned_at,expires_at,at,text\r\nlot-1,points,{MEMBER},300,{PAID},never,,\r\n"
    table += f"h-1,history,{MEMBER},-50,,,{PAID},Gift card\r\n"
    async with ledger.client() as client:
        made = await client.post(
            "/v1/import", content=table if kind == "text/csv" else lines, headers={"Content-Type": kind}
        )
    assert made.json() == {"imported": 2, "known": 0, "faults": []}
    assert (await imports(ledger, LOT, PAST)).json()["known"] == 2


async def test_more_than_a_thousand_rows_are_too_many_and_members_import_nothing(ledger: Running) -> None:
    assert (await imports(ledger, *[LOT] * 1001)).status_code == 422
    async with ledger.client(member=MEMBER) as member:
        assert (await member.post("/v1/import", json={"rows": [LOT]})).status_code == 403


async def test_who_was_erased_is_not_brought_back_and_what_was_brought_is_forgotten(ledger: Running) -> None:
    await imports(ledger, LOT, ORDER, PAST)
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + timedelta(hours=1)))
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.imported_row") == 0
    again = await imports(ledger, LOT)
    assert "forgotten" in again.json()["faults"][0]["message"]


async def test_verify_finds_points_that_no_row_brought(ledger: Running) -> None:
    await imports(ledger, LOT)
    async with ledger.ports.pool.acquire() as connection, connection.transaction():
        kept: Any = await connection.fetchrow("DELETE FROM ledger.imported_row RETURNING *")
    assert await ledger.differences() == [
        f"program demo, member {MEMBER}: imported rows say that they brought 0 points, but their transfers moved 300"
    ]
    await ledger.ports.pool.copy_records_to_table("imported_row", schema_name="ledger", records=[tuple(kept)])


SHOP = tea_and_cups(
    spend={"rewards": [a_reward("five off", "400", limit="1")]},
    earn=[a_rule("welcome", "customer.signed_up", points="100", limit="1 per lifetime")],
)
CODE = {"row": "r", "kind": "reward", "member_id": MEMBER, "reward": "five off", "code": "TEA-1234", "points": 400,
        "issued_at": PAID}  # fmt: skip
HAD = {"row": "u", "kind": "usage", "member_id": MEMBER, "rule": "welcome", "points": 100, "at": PAID}


async def test_what_a_member_owned_and_had_used_up_is_known_here(ledger: Running) -> None:
    ledger.now += timedelta(seconds=1)
    await ledger.applies(SHOP)
    assert (await imports(ledger, CODE, HAD)).json() == {"imported": 2, "known": 0, "faults": []}
    assert (await imports(ledger, CODE, HAD)).json() == {"imported": 0, "known": 2, "faults": []}
    await ledger.receives(a_sign_up(MEMBER, at=ledger.now))
    assert await available(ledger) == 0
    async with ledger.client() as client:
        checked = await client.post("/v1/coupons/validate", json={"code": "tea 1234", "member_id": MEMBER})
        assert checked.json()["valid"] is True, checked.text
        (reward,) = (await client.get(f"/v1/members/{MEMBER}/rewards")).json()["items"]
        assert (reward["code"], reward["state"], reward["price"]) == ("TEA-1234", "issued", 400)
        voided = await client.post(
            f"/v1/members/{MEMBER}/rewards/import:r/void", json={"reason": "a mistake"}
        )
        assert voided.status_code == 200, voided.text
    assert await available(ledger) == 400
    assert all(event.replayed for event in (await ledger.told())[:3])


async def test_a_code_goes_to_one_member_also_where_two_files_come_at_once(ledger: Running) -> None:
    ledger.now += timedelta(seconds=1)
    await ledger.applies(SHOP)
    rows = [CODE | {"member_id": f"m-{number}"} for number in range(4)]
    answers = await asyncio.gather(*[imports(ledger, row) for row in rows])
    assert sorted(each.status_code for each in answers)[0] == 200
    assert sum(each.status_code == 200 for each in answers) == 1
    assert await ledger.ports.pool.fetchval("SELECT count(*) FROM ledger.coupon") == 1
