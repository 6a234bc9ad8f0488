"""A table of orders and what becomes of them: one line a case, its name a claim, its numbers worked out by hand.

Every number follows from the rules of loyalty with pencil and paper; where it takes more than one step, the arithmetic
stands beside it. The worked examples of the rules come first.

What a newcomer would get wrong: a case says what each order holds after each word of its story, in the order of the
story. `None` stands for what the ledger refuses. Lines are called by their category.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from shared.events import Event, OrderLine, PaidWith, RefundLine
from tests.support.events import (
    NOON,
    a_cancellation,
    a_fulfilment,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    a_sign_up,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

Rules = Sequence[Mapping[str, Any]]
Story = Sequence[Event[Any]]


# --- How a case is told -----------------------------------------------------------------------------------------------


def case(claim: str, rules: Rules, story: Story, holds: Sequence[int | None], **program: Any) -> Any:
    """One line of the table; `program` says more about the program, or `marks` about the test."""
    return pytest.param(rules, story, holds, program, id=claim, marks=program.pop("marks", ()))


def line(name: str, total: str, **more: Any) -> OrderLine:
    """A line, called and categorised by one word."""
    return OrderLine(line_id=name, total=total, categories=(name,), **more)


def paid(
    *lines: OrderLine, total: str | None = None, order: str = "1", at: datetime = NOON, **more: Any
) -> Any:
    """An order; without a total it costs what its lines, discount, shipping and added tax come to."""
    if total is None:
        sums = [each.total for each in lines] + [more.get("shipping", "0")]
        tax = "0" if more.get("tax_included", True) else more.get("tax", "0")
        items = sum(Decimal(each) for each in sums) - Decimal(more.get("discount", "0"))
        total = str(max(items, Decimal()) + Decimal(tax))
    return an_order_paid(total, lines=lines, order_id=order, at=at, **more)


def euros(total: str, order: str = "1", at: datetime = NOON, **more: Any) -> Any:
    """An order that gives only a total."""
    return an_order_paid(total, order_id=order, at=at, **more)


def back(*lines: str | RefundLine, order: str = "1", at: datetime = NOON, **more: Any) -> Any:
    """A refund: these lines come back, or so much money."""
    named = tuple(RefundLine(line_id=each) if isinstance(each, str) else each for each in lines)
    return a_refund(euros("0", order), at=at, lines=named, **more)


def part(name: str, **more: Any) -> RefundLine:
    """A part of a line that comes back: a `quantity`, or as much as an `amount` is of it."""
    return RefundLine(line_id=name, **more)


def cancelled(order: str = "1") -> Any:
    """The order is called off."""
    return a_cancellation(euros("0", order))


def by(**kinds: str) -> dict[str, Any]:
    """Paid with points, credit or gift cards for so much."""
    return {"paid_with": tuple(PaidWith(kind=cast("Any", kind), amount=kinds[kind]) for kind in kinds)}


def points_back(amount: str) -> Any:
    """A refund that gives back points for so much."""
    return back(given_back=(PaidWith(kind="points", amount=amount),))


def times(name: str, factor: str, **more: Any) -> dict[str, Any]:
    """A multiplier."""
    return a_rule(name, times=factor, **more)


def not_yet(reason: str) -> Any:
    """The rules say so, the ledger does not yet."""
    return pytest.mark.xfail(strict=True, reason=reason)


BASE = [PER_EURO]
TEA_TWICE = times("tea counts double", "2", if_={"category": "tea"})
TEA_AND_CUPS = [PER_EURO, TEA_TWICE, a_rule("big basket", points="50", if_={"order_at_least": "60.00 EUR"})]
TEA, CUP = line("tea", "25.00"), line("cup", "40.00")
A_TEA, A_CUP, POT = line("tea", "10.00"), line("cup", "10.00"), line("pot", "40.00")
THE_ORDER = paid(TEA, CUP, discount="5.00", shipping="4.90")
"""The worked example: the discount is tea 1.92 and cup 3.08, so tea costs 23.08 and cup 36.92."""
ALONE: dict[str, Any] = {"stackable": "false"}
HALF_UP: dict[str, Any] = {"points": {"rounding": "half-up"}}
UP: dict[str, Any] = {"points": {"rounding": "up"}}
NEW_TEA = OrderLine(line_id="new", total="10.00", categories=("tea", "new"))
CARD = line("card", "50.00", gift_card=True)
TENS = [euros("10.00", order) for order in "123"]


def per(amount: str | list[str], points: str = "1", name: str = "base", **more: Any) -> dict[str, Any]:
    """So many points for each amount."""
    return a_rule(name, points=points, per=amount, **more)


def at_most(cap: str, **more: Any) -> list[dict[str, Any]]:
    """A point a euro, within a cap."""
    return [per("1.00 EUR", at_most=cap, **more)]


def tens_at(*moments: str) -> list[Any]:
    """An order of 10.00 at each of these moments (UTC)."""
    return [euros("10.00", str(number), at=at(moment)) for number, moment in enumerate(moments)]


# --- The table --------------------------------------------------------------------------------------------------------

EARNING = [
    # The worked example of section 2: base 60 + tea's doubling 23.08 + bonus 50 = 133.08.
    case("tea_and_cups_make_133", TEA_AND_CUPS, [THE_ORDER], [133]),
    case("the_cents_of_the_last_euro_are_dropped", BASE, [euros("42.99")], [42]),
    case("the_award_is_rounded_once_and_not_by_line", BASE, [paid(line("a", "10.50"), line("b", "10.50"))], [21]),
    case("an_order_that_costs_nothing_earns_nothing", BASE, [euros("0.00")], [0]),
    case("an_order_that_costs_nothing_is_an_order", [a_rule("first", points="100", if_={"first_order": "true"})],
         [euros("0.00"), euros("9.00", "2")], [100, 0]),
    case("half_a_point_is_one_where_halves_are_rounded_up", BASE, [euros("10.50")], [11], **HALF_UP),
    case("less_than_half_a_point_is_none_there", BASE, [euros("10.49")], [10], **HALF_UP),
    case("a_cent_is_a_point_where_all_is_rounded_up", BASE, [euros("10.01")], [11], **UP),
    case("a_whole_number_is_never_rounded_up", BASE, [euros("10.00")], [10], **UP),
    # Currencies: 1980 / 100 = 19.8; 0.123 / 0.005 = 24.6; 1500 / 150 = 10.
    case("a_yen_has_no_cents", [per("100 JPY")], [euros("1980", currency="JPY")], [19]),
    case("decimals_of_a_yen_are_nothing", [per("100 JPY")], [euros("1980.00", currency="JPY")], [19]),
    case("a_dinar_has_three_decimals", [per("0.005 KWD")], [euros("0.123", currency="KWD")], [24]),
    # 0.100 x 1/3 each: 0.034 of the first, 0.966 left
    case("a_discount_is_spread_in_fils_where_there_are_fils", [per("0.001 KWD", if_={"category": "a"})],
         [paid(*[line(name, "1.000") for name in "abc"], discount="0.100", currency="KWD")], [966]),
    case("each_currency_has_its_unit", [per(["1.00 EUR", "150 JPY"])], [euros("1500", currency="JPY")], [10]),
    case("a_currency_without_a_unit_earns_nothing", BASE, [euros("10.00", currency="USD")], [0]),
    case("a_threshold_holds_in_its_own_currency_only", TEA_AND_CUPS, [euros("99.00", currency="USD")], [0]),
    # Items, whole units.
    case("a_quantity_of_one_and_a_half_counts_as_such", [a_rule(points="3", per="item")],
         [paid(line("tea", "9.00", quantity="1.5"))], [4]),
    case("whole_units_take_the_floor", [per("10.00 EUR", "5", whole_units="true")], [euros("29.99")], [10]),
    case("over_all_lines_of_the_rule_together", [per("10.00 EUR", whole_units="true")],
         [paid(line("a", "5.00"), line("b", "5.00"))], [1]),
    case("and_over_no_other_lines", [per("10.00 EUR", whole_units="true", if_={"category": "a"})],
         [paid(line("a", "9.99"), line("b", "5.00"))], [0]),
    # The discount of the order.
    case("a_discount_of_the_whole_order_leaves_nothing", BASE, [paid(A_TEA, discount="10.00")], [0]),
    case("a_discount_larger_than_the_order_is_cut_to_it", BASE, [paid(A_TEA, discount="15.00")], [0]),
    case("the_odd_cent_of_a_discount_is_the_earlier_lines", [per("0.01 EUR", if_={"category": "tea"})],
         [paid(line("tea", "1.00"), line("cup", "1.00"), discount="0.01")], [99]),
    case("a_discount_of_a_bare_total_is_off_already", BASE, [euros("10.00", discount="5.00")], [10]),
    # Shipping, tax, fees.
    case("shipping_is_out", BASE, [paid(A_TEA, shipping="4.90")], [10]),
    case("shipping_is_out_of_a_bare_total_too", BASE, [euros("14.90", shipping="4.90")], [10]),
    case("shipping_is_in_where_asked_for", [per("1.00 EUR", shipping="true")], [paid(A_TEA, shipping="4.90")],
         [14]),
    case("tax_in_the_prices_is_in", BASE, [paid(line("tea", "12.00", tax="2.00"))], [12]),
    case("tax_in_the_prices_is_out_where_asked_for", [per("1.00 EUR", tax="false")],
         [paid(line("tea", "12.00", tax="2.00"))], [10]),
    case("the_tax_of_a_line_shrinks_with_the_discount", [per("1.00 EUR", tax="false")],
         [paid(line("tea", "12.00", tax="2.00"), discount="6.00")], [5]),
    # 2.40 of 12.00 are tax, a fifth: 10.00 of items hold 2.00.
    case("the_tax_of_the_order_is_shippings_too", [per("1.00 EUR", tax="false")],
         [paid(A_TEA, shipping="2.00", tax="2.40")], [8]),
    case("added_tax_is_no_price", BASE, [paid(line("tea", "10.00", tax="2.00"), tax="2.00", tax_included=False)],
         [10]),
    case("added_tax_is_in_the_total", [per("1.00 EUR", basis="total")],
         [paid(A_TEA, tax="2.00", tax_included=False)], [12]),
    case("and_not_where_tax_is_out", [per("1.00 EUR", basis="total", tax="false")],
         [paid(A_TEA, tax="2.00", tax_included=False)], [10]),
    case("a_fee_is_no_item", BASE, [paid(A_TEA, total="11.50")], [10]),
    case("a_fee_is_in_the_total", [per("1.00 EUR", basis="total")], [paid(A_TEA, total="11.50")], [11]),
    # Gift cards, and what was not paid in money.
    case("a_gift_card_earns_nothing_when_it_is_bought", BASE, [paid(A_TEA, CARD)], [10]),
    case("nor_by_the_item", [a_rule(points="3", per="item")], [paid(A_TEA, CARD)], [3]),
    case("nor_towards_a_threshold", TEA_AND_CUPS, [paid(line("cup", "59.99"), CARD)], [59]),
    case("what_a_gift_card_pays_earns_nothing", BASE, [euros("100.00", **by(gift_card="30.00"))], [70]),
    case("points_and_credit_together_neither", BASE, [euros("50.00", **by(points="10.00", credit="10.00"))], [30]),
    case("more_paid_than_it_cost_is_cut_to_it", BASE, [euros("50.00", **by(points="60.00"))], [0]),
    case("a_threshold_looks_at_items_however_they_were_paid", TEA_AND_CUPS,
         [paid(line("cup", "60.00"), **by(points="60.00"))], [50]),
    # 12.98 of 64.90 is a fifth: tea 4.616, cup 7.384, shipping 0.98; the odd cent is tea's. 18.46 x 2 + 29.54 + 50.
    case("points_pay_lines_and_shipping_by_cost", TEA_AND_CUPS,
         [paid(TEA, CUP, discount="5.00", shipping="4.90", **by(points="12.98"))], [116]),
    case("half_paid_with_points_is_half_the_points_with_added_tax_too", BASE,
         [paid(line("tea", "100.00"), tax="20.00", tax_included=False, **by(points="60.00"))], [50]),
    case("gift_cards_are_in_where_asked_for", [per("1.00 EUR", gift_cards="true")],
         [paid(A_TEA, CARD), back("card")], [60, 10]),
    case("and_by_the_item_too", [a_rule(points="3", per="item", gift_cards="true"), per("item", "1", "others")],
         [paid(A_TEA, CARD)], [7]),
    case("but_towards_no_threshold", [per("1.00 EUR", gift_cards="true"),
         a_rule("big", points="50", if_={"order_at_least": "60.00 EUR"})], [paid(A_TEA, CARD)], [60]),
    case("what_was_paid_otherwise_is_in_where_asked_for", [per("1.00 EUR", paid_otherwise="true")],
         [euros("100.00", **by(points="20.00", gift_card="30.00")), back(amount="25.00")], [100, 50]),
    # Nothing of the order cost anything but its delivery.
    case("shipping_of_a_free_order_is_in_where_asked_for", [per("1.00 EUR", shipping="true")],
         [paid(line("tea", "3.00"), line("cup", "0.00"), discount="3.00", shipping="4.90"), back(shipping="2.90"),
         back("tea"), back("cup")], [4, 2, 2, 0]),
    case("and_so_are_its_fees", [per("1.00 EUR", basis="total")], [paid(line("tea", "0.00"), total="3.00")], [3]),
    # Thresholds.
    case("a_threshold_is_reached_at_exactly_its_amount", TEA_AND_CUPS, [paid(line("cup", "60.00"))], [110]),
    case("and_not_a_cent_before", TEA_AND_CUPS, [paid(line("cup", "59.99"))], [59]),
    case("a_threshold_looks_after_the_discount", TEA_AND_CUPS, [paid(line("cup", "60.00"), discount="0.01")], [59]),
    case("shipping_reaches_no_threshold", TEA_AND_CUPS, [paid(line("cup", "59.00"), shipping="4.90")], [59]),
    # Lines.
    case("a_line_in_two_categories_of_a_rule_counts_once", [per("1.00 EUR", if_={"category": ["tea", "new"]})],
         [paid(OrderLine(total="10.00", categories=("tea", "new")))], [10]),
    case("an_excluded_category_counts_nothing", [per("1.00 EUR", if_={"not_category": "tea"})],
         [paid(A_TEA, line("cup", "7.00"))], [7]),
    case("a_bonus_for_a_category_wants_one_line_of_it", [a_rule(points="20", if_={"category": "tea"})],
         [paid(A_CUP), paid(A_CUP, A_TEA, order="2")], [0, 20]),
    # Combination: base rules on a line, then multipliers, then bonuses.
    case("base_rules_sum", [PER_EURO, per("1.00 EUR", "2", "tea", if_={"category": "tea"})], [paid(A_TEA, A_CUP)],
         [40]),
    # tea 30, cup 10
    case("a_non_stackable_rule_of_the_highest_priority_stands_alone_on_its_lines",
         [PER_EURO, per("1.00 EUR", "3", "tea", if_={"category": "tea"}, priority="5", **ALONE)],
         [paid(A_TEA, A_CUP)], [40]),
    case("of_two_of_one_priority_the_earlier_in_the_file",
         [PER_EURO, per("1.00 EUR", "2", "a", priority="5", **ALONE),
         per("1.00 EUR", "3", "b", priority="5", **ALONE)], [euros("10.00")], [20]),
    case("a_non_stackable_rule_of_lower_priority_gives_nothing",
         [PER_EURO, per("1.00 EUR", "5", "a", priority="-1", **ALONE)], [euros("10.00")], [10]),
    case("beside_a_higher_one_that_stacks_the_rest_sums",
         [per("1.00 EUR", priority="9"), per("1.00 EUR", "5", "a", **ALONE), per("1.00 EUR", "2", "b")],
         [euros("10.00")], [30]),
    # Tea 3 x 10; tea that is new too: the earlier, then the one of the higher priority; cup 10.
    case("each_line_has_its_own_rule_that_stands_alone",
         [PER_EURO, per("1.00 EUR", "3", "tea", if_={"category": "tea"}, priority="5", **ALONE),
         per("1.00 EUR", "2", "new", if_={"category": "new"}, priority="5", **ALONE)],
         [paid(A_TEA, NEW_TEA, A_CUP)], [70]),
    case("and_where_two_hold_the_higher_one",
         [PER_EURO, per("1.00 EUR", "3", "tea", if_={"category": "tea"}, priority="5", **ALONE),
         per("1.00 EUR", "2", "new", if_={"category": "new"}, priority="7", **ALONE)],
         [paid(A_TEA, NEW_TEA, A_CUP)], [60]),
    case("a_rule_of_nothing_that_stands_alone_keeps_its_lines_out",
         [PER_EURO, per("1.00 EUR", "0", "sale", if_={"category": "cup"}, whole_units="true", priority="1", **ALONE)],
         [paid(A_TEA, A_CUP)], [10]),
    case("a_rule_without_a_unit_for_the_currency_stands_in_nobodys_way",
         [per(["1.00 EUR", "1.00 USD"]), per("1.00 EUR", "3", "a", priority="5", **ALONE)],
         [euros("10.00", currency="USD")], [10]),
    case("multipliers_multiply", [PER_EURO, times("a", "2"), times("b", "1.5")], [euros("10.00")], [30]),
    case("ten_times_at_most", [PER_EURO, times("a", "4"), times("b", "3")], [euros("10.00")], [100]),
    case("the_one_that_crosses_ten_is_trimmed_and_a_later_half_halves_ten",
         [PER_EURO, times("a", "8"), times("b", "2"), times("c", "0.5")], [euros("10.00")], [50]),
    case("a_multiplier_holds_on_its_lines", [PER_EURO, TEA_TWICE], [paid(A_TEA, A_CUP)], [30]),
    case("a_bonus_is_never_multiplied", [PER_EURO, times("a", "2"), a_rule("b", points="50")], [euros("10.00")],
         [70]),
    case("nor_is_a_bonus_by_amount", [PER_EURO, times("a", "2"), per("1.00 EUR", "5", "b", bonus="true")],
         [euros("10.00")], [70]),
    # Person, time and history.
    case("the_level_just_before_multiplies", BASE,
         [a_rise(times="2", since=NOON), euros("10.00", at=NOON + timedelta(seconds=1))], [0, 20]),
    case("a_level_of_that_very_moment_does_not", BASE, [a_rise(times="2", since=NOON), euros("10.00")], [0, 10]),
    case("the_level_comes_last_and_is_trimmed_at_ten", [PER_EURO, times("a", "8")],
         [a_rise(times="2", since=NOON - timedelta(1)), euros("10.00")], [0, 100]),
    case("a_non_stackable_multiplier_stands_alone_without_the_levels",
         [PER_EURO, times("a", "3", priority="1", **ALONE)],
         [a_rise(times="2", since=NOON - timedelta(1)), euros("10.00")], [0, 30]),
    case("every_second_order", [PER_EURO, a_rule(points="50", if_={"every_nth_order": "2"})],
         [*TENS, euros("10.00", "4")], [10, 60, 10, 60]),
    case("a_cancelled_order_was_an_order_all_the_same", [PER_EURO, a_rule(points="50", if_={"order_number": "2"})],
         [TENS[0], cancelled(), TENS[1]], [10, 0, 60]),
    case("an_edited_order_is_no_further_order", [PER_EURO, a_rule(points="50", if_={"order_number": "2"})],
         [TENS[0], TENS[0], TENS[1]], [10, 10, 60]),
    # In Paris it is UTC + 2 in summer: 22:30 on Friday 8 May is 00:30 on Saturday.
    case("a_weekday_is_that_of_the_programs_zone", [PER_EURO, times("a", "2", if_={"weekday": "saturday"})],
         [euros("10.00", at=at("2026-05-08T22:30"))], [20]),
    case("hours_may_cross_midnight_and_end_before_their_end", [a_rule(points="5", if_={"hours": "22:00 to 06:00"})],
         tens_at("2026-05-04T20:00", "2026-05-05T03:59", "2026-05-05T04:00"), [5, 5, 0]),
    case("a_plain_end_date_includes_that_day", [per("1.00 EUR", until="2026-05-04")],
         tens_at("2026-05-04T21:59:59", "2026-05-04T22:00"), [10, 0]),
    case("also_where_the_day_has_25_hours", [per("1.00 EUR", until="2026-10-25")],
         tens_at("2026-10-25T22:59:59", "2026-10-25T23:00"), [10, 0]),
    case("a_start_date_begins_at_its_midnight", [per("1.00 EUR", **{"from": "2026-05-05"})],
         tens_at("2026-05-04T21:59:59", "2026-05-04T22:00"), [0, 10]),
    case("an_order_without_a_channel_is_in_none", [per("1.00 EUR", if_={"channel": "web"})],
         [euros("10.00"), euros("10.00", "2", channel="web")], [0, 10]),
]  # fmt: skip

CAPS = [
    case("a_cap_shrinks_what_is_beyond_it", at_most("100 per month"), [euros("80.00", order) for order in "123"],
         [80, 20, 0]),
    case("or_rejects_the_whole_and_leaves_its_room", at_most("100 per month", beyond="reject"),
         [euros("80.00", "1"), euros("80.00", "2"), euros("20.00", "3")], [80, 0, 20]),
    case("exactly_the_room_is_not_beyond", at_most("100 per month", beyond="reject"), [euros("100.00")], [100]),
    # Paris: midnight is 22:00 in summer and 23:00 in winter, in UTC.
    case("a_day_ends_at_the_programs_midnight", at_most("10 per day"),
         tens_at("2026-05-04T21:59", "2026-05-04T22:00", "2026-05-05T21:59"), [10, 10, 0]),
    case("a_day_of_23_hours_is_a_day", at_most("10 per day"),
         tens_at("2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00"), [10, 10, 0, 10]),
    case("a_day_of_25_hours_is_a_day", at_most("10 per day"),
         tens_at("2026-10-24T21:59", "2026-10-24T22:00", "2026-10-25T22:59", "2026-10-25T23:00"), [10, 10, 0, 10]),
    case("a_week_begins_on_monday", at_most("10 per week"),
         tens_at("2026-05-03T21:59", "2026-05-03T22:00", "2026-05-10T21:59"), [10, 10, 0]),
    # 2026 has an ISO week 53: from Monday 28 December to Sunday 3 January 2027.
    case("week_53_goes_on_into_january", at_most("10 per week"),
         tens_at("2026-12-28T12:00", "2027-01-03T12:00", "2027-01-04T12:00"), [10, 0, 10]),
    case("a_month_ends_in_the_programs_zone", at_most("10 per month"),
         tens_at("2026-05-31T21:59", "2026-05-31T22:00", "2026-06-30T21:59"), [10, 10, 0]),
    case("a_year_ends_in_the_programs_zone", at_most("10 per year"),
         tens_at("2026-01-01T12:00", "2026-12-31T22:59", "2026-12-31T23:00"), [10, 0, 10]),
    case("a_lifetime_does_not_end", at_most("10 per lifetime"), tens_at("2016-01-01T12:00", "2026-01-01T12:00"),
         [10, 0]),
    case("times_are_counted", [per("1.00 EUR", limit="2 per month")], TENS, [10, 10, 0]),
    case("what_gives_nothing_is_no_time", [per("1.00 EUR", limit="1 per month")], [euros("0.00", "1"), *TENS[1:]],
         [0, 10, 0]),
    case("all_caps_of_a_rule_hold", at_most("25 per month", limit="2 per day"),
         [*TENS, euros("10.00", "4", at=NOON + timedelta(1))], [10, 10, 0, 5]),
    # 9.5 of 10 are used, half a point is left: half-up makes 10 and 1 of it.
    case("room_has_fractions", at_most("10 per month"), [euros("9.50", "1"), euros("9.50", "2")], [9, 0]),
    case("and_is_not_rounded_before_the_end", at_most("10 per month"), [euros("9.50", "1"), euros("9.50", "2")],
         [10, 1], **HALF_UP),
    # Line by line the room of 10 is 5 and 5: tea counts double, 10 + 5.
    case("a_cap_shrinks_a_base_rule_before_it_is_multiplied", [*at_most("10 per month"), TEA_TWICE],
         [paid(A_TEA, A_CUP)], [15]),
    case("a_bonus_has_caps_too", [a_rule(points="50", at_most="70 per month")], TENS, [50, 20, 0]),
    case("a_refund_gives_no_room_back", at_most("100 per month"),
         [euros("80.00", "1"), cancelled(), euros("80.00", "2")], [80, 0, 20]),
    case("the_room_that_was_found_bounds_the_order_ever_after", at_most("50 per month"),
         [euros("80.00"), back(amount="10.00"), back(amount="40.00")], [50, 50, 30]),
    case("what_was_rejected_is_not_revived_by_a_refund", at_most("50 per month", beyond="reject"),
         [euros("80.00"), back(amount="40.00")], [0, 0]),
    case("an_edit_stays_within_the_room_that_was_found", at_most("50 per month"), [euros("40.00"), euros("80.00")],
         [40, 50]),
    case("an_edit_takes_no_room_that_another_order_has_taken", at_most("100 per month"),
         [euros("60.00", "1"), euros("60.00", "2"), euros("90.00", "1")], [60, 40, 60]),
    case("what_an_edit_adds_is_counted", at_most("100 per month"),
         [euros("60.00", "1"), euros("90.00", "1"), euros("60.00", "2")], [60, 90, 10]),
    case("an_edit_beyond_the_room_is_rejected_too", at_most("50 per month", beyond="reject"),
         [euros("40.00"), euros("80.00")], [40, 0]),
]  # fmt: skip

REFUNDS = [
    # The worked example of section 3: the cup leaves 23.08 x 2 = 46.16 and no bonus, the tea leaves 36.92.
    case("the_cup_comes_back_and_then_the_tea", TEA_AND_CUPS, [THE_ORDER, back("cup", amount="36.92"), back("tea")],
         [133, 46, 0]),
    case("the_tea_comes_back_and_then_the_cup", TEA_AND_CUPS, [THE_ORDER, back("tea", amount="23.08"), back("cup")],
         [133, 36, 0]),
    case("a_goodwill_cent_on_exactly_sixty_takes_the_bonus", TEA_AND_CUPS,
         [paid(line("cup", "60.00")), back(amount="0.01")], [110, 59]),
    # By amount: 54.00 of 60.00 are kept, nine tenths of each line: 54 + 20.772, below 60.00.
    case("an_amount_is_spread_over_the_lines_by_value", TEA_AND_CUPS, [THE_ORDER, back(amount="6.00")], [133, 74]),
    case("amounts_add_up", BASE,
         [euros("100.00"), back(amount="10.00"), back(amount="20.00"), back(amount="70.00")], [100, 90, 70, 0]),
    case("cents_of_refunds_add_up_before_they_are_rounded", BASE,
         [euros("100.00"), back(amount="0.50"), back(amount="0.50")], [100, 99, 99]),
    case("rounded_up_a_refund_of_cents_takes_the_last_point", BASE, [euros("10.01"), back(amount="0.01")], [11, 10],
         **UP),
    # Shipping.
    case("shipping_alone_takes_nothing", TEA_AND_CUPS, [THE_ORDER, back(shipping="4.90")], [133, 133]),
    case("nor_where_it_is_the_amount", TEA_AND_CUPS, [THE_ORDER, back(shipping="4.90", amount="4.90")], [133, 133]),
    # An amount alone is items: 55.10 of 60.00 are kept, and 55.10 / 60.00 of tea's 23.08: 55.10 + 21.195.
    case("an_amount_alone_is_items_though_it_is_just_the_shipping", TEA_AND_CUPS, [THE_ORDER, back(amount="4.90")],
         [133, 76]),
    case("shipping_that_earned_is_taken_back", [per("1.00 EUR", shipping="true")],
         [THE_ORDER, back(shipping="4.90")], [64, 60]),
    case("shipping_stays_with_the_line_that_stays", [per("1.00 EUR", shipping="true")],
         [THE_ORDER, back("cup"), back("tea")], [64, 27, 0]),
    # With a discrepancy: kept is the lesser of the lines still there (23.08) and the money still paid.
    case("a_restocking_fee_earns_nothing", TEA_AND_CUPS, [THE_ORDER, back("cup", amount="30.00")], [133, 46]),
    # 20.00 x 2
    case("goodwill_beside_a_line_is_off_the_others", TEA_AND_CUPS, [THE_ORDER, back("cup", amount="40.00")],
         [133, 40]),
    case("a_line_without_its_money_is_gone_all_the_same", BASE, [paid(A_TEA, A_CUP), back("cup", amount="0.00")],
         [20, 10]),
    # Parts of a line: half of tea is 11.54, half of the cup 18.46.
    # 11.54 x 2 + 36.92
    case("half_of_a_line_by_quantity", TEA_AND_CUPS,
         [paid(line("tea", "25.00", quantity="2"), CUP, discount="5.00"), back(part("tea", quantity="1"))],
         [133, 60]),
    # 23.08 x 2 + 18.46
    case("half_of_a_line_by_amount", TEA_AND_CUPS, [THE_ORDER, back(part("cup", amount="18.46"))], [133, 64]),
    case("a_third_of_one_and_a_half", [a_rule(points="4", per="item")],
         [paid(line("tea", "9.00", quantity="1.5")), back(part("tea", quantity="0.5"))], [6, 4]),
    case("more_than_there_was_is_all_of_it", BASE, [paid(A_TEA, A_CUP), back(part("tea", quantity="9"))], [20, 10]),
    case("a_line_that_comes_back_twice_came_back_once", BASE, [paid(A_TEA, A_CUP), back("tea"), back("tea")],
         [20, 10, 10]),
    case("a_line_gives_back_at_most_its_value", BASE, [paid(A_TEA, A_CUP), back(part("tea", amount="15.00"))],
         [20, 10]),
    case("quantities_shrink_with_the_money", [a_rule(points="3", per="item")],
         [paid(line("tea", "10.00", quantity="2")), back(amount="5.00")], [6, 3]),
    case("whole_units_are_those_of_what_is_kept", [per("10.00 EUR", whole_units="true")],
         [euros("29.99"), back(amount="10.00")], [2, 1]),
    # Too much, twice, too early, or wrong.
    case("a_refund_larger_than_the_order_takes_all_of_it", BASE, [euros("10.00"), back(amount="99.00")], [10, 0]),
    case("the_total_with_shipping_is_all_of_it", BASE, [paid(A_TEA, shipping="4.90"), back(amount="14.90")],
         [10, 0]),
    case("the_same_refund_again_is_the_same_refund", BASE,
         [euros("10.00"), back(amount="3.00", refund_id="r"), back(amount="3.00", refund_id="r")], [10, 7, 7]),
    case("a_refund_waits_for_its_order", BASE, [back(amount="30.00"), euros("100.00")], [0, 70]),
    case("one_that_then_does_not_fit_counts_nothing", BASE, [back("pot"), euros("100.00")], [0, 100]),
    case("a_refund_in_another_currency_is_refused", BASE,
         [euros("10.00"), back(amount="3.00", currency="USD"), back(amount="3.00", currency="EUR")], [10, None, 7]),
    case("a_refund_of_a_line_that_never_was_is_refused", BASE, [paid(A_TEA), back("pot", amount="3.00")],
         [10, None]),
    case("a_refund_of_nothing_is_refused", BASE, [euros("10.00"), back()], [10, None]),
    case("a_bare_total_is_line_1", BASE, [euros("10.00"), back("1")], [10, 0]),
    case("a_cancelled_order_holds_nothing", TEA_AND_CUPS, [THE_ORDER, cancelled(), back("cup")], [133, 0, 0]),
    case("a_cancellation_waits_for_its_order", BASE, [cancelled(), euros("10.00")], [0, 0]),
    # Full refunds end at exactly 0, whatever is left of the order.
    case("a_fixed_bonus_goes_with_the_last_line", [a_rule(points="100")],
         [paid(A_TEA, A_CUP), back("tea"), back("cup")], [100, 100, 0]),
    case("a_free_sample_keeps_no_bonus", [PER_EURO, a_rule("first", points="100")],
         [paid(A_TEA, line("sample", "0.00")), back("tea")], [110, 0]),
    case("a_bare_total_with_added_tax_comes_back_whole", BASE,
         [euros("124.90", shipping="4.90", tax="20.00", tax_included=False),
         back(amount="124.90", shipping="4.90")], [100, 0]),
    # What was paid otherwise. 40.00 of 100.00 with points: 60.00 of money, and 30.00 back leaves half.
    case("a_line_gives_back_the_money_that_was_in_it", BASE,
         [paid(line("a", "60.00"), line("b", "40.00"), **by(points="40.00")), back("b"), back("a")], [60, 36, 0]),
    case("half_of_the_money_is_half_of_the_points", BASE,
         [euros("100.00", **by(points="40.00")), back(amount="30.00")], [60, 30]),
    case("points_that_come_back_are_no_money", BASE, [euros("100.00", **by(points="40.00")), points_back("40.00")],
         [60, 60]),
    case("without_any_money_what_paid_it_otherwise_is_measured", TEA_AND_CUPS,
         [paid(line("cup", "60.00"), **by(points="60.00")), points_back("0.01")], [50, 0]),
    case("with_added_tax_too", [a_rule(points="50")],
         [paid(A_CUP, tax="2.00", tax_included=False, **by(points="12.00")), points_back("12.00")], [50, 0]),
    # What reads lines is read anew, what concerns person and history is frozen.
    case("a_bonus_for_a_category_goes_with_its_line",
         [PER_EURO, a_rule("tea", points="20", if_={"category": "tea"})], [paid(A_TEA, A_CUP), back("tea")],
         [40, 10]),
    case("the_first_order_stays_the_first", [PER_EURO, a_rule("first", points="100", if_={"first_order": "true"})],
         [euros("20.00"), euros("5.00", "2"), back(amount="5.00")], [120, 5, 115]),
    case("the_level_of_its_time_stays", BASE,
         [a_rise(times="2", since=NOON - timedelta(1)), euros("20.00"), a_rise("Base", times="1", since=NOON),
         back(amount="5.00", at=NOON + timedelta(1))], [0, 40, 40, 30]),
    case("a_higher_rule_that_lost_its_line_leaves_the_others_as_they_were",
         [PER_EURO, per("1.00 EUR", "3", "tea", if_={"category": "tea"}, priority="5", **ALONE)],
         [paid(A_TEA, A_CUP), back("tea")], [40, 10]),
]  # fmt: skip

EDITS = [
    case("an_edit_up_moves_to_the_new_lines", BASE, [euros("50.00"), euros("80.00")], [50, 80]),
    case("an_edit_down_too", BASE, [euros("50.00"), euros("30.00")], [50, 30]),
    case("an_edit_to_nothing_holds_nothing", BASE, [euros("50.00"), euros("0.00")], [50, 0]),
    case("the_same_statement_again_changes_nothing", TEA_AND_CUPS, [THE_ORDER, THE_ORDER], [133, 133]),
    # An edit states the order before any refund: 120.00 - 30.00, then 20.00 - 30.00.
    case("refunds_before_an_edit_still_count", BASE,
         [euros("100.00"), back(amount="30.00"), euros("120.00"), euros("20.00")], [100, 70, 90, 0]),
    case("refunds_after_an_edit_count_on_the_new_lines", BASE,
         [paid(A_TEA), paid(A_TEA, line("cup", "30.00")), back("cup"), back("tea")], [10, 40, 10, 0]),
    case("an_edit_may_reach_a_threshold", TEA_AND_CUPS,
         [paid(line("cup", "59.00")), paid(line("cup", "60.00")), paid(line("cup", "59.00"))], [59, 110, 59]),
    # Tea and cup are 25 x 2 + 40 + 50; without the cup 25 x 2. The cup's 40.00 were given back by the edit already.
    case("a_refund_of_a_removed_line_counts_nothing", TEA_AND_CUPS,
         [paid(TEA, CUP), paid(TEA), back("cup"), back("cup", amount="40.00")], [140, 50, 50, 50]),
    # Of the 50.00 only the cup's 10.00 count: 35.00 - 10.00.
    case("beside_another_line_its_sum_counts_up_to_the_others_worth", BASE,
         [paid(TEA, A_CUP, POT), paid(TEA, A_CUP), back("cup", "pot", amount="50.00")], [75, 35, 25]),
    case("a_line_that_is_in_it_again_comes_back_again", BASE,
         [paid(A_TEA, A_CUP), paid(A_TEA), paid(A_TEA, A_CUP), back("cup")], [20, 10, 20, 10]),
    case("an_older_statement_that_comes_late_changes_nothing", BASE,
         [euros("100.00"), euros("50.00", at=NOON - timedelta(hours=1))], [100, 100]),
    case("an_edit_revives_no_cancelled_order", BASE, [euros("50.00"), cancelled(), euros("80.00")], [50, 0, 0]),
    case("an_edit_keeps_the_hour_of_the_first_statement", [a_rule(points="5", if_={"hours": "13:00 to 15:00"})],
         [euros("10.00"), euros("20.00", at=NOON + timedelta(hours=8))], [5, 5]),
    case("an_edit_keeps_the_level_of_the_first_statement", BASE,
         [euros("10.00"), a_rise(times="2", since=NOON + timedelta(1)), euros("20.00", at=NOON + timedelta(2))],
         [10, 10, 20]),
]  # fmt: skip

REVIEW = a_rule("review", "review.published", points="20", if_={"text_at_least": "10"})
SHARE = a_rule("share", "content.shared", points="5")
GOOD: dict[str, Any] = {"text": "a good tea", "review_id": "r"}
DEEDS = [
    case("a_sign_up_is_welcome_once", [a_rule("welcome", "customer.signed_up", points="100")],
         [a_sign_up(), a_sign_up()], [100, 100]),
    case("a_text_is_measured_without_its_margins", [REVIEW],
         [a_review(text="  not long  "), a_review(text=" long enough ")], [0, 20]),
    case("a_product_is_reviewed_once", [REVIEW],
         [a_review(text="a good tea"), a_review(text="a very good tea"), a_review(text="a good cup", product="cup")],
         [20, 20, 40]),
    case("a_review_that_is_published_again_is_the_same", [REVIEW], [a_review(**GOOD), a_review(**GOOD, product="cup")],
         [20, 20]),
    case("a_removed_review_gives_back_and_frees_its_product", [REVIEW],
         [a_review(**GOOD), a_review_removed(a_review(**GOOD)), a_review(text="a better tea")], [20, 0, 20]),
    case("also_where_its_points_are_bounded_and_not_its_times",
         [REVIEW | {"limit": "9 per product", "at_most": "20 per product"}],
         [a_review(**GOOD), a_review_removed(a_review(**GOOD)), a_review(text="a better tea"),
         a_review(text="the best tea")],
         [20, 0, 20, 20]),
    case("a_removal_waits_for_its_review", [REVIEW], [a_review_removed(a_review(**GOOD)), a_review(**GOOD)], [0, 0]),
    case("a_share_counts_once_per_network_and_day", [SHARE],
         [a_share(), a_share(), a_share(network="x"), a_share(at=NOON + timedelta(1))], [5, 5, 10, 15]),
    case("a_day_of_shares_ends_at_the_programs_midnight", [SHARE],
         [a_share(at=at("2026-05-04T21:59")), a_share(at=at("2026-05-04T22:00"))], [5, 10]),
    case("shares_have_a_cap_beside", [a_rule("share", "content.shared", points="5", at_most="12 per month")],
         [a_share(at=NOON + timedelta(day)) for day in range(4)], [5, 10, 12, 12]),
    case("half_points_of_a_deed_are_rounded_too", [a_rule("share", "content.shared", points="2.5")], [a_share()], [2]),
    case("two_rules_of_a_deed_sum_before_they_are_rounded",
         [a_rule("share", "content.shared", points="2.5"), a_rule("more", "content.shared", points="2.5")], [a_share()],
         [5]),
    case("a_verified_purchase_is_one_of_our_own_orders",
         [a_rule("review", "review.published", points="20", if_={"verified_purchase": "true"})],
         [a_review(product="tea-1"), paid(line("tea", "9.00", product_id="tea-2")), a_review(product="tea-2")],
         [0, 0, 20]),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "story", "holds", "program"), [*EARNING, *CAPS, *REFUNDS, *EDITS, *DEEDS])
def test_an_order_holds(
    rules: Rules, story: Story, holds: Sequence[int | None], program: dict[str, Any]
) -> None:
    desk = Desk(a_document(*rules, **program))
    assert [after(desk, event) for event in story] == list(holds)


def after(desk: Desk, event: Event[Any]) -> int | None:
    """What the event's order holds after it, or the member where it has none; None where the event is refused."""
    if desk.tries(event):
        return None
    order = getattr(event.data, "order_id", None)
    if order is None:
        return sum(desk.balance())
    award = desk.book.awards.get((event.program_id, event.member_id or ""), f"order:{order}:points")
    return award.held_points if award else 0


