"""A program whose points a member cannot reckon with in the head is warned of, and refused nothing."""

from __future__ import annotations

from typing import Any

import pytest

from services.ledger.program import parse, warnings_of
from shared.program_documents import read_yaml, warnings_in
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.programs import TEA_AND_CUPS


def warned(**spend: Any) -> list[tuple[tuple[Any, ...], str]]:
    document = a_document(spend=spend)
    parse(document)
    return warnings_of(document)


def a_reward(costs: str, **gives: str) -> dict[str, Any]:
    return {"reward": f"for {costs}", "costs": costs, "gives": gives}


@pytest.mark.parametrize(
    ("points", "worth"),
    [
        ("100", "1.00 EUR"), ("1", "0.01 EUR"), ("250", "5.00 USD"), ("500", "10.00 EUR"), ("150", "1.00 EUR"),
        ("30", "1.00 EUR"), ("125", "1.00 EUR"), ("1000", "7.50 EUR"), ("10", "1000 JPY"), ("100", "0.250 KWD"),
    ],
)  # fmt: skip
def test_round_values_are_easy(points: str, worth: str) -> None:
    assert warned(at_checkout={"points": points, "are_worth": worth}) == []


@pytest.mark.parametrize(
    ("points", "worth"),
    [
        ("27", "5.00 EUR"), ("100", "1.37 EUR"), ("300", "7.00 EUR"), ("120", "1.00 EUR"), ("99", "1.00 EUR"),
        ("1000", "9.99 EUR"),
    ],
)  # fmt: skip
def test_riddles_are_warned_of(points: str, worth: str) -> None:
    ((path, message),) = warned(at_checkout={"points": points, "are_worth": worth})
    assert path == ("ledger", "spend", "at_checkout")
    assert message.startswith(f"{points} points for {worth}: nobody works that out in the head")


def test_the_example_of_the_rules() -> None:
    ((path, message),) = warned(
        rewards=[a_reward("100", percent_off="5 %"), a_reward("27", percent_off="5 %")]
    )
    assert path == ("ledger", "spend", "rewards", 1, "costs")
    assert message == (
        "27 points for 5 %: nobody works that out in the head (100 points would be about 18.52 %); "
        "take 25 points or 50 points"
    )


def test_rewards_and_other_assets_are_looked_at() -> None:
    found = warned(
        also_at_checkout={"stamps": {"units": "7", "are_worth": "5.00 EUR"}},
        rewards=[
            a_reward("500", money_off="5.00 EUR"),
            a_reward("333", gift_card="5.00 EUR"),
            a_reward("9 stamps", product="a coffee"),
            a_reward("13 spins", money_off="1.00 EUR"),
            a_reward("370 credit:EUR", money_off="5.00 EUR"),
            {"reward": "by hand", "gives": {"money_off": "5.00 EUR"}},
        ],
    )
    assert [path[2:] for path, _ in found] == [
        ("also_at_checkout", "stamps"),
        ("rewards", 1, "costs"),
        ("rewards", 3, "costs"),
    ]


@pytest.mark.parametrize("worth", ["5.00 EUR", "0.01 EUR", "3.33 EUR", "123456.78 EUR"])
@pytest.mark.parametrize("points", [1, 3, 7, 27, 99, 101, 1234, 999_999])
def test_what_is_proposed_is_itself_easy(points: int, worth: str) -> None:
    for _, message in warned(at_checkout={"points": str(points), "are_worth": worth}):
        for each in message.rpartition("; take ")[2].split(" or ") if "; take " in message else []:
            assert warned(at_checkout={"points": each.split(" ")[0], "are_worth": worth}) == []


def test_a_program_without_spending_and_the_example_are_fine() -> None:
    assert (warned(), warnings_of(TEA_AND_CUPS), warnings_of({"currency": "EUR"})) == ([], [], [])


def test_a_warning_names_its_line() -> None:
    file = read_yaml(
        "program: demo\ncurrency: EUR\nledger:\n  spend:\n    at_checkout: {points: 27, are_worth: 5.00 EUR}\n"
    )
    (warning,) = warnings_in(file, warnings_of)
    assert (warning["path"], warning["line"]) == ("ledger.spend.at_checkout", 5)


def test_words_that_count_nothing_and_names_that_are_much_like_an_events_are_told() -> None:
    document = a_document(
        PER_EURO | {"whole_units": "true", "basis": "total"},
        a_rule("b", points="5", tax="false"),
        a_rule("c", points="0"),
        a_rule("d", on="order.payed", points="5"),
        a_rule("e", on="quiz.answered", points="5"),
        pending={"order.payd": "immediate", "order.paid": "immediate", "birthday": "immediate"},
    )
    assert warnings_of(document) == [
        (
            ("ledger", "earn", 1, "tax"),
            "`tax` means nothing here: it says how `per` an amount or item is counted",
        ),
        (("ledger", "earn", 2, "points"), "a bonus of nothing gives nothing; leave the rule out"),
        (
            ("ledger", "earn", 3, "on"),
            "order.payed is taken for an activity of the shop's own; did you mean `order.paid`?",
        ),
        (
            ("ledger", "pending", "order.payd"),
            "no rule is `on: order.payd`; did you mean `order.payed`?",
        ),
    ]


def test_words_that_mean_nothing_for_a_bonus_are_told() -> None:
    document = a_document(
        PER_EURO | {"stackable": "false", "priority": "1"},
        a_rule("b", points="5", stackable="false"),
        a_rule("c", points="5", per="1.00 EUR", bonus="true", priority="3"),
        a_rule("d", cashback="5 %", stackable="false"),
        a_rule("e", times="2", priority="1"),
        a_rule("f", points="5"),
    )
    assert [path for path, _ in warnings_of(document)] == [
        ("ledger", "earn", 1, "stackable"),
        ("ledger", "earn", 2, "priority"),
    ]
