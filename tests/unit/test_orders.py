"""The arithmetic of an order: every sentence of the rules on basis and refunds, and the laws behind them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import OrderLine, OrderPaid, OrderRefunded, PaidWith, RefundLine
from shared.money import InvalidAmount
from shared.orders import (
    Basis,
    CurrencyMismatch,
    DuplicateLine,
    Kept,
    NothingRefunded,
    Order,
    Refund,
    UnknownLine,
    basis_by_line,
    exact,
    items_after_discounts,
    kept,
    nothing_kept,
    order_of,
    quantities,
    refund_of,
)


def a_line(line_id: str, total: str, **more: Any) -> OrderLine:
    return OrderLine(line_id=line_id, total=total, **more)


def an_order(*lines: OrderLine, total: str = "0", removed: tuple[str, ...] = (), **more: Any) -> Order:
    return order_of(OrderPaid(order_id="1001", total=total, lines=lines, **more), "EUR", removed)


def a_refund(order: Order, *lines: RefundLine | str, **more: Any) -> Refund:
    named = tuple(RefundLine(line_id=line) if isinstance(line, str) else line for line in lines)
    return refund_of(OrderRefunded(order_id="1001", refund_id="r", lines=named, **more), order)


def tea_and_cup(**more: Any) -> Order:
    """The worked example: tea 25.00, cup 40.00, discount 5.00, shipping 4.90."""
    return an_order(
        a_line("tea", "25.00", quantity="2"),
        a_line("cup", "40.00"),
        **{"total": "64.90", "discount": "5.00", "shipping": "4.90", **more},
    )


def test_an_order_discount_is_spread_by_value() -> None:
    order = tea_and_cup()
    assert [(line.id, line.value, line.cost) for line in order.lines] == [
        ("tea", 2500, 2308),
        ("cup", 4000, 3692),
    ]
    assert basis_by_line(order) == (2308, 3692)
    assert items_after_discounts(order) == order.items == 6000


def test_an_order_that_gives_only_a_total_is_one_line_of_that_value() -> None:
    order = an_order(total="42.00")
    assert [(line.id, line.cost, line.quantity) for line in order.lines] == [("1", 4200, 1)]
    assert basis_by_line(order) == (4200,)


def test_shipping_beside_a_mere_total_is_no_item() -> None:
    assert basis_by_line(an_order(total="46.90", shipping="4.90", discount="5.00")) == (4200,)


def test_the_orders_currency_comes_before_the_programs() -> None:
    order = an_order(a_line("1", "500"), total="500", currency="JPY")
    assert (order.currency, basis_by_line(order)) == ("JPY", (500,))
    with pytest.raises(InvalidAmount):
        an_order(a_line("1", "5.5"), total="5", currency="JPY")


def test_a_discount_larger_than_the_lines_is_cut_to_them() -> None:
    assert basis_by_line(an_order(a_line("a", "3.00"), a_line("b", "1.00"), discount="9.00")) == (0, 0)


def test_lines_without_an_id_are_known_by_their_place() -> None:
    order = an_order(OrderLine(total="1.00"), OrderLine(total="2.00"))
    assert kept(order, [a_refund(order, "2")]).shares == (1, 0)


def test_two_lines_of_one_id_are_refused() -> None:
    with pytest.raises(DuplicateLine):
        an_order(a_line("a", "1.00"), a_line("a", "2.00"))


def test_what_was_paid_otherwise_is_spread_over_lines_and_shipping_by_cost() -> None:
    order = tea_and_cup(
        paid_with=(PaidWith(kind="points", amount="10.00"), PaidWith(kind="gift_card", amount="2.98"))
    )
    assert [line.otherwise for line in order.lines] == [462, 738]
    assert order.shipping_otherwise == 98
    assert basis_by_line(order) == (1846, 2954)
    assert basis_by_line(order, Basis(paid_otherwise=True)) == (2308, 3692)
    assert items_after_discounts(order) == 6000


def test_gift_cards_that_are_bought_do_not_count_unless_asked_for() -> None:
    order = an_order(a_line("tea", "25.00"), a_line("card", "50.00", gift_card=True), total="75.00")
    assert basis_by_line(order) == (2500, 0)
    assert basis_by_line(order, Basis(gift_cards=True)) == (2500, 5000)
    assert items_after_discounts(order) == 2500


def test_tax_in_the_prices_is_taken_out_as_an_exact_fraction() -> None:
    order = an_order(a_line("a", "12.00", tax="2.00"), a_line("b", "1.00"), total="13.00", discount="6.50")
    assert basis_by_line(order) == (600, 50)
    assert basis_by_line(order, Basis(tax=False)) == (500, 50)
    third = an_order(a_line("a", "10.00", tax="1.00"), total="9.99", discount="0.01")
    assert basis_by_line(third, Basis(tax=False)) == (Fraction(999 * 9, 10),)


def test_the_orders_tax_serves_where_no_line_says_its_own() -> None:
    order = an_order(a_line("a", "8.00"), a_line("b", "2.00"), total="12.00", shipping="2.00", tax="2.40")
    assert basis_by_line(order, Basis(tax=False)) == (640, 160)
    assert sum(basis_by_line(order, Basis(tax=False, shipping=True))) == 960


def test_tax_that_is_added_counts_only_in_the_total() -> None:
    order = an_order(a_line("a", "10.00", tax="2.00"), total="17.00", shipping="5.00", tax_included=False)
    assert basis_by_line(order) == basis_by_line(order, Basis(tax=False)) == (1000,)
    assert basis_by_line(order, Basis(total=True)) == (1200,)
    assert basis_by_line(order, Basis(total=True, shipping=True)) == (1700,)
    assert basis_by_line(order, Basis(total=True, tax=False)) == (1000,)


def test_the_orders_tax_in_the_prices_is_spread_exactly_and_not_in_cents() -> None:
    order = an_order(*[a_line(name, "1.00") for name in "abc"], total="3.00", tax="0.50")
    assert basis_by_line(order, Basis(tax=False)) == (Fraction(250, 3),) * 3


@pytest.mark.parametrize(
    ("total", "counting"), [("12.00", (900, 300)), ("15.00", (1125, 375)), ("7.00", (900, 300))]
)
def test_a_total_that_is_not_the_sum_of_the_lines_counts_only_where_it_says_more(
    total: str, counting: tuple[int, int]
) -> None:
    """Items are what the lines say. What a total has beside them is spread; what it lacks is no discount."""
    order = an_order(a_line("a", "9.00"), a_line("b", "3.00"), total=total)
    assert basis_by_line(order) == (900, 300)
    assert basis_by_line(order, Basis(total=True)) == counting
    assert items_after_discounts(order) == 1200


def test_a_refund_of_an_order_whose_total_is_too_low_follows_the_lines() -> None:
    order = an_order(a_line("a", "9.00"), a_line("b", "3.00"), total="7.00")
    left = kept(order, [a_refund(order, RefundLine(line_id="a"))])
    assert (left.items, left.excess, basis_by_line(order, Basis(total=True), left)) == (300, 0, (0, 300))


def test_a_bare_total_holds_the_tax_that_was_added() -> None:
    order = an_order(total="124.90", shipping="4.90", tax="20.00", tax_included=False)
    assert basis_by_line(order) == (10_000,)
    assert kept(order, [a_refund(order, amount="124.90", shipping="4.90")]).shares == (0,)


def test_a_gift_card_pays_its_share_of_the_added_tax() -> None:
    half = (PaidWith(kind="gift_card", amount="60.00"),)
    added = an_order(a_line("a", "100.00", tax="20.00"), total="120.00", tax_included=False, paid_with=half)
    inside = an_order(a_line("a", "120.00", tax="20.00"), total="120.00", paid_with=half)
    assert basis_by_line(added) == basis_by_line(inside, Basis(tax=False)) == (5_000,)
    assert basis_by_line(added, Basis(total=True)) == (6_000,)
    assert added.lines[0].money == 6_000


def test_an_order_that_gift_cards_paid_with_its_added_tax_has_no_money_in_it() -> None:
    order = an_order(
        a_line("a", "100.00"),
        total="130.80",
        shipping="9.00",
        tax="21.80",
        tax_included=False,
        paid_with=(PaidWith(kind="gift_card", amount="130.80"),),
    )
    assert (order.lines[0].money, order.shipping_otherwise) == (0, 1_080)
    assert basis_by_line(order, Basis(total=True, shipping=True)) == (0,)
    back = a_refund(order, given_back=(PaidWith(kind="gift_card", amount="120.00"),))
    assert kept(order, [back]).shares == (0,)


def test_fees_are_spread_over_the_lines_that_count() -> None:
    order = an_order(
        a_line("book", "10.00"), a_line("card", "50.00", gift_card=True), a_line("pen", "5.00"), total="68.00"
    )
    assert basis_by_line(order, Basis(total=True)) == (1_200, 0, 600)
    pen_back = kept(order, [a_refund(order, "pen")])
    assert basis_by_line(order, Basis(total=True), pen_back) == (1_200, 0, 0)


def test_a_gift_card_that_is_bought_is_no_item() -> None:
    order = an_order(
        a_line("tea", "25.00", quantity="2"), a_line("card", "50.00", quantity="3", gift_card=True)
    )
    assert quantities(order) == (2, 0)


def test_shipping_that_counts_is_spread_over_the_lines_that_count() -> None:
    order = tea_and_cup()
    parts = basis_by_line(order, Basis(shipping=True))
    assert sum(parts) == 6490
    assert parts[0] == 2308 + Fraction(490 * 2308, 6000)
    cup_back = kept(order, [a_refund(order, "cup")])
    assert basis_by_line(order, Basis(shipping=True), cup_back) == (2308 + 490, 0)
    shipping_back = kept(order, [a_refund(order, "cup", shipping="4.90")])
    assert basis_by_line(order, Basis(shipping=True), shipping_back) == (2308, 0)


def test_the_cup_comes_back_and_then_the_tea() -> None:
    order = tea_and_cup()
    cup, tea = a_refund(order, "cup", amount="36.92"), a_refund(order, "tea")
    assert kept(order, [cup]) == Kept((1, 0), 2308, 2308, 6000, 490)
    assert kept(order, [tea]) == Kept((0, 1), 3692, 3692, 6000, 490)
    assert kept(order, [cup, tea]) == kept(order, [tea, cup]) == Kept((0, 0), 0, 0, 6000, 490)


def test_an_amount_alone_counts_wholly_as_items_and_spreads_by_value() -> None:
    order = tea_and_cup()
    found = kept(order, [a_refund(order, amount="6.00")])
    assert found.items == 5400
    assert found.shares == (Fraction(9, 10), Fraction(9, 10))
    assert basis_by_line(order, kept=found) == (Fraction(20772, 10), Fraction(33228, 10))
    assert items_after_discounts(order, found) == 5400


def test_shipping_counts_only_where_it_is_named() -> None:
    order = tea_and_cup()
    assert kept(order, [a_refund(order, "cup", amount="41.82", shipping="4.90")]).items == 2308
    assert kept(order, [a_refund(order, "cup", amount="41.82")]).items == 2308 - 490
    assert kept(order, [a_refund(order, shipping="4.90")]) == Kept((1, 1), 6000, 6000, 6000, 0)


def test_a_restocking_fee_earns_nothing_and_goodwill_is_off_what_is_kept() -> None:
    order = tea_and_cup()
    assert kept(order, [a_refund(order, "cup", amount="30.00")]).items == 2308
    assert kept(order, [a_refund(order, "cup", amount="40.00")]).items == 2000


def test_half_of_a_line_comes_back_by_quantity_or_by_amount() -> None:
    order = tea_and_cup()
    one_tea = kept(order, [a_refund(order, RefundLine(line_id="tea", quantity="1"))])
    assert one_tea == kept(order, [a_refund(order, RefundLine(line_id="tea", amount="11.54"))])
    assert one_tea.items == 1154 + 3692
    assert quantities(order, one_tea) == (1, 1)
    assert quantities(order) == (2, 1)


def test_a_line_gives_back_at_most_its_value() -> None:
    order = tea_and_cup()
    twice = [a_refund(order, "tea"), a_refund(order, RefundLine(line_id="tea", quantity="5"))]
    assert kept(order, twice) == kept(order, twice[:1])
    dear = a_refund(order, RefundLine(line_id="tea", quantity="2", amount="99.00"))
    assert kept(order, [dear]).items == 3692


def test_a_refund_larger_than_the_order_is_clamped_and_says_by_how_much() -> None:
    order = tea_and_cup()
    found = kept(order, [a_refund(order, amount="70.00"), a_refund(order, shipping="5.00")])
    assert (found.items, found.shares, found.shipping, found.excess) == (0, (0, 0), 0, 1010)


def test_an_unknown_line_is_refused_and_a_removed_one_counts_nothing() -> None:
    order = an_order(a_line("tea", "25.00"), total="25.00", removed=("cup", "tea"))
    assert order.removed == {"cup"}
    with pytest.raises(UnknownLine, match="no line 'pot'"):
        a_refund(order, "pot")
    everything = kept(order)
    assert kept(order, [a_refund(order, "cup")]) == everything
    assert kept(order, [a_refund(order, "cup", amount="40.00")]) == everything
    assert kept(order, [a_refund(order, "tea", "cup", amount="65.00")]).items == 0
    assert kept(order, [a_refund(order, "tea", "cup", amount="65.00")]).excess == 0


def test_a_refund_in_another_currency_or_of_nothing_is_refused() -> None:
    order = tea_and_cup()
    with pytest.raises(CurrencyMismatch):
        a_refund(order, amount="1.00", currency="USD")
    with pytest.raises(NothingRefunded):
        a_refund(order)


def test_what_points_paid_is_kept_in_the_share_of_the_money() -> None:
    order = an_order(
        a_line("a", "60.00"),
        a_line("b", "40.00"),
        total="100.00",
        paid_with=(PaidWith(kind="points", amount="50.00"),),
    )
    b_back = kept(order, [a_refund(order, "b")])
    assert (b_back.items, b_back.of_items, b_back.items_total) == (3000, 6000, 10000)
    half_the_money = kept(order, [a_refund(order, amount="25.00")])
    assert (half_the_money.items, half_the_money.of_items) == (2500, 5000)
    assert kept(order, [a_refund(order, amount="50.00")]).of_items == 0


def test_an_order_without_money_is_measured_by_what_paid_it() -> None:
    order = an_order(
        a_line("a", "10.00"), total="10.00", paid_with=(PaidWith(kind="points", amount="10.00"),)
    )
    back = a_refund(order, given_back=(PaidWith(kind="points", amount="4.00"),))
    assert kept(order, [back]).of_items == 600
    assert kept(order, [a_refund(order, "1" if order.lines[0].id == "1" else "a")]).of_items == 0


def test_a_free_line_comes_back_like_any_other() -> None:
    order = an_order(a_line("gift", "0"), a_line("tea", "5.00"), total="5.00")
    assert kept(order, [a_refund(order, "gift")]).shares == (0, 1)
    free = an_order(a_line("gift", "0"), a_line("card", "0"))
    assert kept(free, [a_refund(free, "gift")]).shares == (0, 1)


def test_a_free_line_goes_with_the_last_line_that_was_paid_for() -> None:
    order = an_order(a_line("gift", "0"), a_line("tea", "5.00"), total="5.00")
    assert kept(order, [a_refund(order, "tea")]).shares == (0, 0)
    assert kept(order, [a_refund(order, amount="5.00")]).shares == (0, 0)


def test_the_worth_of_the_lines_that_are_left_is_exact() -> None:
    order = an_order(a_line("tea", "9.99"), total="9.99", removed=("cup",))
    quarter = RefundLine(line_id="tea", quantity="0.25")
    assert a_refund(order, quarter, "cup", amount="20.00").items == Fraction(999, 4)


def test_a_line_beside_a_removed_one_gives_back_at_most_its_value() -> None:
    order = an_order(a_line("tea", "9.99"), total="9.99", removed=("cup",))
    dear = RefundLine(line_id="tea", amount="15.00")
    assert a_refund(order, dear, "cup", amount="20.00").items == 999


def test_of_an_order_that_is_called_off_nothing_is_kept() -> None:
    order = tea_and_cup()
    assert basis_by_line(order, Basis(total=True, shipping=True), nothing_kept(order)) == (0, 0)


def test_a_quantity_is_exact() -> None:
    assert [exact(text) for text in ("2", "0.5", "2.0")] == [2, Fraction(1, 2), 2]


cents = st.integers(0, 10_000).map(lambda minor: f"{minor // 100}.{minor % 100:02d}")


@st.composite
def orders(draw: st.DrawFn) -> Order:
    count = draw(st.integers(1, 5))
    lines = [
        a_line(
            str(i),
            draw(cents),
            quantity=draw(st.sampled_from(["1", "2", "3", "0.75"])),
            gift_card=draw(st.booleans()),
        )
        for i in range(count)
    ]
    paid_with = tuple(PaidWith(kind="points", amount=draw(cents)) for _ in range(draw(st.integers(0, 2))))
    return an_order(
        *lines, total=draw(cents), discount=draw(cents), shipping=draw(cents), paid_with=paid_with
    )


@st.composite
def refunds_of(draw: st.DrawFn, order: Order) -> Refund:
    ids = st.sampled_from([line.id for line in order.lines])
    line = st.builds(
        RefundLine,
        line_id=ids,
        quantity=st.none() | st.sampled_from(["0", "1", "0.5", "9"]),
        amount=st.none() | cents,
    )
    named = draw(st.lists(line, max_size=3, unique_by=lambda named: named.line_id))
    amount = draw(cents if not named else st.none() | cents)
    return a_refund(order, *named, amount=amount, shipping=draw(st.none() | cents))


@st.composite
def refunded_orders(draw: st.DrawFn) -> tuple[Order, list[Refund]]:
    order = draw(orders())
    return order, draw(st.lists(refunds_of(order), max_size=4))


bases = st.builds(
    Basis, total=st.booleans(), tax=st.booleans(), shipping=st.booleans(), gift_cards=st.booleans(),
    paid_otherwise=st.booleans(),
)  # fmt: skip


@given(orders())
def test_discounts_and_payments_are_allocated_to_the_last_cent(order: Order) -> None:
    value, cost = sum(line.value for line in order.lines), order.items
    assert cost <= value
    assert all(0 <= line.otherwise <= line.cost <= line.value for line in order.lines)
    paid = sum(round(Fraction(part.amount) * 100) for part in order.paid_with)
    allocated = sum(line.otherwise for line in order.lines) + order.shipping_otherwise
    assert allocated == min(paid, cost + order.shipping)


@given(refunded_orders(), st.randoms())
def test_what_is_kept_does_not_depend_on_the_order_of_refunds(
    case: tuple[Order, list[Refund]], random: Any
) -> None:
    order, refunds = case
    shuffled = random.sample(refunds, len(refunds))
    assert kept(order, refunds) == kept(order, shuffled)


@given(refunded_orders())
def test_a_further_refund_never_leaves_more_money(case: tuple[Order, list[Refund]]) -> None:
    order, refunds = case
    amounts = [kept(order, refunds[:count]).items for count in range(len(refunds) + 1)]
    assert amounts == sorted(amounts, reverse=True)


@given(refunded_orders(), bases)
def test_what_is_kept_lies_between_nothing_and_everything(
    case: tuple[Order, list[Refund]], basis: Basis
) -> None:
    order, refunds = case
    found = kept(order, refunds)
    assert all(0 <= share <= 1 for share in found.shares)
    assert 0 <= found.of_items <= found.items_total
    whole = basis_by_line(order, basis)
    assert all(part >= 0 for part in whole)
    assert 0 <= sum(basis_by_line(order, basis, found)) <= sum(whole)
    assert basis_by_line(order, basis, kept(order)) == whole


@given(refunded_orders(), bases)
def test_after_a_full_refund_nothing_counts(case: tuple[Order, list[Refund]], basis: Basis) -> None:
    order, refunds = case
    all_lines = a_refund(order, *[line.id for line in order.lines])
    assert sum(basis_by_line(order, basis, kept(order, [*refunds, all_lines]))) == 0


@given(orders(), bases)
def test_after_all_the_money_went_back_nothing_counts_that_money_paid(order: Order, basis: Basis) -> None:
    money = sum(line.money for line in order.lines)
    if money:
        back = a_refund(order, amount=f"{money // 100}.{money % 100:02d}")
        assert sum(basis_by_line(order, basis, kept(order, [back]))) == 0
