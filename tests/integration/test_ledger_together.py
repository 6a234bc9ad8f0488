"""Spends that come at the same moment share a transaction, and each still gets its own answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from httpx import AsyncClient, Response
from starlette.responses import Response as Answer

from services.ledger.main import SERVICE
from shared.database import AnyConnection
from shared.errors import Kind, ServiceError
from shared.http.gathering import Decided, Gathering
from tests.support.events import a_sign_up
from tests.support.keys import KeyPair
from tests.support.ledger import a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
MEMBERS = [f"member-{number}" for number in range(30)]


class Refused(ServiceError):
    """Odd ones are not wanted."""

    kind = Kind.CONFLICT
    code = "refused"


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[a_rule("welcome", on="customer.signed_up", points="100")]))
        await ledger.receives(*[a_sign_up(member) for member in MEMBERS])
        yield ledger
        assert await ledger.differences() == []


@pytest.fixture
async def till(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client() as client:
        yield client


async def spends(
    till: AsyncClient, member: str, points: int, name: str = "s", *, key: str | None = None, query: str = ""
) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"spend_id": name, "points": points}
    return await till.post(f"/v1/members/{member}/spends{query}", json=body, headers=headers)


async def test_spends_of_many_members_share_transactions(ledger: Running, till: AsyncClient) -> None:
    answers = await asyncio.gather(*[spends(till, member, 10) for member in MEMBERS])
    assert Counter(answer.status_code for answer in answers) == {201: len(MEMBERS)}
    assert {answer.json()["balance"]["available"] for answer in answers} == {90}
    written = await ledger.ports.pool.fetchval(
        "SELECT count(DISTINCT written_at) FROM ledger.transfer WHERE from_account <> 'issued'"
    )
    assert written < len(MEMBERS) / 2


async def test_one_that_is_refused_leaves_the_others_theirs(till: AsyncClient) -> None:
    wishes = [(member, 1000 if place % 3 == 0 else 10) for place, member in enumerate(MEMBERS)]
    answers = await asyncio.gather(*[spends(till, *wish) for wish in wishes])
    for (_, points), answer in zip(wishes, answers, strict=True):
        assert answer.status_code == (409 if points > 100 else 201), answer.text
    unknown = await asyncio.gather(spends(till, "nobody", 1), spends(till, MEMBERS[1], 1, "other"))
    assert [answer.status_code for answer in unknown] == [404, 201]


async def test_spends_of_one_member_at_once_stop_where_nothing_is_left(till: AsyncClient) -> None:
    answers = await asyncio.gather(*[spends(till, MEMBERS[0], 30, f"s-{n}") for n in range(12)])
    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: 9}


async def test_the_same_key_at_once_takes_effect_once(till: AsyncClient) -> None:
    answers = await asyncio.gather(*[spends(till, MEMBERS[0], 30, key="k") for _ in range(10)])
    for answer in answers:
        assert answer.status_code == 201 or answer.json()["code"] == "request_in_progress"
    assert sum("idempotent-replayed" not in a.headers for a in answers if a.status_code == 201) == 1
    again = await spends(till, MEMBERS[0], 30, key="k")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["balance"]["available"] == 70
    other = await spends(till, MEMBERS[0], 31, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_dry_run_beside_others_changes_nothing(till: AsyncClient) -> None:
    dry, _ = await asyncio.gather(
        spends(till, MEMBERS[0], 30, query="?dry_run=true"), spends(till, MEMBERS[1], 10)
    )
    assert dry.json()["balance"]["available"] == 70
    assert (await spends(till, MEMBERS[0], 100, "all")).status_code == 201


async def test_a_text_that_postgres_cannot_store_is_told_and_costs_nobody_else(till: AsyncClient) -> None:
    bad, good = await asyncio.gather(spends(till, MEMBERS[0], 10, "a\x00b"), spends(till, MEMBERS[1], 10))
    assert (bad.status_code, good.status_code) == (422, 201)


async def divides(connection: AnyConnection, numbers: Sequence[Any], now: datetime) -> Sequence[Any]:
    """Ten divided by each, in one statement; odd numbers are refused."""
    found = await connection.fetch("SELECT 10 / n AS n FROM unnest($1::int[]) AS n", numbers)
    return [
        Refused(f"{number} is odd") if number % 2 else Decided(200, str(row["n"]).encode())
        for number, row in zip(numbers, found, strict=True)
    ]


async def test_a_fault_that_nobody_foresaw_costs_only_the_request_that_carries_it(ledger: Running) -> None:
    acquire = partial(ledger.ports.pool.acquire, timeout=5)
    gathering = Gathering(acquire, ledger.ports.machinery, divides, ledger.ports.clock)
    numbers = [2, 0, 4, 3, 10]
    answers = await asyncio.gather(
        *[gathering.answer(number, None) for number in numbers], return_exceptions=True
    )
    bodies = [a.body if isinstance(a, Answer) else type(a).__name__ for a in answers]
    assert bodies == [b"5", "DivisionByZeroError", b"2", "Refused", b"1"]


async def test_a_row_that_somebody_else_holds_costs_only_those_who_need_it(
    fresh_database: Database, keys: KeyPair
) -> None:
    """A worker that was stopped in the middle holds one member; whoever was decided with them gets through."""
    async with running(SERVICE, await fresh_database(), keys, lock_timeout_seconds=0.2) as ledger:
        await ledger.applies(tea_and_cups(earn=[a_rule("welcome", on="customer.signed_up", points="100")]))
        await ledger.receives(*[a_sign_up(member) for member in MEMBERS])
        async with ledger.client() as till, ledger.ports.pool.acquire() as stopped, stopped.transaction():
            await stopped.execute("SELECT FROM ledger.member WHERE member_id = $1 FOR UPDATE", MEMBERS[7])
            answers = await asyncio.gather(*[spends(till, member, 10) for member in MEMBERS])
            items = [{"member_id": member, "points": 1, "spend_id": "b"} for member in MEMBERS]
            many = await till.post("/v1/bulk/spends", json={"items": items})
        wanted = [503 if member == MEMBERS[7] else 201 for member in MEMBERS]
        assert [answer.status_code for answer in answers] == wanted
        assert [item["status"] for item in many.json()["items"]] == wanted
