"""The section `referrals` of a program file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.referrals.domain.program import After, Offer, ReferralProgram, Wait
from services.referrals.program import parse, schema
from shared.events import Grant
from shared.program_file import InvalidProgram, read_program

HEAD = {"program": "demo", "currency": "EUR", "time_zone": "Europe/Paris"}
FILE = """
program: demo
currency: EUR
time_zone: Europe/Paris
ledger:
  pending: {order.paid: 14 days after order.fulfilled}
referrals:
  welcome: {friend: {coupon: 10 %}}
  reward: {advocate: {points: 500}, friend: {points: 100}}
  qualifies: {first_order: true, order_at_least: 30.00 EUR}
"""


def test_a_program_file_becomes_an_offer() -> None:
    assert parse(read_program(FILE).document) == ReferralProgram(
        currency="EUR",
        zone=ZoneInfo("Europe/Paris"),
        wait=Wait(days=14, after=After.FULFILLED),
        offer=Offer(
            currency="EUR",
            minimum_minor=3000,
            welcome=(Grant(kind="coupon", percent="10"),),
            friend_reward=(Grant(kind="points", asset="points", points=100),),
            advocate_reward=(Grant(kind="points", asset="points", points=500),),
        ),
    )


def test_numbers_and_bools_of_json_read_as_the_texts_of_yaml() -> None:
    section = {"reward": {"advocate": {"points": 500}}, "qualifies": {"first_order": False}}
    texts = {"reward": {"advocate": {"points": "500"}}, "qualifies": {"first_order": "false"}}
    assert parse(HEAD | {"referrals": section}) == parse(HEAD | {"referrals": texts})


def test_a_program_without_the_section_offers_nothing() -> None:
    assert parse(HEAD).offer is None


@pytest.mark.parametrize(
    ("ledger", "wait"),
    [
        ({}, Wait(days=21)),
        ({"pending": {"order.paid": "immediate"}}, Wait(days=21)),
        (
            {"pending": {"order.paid": "7 days after order.fulfilled, within 60 days"}},
            Wait(days=7, after=After.FULFILLED, deadline_days=60),
        ),
        ({"pending": {"order.paid": "7 days after order.paid"}}, Wait(days=7)),
        ({"pending": {"order.paid": "1 day after order.fulfilled"}}, Wait(days=1, after=After.FULFILLED)),
    ],
)
def test_a_referral_waits_as_the_points_of_its_order_do(ledger: dict[str, Any], wait: Wait) -> None:
    document = HEAD | {"ledger": ledger, "referrals": {"pending": "21 days"}}
    assert parse(document).wait == wait


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"referrals": {"rewards": {}}}, "referrals.rewards"),
        ({"referrals": {"reward": {"friend": {"points": "-1"}}}}, "referrals.reward.friend.points"),
        ({"referrals": {"reward": {"friend": {}}}}, "referrals.reward.friend"),
        ({"referrals": {"welcome": {"friend": {"points": 5}}}}, "referrals.welcome.friend.coupon"),
        ({"referrals": {"welcome": {"friend": {"coupon": "110 %"}}}}, "referrals.welcome.friend.coupon"),
        (
            {"referrals": {"qualifies": {"order_at_least": "30.001 EUR"}}},
            "referrals.qualifies.order_at_least",
        ),
        ({"referrals": {"landing": "shop.example"}}, "referrals.landing"),
        ({"ledger": {"pending": {"order.paid": "soon"}}}, "ledger.pending.order.paid"),
        ({"time_zone": "Europe/Nowhere"}, "time_zone"),
    ],
)
def test_a_fault_names_its_path(document: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgram) as refused:
        parse(HEAD | document)
    errors: Any = refused.value.extra["errors"]
    assert path in [fault["path"] for fault in errors]


def test_the_exported_schema_is_that_of_the_models() -> None:
    exported = Path(__file__).parents[2] / "docs/program/referrals.schema.json"
    assert json.loads(exported.read_text(encoding="utf-8")) == schema()
