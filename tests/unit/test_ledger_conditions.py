"""Conditions of earning rules: when each holds, and what it says where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from services.ledger.domain.conditions import Facts
from services.ledger.domain.deeds import facts_of
from services.ledger.domain.earning import earn
from shared.events import ActivityRecorded, Event, OrderLine, OrderPaid
from shared.orders import items_after_discounts, order_of
from tests.support.events import a_line, a_refund, a_review, a_share, an_event, an_order_paid
from tests.support.ledger import Desk, a_document, a_program, a_rule, at

GIVES = {"points": "10"}
MONDAY_EVENING = at("2026-05-04T20:00")  # 22:00 in Paris
TEA = a_line("25.00", line_id="tea", categories=("tea", "new"), brand="Dammann", product_id="p1", sku="s1")
CUP = a_line("35.00", line_id="cup", collections=("spring",), product_id="p2", sku="s2")
GIFT_CARD = a_line("50.00", gift_card=True)


def says(conditions: Mapping[str, Any], event: Event[Any], **more: Any) -> str | None:
    """Why a bonus under these conditions is not given; None where it is."""
    (answer,) = _answers(conditions, event, **more)
    assert (answer.why_not is None) == (answer.points > 0)
    return answer.why_not  # type: ignore[no-any-return]


def _answers(conditions: Mapping[str, Any], event: Event[Any], **more: Any) -> Any:
    trigger = event.type.removesuffix(".v1")
    if isinstance(event.data, ActivityRecorded):
        trigger = event.data.activity
    words = {"from": more.pop("from_")} if "from_" in more else {}
    words |= {"until": more.pop("until")} if "until" in more else {}
    program = a_program(a_rule(on=trigger, if_=dict(conditions), **GIVES, **words))
    if isinstance(event.data, OrderPaid):
        order = order_of(event.data, "EUR")
        facts = Facts(
            trigger=trigger,
            at=event.time.astimezone(program.zone),
            order=order,
            items=items_after_discounts(order),
            channel=event.data.channel,
            payment_method=event.data.payment_method,
            card_partner=event.data.card_partner,
            **more,
        )
    else:
        facts = facts_of(event, program, **more)
    (earned,) = earn(program, facts, explain=True)
    return earned.answers


def an_order(*lines: OrderLine, **more: Any) -> Event[Any]:
    return an_order_paid("60.00", lines=lines or (TEA, CUP), **more)


@pytest.mark.parametrize(
    ("conditions", "event"),
    [
        ({"order_at_least": "60.00 EUR"}, an_order()),
        ({"order_at_least": "0.01 EUR"}, an_order_paid("0.01")),
        ({"currency": "EUR"}, an_order()),
        ({"category": "tea"}, an_order()),
        ({"category": ["coffee", "new"]}, an_order()),
        ({"not_category": "tea"}, an_order()),  # the cup is none
        ({"brand": "Dammann"}, an_order()),
        ({"product": "p2"}, an_order()),
        ({"sku": ["s1"]}, an_order()),
        ({"collection": "spring"}, an_order()),
        ({"category": "tea", "not_brand": "Other"}, an_order()),
        ({"channel": "app"}, an_order(channel="app")),
        ({"payment_method": ["card", "wire"]}, an_order(payment_method="wire")),
        ({"card_partner": "Blue"}, an_order(card_partner="Blue")),
        ({"weekday": "monday"}, an_order(at=MONDAY_EVENING)),
        ({"weekday": "tuesday"}, an_order(at=at("2026-05-04T22:00"))),  # midnight in Paris
        ({"hours": "22:00 to 23:00"}, an_order(at=MONDAY_EVENING)),
        ({"hours": "21:00 to 02:00"}, an_order(at=MONDAY_EVENING)),
        ({"hours": "21:00 to 02:00"}, an_order(at=at("2026-05-04T23:59"))),
        ({"network": "x"}, a_share(network="x")),
        ({"verified_purchase": "true"}, a_review(verified_purchase=True)),
        ({"verified_purchase": "false"}, a_review(verified_purchase=False)),
        ({"photo": "true"}, a_review(photo=True)),
        ({"video": "true"}, a_review(video=True)),
        ({"text_at_least": "5"}, a_review(text="  fine! ")),
        ({"text_at_least": "40"}, a_review(text_length=40)),
    ],
    ids=str,
)
def test_it_holds(conditions: dict[str, Any], event: Event[Any]) -> None:
    assert says(conditions, event) is None


@pytest.mark.parametrize(
    ("conditions", "event", "why"),
    [
        (
            {"order_at_least": "60.01 EUR"},
            an_order(),
            "items after discounts are 60.00 EUR, 60.01 EUR asked for",
        ),
        (
            {"order_at_least": "60.00 EUR"},
            an_order(TEA, CUP, discount="0.01"),
            "items after discounts are 59.99 EUR, 60.00 EUR asked for",
        ),
        (
            {"order_at_least": "60.00 EUR"},
            an_order(TEA, GIFT_CARD),
            "items after discounts are 25.00 EUR, 60.00 EUR asked for",
        ),
        ({"order_at_least": "60.00 USD"}, an_order(), "the order is not in USD"),
        ({"currency": "USD"}, an_order(), "the order is not in USD"),
        ({"category": ["coffee", "cocoa"]}, an_order(), "no line has category cocoa or coffee"),
        ({"not_category": "tea"}, an_order(TEA), "no line has no category tea"),
        ({"category": "tea", "brand": "Other"}, an_order(), "no line has category tea and brand Other"),
        ({"channel": "app"}, an_order(channel="web"), "channel is web, app asked for"),
        ({"channel": ["app", "store"]}, an_order(), "channel is not given, app or store asked for"),
        ({"payment_method": "card"}, an_order(), "payment_method is not given, card asked for"),
        ({"weekday": ["saturday", "sunday"]}, an_order(at=MONDAY_EVENING), "it was a Monday"),
        (
            {"hours": "22:01 to 23:00"},
            an_order(at=MONDAY_EVENING),
            "it was 22:00, between 22:01 and 23:00 asked for",
        ),
        (
            {"hours": "09:00 to 22:00"},
            an_order(at=MONDAY_EVENING),
            "it was 22:00, between 09:00 and 22:00 asked for",
        ),
        (
            {"hours": "21:00 to 02:00"},
            an_order(at=at("2026-05-05T00:00")),
            "it was 02:00, between 21:00 and 02:00 asked for",
        ),
        ({"network": "x"}, a_share(network="facebook"), "network is facebook, x asked for"),
        ({"verified_purchase": "true"}, a_review(), "verified_purchase is no, yes asked for"),
        ({"verified_purchase": "false"}, a_review(verified_purchase=True), "verified_purchase is yes, no asked for"),
        ({"photo": "true"}, a_review(), "photo is no, yes asked for"),
        ({"text_at_least": "6"}, a_review(text="  fine! "), "the text has 5 characters, 6 asked for"),
    ],
    ids=str,
)  # fmt: skip
def test_it_says_why_it_does_not_hold(conditions: dict[str, Any], event: Event[Any], why: str) -> None:
    assert says(conditions, event) == why


def test_all_conditions_of_a_rule_must_hold_and_the_first_that_does_not_is_told() -> None:
    conditions = {"order_at_least": "10.00 EUR", "channel": "app", "weekday": "sunday"}
    assert says(conditions, an_order(channel="web")) == "channel is web, app asked for"


@pytest.mark.parametrize(
    ("nth", "first", "second", "every_third"), [(1, 1, 0, 0), (2, 0, 1, 0), (6, 0, 0, 1)]
)
def test_the_how_many_th_order_is_counted(nth: int, first: int, second: int, every_third: int) -> None:
    asked = ({"first_order": "true"}, {"order_number": "2"}, {"every_nth_order": "3"})
    answers = [says(conditions, an_order(), nth_order=nth) for conditions in asked]
    assert [answer is None for answer in answers] == [bool(first), bool(second), bool(every_third)]
    assert all(answer is None or answer.startswith(f"it is order number {nth}, ") for answer in answers)


def test_orders_from_before_a_rule_asked_for_their_number_count() -> None:
    third = a_document(a_rule(points="10", if_={"order_number": "3"}))
    desk = Desk(a_document(a_rule(points="1")), later=[(at("2026-05-03"), third)])
    orders = [an_order_paid("9.00", at=at(f"2026-05-0{day}")) for day in (1, 2, 3, 4)]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders] == [1, 1, 10, 0]


def test_every_paid_order_counts_also_one_that_was_refunded() -> None:
    desk = Desk(a_document(a_rule(points="50", if_={"order_number": "2"})))
    first = an_order_paid("10.00")
    desk.receives(first, a_refund(first, amount="10.00"), an_order_paid("10.00"))
    assert desk.balance() == (0, 50, 0)


def test_a_plain_end_date_includes_that_day_in_the_programs_zone() -> None:
    window = {"from_": "2026-05-04", "until": "2026-05-05"}
    moments = {
        "2026-05-03T21:59": "it begins on 2026-05-04",
        "2026-05-03T22:00": None,
        "2026-05-05T21:59": None,
        "2026-05-05T22:00": "it has ended",
    }
    assert {text: says({}, an_order(at=at(text)), **window) for text in moments} == moments


def test_a_level_is_the_one_held_just_before() -> None:
    assert says({"level": "Regular"}, an_order(), level="Regular") is None
    assert says({"level": "Regular"}, an_order()) == "level is not given, Regular asked for"


def test_a_condition_on_lines_narrows_what_a_base_rule_counts() -> None:
    desk = Desk(a_document(a_rule(points="1", per="1.00 EUR", if_={"category": "tea"})))
    order = an_order()
    desk.receives(order)
    assert (desk.award(order).points, desk.award(order).breakdown["lines"]) == (25, [25, 0])


def test_a_line_in_several_categories_counts_once() -> None:
    desk = Desk(a_document(a_rule(points="1", per="1.00 EUR", if_={"category": ["tea", "new"]})))
    assert desk.receives(an_order()).balance() == (0, 25, 0)


def test_any_activity_can_be_a_trigger() -> None:
    quiz = an_event(ActivityRecorded(customer_id="x", activity="quiz"))
    assert says({}, quiz) is None


def test_a_review_is_verified_by_the_apps_word_else_by_our_own_orders() -> None:
    rule = a_rule(on="review.published", points="20", if_={"verified_purchase": "true"})
    desk = Desk(a_document(rule))
    desk.receives(an_order(), a_review(product="p1"), a_review(product="p9"))
    desk.receives(a_review(product="p2", verified_purchase=False))
    assert desk.balance() == (0, 20, 0)


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-05-01T19:59", False),  # Friday, 21:59 in Paris
        ("2026-05-01T20:00", True),  # Friday, 22:00
        ("2026-05-01T23:59", True),  # Saturday, 01:59: the night of Friday still
        ("2026-05-02T00:00", False),  # Saturday, 02:00
        ("2026-05-02T21:00", False),  # Saturday, 23:00
        ("2026-04-30T22:30", False),  # Friday, 00:30: the night of Thursday
    ],
)
def test_hours_that_cross_midnight_belong_to_the_day_on_which_they_begin(moment: str, holds: bool) -> None:
    night = {"weekday": "friday", "hours": "22:00 to 02:00"}
    assert (says(night, an_order(at=at(moment))) is None) is holds


def test_hours_may_end_with_the_day() -> None:
    assert says({"hours": "18:00 to 24:00"}, an_order(at=at("2026-05-04T21:59"))) is None
    assert says({"hours": "18:00 to 24:00"}, an_order(at=at("2026-05-04T22:00"))) is not None


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-29T00:59", True),  # 01:59 in Paris, and then it is 03:00
        ("2026-03-29T01:00", False),
        ("2026-10-25T00:30", True),  # 02:30
        ("2026-10-25T01:30", True),  # 02:30 once more
        ("2026-10-25T02:00", False),  # 03:00
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall_also_when_it_is_changed(moment: str, holds: bool) -> None:
    assert (says({"hours": "01:00 to 03:00"}, an_order(at=at(moment))) is None) is holds


def test_a_rule_may_be_for_all_but_the_first_order() -> None:
    asked = {"first_order": "false"}
    assert says(asked, an_order(), nth_order=1) == "it is order number 1, any other asked for"
    assert says(asked, an_order(), nth_order=2) is None


def test_a_rule_may_be_for_all_but_one_level() -> None:
    assert says({"not_level": "Gold"}, an_order(), level="Silver") is None
    assert says({"not_level": "Gold"}, an_order()) is None
    assert says({"not_level": "Gold"}, an_order(), level="Gold") == "level is Gold, other than Gold asked for"


def test_a_review_may_be_asked_for_its_product() -> None:
    assert says({"product": "tea-1"}, a_review(product="tea-1")) is None
    assert says({"product": ["tea-1"]}, a_review(product="cup-1")) == "product_id is cup-1, tea-1 asked for"
    assert says({"not_product": "tea-1"}, a_review(product="cup-1")) is None


def test_every_nth_order_counts_in_the_order_of_arrival_also_what_came_back() -> None:
    desk = Desk(a_document(a_rule(points="50", if_={"every_nth_order": "3"})))
    orders = [an_order_paid("10.00", at=at(f"2026-05-0{day}")) for day in (1, 2, 4, 3, 5, 6)]
    desk.receives(*orders[:2], a_refund(orders[0], amount="10.00"), *orders[2:])
    assert [desk.award(order).points for order in orders] == [0, 0, 50, 0, 0, 50]
