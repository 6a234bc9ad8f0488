"""Who may do what, for all services: their roles in the database, and callers at their HTTP doors.

The endpoints are read from the OpenAPI documents, so that a new one is tested as soon as it is there.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from httpx import AsyncClient, Response

from shared.database import Connection, connect, role_of
from shared.events import Balance as BalanceAfter
from shared.events import Grant, PointsEarned, ReferralApproved
from shared.service import Service, app_of
from tests.support.events import MEMBER, NOON, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair, a_key_pair
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running

NAMES = ("ledger", "tiers", "referrals", "notifier")
STARTER = Path(__file__).resolve().parents[2] / "examples/programs/starter.yaml"
SECRETS = {
    "referrals": {"hash_key": "only-for-tests-and-long-enough"},
    "notifier": {"link_keys": "only-for-tests-and-long-enough"},
}
SERVICES: dict[str, Service] = {
    name: importlib.import_module(f"services.{name}.main").SERVICE for name in NAMES
}
ONLY_ASK = ("/quote", "/preview", "/validate")
"""What is asked with a body, and changes nothing."""
FOR_STAFF = (
    "/merge",
    "/merges",
    "/rewards/{reward_id}/use",
    "/rewards/{reward_id}/void",
    "/gifts",
    "/adjustments",
    "/export",
    "/erase",
)
"""What concerns a member and is no member's to decide: their own token may not."""
FRIEND = "friend-of-anna"
ORDER = an_order_paid("4242.00", order_id="order-of-demo")
TELLTALE = (FRIEND, "order-of-demo", "4242")
"""What stands in answers about the program `demo` and nowhere else."""


def told_of_demo(answer: Response) -> list[str]:
    """What an answer tells of `demo`; the random id of the request may hold any digits."""
    text = re.sub(r'"request_id":"[^"]*"', "", answer.text)
    return [word for word in TELLTALE if word in text]


@dataclass(frozen=True)
class Operation:
    """One endpoint as its OpenAPI document tells of it."""

    service: str
    method: str
    path: str
    described: dict[str, Any]

    @property
    def scopes(self) -> frozenset[str]:
        """What a token must allow."""
        return frozenset(*self.described["security"][0].values())

    def address(self, ids: dict[str, str]) -> str:
        """Its path with these ids, and where none is given with that of the document's example; with what it wants
        to be asked with."""
        wanted = [each for each in self.described.get("parameters", ()) if each["required"]]
        shown = {each["name"]: str(example_of(each["schema"], {})) for each in wanted} | ids
        query = "&".join(f"{each['name']}={shown[each['name']]}" for each in wanted if each["in"] == "query")
        path = re.sub(r"{(\w+)}", lambda found: shown[found[1]], self.path)
        return f"{path}?{query}" if query else path

    def body(self, document: dict[str, Any]) -> Any:
        """What the document's examples say that it is asked with; None where it wants nothing."""
        content = self.described.get("requestBody", {}).get("content", {})
        asked = content.get("application/json")
        if asked is None:
            return None
        return asked.get("example") or example_of(asked["schema"], document["components"]["schemas"])

    @property
    def names_member(self) -> bool:
        return "{member_id}" in self.path

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


