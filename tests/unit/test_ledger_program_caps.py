"""Caps of the program: how many whole points all earning rules together give one member."""

from __future__ import annotations

from typing import Any

from tests.support.events import MEMBER, a_refund, a_share, a_sign_up, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at


def after_orders(*totals: str, caps: list[dict[str, str]], dates: tuple[str, ...] = ()) -> list[int]:
    """What each of these orders was awarded at one point per euro and 10 for the order."""
    desk = Desk(a_document(PER_EURO, a_rule("ten", points="10"), caps=caps))
    moments = [at(text) for text in dates] or [at("2026-05-04")] * len(totals)
    orders = [an_order_paid(total, at=moment) for total, moment in zip(totals, moments, strict=True)]
    desk.receives(*orders)
    return [desk.award(order).points for order in orders]


def cap(text: str, beyond: str = "shrink") -> dict[str, str]:
    return {"at_most": text, "beyond": beyond}


def test_all_rules_together_stay_within_it() -> None:
    assert after_orders("80.00", "80.00", "1.00", caps=[cap("100 points per day")]) == [90, 10, 0]


def test_or_what_does_not_fit_is_rejected_as_a_whole() -> None:
    assert after_orders("80.00", "1.00", "0.00", caps=[cap("100 points per day", "reject")]) == [90, 0, 10]


def test_several_hold_together() -> None:
    caps = [cap("50 points per day"), cap("120 points per month")]
    dates = ("2026-05-04", "2026-05-04", "2026-05-05", "2026-05-06", "2026-06-01")
    assert after_orders(*["40.00"] * 5, caps=caps, dates=dates) == [50, 0, 50, 20, 50]


def test_whole_points_count_and_not_exact_ones() -> None:
    assert after_orders("0.90", "0.90", "5.00", caps=[cap("22 points per year")]) == [10, 10, 2]


def test_periods_of_weeks_and_lifetimes() -> None:
    dates = ("2026-05-03T21:59", "2026-05-03T22:00", "2026-05-10T21:59")
    assert after_orders(*["40.00"] * 3, caps=[cap("60 points per week")], dates=dates) == [50, 50, 10]
    years = ("1999-01-01", "2026-05-04")
    assert after_orders(*["40.00"] * 2, caps=[cap("60 points per lifetime")], dates=years) == [50, 10]


def test_rule_caps_come_first() -> None:
    capped = PER_EURO | {"at_most": "30 per month"}
    desk = Desk(a_document(capped, caps=[cap("45 points per month")]))
    orders = [an_order_paid("25.00"), an_order_paid("25.00"), a_share(network="x")]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders[:2]] == [25, 5]


def test_deeds_count_and_rewards_of_levels_do_not() -> None:
    desk = Desk(
        a_document(
            a_rule("welcome", on="customer.signed_up", points="60"),
            a_rule("share", on="content.shared", points="30"),
            caps=[cap("80 points per day")],
        )
    )
    desk.receives(a_sign_up(), a_rise(since=at("2026-05-04"), points=500), a_share(network="x"))
    assert desk.balance() == (0, 60 + 500 + 20, 0)


def test_each_asset_and_each_member_has_its_own() -> None:
    stamp = a_rule("stamp", gives="1 stamp")
    desk = Desk(a_document(PER_EURO, stamp, caps=[cap("2 stamps per day")]), members=("a", "b"))
    desk.receives(*(an_order_paid("10.00", member=member) for member in "aaab"))
    found = [desk.balance(member, asset=asset)[1] for member in "ab" for asset in ("points", "stamps")]
    assert found == [30, 2, 10, 1]


def test_the_room_that_was_found_bounds_an_edit_and_a_refund() -> None:
    document = a_document(PER_EURO, caps=[cap("100 points per day")])
    order = an_order_paid("50.00", order_id="edited")
    desk = Desk(document).receives(order, an_order_paid("500.00", order_id="edited"))
    assert desk.award(order).points == 100
    first, second = an_order_paid("80.00"), an_order_paid("80.00")
    desk = Desk(document).receives(first, second, a_refund(second, amount="30.00"))
    assert desk.award(second).held_points == 20, "of 50.00 kept, the room allows 20"
    assert desk.receives(a_refund(second, amount="40.00")).award(second).held_points == 10


def test_a_refund_gives_no_room_back_and_revives_nothing() -> None:
    document = a_document(PER_EURO, caps=[cap("100 points per day", "reject")])
    first, second = an_order_paid("100.00"), an_order_paid("120.00")
    desk = Desk(document).receives(first, a_refund(first, amount="100.00"), second)
    desk.receives(a_refund(second, amount="50.00"))
    assert (desk.award(second).points, desk.balance()) == (0, (0, 0, 0))


def test_the_split_over_the_lines_adds_up_to_what_is_left() -> None:
    desk = Desk(a_document(PER_EURO, a_rule("ten", points="10"), caps=[cap("30 points per day")]))
    order = an_order_paid("50.00")
    award = desk.receives(order).award(order)
    assert (award.breakdown["lines"], award.breakdown["bonus"]) == ([25], 5)


def test_it_is_explained_what_was_cut_and_by_which_cap() -> None:
    limited = a_rule("ten", points="10", limit="1 per month")
    capped = PER_EURO | {"at_most": "100 per month"}
    desk = Desk(a_document(capped, limited, caps=[cap("105 points per day"), cap("500 points per year")]))
    orders = [an_order_paid("80.00"), an_order_paid("80.00")]
    desk.receives(*orders)
    found: list[Any] = [desk.award(order).breakdown.get("cuts") for order in orders]
    assert found == [
        None,
        [
            ["base", "100 per month", "80", "80", "20"],
            ["ten", "1 per month", "1", "10", "0"],
            ["", "105 per day", "90", "20", "15"],
        ],
    ]


def test_a_goal_counts_within_it() -> None:
    goal = a_rule("goal", points="50", for_spending="each 100.00 EUR per month")
    desk = Desk(a_document(goal, caps=[cap("120 points per month")]))
    desk.receives(an_order_paid("100.00"), an_order_paid("250.00"))
    assert desk.balance() == (0, 120, 0)
    (first, second) = desk.book.awards.of(("demo", MEMBER)).values()
    assert (first.points, second.points) == (50, 70)
    assert second.breakdown["cuts"] == [["", "120 per month", "50", "100", "70"]]


def test_what_the_program_refused_wholly_uses_up_no_cap_of_a_rule() -> None:
    once = a_rule("ten", points="10", limit="1 per month")
    desk = Desk(a_document(PER_EURO, once, caps=[cap("50 points per day")]))
    first = an_order_paid("60.00", member=MEMBER, at=at("2026-05-04"))
    again, later = an_order_paid("5.00", at=at("2026-05-04")), an_order_paid("5.00", at=at("2026-06-05"))
    desk.receives(first, again, later)
    assert [desk.award(order).points for order in (first, again, later)] == [50, 0, 15]
    rejecting = [cap("10 points per day", "reject")]
    desk = Desk(a_document(a_rule("ten", points="10", limit="1 per month"), PER_EURO, caps=rejecting))
    orders = [
        an_order_paid(total, at=at(day)) for total, day in (("5.00", "2026-05-04"), ("0.00", "2026-05-05"))
    ]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders] == [0, 10]
