"""`/v1/program` on a real service: a program is read, checked and replaced by who has seen what it replaces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response

from services.ledger.main import SERVICE
from shared.cli.programs import as_yaml
from tests.support.events import NOON
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
BOTH = "program:read program:write"
YAML = {"Content-Type": "application/yaml"}
RULES = tea_and_cups()["ledger"]["earn"]


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger


@pytest.fixture
async def merchant(ledger: Running) -> AsyncIterator[AsyncClient]:
    async with ledger.client(scopes=BOTH) as client:
        yield client


async def put(client: AsyncClient, document: Any, *, match: str | None = None, **more: Any) -> Response:
    headers = YAML | ({"If-Match": match} if match else {}) | more.pop("headers", {})
    content = document if isinstance(document, str) else as_yaml(document)
    return await client.put("/v1/program", content=content.encode(), headers=headers, **more)


async def test_the_first_version_holds_from_the_beginning_and_can_be_read(merchant: AsyncClient) -> None:
    assert (await merchant.get("/v1/program")).json()["code"] == "unknown_program"
    applied = await put(merchant, tea_and_cups())
    assert (applied.status_code, applied.headers["etag"]) == (200, '"1"')
    answer = await merchant.get("/v1/program")
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == {
        "program": "demo",
        "version": 1,
        "since": None,
        "applied_at": NOON.isoformat().replace("+00:00", "Z"),
        "document": tea_and_cups(),
    }
    assert list(answer.json()["document"]) == list(tea_and_cups())


async def test_a_reader_with_the_newest_version_is_told_so_in_304(merchant: AsyncClient) -> None:
    await put(merchant, tea_and_cups())
    answer = await merchant.get("/v1/program", headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


async def test_a_later_version_holds_from_now_and_says_what_changed(
    merchant: AsyncClient, ledger: Running
) -> None:
    await put(merchant, tea_and_cups())
    ledger.now = NOON + timedelta(days=1)
    answer = await put(merchant, tea_and_cups(earn=RULES[:-1]), match='"1"')
    said = answer.json()
    assert (said["version"], said["since"], said["dry_run"]) == (2, "2026-05-05T12:00:00Z", False)
    assert said["changes"] == [
        {"kind": "removed", "path": "ledger.earn[share]", "before": RULES[-1], "after": None}
    ]
    versions = (await merchant.get("/v1/program/versions")).json()
    assert [(each["version"], each["since"]) for each in versions["items"]] == [
        (2, "2026-05-05T12:00:00Z"),
        (1, None),
    ]


async def test_versions_come_in_pages_newest_first(merchant: AsyncClient) -> None:
    for number in range(5):
        await put(merchant, {**tea_and_cups(), "name": f"Club {number}"}, match="*" if number else None)
    found, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await merchant.get("/v1/program/versions", params=query)).json()
        found += [each["version"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == [5, 4, 3, 2, 1]


async def test_the_same_program_again_adds_no_version_whatever_its_form(merchant: AsyncClient) -> None:
    await put(merchant, tea_and_cups())
    natives = {**tea_and_cups(), "nothing": None}
    natives["ledger"]["spend"] = {"at_checkout": {"points": 100, "are_worth": "1.00 EUR"}}
    again = await merchant.put("/v1/program", json=natives, headers={"If-Match": '"1"'})
    assert (again.status_code, again.json()["version"], again.json()["changes"]) == (200, 1, [])


async def test_what_works_and_should_be_thought_about_again_is_told(merchant: AsyncClient) -> None:
    riddle = tea_and_cups(spend={"at_checkout": {"points": "27", "are_worth": "5.00 EUR"}})
    warnings = (await put(merchant, riddle)).json()["warnings"]
    assert [(each["path"], each["line"]) for each in warnings] == [("ledger.spend.at_checkout", 38)]
    assert warnings[0]["message"].startswith("27 points for 5.00 EUR: nobody works that out in the head")
    assert (await put(merchant, tea_and_cups(), match='"1"')).json()["warnings"] == []


async def test_what_nobody_has_seen_is_not_replaced(merchant: AsyncClient) -> None:
    await put(merchant, tea_and_cups())
    other = {**tea_and_cups(), "name": "Other"}
    for headers, status, code in (
        ({}, 428, "precondition_required"),
        ({"If-Match": '"7"'}, 412, "precondition_failed"),
        ({"If-None-Match": "*"}, 412, "precondition_failed"),
    ):
        answer = await put(merchant, other, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await merchant.get("/v1/program")).json()["version"] == 1


async def test_a_first_version_may_say_that_it_is_the_first(merchant: AsyncClient) -> None:
    assert (await put(merchant, tea_and_cups(), match='"1"')).status_code == 412
    answer = await put(merchant, tea_and_cups(), headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


async def test_a_dry_run_says_what_would_be_and_stores_nothing(merchant: AsyncClient) -> None:
    answer = await put(merchant, tea_and_cups(), params={"dry_run": "true"})
    said = answer.json()
    assert (answer.status_code, said["version"], said["dry_run"]) == (200, 1, True)
    assert [change["path"] for change in said["changes"]] == list(tea_and_cups())
    assert "etag" not in answer.headers
    assert (await merchant.get("/v1/program")).status_code == 404
    faulty = await put(merchant, tea_and_cups(earn=[{"rule": "x"}]), params={"dry_run": "true"})
    assert faulty.status_code == 422


NOT_KNOWN = "this word is not known here; did you mean `rounded_to`?"


async def test_a_fault_names_its_path_its_line_and_what_is_wrong(merchant: AsyncClient) -> None:
    text = as_yaml(tea_and_cups()).replace("rounded_to: month", "rounded: month")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "rounded" in each)
    answer = await put(merchant, text)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_program")
    assert problem["errors"] == [{"path": "ledger.points.rounded", "message": NOT_KNOWN, "line": line}]


async def test_a_fault_in_json_names_its_path(merchant: AsyncClient) -> None:
    answer = await merchant.put("/v1/program", json=tea_and_cups(points={"rounded": "month"}))
    assert answer.json()["errors"] == [{"path": "ledger.points.rounded", "message": NOT_KNOWN}]


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"program: demo", "text/plain", 415),
        (b"program: demo", None, 415),
        (b"\xff\xfe", "application/yaml", 400),
        (b"{", "application/json", 400),
        (b"program: [", "application/yaml; charset=utf-8", 422),
        (b"[" * 600_000, "application/yaml", 422),
        (b"[" * 600_000, "application/json", 422),
        (b"name: x", "application/yaml", 422),
        (b'{"program": "demo", "name": "a\\u0000"}', "application/json", 422),
        (b"", "application/yaml", 422),
    ],
)
async def test_a_body_that_is_no_program_is_refused(
    merchant: AsyncClient, content: bytes, media: str | None, status: int
) -> None:
    headers = {"Content-Type": media} if media else {}
    answer = await merchant.put("/v1/program", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_program_of_another_merchant_is_refused(merchant: AsyncClient, ledger: Running) -> None:
    answer = await put(merchant, {**tea_and_cups(), "program": "other"})
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["path"], fault["line"]) == (422, "program", 1)
    await put(merchant, tea_and_cups())
    async with ledger.client(scopes=BOTH, program="other") as stranger:
        assert (await stranger.get("/v1/program")).status_code == 404


async def test_reading_and_writing_are_scopes_of_their_own_and_members_have_neither(ledger: Running) -> None:
    async with ledger.client(scopes="program:read") as reader:
        assert (await put(reader, tea_and_cups())).json()["code"] == "scope_missing"
    async with ledger.client(scopes="program:write") as writer:
        assert (await writer.get("/v1/program")).json()["code"] == "scope_missing"
        assert (await put(writer, tea_and_cups())).status_code == 200
    async with ledger.client(scopes=BOTH, member="m-1") as member:
        assert (await member.get("/v1/program")).json()["code"] == "other_member"


async def test_a_program_that_is_sent_twice_with_one_key_is_answered_once(merchant: AsyncClient) -> None:
    first = await put(merchant, tea_and_cups(), headers={"Idempotency-Key": "k-1"})
    second = await put(merchant, tea_and_cups(), headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["idempotent-replayed"] == "true"
    assert first.content == second.content
    assert second.headers["etag"] == '"1"'


async def test_the_document_shows_both_forms_of_the_body_and_the_faults(merchant: AsyncClient) -> None:
    document = (await merchant.get("/openapi.json")).json()
    operation = document["paths"]["/v1/program"]["put"]
    assert set(operation["requestBody"]["content"]) == {"application/yaml", "application/json"}
    assert {"400", "412", "413", "415", "422", "428"} <= set(operation["responses"])
    assert operation["operationId"] == "ledger_apply_program"
    example = operation["requestBody"]["content"]["application/yaml"]["example"]
    assert (await put(merchant, example)).status_code == 200
    assert json.dumps(document)