# --- How an award splits ----------------------------------------------------------------------------------------------

SPLITS = [
    # 46.16 + 36.92 + 50 = 133.08 make 133: the shares of it are 46.13, 36.90 and 49.97, and two points are left over.
    pytest.param(TEA_AND_CUPS, THE_ORDER, (46, 37, 50), id="the_worked_example"),
    pytest.param(BASE, paid(line("a", "0.50"), line("b", "0.50")), (1, 0, 0), id="a_tie_is_the_earlier_lines"),
    pytest.param([PER_EURO, per("1.00 EUR", name="bonus", bonus="true")],
                 paid(line("a", "0.50"), line("b", "0.00")), (1, 0, 0), id="a_tie_is_a_line_s_before_the_bonus"),
    pytest.param(BASE, paid(A_TEA, CARD), (10, 0, 0), id="a_gift_card_has_no_part"),
    pytest.param([a_rule(points="7")], paid(A_TEA, A_CUP), (0, 0, 7), id="a_bonus_is_no_line_s"),
    # Half-up: 0.50 + 1.00 = 1.50 -> 2 points: exact shares 2/3 and 4/3, so 0 and 1, and the odd one to 2/3.
    pytest.param(BASE, paid(line("a", "0.50"), line("b", "1.00")), (1, 1, 0), id="rounding_up_is_split_too"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "order", "split"), SPLITS)
