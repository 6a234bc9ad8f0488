"""The merchant's donations: to a charity, because of a member, and never through the member's accounts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import OrderLine, RefundLine
from shared.program_file import InvalidProgram
from tests.support.events import NOON, a_cancellation, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rise, a_rule

GIVES = a_rule("two an item", donate="2.00 EUR", per="item", to="food bank")
ASSET = "donation:EUR"


def an_order(items: int = 3, **more: Any) -> Any:
    lines = (OrderLine(line_id="1", total=f"{10 * items}.00", quantity=str(items)),)
    return an_order_paid(f"{10 * items}.00", lines=lines, **more)


def given_to(desk: Desk) -> dict[str, int]:
    """What each account outside the members has."""
    has: Counter[str] = Counter()
    for each in desk.book.transfers:
        if each.asset == ASSET:
            has[each.to_account] += each.amount
            has[each.from_account] -= each.amount
    return dict(has)


def test_each_item_gives_and_nothing_enters_the_members_accounts() -> None:
    desk = Desk(a_document(PER_EURO, GIVES)).receives(an_order())
    assert given_to(desk) == {"charity:food bank": 600, "issued": -600}
    assert (desk.balance(asset=ASSET), desk.lots(asset=ASSET), desk.balance()) == ((0, 0, 0), [], (0, 30, 0))
    assert desk.told == ["earned 30", "donated 600"]
    event = list(desk.book.outgoing)[-1]
    assert (event.data.charity, event.data.kind, event.data.order_points) == (
        "food bank",
        "merchant_donation",
        600,
    )


def test_what_comes_back_takes_its_part_along_and_all_of_it_ends_at_0() -> None:
    order = an_order()
    desk = Desk(a_document(GIVES)).receives(order)
    desk.receives(a_refund(order, lines=(RefundLine(line_id="1", quantity="1"),)))
    assert given_to(desk)["charity:food bank"] == 400
    desk.receives(a_cancellation(order))
    assert given_to(desk) == {"charity:food bank": 0, "issued": -600, "reversed": 600}
    assert desk.told == ["donated 600", "reversed 200", "reversed 400"]


def test_it_waits_for_nothing_and_no_level_multiplies_it() -> None:
    waits: Any = {"pending": {"order.paid": "14 days after order.fulfilled"}}
    desk = Desk(a_document(PER_EURO, GIVES, **waits)).receives(a_rise(times="3", since=NOON.replace(hour=1)))
    desk.receives(an_order(at=NOON))
    assert (desk.balance(), given_to(desk)["charity:food bank"]) == ((90, 0, 0), 600)


def test_caps_and_budgets_hold_for_it() -> None:
    capped = GIVES | {"at_most": "5.00 EUR per month"}
    desk = Desk(a_document(capped)).receives(an_order(), an_order())
    assert given_to(desk)["charity:food bank"] == 500
    shared = GIVES | {"budget": "7.00 EUR per month"}
    desk = Desk(a_document(shared)).receives(an_order(), an_order())
    assert given_to(desk)["charity:food bank"] == 700


def test_an_edit_of_the_order_moves_it_to_its_new_items() -> None:
    order = an_order(order_id="o-1")
    desk = Desk(a_document(GIVES)).receives(order, an_order(5, order_id="o-1"))
    assert given_to(desk)["charity:food bank"] == 1000
    assert given_to(desk.receives(an_order(1, order_id="o-1")))["charity:food bank"] == 200


def test_once_for_an_order_or_an_activity() -> None:
    once = a_rule("one an order", donate="1.00 EUR", to="food bank")
    assert given_to(Desk(a_document(once)).receives(an_order()))["charity:food bank"] == 100


@pytest.mark.parametrize(
    "rule",
    [
        a_rule(donate="2.00 EUR"),
        a_rule(points="1", to="food bank"),
        a_rule(donate="2.00 EUR", to="food bank", points="1"),
        a_rule(donate="2.00 EUR", to="food: bank"),
        a_rule(donate="2.00 EUR", to="food bank", for_spending="50.00 EUR per month"),
        a_rule(donate="2.00 EUR", to="food bank", at_most="500 points per month"),
    ],
)
def test_a_donation_that_cannot_work_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(InvalidProgram):
        a_program(rule)


def test_one_charity_gets_all_of_a_currency() -> None:
    with pytest.raises(InvalidProgram, match="food bank"):
        a_program(GIVES, a_rule("other", donate="1.00 EUR", to="forest"))


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    back=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=6),
)
def test_whatever_comes_back_sums_stay_0_and_the_charity_has_what_is_kept(
    sizes: list[int], back: list[tuple[int, int]]
) -> None:
    orders = [an_order(size) for size in sizes]
    desk = Desk(a_document(PER_EURO, GIVES)).receives(*orders)
    left = list(sizes)
    for place, items in back:
        if place < len(sizes):
            lines = (RefundLine(line_id="1", quantity=str(items)),)
            desk.receives(a_refund(orders[place], lines=lines))
            left[place] = max(0, left[place] - items)
    has = given_to(desk)
    assert has["charity:food bank"] == 200 * sum(left)
    assert sum(has.values()) == 0
    assert desk.balance(asset=ASSET) == (0, 0, 0)
