"""Export, import into an empty program, and erasure, over real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.ledger.actions.exports import export_program
from services.ledger.main import SERVICE
from shared.cli import application
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_fulfilment,
    a_refund,
    a_sign_up,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
LATER = NOON + timedelta(days=1)
WAITS = {"pending": {"order.paid": "14 days after order.fulfilled"}}
BALANCES = """SELECT member_id, asset, pending, available + held AS available FROM ledger.balance
              WHERE pending <> 0 OR available + held <> 0 ORDER BY 1, 2"""
LOTS = """SELECT member_id, asset, expires_at, opened_at, sum(remaining) FROM ledger.lot WHERE remaining > 0
          GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


async def exported(ledger: Running) -> list[dict[str, Any]]:
    actions = ledger.doors.state["actions"]
    async with (
        ledger.ports.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return [row async for row in export_program(actions, connection, PROGRAM, ledger.now)]


async def asked(ledger: Running, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await ledger.ports.pool.fetch(sql)]


async def lives(ledger: Running) -> None:
    """Members with all that a program can have in it."""
    await ledger.applies(tea_and_cups(**WAITS))
    orders = [an_order_paid("120.00", order_id=f"o-{number}", member=f"m-{number}") for number in range(4)]
    await ledger.receives(*[a_sign_up(f"m-{number}", birthday="--03-14") for number in range(4)], *orders)
    await ledger.receives(*[a_fulfilment(order) for order in orders[1:]])
    ledger.now = NOON + timedelta(days=16)
    await ledger.runs("settle_due")
    await ledger.receives(a_refund(orders[1], amount="20.00", at=ledger.now))
    await ledger.receives(an_order_paid("80.00", order_id="o-5", member="m-2", at=ledger.now))
    async with ledger.client() as client:
        for member, points in (("m-2", 100), ("m-3", 100)):
            body = {"hold_id": f"h-{member}", "points": points}
            held = await client.post(f"/v1/members/{member}/holds", json=body)
            assert held.status_code == 201, held.text
        assert (await client.post("/v1/members/m-3/holds/h-m-3/capture", json={})).status_code == 200
    await ledger.receives(a_refund(orders[3], amount="120.00", at=ledger.now))  # spent before: m-3 owes


async def test_a_program_that_moves_into_an_empty_one_has_the_same_balances_and_lots(
    ledger: Running, fresh_database: Database, keys: KeyPair
) -> None:
    await lives(ledger)
    rows = await exported(ledger)
    async with running(SERVICE, await fresh_database(), keys) as other:
        await other.applies(tea_and_cups(**WAITS))
        other.now = ledger.now
        async with other.client() as client:
            made = await client.post("/v1/import", json={"rows": rows})
        assert (made.status_code, made.json()["imported"]) == (200, len(rows)), made.text
        assert await asked(other, BALANCES) == await asked(ledger, BALANCES)
        async with ledger.client() as client:
            await client.post("/v1/members/m-2/holds/h-m-2/release", json={})
        assert await asked(other, LOTS) == await asked(ledger, LOTS)
        later = ledger.now + timedelta(hours=1)
        for town in (ledger, other):  # a refund of an order that moved takes the same
            await town.receives(
                a_refund(an_order_paid("80.00", order_id="o-5", member="m-2"), amount="80.00", at=later)
            )
        assert await asked(other, BALANCES) == await asked(ledger, BALANCES)
        again = await exported(other)
        assert {row["member_id"] for row in again} == {row["member_id"] for row in rows}
        assert await other.differences() == []


OWNED = """SELECT r.reward_id, r.state, CASE WHEN r.code IS NOT NULL THEN r.price END, r.valid_until, c.shown, c.used,
                  c.uses FROM ledger.reward AS r
           LEFT JOIN ledger.coupon AS c ON c.code = r.code ORDER BY 1"""
USED = "SELECT member_id, rule, bucket, times, points FROM ledger.usage WHERE times > 0 ORDER BY 1, 2, 3"


async def test_rewards_with_their_codes_and_what_caps_counted_move_along(
    ledger: Running, fresh_database: Database, keys: KeyPair
) -> None:
    program = tea_and_cups(
        spend={"rewards": [a_reward("five off", "40"), a_reward("tea", "10", gives={"credit": "1.00 EUR"})]},
        earn=[PER_EURO | {"at_most": "100 per month"}],
    )
    await ledger.applies(program)
    await ledger.receives(an_order_paid("120.00", order_id="o-1"))
    async with ledger.client() as client:
        for reward, name in (("five off", "r-1"), ("tea", "r-2"), ("five off", "r-3")):
            body = {"reward": reward, "reward_id": name}
            bought = await client.post(f"/v1/members/{MEMBER}/redemptions", json=body)
            assert bought.status_code == 201, bought.text
            if name == "r-1":
                code, use = bought.json()["code"], {"order_id": "o-2", "member_id": MEMBER}
                used = await client.post(f"/v1/coupons/{code}/use", json=use)
                assert used.status_code == 200, used.text
    async with running(SERVICE, await fresh_database(), keys) as other:
        await other.applies(program)
        other.now = ledger.now
        rows = await exported(ledger)
        async with other.client() as client:
            made = await client.post("/v1/import", json={"rows": rows})
        assert (made.status_code, made.json()["imported"]) == (200, len(rows)), made.text
        for question in (OWNED, USED, BALANCES, LOTS):
            assert await asked(other, question) == await asked(ledger, question)
        assert await other.differences() == []


async def test_the_statement_of_whoever_was_merged_moves_along(
    ledger: Running, fresh_database: Database, keys: KeyPair
) -> None:
    await ledger.applies(tea_and_cups())
    past = {
        "row": "h",
        "kind": "history",
        "member_id": "old",
        "points": 7,
        "at": "2026-01-01T00:00:00Z",
        "text": "x",
    }
    await ledger.receives(an_order_paid("10.00", member="old"), an_order_paid("20.00", member="ana"))
    async with ledger.client(scopes="ledger:read ledger:write ledger:admin") as client:
        assert (await client.post("/v1/import", json={"rows": [past]})).status_code == 200
        merged = await client.post("/v1/members/ana/merge", json={"from": "old", "reason": "one person"})
        assert merged.status_code == 200, merged.text
    rows = await exported(ledger)
    told = {
        (row["row"], row["points"]) for row in rows if row["kind"] == "history" and row["text"] != "merge"
    }
    assert told == {("entry:points:1", 20), ("entry:points:1:old", 10), ("before:h:old", 7)}
    async with running(SERVICE, await fresh_database(), keys) as other:
        await other.applies(tea_and_cups())
        other.now = ledger.now
        async with other.client() as client:
            assert (await client.post("/v1/import", json={"rows": rows})).json()["imported"] == len(rows)
        assert await asked(other, BALANCES) == await asked(ledger, BALANCES)


async def test_everything_about_a_member_is_told_table_by_table(ledger: Running) -> None:
    await lives(ledger)
    async with ledger.client() as client:
        tables = (await client.get("/v1/members/m-2/export")).json()["tables"]
        assert (await client.get("/v1/members/nobody/export")).json()["code"] == "unknown_member"
    assert {"member", "person", "balance", "transfer", "lot", "award", "purchase", "hold"} <= tables.keys()
    assert {row["member_id"] for rows in tables.values() for row in rows} == {"m-2"}
    assert tables["person"][0]["birthday"] == "03-14"


async def test_no_table_about_members_is_left_out_of_an_export(ledger: Running) -> None:
    rows = await asked(
        ledger,
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'ledger' AND column_name = 'member_id'",
    )
    told = SERVICE.load_queries().export_member
    missing = sorted(name for (name,) in rows if f" ledger.{name} " not in told)
    assert not missing, f"sql/exports.sql, export_member, leaves out {missing}"


async def test_an_erasure_tells_what_went_and_later_events_book_nothing(ledger: Running) -> None:
    await lives(ledger)
    async with ledger.client() as client:
        asked_why = {"reason": "asked by letter"}
        dry = (await client.post("/v1/members/m-2/erase?dry_run=true", json=asked_why)).json()
        assert (await client.get("/v1/members/m-2/balances")).json()["balances"][0]["held"] == 100
        made = (await client.post("/v1/members/m-2/erase", json=asked_why)).json()
        assert made == dry
        assert (made["holds_released"], made["awards_cancelled"]) == (1, 1)
        assert made["facts_forgotten"] == ["birthday"]
        balances = await client.get("/v1/members/m-2/balances")
        assert all(
            each["available"] == each["pending"] == each["held"] == 0 for each in balances.json()["balances"]
        )
        assert (await client.post("/v1/members/m-2/erase", json=asked_why)).json()["code"] == "member_erased"
        assert (await client.post("/v1/members/m-2/erase", json={})).status_code == 422
        count = await asked(ledger, "SELECT count(*) FROM ledger.transfer")
        await ledger.receives(an_order_paid("50.00", member="m-2", at=ledger.now + timedelta(hours=1)))
        assert await asked(ledger, "SELECT count(*) FROM ledger.transfer") == count
        told = (await client.get("/v1/members/m-2/export")).json()["tables"]
    assert "person" not in told
    assert (told["erasure"][0]["reason"], "m-2" in {row["member_id"] for row in await exported(ledger)}) == (
        "asked by letter",
        False,
    )


async def test_of_many_who_erase_at_once_one_does_it(ledger: Running) -> None:
    await lives(ledger)
    async with ledger.client() as client:
        calls = [client.post("/v1/members/m-2/erase", json={"reason": "asked"}) for _ in range(5)]
        answers = await asyncio.gather(*calls)
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409, 409]