def test_an_award_splits_into_lines_and_bonus(
    rules: Rules, order: Event[Any], split: tuple[int, ...]
) -> None:
    desk = Desk(a_document(*rules, **HALF_UP))
    award = desk.receives(order).award(order)
    assert (*award.breakdown["lines"], award.breakdown["bonus"]) == split


# --- When points become available, and when they end ------------------------------------------------------------------

FROM_PAID: dict[str, Any] = {"pending": {"order.paid": "14 days after order.paid"}}
FROM_FULFILMENT: dict[str, Any] = {"pending": {"order.paid": "14 days after order.fulfilled"}}
WITHIN_60: dict[str, Any] = {"pending": {"order.paid": "14 days after order.fulfilled, within 60 days"}}
A_YEAR: dict[str, Any] = {"points": {"expire": "12 months"}}


CALENDAR: dict[str, Any] = {"points": {"expire": "every 31 december"}}
IDLE: dict[str, Any] = {"points": {"expire": "after 1 months without activity"}}


def a_year_to(period: str) -> dict[str, Any]:
    """A year, to the end of that period."""
    return {"points": {"expire": "12 months", "rounded_to": period}}


def months(count: int) -> dict[str, Any]:
    """So many months to the day."""
    return {"points": {"expire": f"{count} months"}}


