"""Partners over HTTP: credits in bulk, reversals, budgets that many use at once, and what is settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from services.ledger.store.reports import of_partner, report_on
from shared.events import CustomerDeleted
from tests.support.doors import on_a_port
from tests.support.events import MEMBER, NOON, a_sign_up, an_event
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
OTHER = "customer-8"
PARTNERS = [
    {
        "partner": "river-bank",
        "gives": "1 point per 2.00 EUR",
        "budget": "1000 points per month",
        "price": "0.008 EUR per point",
    },
    {"partner": "bakery", "gives": "points"},
]
CREDITS = "/v1/partners/river-bank/credits"
REVERSALS = "/v1/partners/river-bank/reversals"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[], partners=PARTNERS))
        await ledger.receives(a_sign_up(MEMBER), a_sign_up(OTHER))
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def bank(ledger: Running) -> AsyncIterator[AsyncClient]:
    """The bank, with a token of its own."""
    async with ledger.client(partner="river-bank") as client:
        yield client


def a_credit(name: str = "t-1", amount: str = "24.00", member: str = MEMBER, **more: Any) -> dict[str, Any]:
    return {"transaction_id": name, "member_id": member, "amount": amount} | more


async def credits(client: AsyncClient, *items: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = await client.post(CREDITS + query, json={"credits": items})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def reverses(client: AsyncClient, name: str = "t-1", **kept: Any) -> dict[str, Any]:
    answer = await client.post(REVERSALS, json={"reversals": [{"transaction_id": name} | kept]})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["results"][0])


async def available(ledger: Running, member: str = MEMBER) -> int:
    query = "SELECT available FROM ledger.balance WHERE asset = 'points' AND member_id = $1"
    return int(await ledger.ports.pool.fetchval(query, member) or 0)


async def test_each_item_has_a_result_of_its_own_and_the_statement_names_the_partner(
    ledger: Running, bank: AsyncClient
) -> None:
    results = await credits(
        bank,
        a_credit(),
        a_credit("t-2", "5.00", OTHER),
        a_credit("t-3", member="nobody"),
        a_credit("t-4", "9.999"),
        a_credit("t-5", currency="USD"),
        a_credit("t-1"),
        a_credit("t-1", "25.00"),
        a_credit("t-6", "2400.00"),
        a_credit("t-7", happened_at="2031-01-01T00:00:00Z"),
    )
    assert [each["result"] for each in results] == [
        "done", "done", "refused", "refused", "refused", "unchanged", "refused", "refused",
        "refused",
    ]  # fmt: skip
    assert [each["problem"]["code"] for each in results if each["problem"]] == [
        "unknown_member", "invalid_amount", "credit_invalid", "credit_conflict", "partner_budget_spent",
        "credit_invalid",
    ]  # fmt: skip
    assert results[0]["credit"] | {"booked_at": None, "happened_at": None} == {
        "transaction_id": "t-1", "member_id": MEMBER, "asset": "points", "amount": "24.00", "currency": "EUR",
        "points": 12, "reversed": 0, "program_version": 1, "booked_at": None, "happened_at": None,
    }  # fmt: skip
    assert (await available(ledger), await available(ledger, OTHER)) == (12, 2)
    assert await ledger.ports.pool.fetchval("SELECT count(DISTINCT bucket) FROM ledger.budget_slot") == 1
    async with ledger.client() as merchant:
        (entry,) = (await merchant.get(f"/v1/members/{MEMBER}/statement")).json()["items"]
        assert (entry["from_account"], entry["kind"]) == ("partner:river-bank", "partner")
        cause = entry["cause"]
        (award,) = (await merchant.get(f"/v1/members/{MEMBER}/decisions/{cause}")).json()["awards"]
        assert (award["points"], award["rules"][0]["rule"]) == (12, "partner:river-bank")
    assert [(event.type, event.data.kind) for event in await ledger.told()] == [
        ("points.earned.v1", "partner")
    ] * 2


async def test_the_same_again_is_the_same_and_a_dry_run_is_nothing(
    ledger: Running, bank: AsyncClient
) -> None:
    assert (await credits(bank, a_credit(), query="?dry_run=true"))[0]["credit"]["points"] == 12
    assert await available(ledger) == 0
    assert (await credits(bank, a_credit()))[0]["result"] == "done"
    assert (await credits(bank, a_credit()))[0]["result"] == "unchanged"
    assert (await reverses(bank, kept_amount="9.00"))["credit"]["reversed"] == 8
    assert (await reverses(bank, kept_amount="9.00"))["result"] == "unchanged"
    assert (await reverses(bank, kept_points=3))["problem"]["code"] == "credit_invalid"
    assert (await reverses(bank, "t-9"))["problem"]["code"] == "unknown_credit"
    assert await available(ledger) == 4


async def test_a_partners_token_reaches_that_partner_and_nothing_else(
    ledger: Running, bank: AsyncClient
) -> None:
    body = {"credits": [{"transaction_id": "b-1", "member_id": MEMBER, "points": 5}]}
    for method, path in (
        ("POST", "/v1/partners/bakery/credits"),
        ("GET", "/v1/partners/bakery/settlement"),
        ("GET", f"/v1/members/{MEMBER}/balances"),
        ("GET", "/v1/budgets"),
        ("GET", "/v1/rewards"),
    ):
        answer = await bank.request(method, path, json=body if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "other_partner"), path
    assert (await bank.get("/v1/partners/river-bank/settlement")).status_code == 200
    async with ledger.client() as merchant, ledger.client(member=MEMBER) as member:
        assert (await merchant.post("/v1/partners/bakery/credits", json=body)).status_code == 200
        assert (await merchant.get("/v1/partners/nobody/settlement")).json()["code"] == "unknown_partner"
        assert (await member.get("/v1/partners/bakery/settlement")).status_code == 403
        assert (await merchant.post("/v1/partners/bakery/credits", json={"credits": []})).status_code == 422


async def test_what_is_settled_is_what_was_booked_in_its_span_at_the_price_of_its_day(
    ledger: Running, bank: AsyncClient
) -> None:
    await credits(bank, a_credit(), a_credit("t-2", "101.00"))
    ledger.now = NOON + timedelta(days=40)
    dearer = [PARTNERS[0] | {"price": "0.01 EUR per point"}]
    await ledger.applies(tea_and_cups(earn=[], partners=dearer))
    await credits(bank, a_credit("t-3", "20.00"))
    await reverses(bank, kept_amount="10.00")
    between = (NOON + timedelta(days=20)).isoformat().replace("+00:00", "Z")
    first = (
        await bank.get(f"/v1/partners/river-bank/settlement?from=2020-01-01T00:00:00Z&to={between}")
    ).json()
    assert (first["lines"][0]["credits"], first["lines"][0]["credited"], first["lines"][0]["amount"]) == (
        2,
        62,
        "0.496",
    )
    assert first["due"] == [{"currency": "EUR", "amount": "0.50"}]
    ledger.now += timedelta(seconds=1)
    second = (await bank.get(f"/v1/partners/river-bank/settlement?from={between}")).json()
    told = [(each["price"], each["credited"], each["reversed"], each["amount"]) for each in second["lines"]]
    assert sorted(told) == [("0.008", 0, 7, "-0.056"), ("0.01", 10, 0, "0.1")]
    assert second["due"] == [{"currency": "EUR", "amount": "0.04"}]
    listed = (await bank.get("/v1/partners/river-bank/credits?limit=2")).json()
    assert [each["transaction_id"] for each in listed["items"]] == ["t-1", "t-2"]
    further = (await bank.get(f"/v1/partners/river-bank/credits?cursor={listed['next']}")).json()
    assert [each["transaction_id"] for each in further["items"]] == ["t-3"]


async def test_a_partner_settles_one_span_at_once_and_waits_for_no_report_of_the_merchant(
    ledger: Running, bank: AsyncClient
) -> None:
    async def held_up_by(whose: str) -> tuple[int, str | None]:
        async with ledger.ports.pool.acquire() as connection, report_on(connection, ledger.ports.sql, whose):
            answer = await bank.get("/v1/partners/river-bank/settlement")
        return answer.status_code, answer.json().get("code")

    assert await held_up_by("demo") == (200, None)
    assert await held_up_by(of_partner("demo", "bakery")) == (200, None)
    assert await held_up_by(of_partner("demo", "river-bank")) == (409, "report_running")


async def test_a_reversal_after_the_member_was_erased_is_settled_and_moves_nothing(
    ledger: Running, bank: AsyncClient
) -> None:
    await credits(bank, a_credit())
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON))
    assert (await credits(bank, a_credit("t-2")))[0]["problem"]["code"] == "member_erased"
    assert (await reverses(bank))["credit"]["reversed"] == 12
    ledger.now += timedelta(seconds=1)
    (line,) = (await bank.get("/v1/partners/river-bank/settlement")).json()["lines"]
    assert (line["credited"], line["reversed"], line["amount"]) == (12, 12, "0")


async def test_requests_at_once_never_overrun_the_budget_nor_leave_any_of_it(ledger: Running) -> None:
    items = [a_credit(f"t-{number}", "40.00", (MEMBER, OTHER)[number % 2]) for number in range(60)]
    async with on_a_port(ledger, scopes="ledger:read ledger:write") as client:
        answers = await asyncio.gather(*[client.post(CREDITS, json={"credits": [item]}) for item in items])
        assert {answer.status_code for answer in answers} == {200}
        results = [answer.json()["results"][0]["result"] for answer in answers]
        assert (results.count("done"), results.count("refused")) == (50, 10)
        (budget,) = (await client.get("/v1/budgets")).json()["items"]
    assert (budget["partner"], budget["rule"], budget["used"], budget["left"]) == (
        "river-bank",
        None,
        "1000",
        "0",
    )
    assert await available(ledger) + await available(ledger, OTHER) == 1000


async def test_one_transaction_told_many_times_at_once_is_credited_and_taken_back_once(
    ledger: Running,
) -> None:
    async with on_a_port(ledger, scopes="ledger:write") as client:
        bodies = [{"credits": [a_credit(member=(MEMBER, OTHER)[number % 2])]} for number in range(20)]
        answers = await asyncio.gather(*[client.post(CREDITS, json=body) for body in bodies])
        assert {answer.status_code for answer in answers} <= {200, 503}
        done = [
            each
            for each in answers
            if each.status_code == 200 and each.json()["results"][0]["result"] == "done"
        ]
        assert len(done) == 1
        assert await available(ledger) + await available(ledger, OTHER) == 12
        kept = [
            {"reversals": [{"transaction_id": "t-1", "kept_amount": f"{number}.00"}]}
            for number in range(2, 12)
        ]
        back = await asyncio.gather(*[client.post(REVERSALS, json=body) for body in kept])
        assert {answer.status_code for answer in back} == {200}
    assert await available(ledger) + await available(ledger, OTHER) == 1


async def test_verify_names_the_credit_whose_award_was_changed(ledger: Running, bank: AsyncClient) -> None:
    await credits(bank, a_credit())
    await ledger.ports.pool.execute("UPDATE ledger.partner_credit SET reversed = 5")
    (text,) = [text for text in await ledger.differences() if "partner" in text]
    assert "credit t-1 of partner river-bank holds 7, its award 12" in text
    await ledger.ports.pool.execute("UPDATE ledger.partner_credit SET reversed = 0")
