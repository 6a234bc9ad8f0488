"""Caps of rules: how often and how much a rule may give one member."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from services.ledger.domain.caps import bucket_of
from services.ledger.domain.conditions import Facts
from services.ledger.domain.rules import Cap
from shared.events import ActivityRecorded
from tests.support.events import (
    MEMBER,
    a_line,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rule, at


def after_orders(rule: dict[str, Any], *totals: str, dates: tuple[str, ...] = ()) -> list[int]:
    """What each of these orders was awarded under one rule."""
    desk = Desk(a_document(rule))
    moments = [at(text) for text in dates] or [at("2026-05-04")] * len(totals)
    orders = [an_order_paid(total, at=moment) for total, moment in zip(totals, moments, strict=True)]
    desk.receives(*orders)
    return [desk.award(order).points for order in orders]


def test_points_beyond_the_cap_shrink_to_its_room() -> None:
    assert after_orders(PER_EURO | {"at_most": "100 per month"}, "80.00", "80.00", "80.00") == [80, 20, 0]


def test_or_the_whole_contribution_is_rejected_and_takes_no_room() -> None:
    rule = PER_EURO | {"at_most": "100 per month", "beyond": "reject"}
    assert after_orders(rule, "80.00", "80.00", "20.00") == [80, 0, 20]


def test_times_are_counted_and_what_gives_nothing_is_no_time() -> None:
    rule = a_rule(points="50", limit="2 per year", if_={"order_at_least": "10.00 EUR"})
    assert after_orders(rule, "10.00", "9.00", "10.00", "10.00") == [50, 0, 50, 0]


def test_a_limit_of_none_at_all_gives_nothing() -> None:
    assert after_orders(a_rule(points="50", limit="0 per month"), "10.00") == [0]


def test_all_caps_of_a_rule_hold() -> None:
    rule = PER_EURO | {"limit": "2 per day", "at_most": "100 per month"}
    assert after_orders(rule, "30.00", "30.00", "30.00") == [30, 30, 0]
    assert after_orders(rule, "90.00", "30.00", "30.00") == [90, 10, 0]


def test_caps_count_exact_points_and_not_what_was_rounded() -> None:
    assert after_orders(PER_EURO | {"at_most": "2 per month"}, "0.75", "0.75", "5.00") == [0, 0, 0]
    desk = Desk(a_document(PER_EURO | {"at_most": "2 per month"}))
    desk.receives(*(an_order_paid("0.75") for _ in range(2)))
    (usage,) = desk.book.usage.of(("demo", MEMBER)).values()
    assert (usage.times, usage.points) == (2, Fraction(3, 2))


def test_a_capped_base_rule_shrinks_on_all_lines_in_proportion() -> None:
    desk = Desk(a_document(PER_EURO | {"at_most": "30 per month"}))
    order = an_order_paid("60.00", lines=(a_line("40.00"), a_line("20.00")))
    assert desk.receives(order).award(order).breakdown["lines"] == [20, 10]


@pytest.mark.parametrize(
    ("limit", "same", "another"),
    [
        # midnight in Paris is 22:00 UTC in summer, 23:00 in winter
        ("1 per day", ("2026-05-04T22:00", "2026-05-05T21:59"), ("2026-05-04T21:59", "2026-05-04T22:00")),
        ("1 a day", ("2026-12-04T23:00", "2026-12-05T22:59"), ("2026-12-04T22:59", "2026-12-04T23:00")),
        ("1 per week", ("2026-05-03T22:00", "2026-05-10T21:59"), ("2026-05-03T21:59", "2026-05-03T22:00")),
        # 1 January 2027 is a Friday of ISO week 53 of 2026
        ("1 per week", ("2026-12-30", "2027-01-02"), ("2027-01-03", "2027-01-04")),
        ("1 per month", ("2026-04-30T22:00", "2026-05-31T21:59"), ("2026-04-30T21:59", "2026-04-30T22:00")),
        ("1 per year", ("2025-12-31T23:00", "2026-12-31T22:59"), ("2025-12-31T22:59", "2025-12-31T23:00")),
    ],
)
def test_periods_are_those_of_the_programs_zone(
    limit: str, same: tuple[str, str], another: tuple[str, str]
) -> None:
    rule = a_rule(points="50", limit=limit)
    assert after_orders(rule, "1.00", "1.00", dates=same) == [50, 0]
    assert after_orders(rule, "1.00", "1.00", dates=another) == [50, 50]


def test_a_lifetime_never_ends() -> None:
    rule = a_rule(points="50", limit="1 per lifetime")
    assert after_orders(rule, "1.00", "1.00", dates=("1999-01-01", "2026-05-04")) == [50, 0]


def test_a_share_counts_once_per_network_and_day_by_default() -> None:
    desk = Desk(a_document(a_rule(on="content.shared", points="5")))
    desk.receives(
        a_share(network="x", at=at("2026-05-04T10:00")),
        a_share(network="x", at=at("2026-05-04T21:59")),
        a_share(network="y", at=at("2026-05-04T21:59")),
        a_share(network="x", at=at("2026-05-04T22:00")),
    )
    assert desk.balance() == (0, 15, 0)


def test_a_subject_is_what_the_activity_was_about() -> None:
    desk = Desk(a_document(a_rule(on="quiz", points="5", limit="1 per subject")))
    desk.receives(
        *(an_event(ActivityRecorded(customer_id=MEMBER, activity="quiz", subject=s)) for s in ("a", "a", "b"))
    )
    assert desk.balance() == (0, 10, 0)


def test_caps_are_each_members_own() -> None:
    desk = Desk(a_document(a_rule(points="50", limit="1 per lifetime")), members=("a", "b"))
    desk.receives(an_order_paid("1.00", member="a"), an_order_paid("1.00", member="b"))
    assert (desk.balance("a"), desk.balance("b")) == ((0, 50, 0), (0, 50, 0))


def test_a_refund_gives_no_room_back() -> None:
    desk = Desk(a_document(PER_EURO | {"at_most": "100 per month"}))
    first, second = an_order_paid("100.00"), an_order_paid("50.00")
    desk.receives(first, a_refund(first, amount="100.00"), second)
    assert desk.award(second).points == 0


def test_the_room_that_was_found_bounds_the_award_ever_after() -> None:
    desk = Desk(a_document(PER_EURO | {"at_most": "100 per month"}))
    first, second = an_order_paid("80.00"), an_order_paid("80.00")
    desk.receives(first, second, a_refund(second, amount="30.00"))
    assert desk.award(second).held_points == 20, "of 50.00 kept, the room allows 20"
    desk.receives(a_refund(second, amount="40.00"))
    assert desk.award(second).held_points == 10


def test_an_edited_order_stays_within_the_room_that_was_found() -> None:
    desk = Desk(a_document(PER_EURO | {"at_most": "100 per month"}))
    order = an_order_paid("50.00", order_id="edited")
    desk.receives(order, an_order_paid("500.00", order_id="edited"))
    assert desk.award(order).points == 100


def test_what_was_rejected_is_not_revived_by_a_refund() -> None:
    desk = Desk(a_document(PER_EURO | {"at_most": "100 per month", "beyond": "reject"}))
    order = an_order_paid("120.00")
    desk.receives(order, a_refund(order, amount="50.00"))
    assert desk.award(order).held_points == 0


def test_a_removed_review_frees_its_product() -> None:
    desk = Desk(a_document(a_rule(on="review.published", points="20")))
    first = a_review(product="tea")
    desk.receives(first, a_review(product="tea"), a_review(product="cup"))
    assert desk.balance() == (0, 40, 0)
    desk.receives(a_review_removed(first), a_review(product="tea"))
    assert desk.balance() == (0, 40, 0)


def test_a_review_that_is_removed_twice_frees_its_product_once() -> None:
    desk = Desk(a_document(a_rule("review", on="review.published", points="20", limit="1 per product")))
    first = a_review(product="tea")
    desk.receives(first, a_review_removed(first), a_review(product="tea"))
    desk.receives(a_review_removed(first), a_review(product="tea"))
    assert desk.balance() == (0, 20, 0)


def test_a_removed_review_frees_no_other_cap() -> None:
    desk = Desk(
        a_document(a_rule(on="review.published", points="20", limit="1 per product", at_most="20 per month"))
    )
    first = a_review(product="tea")
    desk.receives(first, a_review_removed(first), a_review(product="tea"))
    assert desk.balance() == (0, 0, 0)


def test_a_bucket_names_its_period_and_subject() -> None:
    facts = Facts(trigger="x", at=at("2027-01-01T12:00"), product_id="tea=1", network="x")
    caps = (Cap(times=1, by=("product",)), Cap(points=5, by=("network", "week")), Cap(times=1))
    assert [bucket_of(cap, facts) for cap in caps] == [
        "times:product=tea=1",
        "points:network=x,week=2026-W53",
        "times:ever",
    ]


def test_a_program_reads_limits_as_people_write_them() -> None:
    program = a_program(
        a_rule("a", on="content.shared", limit="1 per network and day", points="1"),
        a_rule("b", at_most="500 per month", beyond="reject", points="1"),
        a_rule("c", limit="3 a week", points="1"),
        a_rule("d", on="review.published", points="1"),
    )
    assert [rule.caps for rules in program.rules.values() for rule in rules] == [
        (Cap(times=1, by=("network", "day")),),
        (Cap(points=500, by=("month",), rejects=True),),
        (Cap(times=3, by=("week",)),),
        (Cap(times=1, by=("product",)),),
    ]
