"""Every write of the ledger has a form for up to a thousand at once, or stands here with its reason.

What a newcomer would get wrong: a new endpoint that writes belongs into one of the two lists below, or it fails here.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.http.app import create_app
from shared.http.bulk import MOST_ITEMS
from shared.http.program import program_router
from shared.metrics import Metrics
from shared.token_keys import KeyFiles
from shared.tokens import Verifier

MEMBER = "/v1/members/{member_id}"
IN_BULK = {
    f"{MEMBER}/adjustments": "adjustments",
    "/v1/adjustments/{adjustment_id}/approve": "adjustment-approvals",
    "/v1/adjustments/{adjustment_id}/reject": "adjustment-rejections",
    f"{MEMBER}/spends": "spends",
    f"{MEMBER}/holds": "holds",
    f"{MEMBER}/holds/{{hold_id}}/capture": "captures",
    f"{MEMBER}/holds/{{hold_id}}/release": "releases",
    f"{MEMBER}/redemptions": "redemptions",
    f"{MEMBER}/gifts": "gifts",
    f"{MEMBER}/rewards/{{reward_id}}/use": "reward-uses",
    f"{MEMBER}/rewards/{{reward_id}}/void": "reward-voids",
    "/v1/coupons/{code}/reserve": "coupon-reservations",
    "/v1/coupons/{code}/use": "coupon-uses",
    "/v1/coupons/{code}/release": "coupon-releases",
    "/v1/coupons/{code}/void": "coupon-voids",
    f"{MEMBER}/transfers": "transfers",
    f"{MEMBER}/merge": "merges",
    f"{MEMBER}/erase": "erasures",
    f"{MEMBER}/pool": "pools",
    f"{MEMBER}/pool/invitations": "pool-invitations",
    f"{MEMBER}/pool/join": "pool-joins",
    f"{MEMBER}/pool/leave": "pool-leaves",
    f"{MEMBER}/pool/dissolve": "pool-dissolutions",
    f"{MEMBER}/pool/spends": "pool-spends",
    f"{MEMBER}/pool/holds": "pool-holds",
    f"{MEMBER}/pool/redemptions": "pool-redemptions",
}
"""Each write, and its form under `/v1/bulk/`."""
ALONE = {
    "/v1/program": "a program is one document",
    "/v1/import": "takes up to 1,000 rows, all of them or none",
    "/v1/coupons": "`count` makes up to 1,000 codes; codes of the shop's own go into a pool",
    "/v1/coupon-pools/{pool}/codes": "takes up to 1,000 codes, or 50,000 as CSV",
    "/v1/partners/{partner}/credits": "takes up to 1,000 credits, with a result for each",
    "/v1/partners/{partner}/reversals": "takes up to 1,000 reversals, with a result for each",
    "/v1/coupons/validate": "writes nothing",
    "/v1/earning/preview": "writes nothing",
    f"{MEMBER}/quote": "writes nothing",
}
"""Each write without such a form, and why."""
ASKED_FOR = {
    f"{MEMBER}/holds": "hold_id",
    f"{MEMBER}/redemptions": "reward_id",
    f"{MEMBER}/gifts": "gift_id",
    "/v1/coupons/{code}/reserve": "reservation_id",
    f"{MEMBER}/pool/holds": "hold_id",
    f"{MEMBER}/pool/redemptions": "reward_id",
}
"""Ids that a single write may leave out, and an item may not."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = create_app(
        title="Ledger",
        service="ledger",
        version="1",
        routers=(*SERVICE.routers, program_router("ledger")),
        metrics=Metrics("ledger", version="1"),
        verifier=Verifier(KeyFiles([])),
    )
    return app.openapi()


def writes_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation that is not a question, by its path."""
    return {
        path: told
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if method != "get" and path.startswith("/v1/")
    }


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """The schema of what an operation is asked with; an empty one where that is nothing."""
    content = operation.get("requestBody", {}).get("content", {})
    return resolved(document, content["application/json"]["schema"]) if content else {"properties": {}}


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def test_every_write_has_a_form_for_many_or_a_reason_to_have_none(document: dict[str, Any]) -> None:
    writes = set(writes_of(document))
    forms = {path for path in writes if path.startswith("/v1/bulk/")}
    assert forms == {f"/v1/bulk/{form}" for form in IN_BULK.values()}
    assert writes - forms == IN_BULK.keys() | ALONE.keys()
    assert not IN_BULK.keys() & ALONE.keys()


@pytest.mark.parametrize("path", IN_BULK)
def test_an_item_is_the_body_of_the_single_write_with_what_its_address_names(
    document: dict[str, Any], path: str
) -> None:
    writes = writes_of(document)
    single, form = writes[path], writes[f"/v1/bulk/{IN_BULK[path]}"]
    items = body_of(document, form)["properties"]["items"]
    item, body = resolved(document, items["items"]), body_of(document, single)
    named = {each["name"] for each in single["parameters"] if each["in"] == "path"}
    assert (items["minItems"], items["maxItems"]) == (1, MOST_ITEMS)
    assert set(item["properties"]) == set(body["properties"]) | named
    own = {ASKED_FOR[path]} if path in ASKED_FOR else set()
    assert set(item["required"]) == set(body.get("required", ())) | named | own


@pytest.mark.parametrize("path", IN_BULK)
def test_a_form_for_many_asks_for_the_same_scope_and_takes_a_key_and_a_dry_run(
    document: dict[str, Any], path: str
) -> None:
    writes = writes_of(document)
    single, form = writes[path], writes[f"/v1/bulk/{IN_BULK[path]}"]
    assert form["security"] == single["security"]
    assert {each["name"] for each in form["parameters"]} == {"Idempotency-Key", "dry_run"}
    (answer,) = (told for status, told in form["responses"].items() if status == "200")
    results = resolved(document, answer["content"]["application/json"]["schema"])["properties"]["items"]
    result = resolved(document, results["items"])["properties"]["result"]["anyOf"][0]
    (alone,) = (told for status, told in single["responses"].items() if status in {"200", "201"})
    assert result == alone["content"]["application/json"]["schema"]