async def types(ledger: Running, *words: str, status: int = 0) -> Result:
    env = {
        "LEDGER_DATABASE_URL": ledger.settings.dsn,
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "LEDGER_HASH_KEY": "only-for-tests-and-long-enough",
        "TOKEN_KEYS": str(ledger.keys.public),
    }
    result = await asyncio.to_thread(CliRunner().invoke, application(SERVICE), list(words), env=env)
    assert result.exit_code == status, result.output
    return result


async def test_what_only_clashes_within_a_file_is_told_with_what_was_imported(
    ledger: Running, tmp_path: Path
) -> None:
    await ledger.applies(tea_and_cups())
    code = {
        "row": "r",
        "kind": "reward",
        "reward": "mug",
        "code": "TEA-1",
        "gives": {"kind": "free_shipping"},
    }
    past = [
        {
            "row": f"h-{n}",
            "kind": "history",
            "member_id": "m-1",
            "points": 1,
            "at": "2026-03-03T09:00:00Z",
            "text": "x",
        }
        for n in range(999)
    ]
    rows = [code | {"member_id": "m-1"}, *past, code | {"member_id": "m-2"}]
    file = tmp_path / "clash.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    await types(ledger, "import", str(file), "--program", PROGRAM, "--dry-run")
    clash = await types(ledger, "import", str(file), "--program", PROGRAM, status=1)
    assert "clash.jsonl:1001: the code 'TEA-1' is another coupon's" in " ".join(clash.output.split())
    assert "1000 rows imported, 0 were there, 1 are at fault" in " ".join(clash.output.split())
    rows[-1]["code"] = "TEA-2"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (
        "1 rows imported, 1000 were there"
        in (await types(ledger, "import", str(file), "--program", PROGRAM)).output
    )


