"""Problems: every refusal has one shape, a stable code, and says nothing that was not meant for the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import asyncpg
import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from shared.errors import InvalidInput, Kind, ServiceError, Unavailable
from shared.http.app import create_app
from shared.http.client import AsyncClient, client_of
from shared.http.health import Health
from shared.http.openapi import refuses
from shared.http.problems import STATUS, json_pointer, status_of
from shared.metrics import Metrics
from shared.token_keys import KeyFiles
from shared.tokens import Verifier


class InsufficientPoints(ServiceError):
    """The member asked to spend more than is available now."""

    kind = Kind.CONFLICT
    code = "insufficient_points"


class Points(BaseModel):
    asset: Literal["points"]
    amount: int = Field(ge=1)


class Coupon(BaseModel):
    asset: Literal["coupon"]
    sku: str


class Line(BaseModel):
    what: Annotated[Points | Coupon, Field(discriminator="asset")]


class Basket(BaseModel):
    lines: list[Line]


router = APIRouter()


@router.post("/baskets", responses=refuses(InsufficientPoints))
async def post_basket(basket: Basket) -> Basket:
    return basket


@router.get("/numbers")
async def get_numbers(limit: Annotated[int, Query(ge=1)] = 1) -> int:
    return limit


@router.get("/refusals/{what}")
async def refuse(what: str) -> Response:
    raise REFUSALS[what]


REFUSALS: dict[str, Exception] = {
    "points": InsufficientPoints("12 asked, 7 available", available=7, status=200, code="forged"),
    "away": Unavailable(),
    "bug": RuntimeError("the password is hunter2"),
    "connection": asyncpg.ConnectionDoesNotExistError("gone"),
    "refused": ConnectionRefusedError("nobody there"),
    "lock": asyncpg.LockNotAvailableError("locked"),
    "deadlock": asyncpg.DeadlockDetectedError("circle"),
    "pool": TimeoutError(),
    "nul": asyncpg.CharacterNotInRepertoireError("0x00"),
}


async def is_away() -> None:
    raise ConnectionError("password=hunter2")


async def hangs() -> None:
    await asyncio.Event().wait()


METRICS = Metrics("ledger", version="1.2.3")
APP = create_app(
    title="Test",
    service="ledger",
    version="1.2.3",
    routers=[router],
    metrics=METRICS,
    verifier=Verifier(KeyFiles([])),
    health=Health(checks={"database": is_away, "kafka": hangs}, alive=lambda: False, timeout_seconds=0.01),
    max_body_bytes=4096,
)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[AsyncClient]:
    async with client_of(APP) as client:
        yield client


async def problem(client: AsyncClient, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = await client.request(method, f"/v1{path}", **request)
    assert answer.headers["content-type"] == "application/problem+json"
    members: dict[str, Any] = answer.json()
    assert members["status"] == answer.status_code
    assert members["request_id"] == answer.headers["x-request-id"]
    return members


async def test_a_refusal_has_all_members_and_extras_never_replace_them(client: AsyncClient) -> None:
    members = await problem(client, "GET", "/refusals/points", headers={"X-Request-Id": "from-the-shop-1"})
    assert members == {
        "type": "urn:habitue:problem:insufficient_points",
        "title": "The member asked to spend more than is available now.",
        "status": 409,
        "detail": "12 asked, 7 available",
        "code": "insufficient_points",
        "instance": "/v1/refusals/points",
        "request_id": "from-the-shop-1",
        "available": 7,
    }


@pytest.mark.parametrize("what", ["away", "connection", "refused", "lock", "deadlock", "pool"])
async def test_what_is_away_or_busy_is_answered_with_503_and_when_to_come_back(
    client: AsyncClient, what: str
) -> None:
    answer = await client.get(f"/v1/refusals/{what}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_bug_is_answered_without_a_word_of_what_happened(client: AsyncClient) -> None:
    answer = await client.get("/v1/refusals/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text


async def test_a_text_that_postgres_cannot_store_is_the_callers_fault(client: AsyncClient) -> None:
    assert (await problem(client, "GET", "/refusals/nul"))["code"] == "text_not_storable"


async def test_each_fault_of_a_body_is_listed_with_its_pointer(client: AsyncClient) -> None:
    lines = [{"what": {"asset": "points", "amount": 0}}, {"what": {"asset": "coupon"}}, {"what": 7}]
    members = await problem(client, "POST", "/baskets", json={"lines": lines})
    assert (members["status"], members["code"]) == (422, "invalid_input")
    assert [(fault["pointer"], fault["fault"]) for fault in members["errors"]] == [
        ("#/lines/0/what/amount", "greater_than_equal"),
        ("#/lines/1/what/sku", "missing"),
        ("#/lines/2/what", "model_attributes_type"),
    ]


async def test_a_fault_of_a_parameter_names_it(client: AsyncClient) -> None:
    members = await problem(client, "GET", "/numbers?limit=0")
    assert [(fault["in"], fault["parameter"]) for fault in members["errors"]] == [("query", "limit")]


async def test_a_body_with_very_many_faults_gets_a_short_answer(client: AsyncClient) -> None:
    members = await problem(client, "POST", "/baskets", json={"lines": [0] * 500})
    assert (len(members["errors"]), members["detail"][:10]) == (50, "500 faults")


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"lines": "\xff"}', "application/json", 400, "body_unreadable"),
        (b'{"lines": ', "application/json", 400, "body_unreadable"),
        (b"[" * 4000, "application/json", 400, "body_unreadable"),
        (b'{"lines": []}', "text/plain", 415, "unsupported_media_type"),
        (b'{"lines": []}', "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"", "application/json", 422, "invalid_input"),
        (b" " * 4097, "application/json", 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_says_why(
    client: AsyncClient, content: bytes, content_type: str, status: int, code: str
) -> None:
    members = await problem(
        client, "POST", "/baskets", content=content, headers={"Content-Type": content_type}
    )
    assert (members["status"], members["code"]) == (status, code)


async def test_a_body_without_a_length_is_cut_off_at_the_limit(client: AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1000

    headers = {"Content-Type": "application/json"}
    members = await problem(client, "POST", "/baskets", content=endless(), headers=headers)
    assert (members["status"], members["limit_bytes"]) == (413, 4096)


async def test_addresses_and_methods_that_do_not_exist_are_problems_too(client: AsyncClient) -> None:
    assert (await problem(client, "GET", "/nothing"))["code"] == "route_not_found"
    assert (await problem(client, "DELETE", "/numbers"))["code"] == "method_not_allowed"
    assert (await client.delete("/v1/numbers")).headers["allow"] == "GET"


@pytest.mark.parametrize(
    "given", ["", "short", "a b c d e f g", "x" * 129, "line\tbreak-1234", "<script>alert"]
)
async def test_a_request_id_that_is_not_sane_is_replaced(client: AsyncClient, given: str) -> None:
    answer = await client.get("/v1/numbers", headers={"X-Request-Id": given})
    assert len(answer.headers["x-request-id"]) == 32


async def test_requests_are_counted_by_the_template_of_their_route(client: AsyncClient) -> None:
    await client.get("/v1/refusals/away?secret=1")
    await client.get("/elsewhere/12345")
    await client.request("BREW", "/v1/numbers")
    exposition = (await client.get("/metrics")).text
    assert (
        'habitue_http_request_seconds_count{method="GET",route="/v1/refusals/{what}",service="ledger",status="503"}'
        in exposition
    )
    assert 'method="GET",route="unmatched",service="ledger",status="404"' in exposition
    assert "12345" not in exposition
    assert "BREW" not in exposition
    assert 'habitue_build_info{service="ledger",version="1.2.3"} 1.0' in exposition


async def test_readiness_bounds_each_check_and_names_it_without_its_secrets(client: AsyncClient) -> None:
    answer = await client.get("/readyz")
    checks = answer.json()["checks"]
    assert answer.status_code == 503
    assert {name: (check["ok"], check["error"]) for name, check in checks.items()} == {
        "database": (False, "ConnectionError"),
        "kafka": (False, "TimeoutError"),
    }
    assert "hunter2" not in answer.text


async def test_only_the_watchdog_says_that_a_process_is_dead(client: AsyncClient) -> None:
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (503, {"status": "stalled"})


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)
    assert status_of(InvalidInput) == 422


def test_a_pointer_escapes_what_would_look_like_a_step() -> None:
    assert json_pointer(["a/b", "c~d", 0]) == "#/a~1b/c~0d/0"


def test_the_document_promises_problems_and_nothing_of_the_frameworks_own() -> None:
    document = APP.openapi()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/v1/baskets", "/v1/numbers", "/v1/refusals/{what}"}
    responses = document["paths"]["/v1/baskets"]["post"]["responses"]
    assert sorted(responses) == ["200", "400", "409", "413", "415", "422", "500", "503"]
    for status, response in responses.items():
        if status != "200":
            schema = response["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "insufficient_points" in responses["409"]["content"]["application/problem+json"]["examples"]
    assert "HTTPValidationError" not in str(document)