@dataclass
class Town:
    """All services on one database, with something to tell about one member of the program `demo`."""

    url: str
    houses: dict[str, Running]
    ids: dict[str, str]
    clients: dict[str, AsyncClient]

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """The OpenAPI document of each service."""
        return {
            name: app_of(house.service, house.settings, house.ports, house.doors).openapi()
            for name, house in self.houses.items()
        }

    def operations(self) -> list[Operation]:
        """All endpoints of all services that want a token."""
        found = [
            Operation(name, method.upper(), path, told)
            for name, document in self.documents.items()
            for path, methods in document["paths"].items()
            for method, told in methods.items()
        ]
        return [each for each in found if each.path.startswith("/v1/")]

    async def calls(self, operation: Operation, *, token: str | None, **ids: str) -> Response:
        """Call an endpoint, with a body where it wants one."""
        return await self.clients[operation.service].request(
            operation.method,
            operation.address(self.ids | ids),
            json=operation.body(self.documents[operation.service]),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The example that a schema shows, else one made of those of its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    shown = schema.get("examples", schema.get("enum", [schema["default"]] if "default" in schema else []))
    if shown:
        return shown[0]
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    match schema.get("type"):
        case "array":
            return [example_of(schema["items"], schemas)]
        case "object":
            required = schema.get("required", ())
            return {
                name: example_of(part, schemas)
                for name, part in schema.get("properties", {}).items()
                if name in required or "examples" in part
            }
        case other:
            return {"integer": 1, "boolean": False}.get(str(other), "x")


@pytest.fixture(scope="module")
async def town(servers: Servers, keys: KeyPair) -> AsyncIterator[Town]:
    document = yaml.load(STARTER.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader)
    document["ledger"]["partners"] = [{"partner": "river-bank", "gives": "1 point per 2.00 USD"}]
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(a_database(servers))
        houses = {
            name: await stack.enter_async_context(running(SERVICES[name], url, keys, **SECRETS.get(name, {})))
            for name in NAMES
        }
        for house in houses.values():
            for program in ("demo", "second"):
                await house.applies(document | {"program": program})
        clients = {
            name: await stack.enter_async_context(house.client(token=False)) for name, house in houses.items()
        }
        yield Town(url, houses, await _lived_in(houses), clients)


async def _lived_in(houses: dict[str, Running]) -> dict[str, str]:
    """Let something happen everywhere; the ids by which the endpoints find it."""
    before = NOON - timedelta(days=30)
    code = importlib.import_module("services.referrals.domain.hashes").Secret(
        SECRETS["referrals"]["hash_key"].encode()
    )
    joins = [
        a_sign_up(at=before, email="anna@shop.example", language="en"),
        a_sign_up(FRIEND, at=before, email="friend@shop.example", referral_code=code.code("demo", MEMBER)),
        an_order_paid("50.00", member=FRIEND, at=before),
        ORDER,
    ]
    for name in ("ledger", "tiers", "referrals"):
        await houses[name].receives(*joins)
    earned = PointsEarned(
        member_id=MEMBER,
        asset="points",
        points=4242,
        balance=BalanceAfter(available=4242),
        order_id="order-of-demo",
    )
    approved = ReferralApproved(
        member_id=MEMBER, referral_id="r", role="advocate", rewards=(Grant(kind="points", points=4242),)
    )
    await houses["notifier"].receives(joins[0], an_event(earned), an_event(approved))
    async with houses["ledger"].client() as client:
        await client.post(f"/v1/members/{MEMBER}/holds", json={"hold_id": "hold-1", "points": 100})
        gives = {"kind": "coupon", "amount": "5.00", "currency": "USD"}
        made = await client.post("/v1/coupons", json={"gives": gives})
    return {
        "code": made.json()["coupons"][0]["code"],
        "member_id": MEMBER,
        "event_id": ORDER.id,
        "hold_id": "hold-1",
        "referral_id": await houses["referrals"].ports.pool.fetchval(
            "SELECT referral_id::text FROM referrals.referral LIMIT 1"
        ),
        "message_id": await houses["notifier"].ports.pool.fetchval(
            "SELECT message_id::text FROM notifier.message WHERE channel = 'inbox' LIMIT 1"
        ),
    }


# Callers


async def test_without_a_valid_token_every_endpoint_answers_401(
    town: Town, keys: KeyPair, tmp_path: Path
) -> None:
    stranger = a_key_pair(tmp_path)
    operations = town.operations()
    assert len(operations) > 20
    for operation in operations:
        scopes = " ".join(operation.scopes)
        tokens = {
            "none": None,
            "no token": "nonsense",
            "of another key": stranger.token(scopes),
            "too old": keys.token(scopes, now=NOON - timedelta(days=5000)),
        }
        for kind, token in tokens.items():
            answer = await town.calls(operation, token=token)
            assert answer.status_code == 401, f"{operation} with a token that is {kind}: {answer.text}"
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_without_the_scope_is_refused_whatever_else_it_may_do(
    town: Town, keys: KeyPair
) -> None:
    operations = town.operations()
    every = {scope for operation in operations for scope in operation.scopes}
    assert len(every) >= 5
    for operation in operations:
        assert operation.scopes, f"{operation} asks for no scope"
        answer = await town.calls(operation, token=keys.token(" ".join(every - operation.scopes)))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), f"{operation}"


async def test_reading_is_no_right_to_write(town: Town) -> None:
    for operation in town.operations():
        asks = operation.method == "GET" or operation.path.endswith(ONLY_ASK)
        verbs = (":read",) if asks else (":write", ":approve", ":admin")
        assert all(scope.endswith(verbs) for scope in operation.scopes), f"{operation}: {operation.scopes}"


async def test_the_right_token_sees_what_the_others_do_not(town: Town, keys: KeyPair) -> None:
    """So that the tests below do not pass because there is nothing to see."""
    seen = ""
    for operation in town.operations():
        if operation.method == "GET":
            answer = await town.calls(operation, token=keys.token(" ".join(operation.scopes)))
            assert answer.status_code == 200, f"{operation}: {answer.text}"
            seen += answer.text
    assert [word for word in TELLTALE if word not in seen] == []