def ten(moment: str) -> Any:
    """Ten euros at a moment (UTC)."""
    return euros("10.00", at=at(moment))


def sent(moment: str) -> Any:
    """The order is handed over."""
    return a_fulfilment(euros("0"), at=at(moment))


TURNS = [
    # What is due in 14 days falls due at the midnight that follows: 4 May + 14 = 18 May, whose end is 22:00 UTC.
    ("fourteen_days_end_with_the_fourteenth", FROM_PAID, [ten("2026-05-04T12:00")], "2026-05-18T22:00", (10, 0),
     (0, 10)),
    ("they_are_days_of_the_programs_zone", FROM_PAID, [ten("2026-05-04T22:30")], "2026-05-19T22:00", (10, 0),
     (0, 10)),
    ("also_over_the_short_day_of_spring", FROM_PAID, [ten("2026-03-20T12:00")], "2026-04-03T22:00", (10, 0),
     (0, 10)),
    ("and_over_the_long_day_of_autumn", FROM_PAID, [ten("2026-10-20T12:00")], "2026-11-03T23:00", (10, 0), (0, 10)),
    ("a_leap_year_has_its_29_february", FROM_PAID, [ten("2028-02-15T12:00")], "2028-02-29T23:00", (10, 0), (0, 10)),
    ("a_common_year_does_not", FROM_PAID, [ten("2027-02-15T12:00")], "2027-03-01T23:00", (10, 0), (0, 10)),
    ("a_fulfilment_starts_the_wait", FROM_FULFILMENT, [ten("2026-05-04T12:00"), sent("2026-05-10T12:00")],
     "2026-05-24T22:00", (10, 0), (0, 10)),
    ("the_first_one_does", FROM_FULFILMENT,
     [ten("2026-05-04T12:00"), sent("2026-05-10T12:00"), sent("2026-05-20T12:00")], "2026-05-24T22:00", (10, 0),
     (0, 10)),
    ("the_first_by_its_time_does", FROM_FULFILMENT,
     [ten("2026-05-04T12:00"), sent("2026-05-20T12:00"), sent("2026-05-10T12:00")], "2026-05-24T22:00", (10, 0),
     (0, 10)),
    ("a_fulfilment_before_the_payment_waits_from_the_payment", FROM_FULFILMENT,
     [sent("2026-05-01T12:00"), ten("2026-05-04T12:00")], "2026-05-18T22:00", (10, 0), (0, 10)),
    # 4 May + 90 days: 27 to the end of May, 30 of June, 31 of July, 2 of August.
    ("the_deadline_cancels_after_90_days", FROM_FULFILMENT, [ten("2026-05-04T12:00")], "2026-08-02T22:00", (10, 0),
     (0, 0)),
    # 4 May + 60 days: 27 to the end of May, 30 of June, 3 of July.
    ("another_deadline_may_be_said", WITHIN_60, [ten("2026-05-04T12:00")], "2026-07-03T22:00", (10, 0), (0, 0)),
    ("a_fulfilment_on_the_last_day_is_in_time", FROM_FULFILMENT,
     [ten("2026-05-04T12:00"), sent("2026-08-02T21:59")], "2026-08-16T22:00", (10, 0), (0, 10)),
    ("a_later_one_is_too_late", FROM_FULFILMENT, [ten("2026-05-04T12:00"), sent("2026-08-02T22:00")],
     "2026-08-17T22:00", (0, 0), (0, 0)),
    ("what_came_back_meanwhile_does_not_become_available", FROM_PAID,
     [ten("2026-05-04T12:00"), back(amount="4.00", at=at("2026-05-05T12:00"))], "2026-05-18T22:00", (6, 0), (0, 6)),
    ("an_edit_waits_from_the_first_statement", FROM_PAID,
     [ten("2026-05-04T12:00"), euros("20.00", at=at("2026-05-10T12:00"))], "2026-05-18T22:00", (20, 0), (0, 20)),
    # Expiry: the date of activation plus the period, then the end of that day, month, quarter or year.
    ("points_live_to_the_end_of_the_day", A_YEAR, [ten("2026-05-04T12:00")], "2027-05-04T22:00", (0, 10), (0, 0)),
    ("that_is_a_day_of_the_programs_zone", A_YEAR, [ten("2026-05-04T22:30")], "2027-05-05T22:00", (0, 10), (0, 0)),
    ("to_the_end_of_the_month", a_year_to("month"), [ten("2026-05-04T12:00")], "2027-05-31T22:00", (0, 10), (0, 0)),
    ("to_the_end_of_the_quarter", a_year_to("quarter"), [ten("2026-05-04T12:00")], "2027-06-30T22:00", (0, 10),
     (0, 0)),
    ("to_the_end_of_the_year", a_year_to("year"), [ten("2026-05-04T12:00")], "2027-12-31T23:00", (0, 10), (0, 0)),
    ("the_29_february_is_the_28_a_year_later", A_YEAR, [ten("2028-02-29T12:00")], "2029-02-28T23:00", (0, 10),
     (0, 0)),
    ("and_the_29_again_four_years_later", months(48), [ten("2028-02-29T12:00")], "2032-02-29T23:00", (0, 10),
     (0, 0)),
    ("the_28_stays_the_28_in_a_leap_year", A_YEAR, [ten("2027-02-28T12:00")], "2028-02-28T23:00", (0, 10), (0, 0)),
    ("six_months_from_31_august_end_with_february", months(6), [ten("2026-08-31T12:00")], "2027-02-28T23:00",
     (0, 10), (0, 0)),
    ("one_month_from_31_march_ends_with_april", months(1), [ten("2026-03-31T12:00")], "2026-04-30T22:00", (0, 10),
     (0, 0)),
    ("and_from_30_april_it_is_the_30_may", months(1), [ten("2026-04-30T12:00")], "2026-05-30T22:00", (0, 10),
     (0, 0)),
    ("a_day_of_the_calendar_ends_them_all", CALENDAR, [ten("2026-05-04T12:00")], "2026-12-31T23:00", (0, 10),
     (0, 0)),
    ("but_for_those_that_it_would_leave_less_than_ninety_days", CALENDAR, [ten("2026-11-04T12:00")],
     "2027-12-31T23:00", (0, 10), (0, 0)),
    ("activity_keeps_all_of_them_alive", IDLE, [ten("2026-05-04T12:00"), euros("7.00", "2", at("2026-05-20T12:00"))],
     "2026-06-20T22:00", (0, 17), (0, 0)),
    # Activated at the midnight that begins 19 May.
    ("the_clock_starts_at_activation", FROM_PAID | A_YEAR, [ten("2026-05-04T12:00")], "2027-05-19T22:00", (0, 10),
     (0, 0)),
    ("a_refund_after_expiry_credits_nothing_and_nobody_owes", months(1),
     [ten("2026-05-04T12:00"), back(amount="10.00", at=at("2026-07-01T12:00"))], "2026-07-02T12:00", (0, 0),
     (0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "story", "moment", "just_before", "then"),
    [pytest.param(*row[1:], id=row[0]) for row in TURNS],
)
def test_points_turn_at_their_moment(
    program: dict[str, Any], story: Story, moment: str, just_before: tuple[int, int], then: tuple[int, int]
) -> None:
    desk = Desk(a_document(PER_EURO, **program)).receives(*story)
    assert desk.reaches(at(moment) - timedelta(seconds=1)).balance() == (*just_before, 0)
    assert desk.reaches(at(moment)).balance() == (*then, 0)


# --- What a later version of the program changes ----------------------------------------------------------------------

DOUBLE = [(NOON, a_document(per("1.00 EUR", "2")))]
"""From noon on, two points a euro."""


@pytest.mark.parametrize(
    ("story", "holds"),
    [
        pytest.param([ten("2026-05-04T11:59"), back(amount="4.00")], [10, 6], id="no_refund_of_an_older_order"),
        pytest.param([ten("2026-05-04T11:59"), euros("20.00")], [10, 20], id="no_edit_of_an_older_order"),
        pytest.param([euros("20.00"), ten("2026-05-04T11:59")], [40, 20],
                     id="not_even_where_the_first_statement_comes_last"),
        pytest.param([euros("10.00"), ten("2026-05-04T11:59"), euros("10.00", "2")], [20, 10, 20],
                     id="but_each_order_from_then_on"),
    ],
)  # fmt: skip
def test_a_later_version_changes(story: Story, holds: Sequence[int]) -> None:
    desk = Desk(a_document(PER_EURO), later=DOUBLE)
    assert [after(desk, event) for event in story] == list(holds)
