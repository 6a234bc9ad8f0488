"""Points as money: what a cart can use, what a hold may be, and what the order captures of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    InsufficientPoints,
    NoCheckout,
    NotUsable,
    NotWholeBlocks,
    SpendConflict,
)
from shared.errors import ServiceError
from shared.events import OrderPaid, PaidWith
from shared.orders import items_after_discounts, order_of
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_line,
    a_refund,
    a_sign_up,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule

WORDS: dict[str, Any] = {
    "points": "100",
    "are_worth": "1.00 EUR",
    "order_at_least": "20.00 EUR",
    "at_most": "50 %",
}


def a_cart(total: str = "64.90", **more: Any) -> OrderPaid:
    return OrderPaid(order_id="cart", customer_id=MEMBER, total=total, **more)


THE_CART = a_cart(lines=(a_line("25.00"), a_line("40.00")), discount="5.00", shipping="4.90")


def a_desk(points: int, *, credit: int = 0, **spend: Any) -> Desk:
    """A member with points, and a program with these words about spending."""
    rules = [a_rule("hello", on="customer.signed_up", points=str(points))] if points else []
    if credit:
        worth = f"{credit // 100}.{credit % 100:02} EUR"
        rules.append(a_rule("gift", on="customer.signed_up", credit=worth))
    return Desk(a_document(*rules, PER_EURO, spend=spend)).receives(a_sign_up())


def paid_with(amount: str, kind: Any = "points") -> tuple[PaidWith, ...]:
    return (PaidWith(kind=kind, amount=amount),)


# Quotes


def test_the_worked_example_can_use_half_of_its_items_and_says_what_stops_it() -> None:
    found = a_desk(4210, at_checkout=WORDS).quotes(THE_CART)
    assert (found.points, found.blocks, found.worth_minor) == (3000, 30, 3000)
    assert [(limit.limit, limit.points, limit.why) for limit in found.limits] == [
        ("at_most", 3000, "at most 50 % of the items after discounts, 60.00 EUR: 30.00 EUR"),
        ("to_pay", 6000, "60.00 EUR of the items are left to be paid"),
        ("balance", 4200, "4210 are available: 42 whole blocks of 100"),
    ]
    assert [limit.limit for limit in found.stops] == ["at_most"]


@pytest.mark.parametrize(
    ("points", "cart", "usable", "stops"),
    [
        (4210, {"total": "20.00"}, 1000, "at_most"),
        (4210, {"total": "19.99"}, 0, "order_at_least"),
        (4210, {"total": "24.90", "shipping": "4.91"}, 0, "order_at_least"),
        (4210, {"total": "21.99"}, 1000, "at_most"),  # 10.995 are no eleven whole euros
        (999, {"total": "60.00"}, 900, "balance"),
        (99, {"total": "60.00"}, 0, "balance"),
        (4210, {"total": "60.00", "paid_with": paid_with("50.00", "gift_card")}, 1000, "to_pay"),
        (4210, {"total": "60.00", "currency": "USD"}, 0, "currency"),
        (4210, {"total": "0"}, 0, "order_at_least"),
        (
            4210,
            {"total": "95.00", "lines": (a_line("70.00", gift_card=True), a_line("25.00"))},
            1200,
            "at_most",
        ),
        (4210, {"total": "70.00", "lines": (a_line("70.00", gift_card=True),)}, 0, "order_at_least"),
    ],
)
def test_what_a_cart_can_use_is_the_least_that_all_limits_allow(
    points: int, cart: dict[str, Any], usable: int, stops: str
) -> None:
    found = a_desk(points, at_checkout=WORDS).quotes(a_cart(**cart))
    assert (found.points, stops in [limit.limit for limit in found.stops]) == (usable, True)


def test_whoever_has_fewer_than_the_least_can_use_none() -> None:
    desk = a_desk(400, at_checkout=WORDS | {"at_least": "500"})
    found = desk.quotes(THE_CART)
    assert found.points == 0
    assert found.stops[-1].why == "at least 500 are used at once, 400 could be used here"


def test_a_member_who_owes_can_use_none_and_hears_why() -> None:
    desk = a_desk(0, at_checkout=WORDS)
    order = an_order_paid("100.00")
    desk.receives(order)
    desk.pays(100)
    desk.receives(a_refund(order, amount="40.00"))
    found = desk.quotes(THE_CART)
    assert (found.points, found.stops[0].why) == (0, "40 are owed: 0 whole blocks of 100")


def test_a_program_without_words_takes_no_points_but_always_its_store_credit() -> None:
    desk = a_desk(500, credit=750)
    with pytest.raises(NoCheckout, match="what points are worth"):
        desk.quotes(THE_CART)
    found = desk.quotes(THE_CART, asset="credit:EUR")
    assert (found.points, found.worth_minor, found.stops[0].why) == (750, 750, "750 are available")


def test_a_quote_changes_nothing() -> None:
    desk = a_desk(4210, at_checkout=WORDS)
    before = (len(desk.book.transfers), desk.balance(), desk.lots())
    desk.quotes(THE_CART)
    assert (len(desk.book.transfers), desk.balance(), desk.lots()) == before


@given(
    cents=st.integers(0, 20_000),
    points=st.integers(0, 20_000),
    block=st.integers(1, 300),
    worth=st.integers(1, 300),
    share=st.integers(1, 100),
    least=st.integers(0, 500),
)
def test_what_is_quoted_can_be_held_and_not_one_block_more(
    cents: int, points: int, block: int, worth: int, share: int, least: int
) -> None:
    words = {
        "points": str(block),
        "are_worth": f"{worth // 100}.{worth % 100:02} EUR",
        "at_most": f"{share} %",
        "at_least": str(least),
    }
    desk, cart = a_desk(points, at_checkout=words), a_cart(f"{cents / 100:.2f}")
    found = desk.quotes(cart)
    items = items_after_discounts(order_of(cart, "EUR"))
    assert found.points % block == 0
    assert found.points <= points
    assert found.worth_minor * 100 <= items * share
    if found.points:
        assert desk.holds(found.points, cart=cart).points == found.points
    if found.points + block >= least:
        with pytest.raises((NotUsable, InsufficientPoints)):
            desk.holds(
                found.points + block if found.points else max(block, -(-least // block) * block),
                "more",
                cart=cart,
            )


# Holds


@pytest.mark.parametrize(
    ("points", "cart", "error", "message"),
    [
        (450, None, NotWholeBlocks, "450 are no whole blocks of 100; 400 would be"),
        (99, None, NotWholeBlocks, "99 are no whole blocks of 100; 100 would be"),
        (100, None, NotUsable, "at least 200 are used at once"),
        (3100, THE_CART, NotUsable, "this order can use 3000, 3100 asked for: at most 50 % of"),
        (200, a_cart("19.99"), NotUsable, "items after discounts are 19.99 EUR, 20.00 EUR asked for"),
        (4300, None, InsufficientPoints, "4300 points asked for, 4210 available"),
    ],
)
def test_a_hold_obeys_the_words_of_the_program(
    points: int, cart: OrderPaid | None, error: type[ServiceError], message: str
) -> None:
    desk = a_desk(4210, at_checkout=WORDS | {"at_least": "200"})
    with pytest.raises(error, match=message):
        desk.holds(points, cart=cart)
    assert desk.kinds == ["award"]


def test_a_hold_without_a_cart_is_bound_by_blocks_only() -> None:
    assert a_desk(4210, at_checkout=WORDS).holds(4200).points == 4200


def test_a_program_without_words_lets_any_number_be_held() -> None:
    assert a_desk(4210).holds(123, cart=a_cart("1.00")).points == 123


def test_a_hold_lasts_as_long_as_the_program_says() -> None:
    desk = a_desk(500, at_checkout=WORDS | {"hold": "5 minutes"})
    assert desk.holds(100, minutes=None).held_until == NOON + timedelta(minutes=5)


def test_store_credit_is_held_and_captured_like_points() -> None:
    desk = a_desk(0, credit=750)
    desk.holds(700, asset="credit:EUR", cart=a_cart("7.00"))
    assert desk.balance(asset="credit:EUR") == (0, 50, 700)
    desk.captures(points=650)
    assert desk.balance(asset="credit:EUR") == (0, 100, 0)
    with pytest.raises(NotUsable, match=r"can use 40, 50 asked for: 0.40 EUR"):
        desk.holds(50, "other", asset="credit:EUR", cart=a_cart("0.40"))


def test_a_hold_that_is_sent_again_is_the_same_also_after_its_capture() -> None:
    desk = a_desk(500)
    desk.holds(100)
    desk.captures(order_id="o")
    assert desk.holds(100).state == "captured"
    for other in ({"points": 99}, {"points": 100, "order_id": "p"}, {"points": 100, "asset": "stamps"}):
        with pytest.raises(HoldConflict):
            desk.holds(**other)


# Spends at once


def test_a_spend_is_one_entry_and_draws_the_soonest_lots() -> None:
    desk = a_desk(500)
    spend = desk.pays(120)
    assert (spend.state, spend.captured, desk.balance()) == ("captured", 120, (0, 380, 0))
    assert (desk.kinds, desk.told) == (["award", "spend"], ["earned 500", "spent 120"])


def test_the_same_spend_again_is_the_same_spend_and_another_needs_another_id() -> None:
    desk = a_desk(500)
    assert desk.pays(120) is desk.pays(120)
    assert desk.balance() == (0, 380, 0)
    with pytest.raises(SpendConflict, match="s is of 120 points"):
        desk.pays(121)
    desk.holds(10)
    with pytest.raises(SpendConflict):
        desk.pays(10, "h")


def test_a_spend_of_more_than_there_is_is_refused() -> None:
    with pytest.raises(InsufficientPoints, match="501 points asked for, 500 available"):
        a_desk(500).pays(501)


@pytest.mark.parametrize("policy", ["allow", "to_zero", "pending_only"])
def test_nothing_is_spent_below_zero_whatever_the_policy_for_reversals(policy: str) -> None:
    desk = Desk(a_document(PER_EURO, points={"negative": policy}))
    order = an_order_paid("42.00")
    desk.receives(order)
    desk.pays(42)
    desk.receives(a_refund(order, amount="42.00"))
    with pytest.raises(InsufficientPoints):
        desk.pays(1, "more")
    with pytest.raises(InsufficientPoints):
        desk.holds(1)


def test_a_spend_obeys_the_words_where_it_pays_for_an_order_and_else_not() -> None:
    desk = a_desk(500, at_checkout=WORDS)
    assert desk.pays(7, "a game").points == 7
    with pytest.raises(NotWholeBlocks):
        desk.pays(50, order_id="o")
    with pytest.raises(NotUsable):
        desk.pays(100, cart=a_cart("1.00"))
    assert desk.pays(200, order_id="o").order_id == "o"


# What the order captures


def test_a_paid_order_captures_the_hold_that_it_names() -> None:
    desk = a_desk(500)
    desk.holds(300)
    order = an_order_paid("42.00", hold_id="h")
    desk.receives(order)
    assert desk.balance() == (0, 242, 0)
    assert desk.spent_on(order.data.order_id) == 300
    spent = [event.data for event in desk.book.outgoing if event.type == "points.spent.v1"]
    assert [(each.order_id, each.points, each.order_spent) for each in spent] == [
        (order.data.order_id, 300, 300)
    ]


@pytest.mark.parametrize(
    ("said", "spent"), [("4.00", 400), ("3.01", 400), ("5.00", 500), ("9.00", 500), ("0", 0)]
)
def test_it_captures_as_many_as_are_worth_what_it_says_that_points_paid(said: str, spent: int) -> None:
    desk = a_desk(500, at_checkout=WORDS)
    desk.holds(500)
    order = an_order_paid("42.00", hold_id="h", paid_with=paid_with(said))
    desk.receives(order)
    assert desk.spent_on(order.data.order_id) == spent
    assert desk.balance()[2] == 0


def test_it_captures_an_open_hold_that_was_made_for_it_where_it_says_that_points_paid() -> None:
    desk = a_desk(500, at_checkout=WORDS)
    desk.holds(300, order_id="o")
    desk.receives(an_order_paid("42.00", order_id="other", paid_with=paid_with("3.00")))
    assert desk.balance()[2] == 300
    desk.receives(an_order_paid("42.00", order_id="o", paid_with=paid_with("3.00")))
    assert (desk.balance()[2], desk.spent_on("o")) == (0, 300)


def test_points_and_credit_pay_for_the_same_order_each_for_its_part() -> None:
    desk = a_desk(500, credit=800, at_checkout=WORDS)
    desk.holds(500, "p", order_id="o")
    desk.holds(800, "c", order_id="o", asset="credit:EUR")
    desk.receives(
        an_order_paid("42.00", order_id="o", paid_with=paid_with("4.00") + paid_with("7.50", "credit"))
    )
    assert (desk.spent_on("o"), desk.spent_on("o", asset="credit:EUR")) == (400, 750)


def test_a_hold_of_a_kind_that_did_not_pay_stays_open() -> None:
    desk = a_desk(500, credit=800, at_checkout=WORDS)
    desk.holds(500, "p", order_id="o")
    desk.holds(800, "c", order_id="o", asset="credit:EUR")
    desk.receives(an_order_paid("42.00", order_id="o", paid_with=paid_with("5.00")))
    assert (desk.balance()[2], desk.balance(asset="credit:EUR")[2]) == (0, 800)


def test_two_holds_of_one_order_together_pay_what_it_says() -> None:
    desk = a_desk(1000, at_checkout=WORDS)
    desk.holds(300, "first", order_id="o")
    desk.captures("first")
    desk.holds(500, "second", order_id="o")
    desk.receives(an_order_paid("42.00", order_id="o", hold_id="second", paid_with=paid_with("5.00")))
    assert desk.spent_on("o") == 500
    assert desk.book.holds.of(("demo", MEMBER))["second"].captured == 200


def test_a_hold_that_was_captured_without_an_order_is_linked_to_the_one_that_names_it() -> None:
    desk = a_desk(500)
    desk.holds(300)
    desk.captures()
    order = an_order_paid("42.00", order_id="o", hold_id="h")
    desk.receives(order)
    assert desk.spent_on("o") == 300
    desk.receives(a_cancellation(order))
    assert desk.balance() == (0, 500, 0)


def test_a_late_order_for_a_hold_that_has_timed_out_counts_and_captures_nothing() -> None:
    desk = a_desk(500)
    desk.holds(300)
    desk.reaches(NOON + timedelta(hours=1))
    desk.receives(an_order_paid("42.00", hold_id="h", at=NOON + timedelta(minutes=1)))
    assert desk.balance() == (0, 542, 0)
    with pytest.raises(HoldClosed):
        desk.captures()


def test_an_order_that_names_a_hold_at_its_very_end_comes_too_late() -> None:
    desk = a_desk(500)
    desk.holds(300, minutes=30)
    desk.receives(an_order_paid("42.00", hold_id="h", at=NOON + timedelta(minutes=30)))
    assert desk.balance() == (0, 542, 0)


def test_the_worth_of_held_points_is_that_of_the_time_when_they_were_held() -> None:
    later = a_document(spend={"at_checkout": WORDS | {"are_worth": "2.00 EUR"}})
    rule = a_rule("hello", on="customer.signed_up", points="500")
    desk = Desk(a_document(rule, spend={"at_checkout": WORDS}), later=[(NOON + timedelta(minutes=1), later)])
    desk.receives(a_sign_up())
    desk.holds(500)
    at = NOON + timedelta(minutes=2)
    desk.receives(an_order_paid("42.00", order_id="o", hold_id="h", paid_with=paid_with("4.00"), at=at))
    assert desk.spent_on("o") == 400
