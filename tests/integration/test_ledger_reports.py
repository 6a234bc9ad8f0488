"""A merchant's reports over HTTP: they add up to the books, as JSON and as CSV, and hold nobody up."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ledger import reporting
from services.ledger.errors import ReportTookTooLong
from services.ledger.main import SERVICE
from services.ledger.store import reports
from shared.events import RefundLine
from tests.support.events import MEMBER, NOON, a_line, a_refund, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
TEA = a_line("25.00", line_id="tea", categories=("tea",))
CUP = a_line("40.00", line_id="cup")
SPEND = {
    "at_checkout": {"points": "100", "are_worth": "1.00 EUR"},
    "rewards": [
        a_reward("five off", "40"),
        a_reward("give", "50", gives={"donate_to": ["forest", "food bank"]}),
    ],
}
JUNE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    """133 points in May of which 87 came back, and 7 of somebody else in June."""
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(spend=SPEND))
        order = an_order_paid("64.90", order_id="o-1", lines=(TEA, CUP), discount="5.00", shipping="4.90")
        await ledger.receives(order)
        await ledger.receives(a_refund(order, lines=(RefundLine(line_id="cup"),)))
        await ledger.receives(an_order_paid("7.00", member="ada", at=JUNE))
        yield ledger
        assert await ledger.differences() == []


async def asks(ledger: Running, report: str, query: str = "", status: int = 200) -> Any:
    async with ledger.client() as client:
        answer = await client.get(f"/v1/reports/{report}{query}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def does(ledger: Running, path: str, **body: Any) -> None:
    async with ledger.client() as client:
        answer = await client.post(f"/v1/members/{path}", json=body)
    assert answer.status_code in (200, 201), answer.text


async def rows_of(ledger: Running, report: str, *names: str, query: str = "") -> list[tuple[Any, ...]]:
    found = (await asks(ledger, report, query))["rows"]
    return [tuple(row[name] for name in names) for row in found]


async def test_rules_share_what_was_awarded_and_taken_back_to_the_last_point(ledger: Running) -> None:
    found = await rows_of(ledger, "cost-per-rule", "period", "rule", "awards", "awarded", "reversed", "worth")
    assert found == [
        ("2026-05-01", "base", 1, 60, 37, "0.23"),
        ("2026-05-01", "big basket", 1, 50, 50, "0.00"),
        ("2026-05-01", "tea counts double", 1, 23, 0, "0.23"),
        ("2026-06-01", "base", 1, 7, 0, "0.07"),
    ]


async def test_where_very_many_came_back_they_are_shared_in_the_ratio_of_what_was_given(
    ledger: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "MOST_RETURNED", 0)
    found = await rows_of(ledger, "cost-per-rule", "rule", "awarded", "reversed", query="?to=2026-05-31")
    assert found == [("base", 60, 39), ("big basket", 50, 33), ("tea counts double", 23, 15)]


async def test_what_is_owed_is_what_the_books_say_now_and_at_any_moment_before(ledger: Running) -> None:
    said = await asks(ledger, "liability")
    assert said["rows"] == [
        {
            "asset": "points", "pending": 0, "available": 53, "held": 0, "outstanding": 53, "worth": "0.53",
            "currency": "EUR", "owed": 0, "members": 2,
        }
    ]  # fmt: skip
    assert [(row["month"], row["points"], row["members"]) for row in said["ageing"]] == [
        ("2027-05-01", 46, 1),
        ("2027-06-01", 7, 1),
    ]
    before = await asks(ledger, "liability", f"?as_of={NOON + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}")
    (row,) = before["rows"]
    assert (row["outstanding"], row["members"], before["ageing"]) == (46, 1, None)


async def test_what_members_owe_is_not_set_against_what_others_have(ledger: Running) -> None:
    await does(ledger, "ada/adjustments", adjustment_id="a-1", points=-10, reason="a mistake")
    (row,) = (await asks(ledger, "liability"))["rows"]
    assert (row["outstanding"], row["owed"], row["members"]) == (46, 3, 1)


async def test_what_expires_at_midnight_expires_in_the_month_that_ends_there(ledger: Running) -> None:
    assert await rows_of(ledger, "expiring-points", "month", "points", "worth", "lots") == [
        ("2027-05-01", 46, "0.46", 1),
        ("2027-06-01", 7, "0.07", 1),
    ]
    assert await rows_of(ledger, "expiring-points", "points", query="?until=2027-05-31") == [(46,)]
    assert await rows_of(ledger, "expiring-points", "points", query="?until=2027-05-30") == []


async def test_breakage_tells_used_expired_and_left_by_the_month_they_became_available(
    ledger: Running,
) -> None:
    await does(ledger, f"{MEMBER}/redemptions", reward="five off", reward_id="r-1")
    ledger.now = datetime(2027, 6, 2, 12, 0, tzinfo=UTC)
    await ledger.runs("settle_due")
    names = ("period", "issued", "used", "expired", "remaining", "rate")
    assert await rows_of(ledger, "breakage", *names, query="?from=2026-05-01") == [
        ("2026-05-01", 133, 127, 6, 0, "0.0451"),
        ("2026-06-01", 7, 0, 0, 7, "0.0000"),
    ]


async def test_what_was_given_to_another_member_was_issued_once(ledger: Running) -> None:
    terms = {"older_than": "0 days"}
    ledger.now = JUNE + timedelta(days=1)
    await ledger.applies(tea_and_cups(spend=SPEND, transfers=terms))
    await ledger.receives(a_sign_up("bob", at=JUNE))
    names = ("period", "lots", "issued", "used", "remaining")
    before = await rows_of(ledger, "breakage", *names, query="?from=2026-05-01")
    await does(ledger, f"{MEMBER}/transfers", to="bob", points=20, transfer_id="g-1")
    assert await rows_of(ledger, "breakage", *names, query="?from=2026-05-01") == before
    ledger.now = datetime(2027, 6, 2, 12, 0, tzinfo=UTC)
    await ledger.runs("settle_due")
    (may, *_) = await rows_of(ledger, "breakage", "issued", "used", "expired", query="?from=2026-05-01")
    assert may == (133, 87, 46)


async def test_redemptions_and_donations_are_counted_where_they_belong(ledger: Running) -> None:
    await does(ledger, f"{MEMBER}/redemptions", reward="five off", reward_id="r-1")
    await ledger.receives(a_sign_up("bob", at=JUNE), a_sign_up("eve", at=JUNE))
    await does(ledger, "bob/redemptions", reward="give", reward_id="r-2", charity="forest")
    await does(ledger, "eve/redemptions", reward="give", reward_id="r-3", charity="forest")
    await does(ledger, "eve/redemptions", reward="give", reward_id="r-4", charity="food bank")
    await does(ledger, "bob/adjustments", adjustment_id="more", points=100, reason="a gift")
    await does(ledger, "bob/spends", points=100, spend_id="s-1")
    names = ("what", "reward", "redeemed", "points", "used", "unused", "returned")
    assert await rows_of(ledger, "redemptions", *names) == [
        ("reward", "five off", 1, 40, 0, 1, None),
        ("reward", "give", 3, 150, 3, 0, None),
        ("checkout", None, 1, 100, None, None, 0),
    ]
    assert await rows_of(
        ledger, "donations", "charity", "giver", "donations", "members", "points", "worth"
    ) == [
        ("food bank", "member", 1, 1, 50, "0.50"),
        ("forest", "member", 2, 2, 100, "1.00"),
    ]


async def test_a_period_ends_with_its_last_day_in_the_programs_zone(ledger: Running) -> None:
    late = datetime(2026, 5, 31, 22, 30, tzinfo=UTC)  # in Paris it is 1 June
    await ledger.receives(an_order_paid("3.00", at=late, order_id="late"))
    found = await rows_of(
        ledger, "cost-per-rule", "period", "awarded", query="?from=2026-06-01&to=2026-06-01&by=day"
    )
    assert found == [("2026-06-01", 10)]


async def test_every_report_is_a_file_for_a_spreadsheet_too(ledger: Running) -> None:
    async with ledger.client() as client:
        for report in (
            "liability",
            "expiring-points",
            "breakage",
            "cost-per-rule",
            "redemptions",
            "donations",
        ):
            as_json = (await client.get(f"/v1/reports/{report}")).json()["rows"]
            answer = await client.get(f"/v1/reports/{report}", headers={"Accept": "text/csv"})
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            assert f'filename="{report}.csv"' in answer.headers["content-disposition"]
            found = list(csv.DictReader(io.StringIO(answer.text)))
            said = [
                {name: "" if value is None else str(value) for name, value in row.items()} for row in as_json
            ]
            assert found == said


async def test_a_name_of_a_charity_is_no_formula(ledger: Running) -> None:
    gives = a_reward("bad", "5", gives={"donate_to": ["=1+1"]})
    await ledger.applies(tea_and_cups(spend={**SPEND, "rewards": [gives]}))
    await does(ledger, f"{MEMBER}/redemptions", reward="bad", reward_id="r-9", charity="=1+1")
    async with ledger.client() as client:
        text = (await client.get("/v1/reports/donations?format=csv")).text
    assert [row["charity"] for row in csv.DictReader(io.StringIO(text))] == ["'=1+1"]


async def test_reports_are_for_staff_of_this_program_and_wrong_days_are_told(ledger: Running) -> None:
    async with ledger.client(member=MEMBER) as member:
        assert (await member.get("/v1/reports/liability")).status_code == 403
    async with ledger.client(program="other") as other:
        assert (await other.get("/v1/reports/breakage")).json()["code"] == "unknown_program"
    said = await asks(ledger, "breakage", "?from=2026-06-01&to=2026-05-01", status=422)
    assert said["code"] == "invalid_input"
    await asks(ledger, "breakage", "?by=hour", status=422)


async def test_one_report_of_a_program_and_three_of_all_at_once_and_none_for_ever(
    ledger: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = ledger.ports.sql
    async with ledger.ports.pool.acquire() as connection, reports.report_on(connection, sql, "demo"):
        assert (await asks(ledger, "liability", status=409))["code"] == "report_running"
    await asks(ledger, "liability")
    partner = reports.of_partner("demo", "bank")
    async with ledger.ports.pool.acquire() as connection, reports.report_on(connection, sql, partner):
        await asks(ledger, "liability")
    async with AsyncExitStack() as under_way:
        for program in ("tea", "cups", "books"):
            connection = await under_way.enter_async_context(ledger.ports.pool.acquire())
            await under_way.enter_async_context(reports.report_on(connection, sql, program))
        assert (await asks(ledger, "liability", status=409))["code"] == "report_running"
    await asks(ledger, "liability")
    monkeypatch.setattr(reports, "REPORT_SECONDS", 0.001)
    with pytest.raises(ReportTookTooLong):
        async with ledger.ports.pool.acquire() as connection, reports.report_on(connection, sql, "demo"):
            await connection.fetch("SELECT pg_sleep(60)")
