"""The ledger's OpenAPI document is true: every example in it can be sent as it stands, and is answered in its shape.

The stage is set so that each request makes sense; whatever can be tried without effect is, so the order hardly matters.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from shared.events import CustomerSignedUp
from shared.token_keys import read_private_key
from shared.tokens import sign_token
from tests.support.documented import PROBLEM, Operation, operations_of
from tests.support.events import MEMBER, NOON, PROGRAM, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.rewards import a_reward
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
SCOPES = "ledger:read ledger:write ledger:admin ledger:approve program:read program:write"
ME, OTHER = f"/v1/members/{MEMBER}", "/v1/members/customer-8"
DOCUMENT = a_document(
    PER_EURO,
    a_rule("welcome", "customer.signed_up", points="10"),
    spend={
        "at_checkout": {"points": "100", "are_worth": "1.00 EUR"},
        "rewards": [a_reward(), a_reward("surprise tea", None, gives={"product": "tea-1"})],
    },
    transfers={"older_than": "0 days"},
    pools={"members": "4"},
    adjustments={"four_eyes_above": "100 points"},
    partners=[{"partner": "river-bank", "gives": "1 point per 2.00 EUR", "price": "0.008 EUR per point"}],
)
JSON_LINES = "application/x-ndjson"
JOINING = "POST /v1/members/{member_id}/pool/join"
ALONE = ("POST /v1/members/{member_id}/pool", "POST /v1/members/{member_id}/merge")
"""What makes sense for somebody who is in no household, or before there is one of this name."""


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(DOCUMENT)
        long_ago = NOON - timedelta(days=60)
        await ledger.receives(
            *[
                an_event(CustomerSignedUp(customer_id=member), at=long_ago, event_id=f"signed-up-{member}")
                for member in ("customer-3", "customer-8")
            ],
            an_order_paid("4000.00", order_id="o-1", at=long_ago, event_id="evt-1"),
        )
        yield ledger
        assert (await ledger.differences(), await ledger.dead_letters()) == ([], [])


async def does(client: AsyncClient, path: str, **body: Any) -> None:
    """A request that sets the stage."""
    answer = await client.post(path, json=body)
    assert answer.status_code < 300, answer.text


async def set_the_stage(ledger: Running, client: AsyncClient) -> None:
    """What the examples speak of: a hold, a reward, a code with a reservation, a proposal, a partner's credit."""
    await does(client, f"{ME}/holds", hold_id="checkout-88", points=500, minutes=30, order_id="order-1002")
    await does(client, f"{ME}/redemptions", reward="five off", reward_id="redemption-17")
    code = "K7QF-M3TW-9XHC"
    await does(client, "/v1/coupons", code=code, gives={"kind": "coupon", "percent": "10"})
    await does(client, f"/v1/coupons/{code}/reserve", reservation_id="checkout-88", member_id=MEMBER)
    credit = {"transaction_id": "rb-2026-0001", "member_id": MEMBER, "amount": "24.00", "currency": "EUR"}
    credit["happened_at"] = "2026-05-04T10:00:00Z"
    await does(client, "/v1/partners/river-bank/credits", credits=[credit])
    proposal = {"adjustment_id": "ticket-4711", "points": 300, "reason": "late parcel"}
    colleague = sign_token(
        read_private_key(ledger.keys.private),
        program_id=PROGRAM,
        scopes=SCOPES.split(),
        subject="a colleague",
        now=NOON - timedelta(days=1),
        lifetime=timedelta(days=30),
    )
    async with ledger.client() as other:
        other.headers["Authorization"] = f"Bearer {colleague}"
        await does(other, f"{ME}/adjustments", **proposal)


async def is_in_a_household(client: AsyncClient) -> None:
    """`household-12` is the one of the member of the examples, who has been in it longest."""
    await does(client, f"{ME}/pool/join", pool_id="household-12")
    await does(client, f"{OTHER}/pool/leave")


async def answers(client: AsyncClient, operation: Operation) -> list[str]:
    """What is wrong with an example, or with its answer."""
    body = operation.body
    query = {"dry_run": "true"} if operation.has_dry_run else {}
    headers = {"If-Match": "*"} if operation.method == "put" else {}
    answer = await client.request(
        operation.method, operation.address, json=body, params=query or None, headers=headers
    )
    if answer.status_code >= 300:
        return [f"{operation.name} -> {answer.status_code} {answer.text}"]
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == JSON_LINES:
        rows = [json.loads(line) for line in answer.text.splitlines()]
        assert rows, operation.name
        return [
            f"{operation.name}: {each}" for each in operation.faults_in(answer.status_code, answer.text, kind)
        ]
    said = answer.json()
    refused = (
        [each for each in said.get("items", ()) if "problem" in each] if "bulk" in operation.path else []
    )
    faults = operation.faults_in(answer.status_code, said)
    return [f"{operation.name}: {each}" for each in (*faults, *refused)]


async def test_every_example_can_be_sent_and_is_answered_in_its_documented_shape(ledger: Running) -> None:
    faults = []
    async with ledger.client(scopes=SCOPES) as client:
        await set_the_stage(ledger, client)
        operations = [
            each
            for each in operations_of((await client.get("/openapi.json")).json())
            if each.path.startswith("/v1/")
        ]
        assert len(operations) > 60
        for operation in operations:
            if operation.name in ALONE:
                faults += await answers(client, operation)
        await does(client, f"{OTHER}/pool", pool_id="household-12")
        await does(client, f"{OTHER}/pool/invitations", invited_id=MEMBER)
        for operation in operations:
            if operation.name == JOINING:
                faults += await answers(client, operation)
        await is_in_a_household(client)
        for operation in operations:
            if operation.name not in (*ALONE, JOINING):
                faults += await answers(client, operation)
    assert faults == []


async def test_every_refusal_is_documented_with_its_code(ledger: Running) -> None:
    """Each of these is sent to an address, and the page of that address shows a refusal of its code."""
    faulty: dict[str, Any] = {"lines": [{"line_id": "a", "total": "1"}, {"line_id": "a", "total": "2"}]}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("POST /v1/members/{member_id}/quote", "duplicate_line", {"json": faulty}),
        ("POST /v1/members/{member_id}/quote", "invalid_amount", {"json": {"total": "1.005"}}),
        ("POST /v1/earning/preview", "unknown_currency", {"json": {"total": "5.00", "currency": "XAU"}}),
        ("POST /v1/members/{member_id}/spends", "invalid_input", {"json": {"points": True}}),
        ("POST /v1/members/{member_id}/spends", "body_unreadable", _as("application/json", "{")),
        ("POST /v1/members/{member_id}/spends", "unsupported_media_type", _as("text/plain", "5 points")),
        ("GET /v1/members/{member_id}/lots", "cursor_invalid", {"params": {"cursor": "forged"}}),
        ("GET /v1/members/{member_id}/lots", "token_missing", {"headers": {"Authorization": ""}}),
    ]
    async with ledger.client(scopes=SCOPES) as client:
        document = (await client.get("/openapi.json")).json()
        operations = {each.name: each for each in operations_of(document)}
        for name, code, request in asked:
            operation = operations[name]
            answer = await client.request(operation.method, operation.address, **request)
            content = operation.said["responses"][str(answer.status_code)]["content"][PROBLEM]
            assert (answer.json()["code"], code in content["examples"]) == (code, True), name
            assert operation.faults_in(answer.status_code, answer.json()) == []


def _as(kind: str, body: str) -> dict[str, Any]:
    return {"content": body, "headers": {"Content-Type": kind}}
