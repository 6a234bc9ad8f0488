"""What the rules of a program make of an order together: bases, multipliers, bonuses, one rounding, one split."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import prepared
from services.ledger.domain.earning import giving
from services.ledger.domain.rules import Effect, Rule
from shared.events import PaidWith
from tests.support.events import MEMBER, a_line, a_refund, a_share, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

TEA = a_line("25.00", line_id="tea", categories=("tea",))
CUP = a_line("40.00", line_id="cup")
TEA_DOUBLES = a_rule("tea counts double", times="2", if_={"category": "tea"})
BIG_BASKET = a_rule("big basket", points="50", if_={"order_at_least": "60.00 EUR"})


def earned(*rules: dict[str, Any], level: str | None = None, **order: Any) -> tuple[int, list[int], int]:
    """Points, their split over the lines, and the bonus, of one order under these rules."""
    ledger = {"points": order.pop("points")} if "points" in order else {}
    desk = Desk(a_document(*rules, **ledger))
    if level is not None:
        desk.receives(a_rise(times=level, since=at("2026-01-01")))
    paid = an_order_paid(order.pop("total", "65.00"), **{"lines": (TEA, CUP), **order})
    award = desk.receives(paid).award(paid)
    return award.points, award.breakdown["lines"], award.breakdown["bonus"]


def test_the_worked_example_earns_133_points() -> None:
    order: dict[str, Any] = {"total": "64.90", "discount": "5.00", "shipping": "4.90"}
    assert earned(PER_EURO, TEA_DOUBLES, BIG_BASKET, **order) == (133, [46, 37], 50)


def test_base_rules_sum_on_a_line() -> None:
    assert earned(PER_EURO, a_rule("tea", points="2", per="1.00 EUR", if_={"category": "tea"}))[:2] == (
        115,
        [75, 40],
    )


def test_a_rule_by_the_item_counts_quantities() -> None:
    lines = (a_line("9.00", quantity="3"), a_line("1.00", quantity="0.5"))
    assert earned(a_rule(points="10", per="item"), lines=lines)[:2] == (35, [30, 5])


def test_a_rule_without_a_unit_for_the_currency_does_not_match() -> None:
    rule = a_rule(points="1", per=["1.00 EUR", "1.10 USD"])
    assert earned(rule, currency="USD")[0] == 59
    assert earned(rule, currency="GBP")[0] == 0


def test_fractions_count_unless_whole_units_are_asked_for() -> None:
    lines = (a_line("7.50"), a_line("7.50"))
    rule = a_rule(points="1", per="10.00 EUR")
    assert earned(rule, lines=lines, points={"rounding": "up"})[0] == 2
    assert earned(rule | {"whole_units": "true"}, lines=lines, points={"rounding": "up"})[0] == 1
    assert earned(rule | {"points": "3", "whole_units": "true"}, lines=lines)[:2] == (3, [2, 1])


@pytest.mark.parametrize(("rounding", "points"), [("down", 2), ("half-up", 3), ("up", 3)])
def test_the_award_is_rounded_once_at_the_end(rounding: str, points: int) -> None:
    lines = [a_line("0.50")] * 5
    assert earned(PER_EURO, lines=lines, points={"rounding": rounding})[0] == points


@pytest.mark.parametrize(("rounding", "points"), [("down", 2), ("half-up", 2), ("up", 3)])
def test_below_the_half_only_up_rounds_up(rounding: str, points: int) -> None:
    assert earned(PER_EURO, lines=[a_line("2.49")], points={"rounding": rounding})[0] == points


def test_a_non_stackable_rule_of_the_highest_priority_stands_alone_on_its_lines() -> None:
    alone = a_rule(
        "tea", points="5", per="1.00 EUR", if_={"category": "tea"}, stackable="false", priority="1"
    )
    assert earned(PER_EURO, alone)[1] == [125, 40]


def test_a_non_stackable_rule_of_lower_priority_gives_nothing_there() -> None:
    weak = a_rule("weak", points="5", per="1.00 EUR", stackable="false")
    assert earned(PER_EURO | {"priority": "1"}, weak)[0] == 65


def test_at_a_tie_the_earlier_in_the_file_stands_alone() -> None:
    first = a_rule("first", points="2", per="1.00 EUR", stackable="false")
    second = a_rule("second", points="3", per="1.00 EUR", stackable="false")
    assert (earned(first, second)[0], earned(second, first)[0]) == (130, 195)


@given(st.lists(st.tuples(st.integers(-2, 2), st.booleans()), max_size=6))
def test_what_gives_on_a_line_follows_from_priority_and_stackable(rules: list[tuple[int, bool]]) -> None:
    here = [
        Rule(
            str(number), "order.paid", Effect.PER_AMOUNT, Fraction(1), priority=priority, stackable=stackable
        )
        for number, (priority, stackable) in enumerate(rules)
    ]
    top = max((priority for priority, _ in rules), default=0)
    alone = [rule for rule in here if not rule.stackable and rule.priority == top]
    assert list(giving(here)) == (alone[:1] or [rule for rule in here if rule.stackable])


def test_what_is_remembered_of_words_and_products_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("SETS_REMEMBERED", "WORDS_REMEMBERED", "PRODUCTS_REMEMBERED"):
        monkeypatch.setattr(prepared, limit, 1)
    in_the_app = a_rule("app", points="7", if_={"channel": "app"})
    desk = Desk(a_document(PER_EURO, TEA_DOUBLES, in_the_app))
    tea, cup = a_line("10.00", categories=("tea",)), a_line("10.00", categories=("cups",))
    orders = [
        an_order_paid("10.00", lines=(line,), channel=channel)
        for line, channel in ((tea, "app"), (cup, "web"), (tea, "web"), (cup, "app"))
    ]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders] == [27, 10, 20, 17]


def test_multipliers_multiply_on_their_lines_and_leave_the_bonus_alone() -> None:
    twice, thrice = a_rule("twice", times="2"), a_rule("thrice", times="3", if_={"category": "tea"})
    assert earned(PER_EURO, twice, thrice, BIG_BASKET) == (25 * 6 + 40 * 2 + 50, [150, 80], 50)


def test_a_multiplier_alone_gives_nothing() -> None:
    assert earned(TEA_DOUBLES)[0] == 0


def test_a_non_stackable_multiplier_of_the_highest_priority_stands_alone() -> None:
    twice = a_rule("twice", times="2")
    alone = a_rule("tea", times="3", if_={"category": "tea"}, stackable="false", priority="1")
    assert earned(PER_EURO, twice, alone)[1] == [75, 80]


def test_the_product_of_multipliers_is_trimmed_to_ten() -> None:
    rules = [a_rule(f"times {n}", times=n) for n in ("4", "4", "0.5")]
    assert earned(PER_EURO, rules[0], rules[1] | {"rule": "again"}, lines=[TEA])[0] == 250
    assert earned(PER_EURO, a_rule(times="9"), level="1.5", lines=[TEA])[0] == 250


def test_the_multiplier_that_crosses_ten_tells_what_is_left_of_it() -> None:
    desk = Desk(
        a_document(PER_EURO, a_rule("four", times="4"), a_rule("five", times="5"), a_rule("two", times="2"))
    )
    order = an_order_paid("10.00")
    award = desk.receives(order).award(order)
    exact = {rule: Fraction(points, unit) for rule, points, unit in award.breakdown["rules"]}
    assert exact == {"base": 10, "four": 30, "five": 60, "two": 0}


def test_at_a_tie_of_the_remainders_the_earlier_line_gets_the_point_and_the_bonus_comes_last() -> None:
    half = a_rule("half", points="0.5")
    assert earned(PER_EURO, half, lines=(a_line("0.50"), a_line("0.50"), a_line("0.50"))) == (2, [1, 1, 0], 0)
    assert earned(PER_EURO, half, lines=(a_line("0.50"),)) == (1, [1], 0)


def test_a_refund_leaves_whole_units_of_what_is_kept() -> None:
    desk = Desk(a_document(a_rule(points="3", per="10.00 EUR", whole_units="true")))
    order = an_order_paid("45.00")
    desk.receives(order, a_refund(order, amount="5.01"))
    assert (desk.award(order).points, desk.award(order).held_points) == (12, 9)


def test_the_level_multiplies_last_and_is_told_as_level() -> None:
    desk = Desk(a_document(PER_EURO, TEA_DOUBLES))
    desk.receives(a_rise(times="1.5", since=at("2026-01-01")))
    order = an_order_paid("65.00", lines=(TEA, CUP))
    award = desk.receives(order).award(order)
    exact = {rule: Fraction(points, unit) for rule, points, unit in award.breakdown["rules"]}
    assert exact == {"base": 65, "tea counts double": 25, "level": 45}
    assert (award.points, award.breakdown["earn_times"]) == (135, "3/2")


def test_the_level_is_the_one_held_just_before_the_event() -> None:
    desk = Desk(a_document(PER_EURO))
    desk.receives(
        a_rise("Silver", times="2", since=at("2026-03-01")), a_rise("Gold", times="3", since=at("2026-03-02"))
    )
    orders = [
        an_order_paid("1.00", at=at(moment))
        for moment in ("2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03")
    ]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders] == [1, 1, 2, 3]


def test_the_level_multiplies_no_bonus_and_no_deed() -> None:
    assert earned(a_rule(points="50"), level="1.5")[0] == 50
    desk = Desk(a_document(a_rule(on="content.shared", points="5")))
    desk.receives(a_rise(times="1.5", since=at("2026-01-01")))
    assert desk.receives(a_share()).balance() == (0, 5, 0)


def test_a_bonus_by_amount_is_not_multiplied() -> None:
    extra = a_rule("extra", points="5", per="1.00 EUR", bonus="true")
    assert earned(PER_EURO, a_rule("twice", times="2"), extra) == (130 + 325, [50, 80], 325)


@pytest.mark.parametrize(
    ("words", "points"),
    [
        ({}, 55),
        ({"shipping": "true"}, 60),
        ({"basis": "total"}, 55),
        ({"basis": "total", "shipping": "true"}, 60),
        ({"tax": "false"}, 44),
    ],
)
def test_the_basis_is_what_the_rule_says(words: dict[str, str], points: int) -> None:
    order: dict[str, Any] = {
        "lines": (a_line("60.00", tax="12.00"), a_line("20.00", gift_card=True, tax="0")),
        "total": "78.33",
        "shipping": "5.00",
        "discount": "6.67",
    }
    rule = PER_EURO | words
    assert earned(rule, **order, points={"rounding": "half-up"})[0] == points


def test_what_was_paid_with_points_earns_nothing() -> None:
    assert earned(PER_EURO, paid_with=(PaidWith(kind="points", amount="15.00"),))[0] == 50


def test_the_split_adds_up_to_the_award() -> None:
    points, lines, bonus = earned(
        a_rule(points="1", per="3.00 EUR"), a_rule("b", points="0.5"), lines=[a_line("5.00")] * 3
    )
    assert (points, lines, bonus) == (5, [2, 2, 1], 0)


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    st.sampled_from(["0.1", "0.333", "1", "7"]),
    st.sampled_from(["down", "half-up", "up"]),
    st.integers(0, 5_000),
)
def test_every_award_is_split_without_rest(cents: list[int], rate: str, rounding: str, discount: int) -> None:
    lines = [a_line(f"{c / 100:.2f}", categories=("tea",) if c % 2 else ()) for c in cents]
    points, split, bonus = earned(
        PER_EURO | {"points": rate},
        TEA_DOUBLES,
        a_rule("bonus", points="0.5"),
        lines=lines,
        total=f"{sum(cents) / 100:.2f}",
        discount=f"{discount / 100:.2f}",
        points={"rounding": rounding},
    )
    assert sum(split) + bonus == points
    assert min([*split, bonus]) >= 0


def test_an_order_that_gives_only_a_total_is_one_line() -> None:
    assert earned(PER_EURO, lines=(), total="42.99") == (42, [42], 0)


def test_an_event_without_rules_leaves_no_award() -> None:
    desk = Desk(a_document(PER_EURO)).receives(a_share())
    assert len(desk.book.awards.of(("demo", MEMBER))) == 0
