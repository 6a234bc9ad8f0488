"""The tiers service on real Postgres: events in batches, the clock's job, questions over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.tiers.jobs import REPORTED_AT_ONCE
from services.tiers.main import SERVICE
from shared.events import OrderLine, RefundLine
from shared.rows import replace
from tests.support.keys import KeyPair
from tests.support.services import Running, running
from tests.support.tiers import (
    a_program,
    at,
    cancelled,
    deleted,
    last_day,
    paid,
    points,
    refunded,
    short,
    signed_up,
)

Database = Callable[[], Awaitable[str]]


@pytest.fixture
async def tiers(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as tiers:
        tiers.now = at("2026-05-04T12:00:00")
        await tiers.applies(a_program(), at=at("2024-01-01"))
        yield tiers
        assert await tiers.differences() == []


async def standing(tiers: Running, member: str = "anna") -> tuple[str | None, str | None]:
    row = await tiers.ports.pool.fetchrow(
        "SELECT level, valid_until FROM tiers.member WHERE member_id = $1", member
    )
    return (row["level"], last_day(row["valid_until"])) if row else (None, None)


async def spent(tiers: Running, member: str = "anna") -> dict[int, int]:
    rows = await tiers.ports.pool.fetch(
        "SELECT year, spend_minor FROM tiers.year_spend WHERE member_id = $1", member
    )
    return {row["year"]: row["spend_minor"] for row in rows if row["spend_minor"]}


async def told(tiers: Running) -> list[str]:
    return [short(event) for event in await tiers.told()]


async def test_an_order_raises_at_once_and_only_once_when_it_is_redelivered(tiers: Running) -> None:
    order = paid("a", "1000.00", "2026-05-01")
    done = await tiers.receives(order, order)
    again = await tiers.receives(order)
    assert (done.applied, done.duplicates, again.duplicates) == (1, 1, 1)
    assert await standing(tiers) == ("Habitué", "2027-12-31")
    raised = (await tiers.told())[-1]
    assert (raised.data.cause, points(raised.data.rewards)) == (order.id, [100, 500])
    assert raised.time == order.time


async def test_the_worked_example_through_the_clocks_job(tiers: Running) -> None:
    await tiers.receives(paid("a", "1000.00", "2025-05-01"), paid("b", "400.00", "2026-05-01"))
    seen = []
    for now in ("2026-12-31T23:05:00", "2027-12-31T23:05:00"):
        tiers.now = at(now)
        await tiers.runs("settle_due")
        seen.append(await standing(tiers))
    assert seen == [("Regular", "2027-12-31"), ("Guest", None)]
    assert await told(tiers) == [
        "raised Guest",
        "raised Habitué",
        "will_lower Habitué",
        "lowered Regular",
        "will_lower Regular",
        "lowered Guest",
    ]


async def test_a_history_handed_in_at_once_comes_out_as_if_the_clock_had_run(tiers: Running) -> None:
    tiers.now = at("2028-03-01")
    await tiers.receives(
        signed_up("2025-04-01"),
        paid("a", "1000.00", "2025-05-01"),
        paid("b", "400.00", "2026-05-01"),
        paid("c", "10.00", "2028-02-01"),
    )
    assert await standing(tiers) == ("Guest", None)
    assert (await told(tiers))[-1] == "lowered Guest"


async def test_the_job_waits_while_the_past_is_being_replayed(tiers: Running) -> None:
    tiers.now = at("2028-03-01")
    await tiers.receives(paid("a", "400.00", "2025-05-01"))
    assert await tiers.runs("settle_due") == 0
    assert await standing(tiers) == ("Regular", "2026-12-31")
    tiers.now += timedelta(seconds=10)
    assert await tiers.runs("settle_due") == 1
    assert await standing(tiers) == ("Guest", None)


async def test_a_replay_that_never_ends_does_not_hold_the_clock_for_ever(
    fresh_database: Database, keys: KeyPair
) -> None:
    async with running(SERVICE, await fresh_database(), keys, replay_quiet_seconds=1_800) as tiers:
        await tiers.applies(a_program(), at=at("2024-01-01"))
        settled = []
        for minute in (0, 20, 40, 61):
            tiers.now = at("2028-03-01") + timedelta(minutes=minute)
            await tiers.receives(paid(f"order-{minute}", "400.00", "2025-05-01"))
            settled.append(await tiers.runs("settle_due"))
    assert settled == [0, 0, 0, 1]


async def test_many_members_are_settled_page_by_page(tiers: Running) -> None:
    members = [f"m{number:04d}" for number in range(1_500)]
    await tiers.receives(*(paid("a", "400.00", "2026-05-04T11:59:00", member) for member in members[:1000]))
    await tiers.receives(*(paid("a", "10.00", "2026-05-04T11:59:00", member) for member in members[1000:]))
    tiers.now = at("2028-01-02")
    assert await tiers.runs("settle_due") == 1_500
    assert await tiers.runs("settle_due") == 0
    levels = await tiers.ports.pool.fetch("SELECT level, count(*) AS n FROM tiers.member GROUP BY level")
    assert {row["level"]: row["n"] for row in levels} == {"Guest": 1_500}
    dues = await tiers.ports.pool.fetch("SELECT DISTINCT next_due FROM tiers.member")
    assert [row["next_due"] for row in dues] == [at("2028-12-31T23:00:00")]


async def test_a_refund_that_overtakes_its_order_and_its_batch_waits(tiers: Running) -> None:
    await tiers.receives(refunded("a", "100.00", "2026-05-02"))
    assert await standing(tiers) == (None, None)
    await tiers.receives(paid("a", "400.00", "2026-05-01"))
    assert await spent(tiers) == {2026: 30000}


async def test_a_cancelled_order_is_judged_by_the_job_at_the_next_midnight(tiers: Running) -> None:
    await tiers.receives(paid("a", "400.00", "2026-05-03"), cancelled("a", "2026-05-04T10:00:00"))
    await tiers.runs("settle_due")
    assert await standing(tiers) == ("Regular", "2027-12-31")
    tiers.now = at("2026-05-04T22:05:00")
    await tiers.runs("settle_due")
    assert await standing(tiers) == ("Guest", None)
    assert points((await tiers.told())[-1].data.rewards_taken_back) == [100]


async def test_lines_quantities_and_discounts_survive_the_database(tiers: Running) -> None:
    tea = OrderLine(line_id="tea", total="25.00", quantity="2.5", categories=("tea",))
    cup = OrderLine(line_id="cup", total="40.00")
    card = OrderLine(line_id="card", total="50.00", gift_card=True)
    await tiers.receives(
        paid("a", "119.90", "2026-05-01", lines=(tea, cup, card), shipping="4.90", email="a@example.org")
    )
    assert await spent(tiers) == {2026: 6500}
    await tiers.receives(refunded("a", None, "2026-05-02", lines=(RefundLine(line_id="cup"),)))
    assert await spent(tiers) == {2026: 2500}
    kept = await tiers.ports.pool.fetchval("SELECT paid::text FROM tiers.purchase")
    assert "example.org" not in kept


async def test_shuffled_in_any_batches_the_same_history_ends_alike(tiers: Running) -> None:
    tiers.now = at("2028-06-01")
    history: list[Any] = [signed_up("2025-01-05", member) for member in ("ann", "ben")]
    for member in ("ann", "ben"):
        for number, total in enumerate(("200.00", "300.00", "650.00", "80.00"), 1):
            history.append(paid(f"o{number}", total, f"2025-0{number}-10", member))
        history.append(refunded("o3", "100.00", "2025-06-01", member))
        history.append(cancelled("o4", "2025-06-02", member))
        history.append(paid("o5", "360.00", "2026-03-01", member))
    mine = [event for event in history if event.member_id == "ann"]
    theirs = [event for event in history if event.member_id == "ben"]
    random.Random(7).shuffle(theirs)
    await tiers.receives(*mine)
    for event in theirs:
        await tiers.receives(event)
    tiers.now += timedelta(minutes=5)
    await tiers.runs("settle_due")
    assert await spent(tiers, "ben") == await spent(tiers, "ann") == {2025: 105000, 2026: 36000}
    assert await standing(tiers, "ben") == await standing(tiers, "ann")


async def test_batches_and_the_job_side_by_side_lose_nothing(tiers: Running) -> None:
    members = [f"m{number}" for number in range(40)]

    async def a_batch(number: int) -> None:
        mine = members[::-1] if number % 2 else members
        events = [paid(f"o{number}", "100.00", f"2025-05-{number + 1:02d}", member) for member in mine]
        async with tiers.ports.pool.acquire() as connection, connection.transaction():
            await tiers.doors.handle(connection, events, tiers.now)

    await asyncio.gather(*(a_batch(number) for number in range(8)), tiers.runs("settle_due"))
    tiers.now += timedelta(minutes=5)
    await asyncio.gather(*(a_batch(number) for number in range(8, 12)), tiers.runs("settle_due"))
    totals = await tiers.ports.pool.fetch("SELECT DISTINCT spend_minor FROM tiers.year_spend")
    assert [row["spend_minor"] for row in totals] == [120_000]
    levels = await tiers.ports.pool.fetch("SELECT DISTINCT level FROM tiers.member")
    assert [row["level"] for row in levels] == ["Habitué"]


async def test_an_erased_member_leaves_nothing_but_the_fact(tiers: Running) -> None:
    await tiers.receives(paid("a", "400.00", "2026-05-01"))
    await tiers.receives(paid("b", "40.00", "2026-05-02"), deleted("2026-05-03"))
    await tiers.receives(paid("c", "400.00", "2026-05-04"))
    counts = await tiers.ports.pool.fetchrow(
        "SELECT (SELECT count(*) FROM tiers.purchase), (SELECT count(*) FROM tiers.year_spend), "
        "(SELECT count(*) FROM tiers.member WHERE erased_at IS NOT NULL AND level IS NULL)"
    )
    assert tuple(counts) == (0, 0, 1)
    async with tiers.client() as client:
        assert (await client.get("/v1/members/anna/standing")).status_code == 404


async def test_what_cannot_be_is_a_dead_letter_and_the_rest_goes_on(tiers: Running) -> None:
    done = await tiers.receives(
        paid("a", "400.00", "2026-05-01"),
        refunded("a", "4.00", "2026-05-02", currency="USD"),
        paid("c", "4.001", "2026-05-01"),
    )
    assert (done.applied, done.refused) == (1, 2)
    codes = [code for code, _ in await tiers.dead_letters()]
    assert codes == ["currency_mismatch", "invalid_amount"]
    assert await spent(tiers) == {2026: 40000}


async def test_events_of_an_unknown_program_are_refused_and_leave_no_row(tiers: Running) -> None:
    await tiers.receives(replace(paid("a", "400.00", "2026-05-01"), program_id="nobody"))
    assert await tiers.dead_letters() != []
    assert await tiers.ports.pool.fetchval("SELECT count(*) FROM tiers.member") == 0


async def test_a_program_without_levels_counts_and_gets_them_later(tiers: Running) -> None:
    bare = a_program() | {"program": "bare"}
    ladder = bare.pop("tiers")
    await tiers.applies(bare)
    await tiers.receives(replace(paid("a", "400.00", "2026-05-01"), program_id="bare"))
    assert await told(tiers) == []
    await tiers.applies(bare | {"tiers": ladder})
    await tiers.receives(replace(paid("b", "1.00", "2026-05-02"), program_id="bare"))
    assert await told(tiers) == ["raised Guest", "raised Regular"]


async def test_a_standing_in_words_and_numbers(tiers: Running) -> None:
    await tiers.receives(paid("a", "967.50", "2026-05-01"))
    async with tiers.client(scopes="tiers:read") as client:
        answer = await client.get("/v1/members/anna/standing")
    assert answer.status_code == 200
    assert answer.json() == {
        "member_id": "anna",
        "ladder": "main",
        "level": "Regular",
        "since": "2026-05-01T00:00:00Z",
        "valid_until": "2027-12-31T23:00:00Z",
        "progress": {"year": 2026, "spent": {"amount": "967.50", "currency": "EUR"}},
        "next": {
            "level": "Habitué",
            "missing": {"amount": "32.50", "currency": "EUR"},
            "by": "2026-12-31",
            "words": "32.50 EUR to Habitué by 31 December",
        },
        "to_stay": {
            "level": "Regular",
            "missing": {"amount": "350.00", "currency": "EUR"},
            "by": "2027-12-31",
            "words": "350.00 EUR in 2027 keeps Regular through 2028",
        },
        "on_drop": {"level": "Guest", "at": "2027-12-31T23:00:00Z"},
    }


async def test_in_the_year_that_decides_the_standing_says_what_is_still_missing(tiers: Running) -> None:
    await tiers.receives(paid("a", "1000.00", "2025-05-01"), paid("b", "400.00", "2026-05-01"))
    async with tiers.client() as client:
        answer = (await client.get("/v1/members/anna/standing")).json()
        await tiers.receives(paid("c", "600.00", "2026-05-03"))
        later = (await client.get("/v1/members/anna/standing")).json()
    assert answer["to_stay"]["words"] == "600.00 EUR by 31 December keeps Habitué through 2027"
    assert answer["on_drop"]["level"] == "Regular"
    assert answer["next"] is None
    assert later["to_stay"]["words"] == "Habitué is kept through 2027"
    assert later["on_drop"] is None


async def test_entitlements_are_those_of_the_level(tiers: Running) -> None:
    await tiers.receives(paid("a", "1000.00", "2026-05-01"))
    async with tiers.client() as client:
        answer = await client.get("/v1/members/anna/entitlements")
    assert answer.json() == {
        "member_id": "anna",
        "level": "Habitué",
        "valid_until": "2027-12-31T23:00:00Z",
        "earn_times": "1.5",
        "entitlements": {"free_shipping": True, "priority_support": True},
    }


async def test_the_levels_of_this_year_and_of_the_next(tiers: Running) -> None:
    stricter = a_program()
    stricter["tiers"]["levels"][1]["from"] = "500.00 EUR"
    async with tiers.client() as client:
        before = (await client.get("/v1/levels")).json()
        await tiers.applies(stricter)
        after = (await client.get("/v1/levels")).json()
    assert [level["level"] for level in before["levels"]] == ["Guest", "Regular", "Habitué"]
    assert before["coming"] is None
    assert after["levels"] == before["levels"]
    assert after["coming"]["at"] == "2026-12-31T23:00:00Z"
    assert after["coming"]["levels"][1]["from"] == {"amount": "500.00", "currency": "EUR"}


@pytest.mark.parametrize("what", ["standing", "entitlements"])
async def test_nobody_sees_what_is_not_theirs(tiers: Running, what: str) -> None:
    await tiers.receives(paid("a", "400.00", "2026-05-01"))
    address = f"/v1/members/anna/{what}"
    async with (
        tiers.client(member="anna") as herself,
        tiers.client(member="ben") as another,
        tiers.client(program="other") as elsewhere,
        tiers.client(scopes="ledger:read") as without_scope,
        tiers.client(token=False) as nobody,
        tiers.client() as shop,
    ):
        assert (await herself.get(address)).status_code == 200
        assert (await herself.get("/v1/levels")).status_code == 200
        assert (await another.get(address)).status_code == 403
        assert (await elsewhere.get(address)).status_code == 404
        assert (await without_scope.get(address)).status_code == 403
        assert (await nobody.get(address)).status_code == 401
        unknown = await shop.get(f"/v1/members/nobody/{what}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_member")


async def test_each_refund_whose_order_never_came_is_told_of_once(tiers: Running) -> None:
    names = [f"o-{number}" for number in range(2 * REPORTED_AT_ONCE + 1)]
    early = [refunded(name, "1.00", "2026-05-01") for name in names]
    await tiers.receives(paid("here", "10.00", "2026-05-01"), *early)
    assert await tiers.runs("report_waiting") == 0, "an order may come late"
    tiers.now = datetime.now(UTC) + timedelta(days=31)
    with capture_logs() as lines:
        assert [await tiers.runs("report_waiting") for _ in range(2)] == [len(names), 0]
    assert sorted(line["order"] for line in lines) == sorted(names)
    assert {line["event"] for line in lines} == {"order_never_came"}


async def test_verify_names_each_difference(tiers: Running) -> None:
    await tiers.receives(paid("a", "400.00", "2026-05-01"), paid("b", "10.00", "2026-05-01", "ben"))
    pool = tiers.ports.pool
    await pool.execute("UPDATE tiers.year_spend SET spend_minor = 1 WHERE member_id = 'anna'")
    await pool.execute("UPDATE tiers.purchase SET kept_minor = 2 WHERE member_id = 'ben'")
    await pool.execute("UPDATE tiers.member SET level = 'Guest', valid_until = NULL WHERE member_id = 'anna'")
    assert await tiers.differences() == [
        "demo:anna: 2026 counts 1, its orders come to 40000",
        "demo:anna: holds Guest until for good, the orders lead to Regular until 2027-12-31T23:00:00+00:00",
        "demo:ben: order b counts 2 in 2026, should 1000 in 2026",
    ]
    await pool.execute("UPDATE tiers.year_spend SET spend_minor = 40000 WHERE member_id = 'anna'")
    await pool.execute("UPDATE tiers.purchase SET kept_minor = 1000 WHERE member_id = 'ben'")
    await pool.execute(
        "UPDATE tiers.member SET level = 'Regular', valid_until = '2027-12-31T23:00:00Z' "
        "WHERE member_id = 'anna'"
    )


async def test_the_role_may_not_delete_a_standing(tiers: Running) -> None:
    for statement in ("DELETE FROM tiers.member", "TRUNCATE tiers.purchase", "DROP TABLE tiers.replay"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tiers.ports.pool.execute(statement)


async def test_every_query_can_be_prepared_on_the_migrated_schema(tiers: Running) -> None:
    async with tiers.ports.pool.acquire() as connection:
        for name in tiers.ports.sql.names():
            await connection.prepare(getattr(tiers.ports.sql, name))
