"""What a change of a program says in words, and what a change of the expiry policy does to lots that are there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.switching import switches_of
from services.ledger.domain.switching_ahead import Moved, moved_ahead
from services.ledger.domain.told_changes import sentences
from tests.support.events import PROGRAM, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule
from tests.support.rewards import a_reward

TEA = a_rule("double tea", if_={"category": "tea"}, times="2")
REVIEW = a_rule("review", "review.published", points="20", limit="1 per product")


def said(before: list[dict[str, Any]], after: list[dict[str, Any]], **words: Any) -> list[str]:
    return sentences(a_document(*before), a_document(*after, **words))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            PER_EURO | {"points": "2"},
            PER_EURO | {"points": "3"},
            "rule `base` gives 3 points per 1.00 EUR instead of 2 points per 1.00 EUR",
        ),
        (TEA, TEA | {"times": "3"}, "rule `double tea` gives 3 times as much instead of 2 times as much"),
        (TEA, TEA | {"if": {"category": "cups"}}, "rule `double tea` if: `category` is cups instead of tea"),
        (
            REVIEW,
            REVIEW | {"limit": "2 per product"},
            "rule `review`: `limit` is 2 per product instead of 1 per product",
        ),
        (
            REVIEW,
            a_rule("review", "review.published", points="20"),
            "rule `review`: `limit` is gone; it was 1 per product",
        ),
        (
            PER_EURO,
            PER_EURO | {"at_most": ["5 per day", "9 per week"]},
            "rule `base`: `at_most` is new: 5 per day and 9 per week",
        ),
    ],
)
def test_a_changed_rule_is_told_by_the_words_that_changed(
    before: dict[str, Any], after: dict[str, Any], sentence: str
) -> None:
    assert said([before], [after]) == [sentence]


def test_a_rule_that_is_new_or_gone_is_told_with_what_it_gives() -> None:
    assert said([PER_EURO, TEA], [PER_EURO, REVIEW]) == [
        "rule `review` is new: it gives 20 points on review.published",
        "rule `double tea` is gone: it gives nothing from then on",
    ]


def test_rewards_and_all_other_words_are_told_too() -> None:
    before = a_document(
        PER_EURO, points={"expire": "12 months"}, spend={"rewards": [a_reward("five off", "400")]}
    )
    after = a_document(PER_EURO, points={"expire": "24 months"}, gifts={"limit": "5 per day"},
                       spend={"rewards": [a_reward("five off", "500"), a_reward("tea", None)]})  # fmt: skip
    assert sentences(before, after) == [
        "reward `five off` costs 500 points instead of 400 points",
        "reward `tea` is new: it is given by hand",
        "points: `expire` is 24 months instead of 12 months",
        "`gifts` is new: limit 5 per day",
    ]


@given(st.permutations([PER_EURO, TEA, REVIEW]))
def test_the_order_of_rules_alone_says_nothing(rules: list[dict[str, Any]]) -> None:
    assert said(rules, [PER_EURO, TEA, REVIEW]) == []


def moved(*months: str) -> Moved:
    """One lot of 10 points, and policies one after the other; what the last one does to it."""
    first, *later = (a_document(PER_EURO, points={"expire": each}) for each in months)
    desk = Desk(first).receives(an_order_paid("10.00"))
    (lot,) = desk.lots()
    for document in later:
        desk.now += timedelta(days=1)
        desk.applies(document)
    versions = desk.book.versions_of(PROGRAM)
    return moved_ahead(desk.book, [(lot, 0)], switches_of(versions), versions.newest.number)["points"]


LONGER = Moved("points", longer_lots=1, longer_points=10)
SAME = Moved("points", same_lots=1, same_points=10)


@pytest.mark.parametrize(
    ("months", "what"),
    [
        (["12 months", "24 months"], LONGER),
        (["12 months", "never"], LONGER),
        (["12 months", "6 months"], SAME),
        (["12 months", "24 months", "18 months"], SAME),  # the row does not know of the 24 yet
    ],
)
def test_lots_are_told_apart_that_would_live_longer_and_none_lives_shorter(
    months: list[str], what: Moved
) -> None:
    assert moved(*months) == what


def test_what_never_expired_begins_to_expire_and_is_not_told_as_living_longer() -> None:
    found = moved("never", "12 months")
    assert (found.longer_lots, found.same_lots, found.shorter_lots, found.shorter_points) == (0, 0, 1, 10)
