"""What a change of the program would do to past orders, reckoned under the rules before and after."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.trials import GivenByRule, PastOrder, Trial, policies_changed, try_orders
from shared.rows import replace
from tests.support.events import MEMBER, NOON, PROGRAM, a_line, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rise, a_rule

TEA = a_rule("tea counts double", if_={"category": "tea"}, times="2")
THIRD = a_rule("third order", if_={"order_number": "3"}, points="30")


def past(desk: Desk) -> list[PastOrder]:
    orders = sorted(desk.book.purchases.of((PROGRAM, MEMBER)).values(), key=lambda each: each.paid_at or NOON)
    return [(purchase, nth) for nth, purchase in enumerate(orders, 1)]


def a_desk(*totals: str, rules: tuple[Any, ...] = (PER_EURO,)) -> Desk:
    desk = Desk(a_document(*rules))
    for number, total in enumerate(totals):
        line = a_line(total, categories=("tea",) if number == 0 else ())
        desk.receives(an_order_paid(total, lines=(line,), at=NOON + timedelta(days=number)))
    return desk


def test_the_worked_example_gives_25_more_for_tea() -> None:
    desk = a_desk("25.00", "40.00", "60.00")
    found = try_orders(desk.book, past(desk), a_program(PER_EURO), a_program(PER_EURO, TEA))
    assert (found.orders, found.skipped) == (3, 0)
    assert [(each.asset, each.before, each.after) for each in found.assets] == [("points", 125, 150)]
    assert set(found.rules) == {
        GivenByRule("base", "points", Fraction(125), Fraction(125)),
        GivenByRule("tea counts double", "points", Fraction(0), Fraction(25)),
    }


def test_a_rule_that_counts_orders_counts_those_that_came_before_the_trial() -> None:
    desk = a_desk("10.00", "10.00", "10.00")
    found = try_orders(desk.book, past(desk)[1:], a_program(PER_EURO), a_program(PER_EURO, THIRD))
    assert [(each.before, each.after) for each in found.assets] == [(20, 50)]


def test_the_level_is_that_of_the_order_and_caps_are_left_out() -> None:
    desk = Desk(a_document(PER_EURO)).receives(
        a_rise(times="2", since=NOON), an_order_paid("10.00", at=NOON + timedelta(days=1))
    )
    capped = a_program(PER_EURO | {"at_most": "1 per day"})
    found = try_orders(desk.book, past(desk), a_program(PER_EURO), capped)
    assert [(each.before, each.after) for each in found.assets] == [(20, 20)]


def test_what_cannot_be_reckoned_is_counted_and_the_book_stays_as_it_was() -> None:
    desk = a_desk("10.00", "20.00")
    before = len(desk.book.transfers)
    purchase, nth = past(desk)[0]
    assert purchase.paid is not None

    odd = replace(purchase, paid=replace(purchase.paid, total="0.001", lines=(a_line("0.001"),)))
    found = try_orders(desk.book, [(odd, nth), past(desk)[1]], a_program(PER_EURO), a_program(PER_EURO))
    assert (found.orders, found.skipped, found.assets[0].after) == (2, 1, 20)
    assert len(desk.book.transfers) == before


def test_an_asset_whose_life_changes_is_named() -> None:
    year, months = (a_program(PER_EURO, points={"expire": f"{n} months"}) for n in (12, 6))
    assert policies_changed(year, months, ["points"]) == ["points"]
    assert policies_changed(year, year, ["points"]) == []


@settings(deadline=None)
@given(st.lists(st.integers(1, 100_000).map(lambda minor: f"{minor // 100}.{minor % 100:02}"), max_size=6))
def test_under_the_same_rules_nothing_changes_and_both_are_what_was_awarded(totals: list[str]) -> None:
    desk = a_desk(*totals, rules=(PER_EURO, TEA, THIRD))
    program = a_program(PER_EURO, TEA, THIRD)
    found: Trial = try_orders(desk.book, past(desk), program, program)
    awarded = sum(award.points for award in desk.book.awards.of((PROGRAM, MEMBER)).values())
    assert sum(each.before for each in found.assets) == awarded
    assert all(each.before == each.after for each in found.assets)
    assert all(each.before == each.after for each in found.rules)