async def test_the_command_line_exports_a_program_and_imports_it_once(
    ledger: Running, fresh_database: Database, keys: KeyPair, tmp_path: Path
) -> None:
    await lives(ledger)
    file = tmp_path / "club.jsonl"
    await types(ledger, "export", str(file), "--program", PROGRAM)
    rows = len(file.read_text().splitlines())
    one = json.loads((await types(ledger, "export", "--program", PROGRAM, "--member", "m-2")).stdout)
    assert one["tables"]["balance"]
    async with running(SERVICE, await fresh_database(), keys) as other:
        await other.applies(tea_and_cups(**WAITS))
        await types(other, "import", str(file), "--program", PROGRAM, "--dry-run")
        assert await asked(other, "SELECT count(*) FROM ledger.member") == [(0,)]
        for imported, known in ((rows, 0), (0, rows)):
            told = json.loads(
                (await types(other, "import", str(file), "--program", PROGRAM, "--json")).stdout
            )
            assert (told["imported"], told["known"], told["faults"]) == (imported, known, [])
        file.write_text(file.read_text() + '{"row": "x"}\n')
        refused = await types(other, "import", str(file), "--program", PROGRAM, status=1)
        assert f"club.jsonl:{rows + 1}: " in refused.output
        assert await other.differences() == []
