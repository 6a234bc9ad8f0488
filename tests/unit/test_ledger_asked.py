"""What the ledger's doors take for what it is, and nothing that only looks like it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.ledger.api.rewards import grant_of
from services.ledger.schemas import MOST_POINTS, Day, Moment, Points, Why
from services.ledger.schemas.adjustments import AdjustmentIn
from services.ledger.schemas.checkout import CaptureIn, HoldIn
from services.ledger.schemas.imports import ImportIn, PointsRow
from services.ledger.schemas.partners import SettlementOut
from services.ledger.schemas.rewards import GrantIn
from shared.events.fields import MAX_SAFE_INTEGER
from shared.money import InvalidAmount

LOOKS_LIKE_A_NUMBER = [True, "500", 500.0, "5e2", 1.5, 2**63, -1, 0, None]


def refusal(kind: Any, value: object) -> str:
    """What somebody is told who sends this value."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize("value", LOOKS_LIKE_A_NUMBER)
def test_points_are_a_whole_number_above_0(value: object) -> None:
    assert refusal(Points, value)
    assert TypeAdapter(Points).validate_python(500) == 500


def test_what_nobody_gives_by_intent_is_refused_before_it_outgrows_every_reader() -> None:
    assert TypeAdapter(Points).validate_python(MOST_POINTS) * 9_000 < MAX_SAFE_INTEGER
    assert refusal(Points, MOST_POINTS + 1)
    with pytest.raises(InvalidAmount, match="at once"):
        grant_of(GrantIn(kind="credit", amount="99999999999.00", currency="EUR"))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (HoldIn, {"points": 5, "minutes": True}),
        (CaptureIn, {"points": False}),
        (AdjustmentIn, {"adjustment_id": "a", "points": "5", "reason": "sorry"}),
    ],
)
def test_every_whole_number_that_is_asked_for_is_one(shape: Any, said: dict[str, Any]) -> None:
    assert refusal(shape, said) == "Input should be a valid integer"


def test_a_file_may_write_its_numbers_as_text_and_not_as_truth() -> None:
    row = {"kind": "points", "row": "1", "member_id": "m", "points": "5"}
    assert PointsRow.model_validate(row).points == 5
    assert "whole number" in refusal(PointsRow, row | {"points": True})
    assert ImportIn.model_validate({"rows": [row]}).rows


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "2026-05-04T12:00:00",
        "2026-05-04",
        1767225600,
        "1767225600",
        "2026-13-45T00:00:00Z",
    ],
)
def test_a_moment_says_its_offset_and_has_a_place_in_utc(value: object) -> None:
    assert refusal(Moment, value)


def test_a_moment_is_told_in_utc() -> None:
    moment = TypeAdapter(Moment).validate_python("2026-05-04T12:00:00+02:00")
    assert (moment, moment.tzinfo) == (datetime(2026, 5, 4, 10, tzinfo=UTC), UTC)


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31", "1969-12-31", "2200-01-01"])
def test_a_day_has_days_before_and_behind_it(value: str) -> None:
    assert refusal(Day, value) == "Value error, a day from 1970 to 2199"


def test_who_brings_points_that_never_expire_is_told_the_word_for_it() -> None:
    row = {"kind": "points", "row": "1", "member_id": "m", "points": 5, "expires_at": "9999-12-31T23:59:59Z"}
    assert "what never expires says `never`" in refusal(PointsRow, row)


@pytest.mark.parametrize("value", ["", " ", "\t\n", "no\0ne"])
def test_a_reason_is_words(value: str) -> None:
    assert refusal(Why, value)


def test_a_settlement_is_documented_as_it_is_answered() -> None:
    assert {"from", "to"} <= set(SettlementOut.model_json_schema()["required"])
