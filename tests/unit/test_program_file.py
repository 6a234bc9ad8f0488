"""Program files: faults name their lines, traps are refused, and a document says the same in YAML and in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger import program
from shared.cli.programs import as_yaml
from shared.errors import Kind, ServiceError
from shared.program_changes import Change, changes_between
from shared.program_documents import MAX_DEPTH, check_program, located, program_id_of, read_json, read_yaml
from shared.program_file import InvalidProgram, invalid
from tests.support.programs import tea_and_cups

GOOD = """\
program: demo
name: Tea & Cup Club
currency: EUR
time_zone: Europe/Paris
ledger:
  earn:
    - rule: base
      on: order.paid
      points: 1
      per: 1.00 EUR
"""


def listed(error: ServiceError) -> list[dict[str, Any]]:
    faults = error.extra["errors"]
    assert isinstance(faults, list)
    return faults


def faults_of(text: str) -> list[dict[str, Any]]:
    with pytest.raises(InvalidProgram) as refusal:
        check_program(read_yaml(text), program.parse)
    return listed(refusal.value)


def test_a_good_file_names_its_program() -> None:
    assert check_program(read_yaml(GOOD), program.parse) == "demo"


def test_a_fault_names_its_place_and_its_line() -> None:
    faults = faults_of(GOOD.replace("points: 1", "pionts: 1"))
    assert {
        "path": "ledger.earn[0].pionts",
        "message": "this word is not known here; did you mean `points`?",
        "line": 9,
    } in faults


def test_every_fault_of_the_file_is_named_at_once() -> None:
    faults = faults_of(
        GOOD.replace("points: 1", "pionts: 1").replace("  earn:", "  points: {expires: never}\n  earn:")
    )
    assert {(fault["path"], fault["line"]) for fault in faults} == {
        ("ledger.points.expires", 6),
        ("ledger.earn[0].pionts", 10),
    }


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("program: demo\nledger: [", 2, "no YAML"),
        ("program: demo\nname: 'open", 2, "no YAML"),
        ("program: demo\na: &x [1]\nb: *x\n", 3, "write it out again"),
        ("program: demo\nb: " + "[" * 100_000, 2, "nested deeper"),
        ("[" * 500_000, 1, "nested deeper"),
    ],
    ids=["open list", "open quote", "alias", "deep", "deep at once"],
)
def test_a_text_that_cannot_be_read_names_the_line(text: str, line: int, what: str) -> None:
    with pytest.raises(InvalidProgram, match=what) as refusal:
        read_yaml(text)
    (fault,) = listed(refusal.value)
    assert fault["line"] == line


def test_an_alias_that_would_grow_without_end_is_refused_unread() -> None:
    bomb = "\n".join(
        ["program: demo", "a0: &a0 [x]"]
        + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    )
    with pytest.raises(InvalidProgram, match="write it out again"):
        read_yaml(bomb)


def test_a_key_that_stands_twice_is_refused() -> None:
    for read, text in (
        (read_yaml, "program: demo\nname: a\nname: b"),
        (read_json, '{"name": "a", "name": "b"}'),
    ):
        with pytest.raises(InvalidProgram, match="`name` stands"):
            read(text)


@pytest.mark.parametrize("program_id", ["Demo", "a b", "-x", "x:y", "", "x" * 65, "demo\n", "é"])
def test_a_program_has_an_id_that_fits_into_a_record_key(program_id: str) -> None:
    with pytest.raises(InvalidProgram, match="an id has"):
        program_id_of(read_json(json.dumps({"program": program_id})))


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_a_text_that_cannot_be_stored_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(InvalidProgram) as refusal:
        program_id_of(read_json(json.dumps({"program": "demo", "list": [{"name": text}]})))
    (fault,) = listed(refusal.value)
    assert fault["path"] == "list[0].name"


def test_json_says_the_same_as_yaml() -> None:
    as_json = '{"program": "demo", "n": 100, "price": 1.50, "yes": true, "none": null, "list": [1, "a"]}'
    text = "program: demo\nn: 100\nprice: 1.50\nyes: true\nlist: [1, a]"
    assert read_json(as_json).document == read_yaml(text).document


@pytest.mark.parametrize(
    "text", ["[]", '"demo"', '{"a": [null]}', '{"a": NaN}', "[" * 100_000, '{"a":' * 40 + "1" + "}" * 40]
)
def test_json_that_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(InvalidProgram):
        read_json(text)


Text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
Documents = st.recursive(
    Text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(Text, children, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(Text, Documents, max_size=5))
def test_a_document_that_is_written_as_a_file_reads_as_the_same_document(document: dict[str, Any]) -> None:
    assert read_yaml(as_yaml(document)).document == document


def test_a_program_is_written_with_no_more_quotes_than_it_needs() -> None:
    document = read_yaml(GOOD).document
    assert as_yaml(document).splitlines() == [
        "program: demo",
        "name: Tea & Cup Club",
        "currency: EUR",
        "time_zone: Europe/Paris",
        "ledger:",
        "  earn:",
        "  - rule: base",
        "    on: order.paid",
        "    points: 1",
        "    per: 1.00 EUR",
    ]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_a_fault_of_ours(text: str) -> None:
    for read in (read_yaml, read_json):
        try:
            file = read(text)
            check_program(file, program.parse)
        except InvalidProgram:
            pass
        except ValueError:
            assert read is read_json


@given(st.dictionaries(st.sampled_from(["program", "ledger", "name"]) | Text, Documents, max_size=4))
def test_any_document_is_parsed_or_refused_with_its_faults(document: dict[str, Any]) -> None:
    refused = None
    try:
        check_program(read_json(json.dumps({"program": "demo", **document})), program.parse)
    except InvalidProgram as refusal:
        refused = refusal
    assert refused is None or refused.extra["errors"]


class Elsewhere(ServiceError):
    """An error of another kind of service."""

    kind = Kind.INVALID
    code = "elsewhere"


class Away(ServiceError):
    """Not about the document at all."""

    kind = Kind.UNAVAILABLE


def test_an_error_without_places_becomes_one_fault() -> None:
    found = located(Elsewhere("levels go up"), read_yaml(GOOD))
    assert isinstance(found, InvalidProgram)
    assert found.extra["errors"] == [{"path": "", "message": "levels go up"}]


def test_an_error_that_is_not_about_the_document_stays_what_it_is() -> None:
    error = Away()
    assert located(error, read_yaml(GOOD)) is error


def test_a_place_that_is_written_in_another_way_has_no_line_and_is_still_named() -> None:
    found = located(invalid([(("ledger", "[what"), "is wrong")]), read_yaml(GOOD))
    assert "is wrong" in found.message


def test_a_rule_put_in_front_is_one_addition() -> None:
    before = tea_and_cups()
    rules = before["ledger"]["earn"]
    first = {"rule": "new", "on": "order.paid", "points": "3"}
    after = tea_and_cups(earn=[first, *rules])
    assert changes_between(before, after) == [Change("added", "ledger.earn[new]", after=first)]


def test_each_change_is_named_where_it_is() -> None:
    before = tea_and_cups()
    after = json.loads(json.dumps(before))
    after["name"] = "Tea Club"
    after["ledger"]["earn"][1]["times"] = "3"
    del after["ledger"]["earn"][3]
    after["languages"] = ["fr"]
    del after["ledger"]["spend"]
    assert changes_between(before, after) == [
        Change("changed", "name", "Tea & Cup Club", "Tea Club"),
        Change("changed", "ledger.earn[tea counts double].times", "2", "3"),
        Change("removed", "ledger.earn[welcome]", before=before["ledger"]["earn"][3]),
        Change("removed", "ledger.spend", before=before["ledger"]["spend"]),
        Change("added", "languages", after=["fr"]),
    ]


def test_another_order_of_the_same_rules_is_a_change() -> None:
    rules = tea_and_cups()["ledger"]["earn"]
    (change,) = changes_between(tea_and_cups(), tea_and_cups(earn=rules[::-1]))
    assert (change.kind, change.path) == ("changed", "ledger.earn[order]")


@given(st.dictionaries(Text, Documents, max_size=4), st.dictionaries(Text, Documents, max_size=4))
def test_two_documents_have_no_changes_exactly_if_they_are_equal(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert (changes_between(before, after) == []) == (before == after)
    assert changes_between(before, before) == []


def test_as_deep_as_allowed_is_allowed() -> None:
    text = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read_yaml(text).document["a"] is not None
