"""The section `tiers` of a program file: what it says, and how it says no."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.tiers.domain.ladder import KeepUntil, StepDown
from services.tiers.program import parse, schema
from shared.program_file import InvalidProgram
from tests.support.tiers import a_program

SCHEMA = Path(__file__).parents[2] / "docs" / "program" / "tiers.schema.json"


def test_texts_of_yaml_and_values_of_json_say_the_same() -> None:
    natural = a_program(warn="30 days")
    natural["tiers"]["levels"][1] |= {"earn_times": 1.25, "on_entry": {"points": 100}}
    natural["tiers"]["levels"][2]["entitles"] = {"free_shipping": True, "priority_support": True}
    assert parse(natural) == parse(a_program())


def test_a_ladder_has_its_words() -> None:
    ladder = parse(a_program(keep_until="end of this year", step_down="to what is met", warn="never")).ladder
    assert ladder is not None
    assert (ladder.keep_until, ladder.step_down) == (KeepUntil.END_OF_THIS_YEAR, StepDown.TO_WHAT_IS_MET)
    assert ladder.warn_days == 0


def test_minor_units_follow_the_currency() -> None:
    document = a_program() | {"currency": "JPY"}
    document["tiers"] = {"levels": [{"level": "A", "from": "0 JPY"}, {"level": "B", "from": "5000 JPY"}]}
    ladder = parse(document).ladder
    assert ladder is not None
    assert ladder.levels[1].from_minor == 5000


def test_a_program_without_the_section_has_no_ladder() -> None:
    document = a_program()
    del document["tiers"]
    assert parse(document).ladder is None


@pytest.mark.parametrize(
    ("level", "change", "path", "hint"),
    [
        (0, {"from": "1.00 EUR"}, "tiers.levels[0].from", "should be 0"),
        (1, {"from": "350"}, "tiers.levels[1].from", "350.00 EUR"),
        (1, {"from": "350.00 USD"}, "tiers.levels[1].from", "should be in EUR"),
        (1, {"from": "350.001 EUR"}, "tiers.levels[1].from", "finer"),
        (2, {"from": "350.00 EUR"}, "tiers.levels[2].from", "lowest first"),
        (2, {"level": "Guest"}, "tiers.levels[2].level", "stands twice"),
        (1, {"earn_times": "11"}, "tiers.levels[1].earn_times", "at most 10"),
        (1, {"earn_times": "0"}, "tiers.levels[1].earn_times", "above 0"),
        (0, {"on_entry": {"points": "5"}}, "tiers.levels[0].on_entry", "customer.signed_up"),
        (1, {"on_entry": {"points": "-5"}}, "tiers.levels[1].on_entry.points", "write at least 1"),
        (1, {"form": "350.00 EUR"}, "tiers.levels[1].form", "not known"),
    ],
)
def test_a_fault_names_its_path_and_what_would_be_right(
    level: int, change: dict[str, Any], path: str, hint: str
) -> None:
    document = a_program()
    document["tiers"]["levels"][level] |= change
    with pytest.raises(InvalidProgram) as refused:
        parse(document)
    faults = {fault["path"]: fault["message"] for fault in refused.value.extra["errors"]}  # type: ignore[attr-defined]
    assert hint in faults[path]


@pytest.mark.parametrize(
    ("word", "value", "path"),
    [("currency", "XYZ", "currency"), ("time_zone", "Europe/Atlantis", "time_zone"), ("tiers", [], "tiers")],
)
def test_a_fault_of_the_head_is_named_too(word: str, value: object, path: str) -> None:
    with pytest.raises(InvalidProgram, match=path):
        parse(a_program() | {word: value})


def test_the_checked_in_schema_is_the_one_of_the_models() -> None:
    """After a change: `python -m services.tiers.program > docs/program/tiers.schema.json`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema()
