"""The HTTP door on a real database: what it answers is true, what is sent twice happens once, who may not stays out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Annotated, Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from shared.database import connect_pool
from shared.errors import Kind, ServiceError
from shared.http.app import create_app
from shared.http.auth import requires
from shared.http.client import AsyncClient, client_of
from shared.http.idempotency import KEEP_ANSWERS, Write, door_router, forget_answers
from shared.http.transaction import Reading, Transaction
from shared.metrics import Metrics
from shared.queries import in_schema
from shared.token_keys import KeyFiles, VerificationKey
from shared.tokens import Caller, Verifier, sign_token

SCHEMA = "ledger"
KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEADLINE_SECONDS = 20.0

TABLES = """
CREATE TABLE service.spend (
    spend_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id text NOT NULL,
    points integer NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED
);
GRANT SELECT, INSERT, DELETE ON service.spend TO habitue_service;
"""


class InsufficientPoints(ServiceError):
    """The member asked to spend more than is available now."""

    kind = Kind.CONFLICT
    code = "insufficient_points"


class Spend(BaseModel):
    points: int


class Spent(BaseModel):
    spend_id: int


@dataclass
class Gate:
    """Holds requests inside their endpoint until it is opened."""

    is_closed: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def passes(self) -> None:
        if self.is_closed:
            self.arrived.set()
            await self.opened.wait()


Writer = Annotated[Caller, requires("ledger:write")]
Reader = Annotated[Caller, requires("ledger:read")]
INSERT = "INSERT INTO ledger.spend (member_id, points) VALUES ($1, $2) RETURNING spend_id"


def door(gate: Gate) -> Any:
    router = door_router()

    @router.post("/members/{member_id}/spends", status_code=201)
    async def spend(member_id: str, body: Spend, response: Response, caller: Writer, write: Write) -> Spent:
        spend_id: int = await write.fetchval(INSERT, member_id, body.points)
        await gate.passes()
        if body.points > 1000:
            raise InsufficientPoints("1000 available", available=1000)
        response.headers["Location"] = f"/v1/members/{member_id}/spends/{spend_id}"
        return Spent(spend_id=spend_id)

    @router.post("/plain/{member_id}", status_code=201)
    async def plain(member_id: str, body: Spend, caller: Writer, connection: Transaction) -> Spent:
        return Spent(spend_id=await connection.fetchval(INSERT, member_id, body.points))

    @router.get("/members/{member_id}/spends")
    async def spends(member_id: str, caller: Reader, connection: Reading) -> list[int]:
        rows = await connection.fetch("SELECT points FROM ledger.spend WHERE member_id = $1", member_id)
        return [row["points"] for row in rows]

    @router.get("/everybody")
    async def everybody(caller: Reader) -> str:
        return caller.program_id

    @router.get("/leaders")
    async def leaders(caller: Annotated[Caller, requires("ledger:read", members=True)]) -> str:
        return caller.member_id or "a system"

    @router.get("/sleep/{statement}")
    async def sleep(statement: str, caller: Reader, connection: Reading) -> str:
        await connection.execute(STATEMENTS[statement])
        return "done"

    return router


STATEMENTS = {
    "hang": "SELECT pg_sleep(60)",
    "lock": "SET lock_timeout = '10ms'; LOCK TABLE ledger.spend IN ACCESS EXCLUSIVE MODE",
    "timeout": "SET statement_timeout = '10ms'; SELECT pg_sleep(10)",
}
TERMINATE = (
    "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
)


@dataclass
class House:
    """The application on a database of its own, and a second way to look into that database."""

    app: FastAPI
    client: AsyncClient
    look: asyncpg.Connection[asyncpg.Record]
    gate: Gate

    async def points(self) -> list[int]:
        return [
            row["points"] for row in await self.look.fetch("SELECT points FROM ledger.spend ORDER BY points")
        ]

    async def spend(
        self,
        points: int,
        *,
        key: str | None = None,
        query: str = "",
        token: str | None = None,
        member: str = "m-1",
    ) -> Any:
        headers = bearer(token or a_token()) | ({"Idempotency-Key": key} if key else {})
        path = f"/v1/members/{member}/spends{query}"
        return await self.client.post(path, json={"points": points}, headers=headers)


def a_token(**given: Any) -> str:
    usual: dict[str, Any] = {
        "program_id": "demo",
        "subject": "shop",
        "scopes": ["ledger:read", "ledger:write"],
        "lifetime": timedelta(hours=1),
    }
    return sign_token(KEY, now=NOW, **{**usual, **given})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def house(fresh_database: Callable[[], Awaitable[str]]) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        url = await fresh_database()
        look = await stack.enter_async_context(a_connection(url))
        await prepare(look)
        pool = await stack.enter_async_context(await connect_pool(url, schema=SCHEMA, max_size=8))
        gate = Gate()
        app = create_app(
            title="Test",
            service=SCHEMA,
            version="1",
            routers=[door(gate)],
            metrics=Metrics(SCHEMA),
            verifier=Verifier(KeyFiles([VerificationKey.of(KEY.public_key())]), clock=lambda: NOW),
            clock=lambda: NOW,
        )
        app.state.pool = pool
        client = await stack.enter_async_context(client_of(app))
        yield House(app=app, client=client, look=look, gate=gate)


@asynccontextmanager
async def a_connection(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def prepare(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    """The role and schema as the migrations make them, and the tables that these tests need."""
    await admin.execute(
        "DO $$ BEGIN CREATE ROLE habitue_ledger LOGIN; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    await admin.execute("CREATE SCHEMA ledger; GRANT USAGE ON SCHEMA ledger TO habitue_ledger")
    migration = resources.files("shared.migrations").joinpath("0002_idempotency.sql").read_text()
    await admin.execute(in_schema(migration + TABLES, SCHEMA))


# The transaction commits before the answer leaves


@pytest.mark.parametrize("path", ["/v1/plain/m-1", "/v1/members/m-1/spends"])
async def test_a_commit_that_fails_is_an_error_and_never_a_success(house: House, path: str) -> None:
    headers = bearer(a_token()) | {"Idempotency-Key": "k-1"}
    await house.look.execute("INSERT INTO ledger.spend (member_id, points) VALUES ('m-0', 5)")
    answer = await house.client.post(path, json={"points": 5}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert await house.points() == [5]
    assert await house.look.fetchval("SELECT count(*) FROM ledger.answer") == 0


@pytest.mark.parametrize("path", ["/v1/plain/m-1", "/v1/members/m-1/spends"])
async def test_the_effect_is_there_when_the_first_byte_of_the_answer_leaves(house: House, path: str) -> None:
    seen: list[list[int]] = []

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        async def look_first(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.append(await house.points())
            await send(message)

        await house.app(scope, receive, look_first)

    async with client_of(watching) as client:
        answer = await client.post(path, json={"points": 5}, headers=bearer(a_token()))
    assert (answer.status_code, seen) == (201, [[5]])


async def test_a_refused_request_leaves_nothing_behind(house: House) -> None:
    answer = await house.spend(5000)
    assert (answer.status_code, answer.json()["available"]) == (409, 1000)
    assert await house.points() == []


# Idempotency


async def test_a_request_that_is_sent_twice_happens_once_and_gets_the_same_answer(house: House) -> None:
    first, second = await house.spend(5, key="k-1"), await house.spend(5, key="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert await house.points() == [5]


@pytest.mark.parametrize(
    "other", [{"points": 6}, {"points": 5, "member": "m-2"}, {"points": 5, "query": "?x=1"}]
)
async def test_a_key_is_good_for_one_request_only(house: House, other: dict[str, Any]) -> None:
    await house.spend(5, key="k-1")
    answer = await house.spend(**other, key="k-1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await house.points() == [5]


async def test_another_program_or_caller_may_use_the_same_key(house: House) -> None:
    tokens = [a_token(), a_token(program_id="other"), a_token(subject="another-shop")]
    for points, token in enumerate(tokens):
        answer = await house.spend(points, key="k-1", token=token)
        assert "idempotent-replayed" not in answer.headers
    assert await house.points() == [0, 1, 2]


async def test_a_duplicate_of_a_running_request_is_told_to_wait(house: House) -> None:
    house.gate.is_closed = True
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        first = group.create_task(house.spend(5, key="k-1"))
        await house.gate.arrived.wait()
        duplicate = await house.spend(5, key="k-1")
        house.gate.opened.set()
    assert (duplicate.status_code, duplicate.json()["code"]) == (409, "request_in_progress")
    assert duplicate.headers["retry-after"] == "1"
    assert first.result().status_code == 201
    assert (await house.spend(5, key="k-1")).headers["idempotent-replayed"] == "true"


async def test_of_many_duplicates_at_once_exactly_one_takes_effect(house: House) -> None:
    answers = await asyncio.gather(*(house.spend(5, key="k-1") for _ in range(40)))
    outcomes = Counter((a.status_code, "idempotent-replayed" in a.headers) for a in answers)
    assert outcomes[201, False] == 1
    assert set(outcomes) <= {(201, False), (201, True), (409, False)}
    assert await house.points() == [5]


async def test_a_refusal_is_not_kept_so_the_same_request_is_judged_anew(house: House) -> None:
    assert (await house.spend(5000, key="k-1")).status_code == 409
    answer = await house.spend(50, key="k-1")
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (201, False)


async def test_without_a_key_each_request_is_its_own(house: House) -> None:
    assert [(await house.spend(points)).status_code for points in (5, 6)] == [201, 201]
    assert await house.look.fetchval("SELECT count(*) FROM ledger.answer") == 0


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256])
async def test_a_key_that_is_not_plain_text_is_refused(house: House, key: str) -> None:
    headers = {**bearer(a_token()), "Idempotency-Key": key.encode("latin-1")}
    answer = await house.client.post("/v1/members/m-1/spends", json={"points": 5}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


async def test_kept_answers_are_forgotten_after_their_time_and_not_before(house: House) -> None:
    await house.spend(5, key="k-1")
    async with house.app.state.pool.acquire() as connection:
        forgotten = [
            await forget_answers(
                connection, house.app.state.machinery, NOW + KEEP_ANSWERS + timedelta(seconds=late)
            )
            for late in (0, 1)
        ]
    assert forgotten == [0, 1]


# Dry runs


async def test_a_dry_run_answers_as_if_and_changes_nothing(house: House) -> None:
    answer = await house.spend(5, key="k-1", query="?dry_run=true")
    assert answer.status_code == 201
    assert await house.points() == []
    real = await house.spend(5, key="k-1")
    assert "idempotent-replayed" not in real.headers
    assert await house.points() == [5]


async def test_a_dry_run_meets_the_refusals_of_the_real_one(house: House) -> None:
    assert (await house.spend(5000, query="?dry_run=true")).status_code == 409
    await house.spend(5)
    assert (await house.spend(5, query="?dry_run=true")).status_code == 500


# Who may


async def test_without_a_valid_token_nobody_gets_in(house: House) -> None:
    for headers in (
        {},
        bearer("nonsense"),
        {"Authorization": "Basic eDp5"},
        bearer(a_token(lifetime=timedelta(0))),
    ):
        answer = await house.client.get("/v1/everybody", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer realm="habitue"')


async def test_a_token_without_the_scope_is_told_which_one_it_lacks(house: House) -> None:
    answer = await house.spend(5, token=a_token(scopes=["ledger:read"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert 'scope="ledger:write"' in answer.headers["www-authenticate"]


async def test_a_members_token_sees_that_member_only(house: House) -> None:
    mine = bearer(a_token(member_id="m-1", subject="m-1"))
    status = {
        path: (await house.client.get(f"/v1{path}", headers=mine)).status_code
        for path in ("/members/m-1/spends", "/members/m-2/spends", "/everybody", "/leaders")
    }
    assert status == {
        "/members/m-1/spends": 200,
        "/members/m-2/spends": 403,
        "/everybody": 403,
        "/leaders": 200,
    }


async def test_the_document_says_which_scope_an_operation_needs(house: House) -> None:
    operation = house.app.openapi()["paths"]["/v1/members/{member_id}/spends"]["post"]
    assert operation["security"] == [{"bearer": ["ledger:write"]}]
    assert {"Idempotency-Key", "dry_run", "member_id"} == {p["name"] for p in operation["parameters"]}
    assert {"401", "403", "404", "409", "413", "422", "503"} <= set(operation["responses"])


def test_a_write_cannot_be_declared_before_the_check_of_who_may() -> None:
    router = door_router()

    async def careless(connection: Write, caller: Writer) -> None: ...

    with pytest.raises(TypeError, match="careless"):
        router.post("/")(careless)


# The database is away or busy


async def test_a_statement_that_hangs_is_ended_and_means_not_now(house: House) -> None:
    answer = await house.client.get("/v1/sleep/timeout", headers=bearer(a_token()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_connection_that_breaks_means_not_now_and_the_next_request_gets_a_new_one(
    house: House,
) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        request = group.create_task(house.client.get("/v1/sleep/hang", headers=bearer(a_token())))
        while not await house.look.fetchval(TERMINATE):
            continue  # each look is a round trip, so others run meanwhile
    assert (request.result().status_code, request.result().json()["code"]) == (503, "unavailable")
    assert (await house.spend(5)).status_code == 201


async def test_a_lock_that_is_not_given_means_not_now(house: House) -> None:
    async with house.look.transaction():
        await house.look.execute("LOCK TABLE ledger.spend")
        answer = await house.client.get("/v1/sleep/lock", headers=bearer(a_token()))
    assert answer.status_code == 503


async def test_a_pool_without_a_free_connection_means_not_now(house: House) -> None:
    house.app.state.acquire_seconds = 0.01
    async with AsyncExitStack() as stack:
        for _ in range(house.app.state.pool.get_max_size()):
            await stack.enter_async_context(house.app.state.pool.acquire())
        assert (await house.spend(5)).status_code == 503


async def test_a_text_that_postgres_cannot_store_is_the_callers_fault(house: House) -> None:
    answer = await house.spend(5, member="a%00b")
    assert (answer.status_code, answer.json()["code"]) == (422, "text_not_storable")