async def test_a_token_of_a_program_that_does_not_exist_gets_403_or_404(town: Town, keys: KeyPair) -> None:
    for operation in town.operations():
        if (operation.method, operation.path) == ("PUT", "/v1/program"):
            continue  # whoever may, begins a program with it
        token = keys.token(" ".join(operation.scopes), program="nowhere")
        answer = await town.calls(operation, token=token)
        if operation.path == "/v1/coupons/validate":
            assert answer.json()["valid"] is False  # a code that nobody knows is an answer, not a refusal
            continue
        is_empty = operation.method == "GET" and answer.json().get("items") == []
        assert is_empty or answer.status_code in (403, 404), (
            f"{operation}: {answer.status_code} {answer.text}"
        )


async def test_a_token_of_another_program_sees_and_changes_nothing_of_this_one(
    town: Town, keys: KeyPair
) -> None:
    before = await _rows_of_demo(town)
    for operation in town.operations():
        token = keys.token(" ".join(operation.scopes), program="second")
        answer = await town.calls(operation, token=token)
        assert not told_of_demo(answer), f"{operation}: {answer.text}"
        if operation.names_member:
            nobody = await town.calls(operation, token=token, member_id="nobody")
            assert answer.status_code == nobody.status_code, (
                f"{operation} tells that the member exists elsewhere"
            )
            known = answer.json().get("items", answer.json().get("balances", answer.json().get("lots")))
            assert answer.status_code in (403, 404) or not known, f"{operation}: {answer.text}"
    assert await _rows_of_demo(town) == before


async def test_a_program_is_changed_by_its_own_token_only(town: Town, keys: KeyPair) -> None:
    document = STARTER.read_text(encoding="utf-8")
    for name, house in town.houses.items():
        async with house.client(scopes="program:read program:write", program="second") as client:
            answer = await client.put(
                "/v1/program",
                content=document.encode(),
                headers={"Content-Type": "application/yaml", "If-Match": '"1"'},
            )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_program"), name


async def test_a_members_token_is_good_for_that_member_only(town: Town, keys: KeyPair) -> None:
    for operation in town.operations():
        scopes = " ".join(operation.scopes)
        own = await town.calls(operation, token=keys.token(scopes, member=MEMBER))
        other = await town.calls(operation, token=keys.token(scopes, member="customer-8"))
        if operation.names_member:
            assert (own.status_code == 403) is operation.path.endswith(FOR_STAFF), f"{operation}: {own.text}"
            assert own.status_code != 401, f"{operation}: {own.text}"
            assert (other.status_code, other.json()["code"]) == (403, "other_member"), f"{operation}"
        else:
            assert not told_of_demo(other), f"{operation}: {other.text}"
            assert other.status_code in (403, 404) or operation.path == "/v1/levels", f"{operation}"


async def test_a_partners_token_is_good_for_that_partner_only(town: Town, keys: KeyPair) -> None:
    named = 0
    for operation in town.operations():
        scopes = " ".join(operation.scopes)
        own = await town.calls(operation, token=keys.token(scopes, partner="river-bank"))
        other = await town.calls(operation, token=keys.token(scopes, partner="another"))
        assert (other.status_code, other.json()["code"]) == (403, "other_partner"), f"{operation}"
        is_named = "{partner}" in operation.path
        assert (own.status_code == 403) is not is_named, f"{operation}: {own.text}"
        named += is_named
    assert named >= 4


async def _rows_of_demo(town: Town) -> dict[str, str]:
    """A hash of all that the services keep about the program `demo`."""
    connection = await asyncpg.connect(town.url)
    try:
        tables = await connection.fetch(
            "SELECT table_schema, table_name FROM information_schema.columns "
            "WHERE column_name = 'program_id' AND table_schema = ANY ($1) ORDER BY 1, 2",
            list(NAMES),
        )
        return {
            f"{schema}.{table}": await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {schema}.{table} AS t "
                "WHERE program_id = 'demo'"
            )
            for schema, table in map(tuple, tables)
        }
    finally:
        await connection.close()


# What the doors tell about themselves


async def test_every_endpoint_says_what_it_does_and_how_it_refuses(town: Town) -> None:
    gaps = []
    for operation in town.operations():
        told = operation.described
        if not told.get("description"):
            gaps.append(f"{operation} has no description")
        missing = {"200"} if operation.method == "GET" else set()
        missing |= {"401", "403", "500", "503"} - told["responses"].keys()
        missing -= told["responses"].keys()
        gaps += [f"{operation} does not tell of {status}" for status in sorted(missing)]
        for status, answer in told["responses"].items():
            if status >= "400" and "application/problem+json" not in answer.get("content", {}):
                gaps.append(f"{operation} answers {status} with no problem")
    assert gaps == []


@pytest.mark.parametrize("name", NAMES)
async def test_every_endpoint_has_a_summary_in_words(town: Town, name: str) -> None:
    terse = [
        str(o) for o in town.operations() if o.service == name and " " not in o.described.get("summary", "")
    ]
    assert terse == []


@pytest.mark.parametrize("name", NAMES)
async def test_every_endpoint_shows_examples(town: Town, name: str) -> None:
    schemas = town.documents[name]["components"]["schemas"]
    gaps = []
    for operation in town.operations():
        if operation.service == name:
            gaps += [f"{operation}: {gap}" for gap in _without_example(operation.described, schemas)]
    assert gaps == []


def _without_example(told: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """Parts of the path, bodies and answers for which the document shows nothing that one could copy."""
    for parameter in told.get("parameters", ()):
        if parameter["in"] == "path" and not _shows(parameter, schemas):
            yield f"the path's {parameter['name']}"
    for media, body in told.get("requestBody", {}).get("content", {}).items():
        if not _shows(body, schemas):
            yield f"the body as {media}"
    for status, answer in told["responses"].items():
        for media, content in answer.get("content", {}).items():
            if status < "300" and not _shows(content, schemas):
                yield f"the answer {status} as {media}"


def _shows(part: Any, schemas: dict[str, Any]) -> bool:
    """Whether an example stands in it, or in a schema that it refers to."""
    if isinstance(part, dict):
        if part.keys() & {"example", "examples"}:
            return True
        name = str(part.get("$ref", "")).rpartition("/")[2]
        return any(_shows(each, schemas) for each in [*part.values(), schemas.get(name)])
    return isinstance(part, list) and any(_shows(each, schemas) for each in part)


# Roles


@pytest.fixture(params=NAMES)
async def role(request: pytest.FixtureRequest, town: Town) -> AsyncIterator[tuple[str, Connection]]:
    """A service's name, and a connection of its role."""
    connection = await connect(town.url, schema=request.param)
    yield request.param, connection
    await connection.close()


async def refuses(connection: Connection, statement: str) -> None:
    """The database itself says no."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_nobody_changes_or_removes_an_entry_of_the_ledger(
    town: Town, role: tuple[str, Connection]
) -> None:
    _, connection = role
    for statement in (
        "UPDATE ledger.transfer SET amount = amount + 1",
        "DELETE FROM ledger.transfer",
        "TRUNCATE ledger.transfer",
        "ALTER TABLE ledger.transfer DISABLE TRIGGER ALL",
        "DROP TABLE ledger.transfer",
        "INSERT INTO ledger.transfer SELECT * FROM ledger.transfer ON CONFLICT (program_id, member_id, asset, version) "
        "DO UPDATE SET amount = 1",
    ):
        await refuses(connection, statement)
    assert await town.houses["ledger"].ports.pool.fetchval("SELECT count(*) FROM ledger.transfer") > 0


async def test_a_role_reads_and_writes_its_own_schema_only(role: tuple[str, Connection]) -> None:
    name, connection = role
    assert await connection.fetchval(f"SELECT count(*) FROM {name}.inbox") > 0
    for other in set(NAMES) - {name}:
        await refuses(connection, f"SELECT 1 FROM {other}.inbox")
        await refuses(connection, f"SELECT 1 FROM {other}.program")
        await refuses(connection, f"INSERT INTO {other}.outbox (messages, message_count) VALUES ('', 0)")
        await refuses(connection, f"UPDATE {other}.position SET next_offset = 0")


async def test_a_role_can_make_nothing_and_owns_nothing(role: tuple[str, Connection]) -> None:
    name, connection = role
    for schema in (name, "public", *NAMES):
        await refuses(connection, f"CREATE TABLE {schema}.mine (x int)")
    await refuses(connection, "CREATE SCHEMA mine")
    await refuses(connection, f"CREATE INDEX ON {name}.inbox (received_at)")
    await refuses(connection, f"ALTER TABLE {name}.inbox ADD COLUMN x int")
    await refuses(connection, "CREATE ROLE mine")
    owned = "SELECT count(*) FROM pg_class WHERE relowner = $1::regrole"
    assert await connection.fetchval(owned, role_of(name)) == 0


async def test_a_role_has_no_power_beyond_its_grants(role: tuple[str, Connection]) -> None:
    name, connection = role
    powers = await connection.fetchrow(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = $1",
        role_of(name),
    )
    assert powers is not None
    assert not any(powers)
    for other in set(NAMES) - {name}:
        member = "SELECT pg_has_role($1, $2, 'MEMBER')"
        assert not await connection.fetchval(member, role_of(name), role_of(other))


async def test_a_program_once_applied_cannot_be_rewritten(role: tuple[str, Connection]) -> None:
    name, connection = role
    await refuses(connection, f"UPDATE {name}.program SET document = '{{}}'")
    await refuses(connection, f"DELETE FROM {name}.program")
    await refuses(connection, f"DELETE FROM {name}.migration")
