"""Threshold credit: what a spend in a period gives, whatever the order of arrival, and what refunds take of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.goals import Goal, Part, reaching, steps_of, worth
from services.ledger.program import parse
from shared.calendar import Period
from shared.events import Event
from shared.program_file import InvalidProgram
from tests.support.events import MEMBER, a_cancellation, a_fulfilment, a_line, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

CREDIT = "credit:EUR"
EACH_HUNDRED = a_rule("five per hundred", credit="5.00 EUR", for_spending="each 100.00 EUR per month")
ONCE = a_rule("loyal month", credit="10.00 EUR", for_spending="200.00 EUR per month")
MAY = at("2026-05-04T10:00")


def credit(desk: Desk, member: str = MEMBER) -> tuple[int, int, int]:
    """Pending, available, held."""
    return desk.balance(member, asset=CREDIT)


def an_order(total: str, day: int = 0, order_id: str | None = None, **more: Any) -> Event[Any]:
    return an_order_paid(total, at=MAY + timedelta(days=day), order_id=order_id, **more)


def test_the_worked_example() -> None:
    orders = [an_order("60.00", 0), an_order("70.00", 1), an_order("90.00", 2)]
    desk = Desk(a_document(EACH_HUNDRED))
    found = [credit(desk.receives(order)) for order in orders]
    assert found == [(0, 0, 0), (0, 500, 0), (0, 1000, 0)]
    assert credit(desk.receives(a_refund(orders[1], amount="35.00"))) == (0, 500, 0)


def test_once_a_period_however_much_is_spent() -> None:
    desk = Desk(a_document(ONCE)).receives(an_order("199.99"))
    assert credit(desk) == (0, 0, 0)
    assert credit(desk.receives(an_order("0.01", 1), an_order("900.00", 2))) == (0, 1000, 0)
    assert credit(desk.receives(an_order("200.00", 31))) == (0, 2000, 0), "June is another month"


def test_an_order_may_reach_several_steps_at_once_and_a_limit_bounds_them() -> None:
    desk = Desk(a_document(EACH_HUNDRED, ONCE | {"rule": "b", "limit": "1 per month"}))
    assert credit(desk.receives(an_order("350.00"))) == (0, 1500 + 1000, 0)
    bounded = Desk(a_document(EACH_HUNDRED | {"limit": "2 per month"}))
    assert credit(bounded.receives(an_order("350.00"), an_order("500.00", 1))) == (0, 1000, 0)


def test_a_month_is_that_of_the_payment_in_the_programs_zone() -> None:
    desk = Desk(a_document(ONCE))
    desk.receives(
        an_order_paid("100.00", at=at("2026-04-30T21:59")),
        an_order_paid("100.00", at=at("2026-04-30T22:00")),
        an_order_paid("99.99", at=at("2026-05-31T21:59")),
    )
    assert credit(desk) == (0, 0, 0)
    assert credit(desk.receives(an_order_paid("0.01", at=at("2026-05-20")))) == (0, 1000, 0)


def test_a_late_order_of_an_old_period_counts_there() -> None:
    desk = Desk(a_document(ONCE)).receives(an_order("150.00"), an_order("10.00", 60))
    assert credit(desk.receives(an_order("50.00", 3))) == (0, 1000, 0)


def test_a_refund_a_cancellation_and_an_edit_are_followed() -> None:
    first, second = an_order("120.00", 0, "a"), an_order("80.00", 1, "b")
    desk = Desk(a_document(ONCE)).receives(first, second)
    assert credit(desk) == (0, 1000, 0)
    assert credit(desk.receives(a_refund(first, amount="0.01"))) == (0, 0, 0)
    assert credit(desk.receives(an_order("80.01", 5, "b"))) == (0, 1000, 0)
    assert credit(desk.receives(a_cancellation(second))) == (0, 0, 0)


def test_a_refund_that_overtakes_its_order_is_waited_for() -> None:
    order = an_order("200.00")
    desk = Desk(a_document(ONCE)).receives(a_refund(order, amount="50.00"), order)
    assert credit(desk) == (0, 0, 0)
    assert credit(desk.receives(an_order("50.00", 2))) == (0, 1000, 0)


def test_what_is_reached_stays_where_another_order_reaches_it_now() -> None:
    first, second = an_order("200.00", 0), an_order("200.00", 1)
    desk = Desk(a_document(ONCE)).receives(first, second, a_refund(first, amount="200.00"))
    assert credit(desk) == (0, 1000, 0)
    assert [each.kind for each in desk.book.transfers if each.asset == CREDIT] == ["award"]


def test_it_waits_like_the_order_that_reaches_it() -> None:
    document = a_document(EACH_HUNDRED, pending={"order.paid": "14 days after order.fulfilled"})
    first, second = an_order("100.00", 0), an_order("100.00", 20)
    desk = Desk(document).receives(first, a_fulfilment(first, at=MAY + timedelta(days=1)), second)
    assert credit(desk.reaches(MAY + timedelta(days=20, hours=1))) == (500, 500, 0)
    desk.receives(a_fulfilment(second, at=MAY + timedelta(days=22)))
    assert credit(desk.reaches(MAY + timedelta(days=35))) == (500, 500, 0)
    assert credit(desk.reaches(MAY + timedelta(days=37))) == (0, 1000, 0)


def test_the_step_that_waits_is_taken_back_before_the_one_that_is_there() -> None:
    document = a_document(EACH_HUNDRED, pending={"order.paid": "14 days after order.paid"})
    first, second = an_order("100.00", 0), an_order("100.00", 20)
    desk = Desk(document).receives(first, second)
    assert credit(desk.receives(a_refund(first, amount="100.00", at=MAY + timedelta(days=21)))) == (0, 500, 0)
    third = an_order("100.00", 25)
    assert credit(desk.receives(third)) == (500, 500, 0), "the second step waits anew, like the third order"
    assert credit(desk.reaches(MAY + timedelta(days=39))) == (500, 500, 0)
    assert credit(desk.reaches(MAY + timedelta(days=40))) == (0, 1000, 0)


def test_a_late_order_that_reaches_it_earlier_shortens_the_wait() -> None:
    document = a_document(ONCE, pending={"order.paid": "14 days after order.paid"})
    desk = Desk(document).receives(an_order("150.00", 0), an_order("60.00", 10), an_order("50.00", 2))
    assert credit(desk.reaches(MAY + timedelta(days=16))) == (1000, 0, 0)
    assert credit(desk.reaches(MAY + timedelta(days=17))) == (0, 1000, 0)


def test_what_is_never_fulfilled_goes_back_after_the_deadline_and_comes_back_when_it_was_in_time() -> None:
    document = a_document(ONCE, pending={"order.paid": "14 days after order.fulfilled"})
    order = an_order("200.00")
    desk = Desk(document).receives(order).reaches(MAY + timedelta(days=92))
    assert credit(desk) == (0, 0, 0)
    desk.receives(a_fulfilment(order, at=MAY + timedelta(days=80)))
    assert credit(desk.reaches(MAY + timedelta(days=96))) == (0, 1000, 0)


def test_conditions_on_lines_narrow_what_counts_and_those_on_the_order_which_orders_count() -> None:
    tea = a_rule(
        "tea", points="100", for_spending="each 10.00 EUR per year", if_={"category": "tea", "channel": "app"}
    )
    lines = (a_line("25.00", categories=("tea",)), a_line("40.00"))
    desk = Desk(a_document(tea)).receives(an_order("65.00", lines=lines, channel="app"))
    assert desk.balance() == (0, 200, 0)
    desk.receives(an_order("65.00", 1, lines=lines, channel="web"), an_order("100.00", 2, currency="USD"))
    assert desk.balance() == (0, 200, 0)


def test_order_at_least_is_asked_anew_when_less_is_kept() -> None:
    big = ONCE | {"if": {"order_at_least": "60.00 EUR"}}
    first = an_order("100.00")
    desk = Desk(a_document(big)).receives(first, an_order("100.00", 1), an_order("59.99", 2))
    assert credit(desk) == (0, 1000, 0)
    assert credit(desk.receives(a_refund(first, amount="50.00"), an_order("90.00", 3))) == (0, 0, 0)
    assert credit(desk.receives(an_order("60.00", 4))) == (0, 1000, 0)


def test_conditions_on_the_person_are_those_of_the_orders_time() -> None:
    gold = ONCE | {"if": {"level": "Gold"}}
    order = an_order("200.00", 3, "a")
    desk = Desk(a_document(gold)).receives(
        an_order("150.00"), a_rise("Gold", since=MAY + timedelta(days=1)), order
    )
    assert credit(desk) == (0, 1000, 0)
    desk.receives(a_rise("Silver", since=MAY + timedelta(days=4)), an_order("190.00", 5, "a"))
    assert credit(desk) == (0, 0, 0), "the order still counts as that of a Gold member, and is below 200.00"
    assert credit(desk.receives(an_order("210.00", 6, "a"))) == (0, 1000, 0)


def test_the_first_orders_of_a_member_may_count_alone() -> None:
    desk = Desk(a_document(ONCE | {"if": {"first_order": "true"}}))
    assert credit(desk.receives(an_order("150.00"), an_order("300.00", 1))) == (0, 0, 0)


def test_points_for_a_spend_count_as_earned_and_are_explained() -> None:
    desk = Desk(a_document(a_rule("hundred", points="50", for_spending="100.00 EUR per lifetime")))
    desk.receives(an_order("60.00"), order := an_order("60.00", 700))
    (award,) = desk.book.awards.of(("demo", MEMBER)).values()
    assert (award.award_id, award.kind, award.cause) == ("goal:hundred:lifetime:1", "award", order.id)
    assert award.breakdown["goal"] == {
        "period": "lifetime",
        "steps": [1, 1],
        "order_id": order.data.order_id,
    }
    assert desk.told == ["earned 50"]


def test_a_new_version_with_other_terms_goes_on_with_what_is_not_rewarded_yet() -> None:
    half = EACH_HUNDRED | {"credit": "3.00 EUR", "for_spending": "each 50.00 EUR per month"}
    change = MAY + timedelta(days=5)
    desk = Desk(a_document(EACH_HUNDRED), later=[(change, a_document(half))])
    desk.receives(an_order("130.00"), an_order("10.00", 6))
    assert credit(desk) == (0, 500, 0), "30.00 and 10.00 do not make 50.00"
    desk.receives(an_order("10.00", 7))
    assert credit(desk) == (0, 800, 0)
    desk.receives(an_order("100.00", 1))
    assert credit(desk) == (0, 1300, 0), "what comes late was bought under the terms of its time"


def test_a_version_without_the_goal_counts_no_more_and_takes_nothing() -> None:
    change = MAY + timedelta(days=5)
    desk = Desk(a_document(ONCE), later=[(change, a_document(PER_EURO))])
    order = an_order("200.00")
    desk.receives(order, an_order("200.00", 6))
    assert credit(desk) == (0, 1000, 0)
    assert credit(desk.receives(a_refund(order, amount="1.00", at=MAY + timedelta(days=8)))) == (0, 0, 0)


def test_spent_credit_that_was_not_earned_after_all_is_owed() -> None:
    order = an_order("200.00")
    desk = Desk(a_document(a_rule("p", points="10", for_spending="200.00 EUR per month"))).receives(order)
    desk.spends(10)
    assert desk.receives(a_refund(order, amount="200.00")).balance() == (0, -10, 0)


# Whatever comes in which order: what a period holds is a function of what is kept of its orders.

amounts = st.integers(1, 300).map(lambda euros: f"{euros}.00")


@st.composite
def lives(draw: st.DrawFn) -> list[list[Event[Any]]]:
    """Orders of two months, perhaps edited, refunded, cancelled; each order's own events in their order."""
    found = []
    for number in range(draw(st.integers(1, 5))):
        order = an_order(draw(amounts), draw(st.integers(0, 50)), f"o{number}")
        more: list[Event[Any]] = []
        if draw(st.booleans()):
            more.append(
                an_order_paid(draw(amounts), order_id=f"o{number}", at=order.time + timedelta(hours=1))
            )
        if draw(st.booleans()):
            later = order.time + timedelta(days=draw(st.integers(1, 20)))
            more.append(a_refund(order, amount=draw(amounts), at=later))
        if draw(st.booleans()) and draw(st.booleans()):
            more.append(a_cancellation(order, at=order.time + timedelta(days=25)))
        found.append([order, *draw(st.permutations(more))])
    return found


def kept_in(events: list[Event[Any]]) -> tuple[datetime, int]:
    """When an order was paid, and the euros that are kept of it."""
    statements = sorted((e for e in events if e.type == "order.paid.v1"), key=lambda e: e.time)
    left = float(statements[-1].data.total)
    left -= sum(float(e.data.amount) for e in events if e.type == "order.refunded.v1")
    cancelled = any(e.type == "order.cancelled.v1" for e in events)
    return statements[0].time, 0 if cancelled else max(0, int(left))


@given(lives(), st.randoms(use_true_random=False), st.sampled_from(["immediate", "3 days after order.paid"]))
def test_each_period_holds_what_is_kept_of_its_orders(
    orders: list[list[Event[Any]]], random: Any, wait: str
) -> None:
    queues = [list(events) for events in orders]
    desk = Desk(a_document(EACH_HUNDRED, ONCE, pending={"order.paid": wait}))
    while any(queues):
        queue = random.choice([each for each in queues if each])
        desk.receives(queue.pop(0))
    desk.reaches(MAY + timedelta(days=200))
    months: dict[int, int] = {}
    for events in orders:
        paid_at, euros = kept_in(events)
        months[paid_at.month] = months.get(paid_at.month, 0) + euros
    assert sum(credit(desk)) == sum(500 * (euros // 100) + 1000 * (euros >= 200) for euros in months.values())


# The pure walk over a period.


def a_goal(**more: Any) -> Goal:
    return Goal("g", "points", 5, 100, "EUR", **more)


def parts(*spent: int) -> list[Part]:
    return [
        Part("p", "m", "g", "lifetime", f"o{n}", MAY + timedelta(days=n), 1, True, minor)
        for n, minor in enumerate(spent)
    ]


def test_steps_are_reached_in_the_order_of_the_payments() -> None:
    goal = a_goal(repeats=True)
    steps = steps_of(reversed(parts(60, 70, 90)), lambda _: goal)
    assert [(step.first, step.count, step.by.order_id) for step in steps] == [(0, 1, "o1"), (1, 1, "o2")]
    assert (worth(steps, 0, 2), worth(steps, 1, 2), worth(steps, 1, 1)) == (10, 5, 0)
    assert reaching(steps, 1).order_id == "o2"


@pytest.mark.parametrize(
    ("goal", "steps"), [(a_goal(), 1), (a_goal(repeats=True), 10), (a_goal(repeats=True, most_steps=3), 3)]
)
def test_how_often_it_is_given(goal: Goal, steps: int) -> None:
    assert sum(step.count for step in steps_of(parts(350, 650), lambda _: goal)) == steps


def test_a_period_begins_with_its_first_day() -> None:
    day = MAY.date()
    found = [a_goal(period=period).period_of(day) for period in (*Period, None)]
    assert found == [
        "day:2026-05-04", "week:2026-05-04", "month:2026-05-01", "quarter:2026-04-01", "year:2026-01-01", "lifetime",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ({"for_spending": "100.00 EUR"}, ".for_spending"),
        ({"for_spending": "0.00 EUR per month"}, ".for_spending"),
        ({"for_spending": "1.001 EUR per month"}, ".for_spending"),
        ({"for_spending": "each 1.00 EUR per fortnight"}, ".for_spending"),
        ({"limit": "1 per year"}, ".limit"),
        ({"limit": "1 per product"}, ".limit"),
        ({"per": "1.00 EUR"}, ""),
        ({"at_most": "5 per month"}, ""),
        ({"on": "quiz"}, ""),
        ({"credit": "0.00 EUR"}, ""),
    ],
)
def test_a_goal_that_cannot_work_is_refused(words: dict[str, str], path: str) -> None:
    with pytest.raises(InvalidProgram) as refused:
        parse(a_document(EACH_HUNDRED | words))
    errors: Any = refused.value.extra["errors"]
    assert [each["path"] for each in errors] == [f"ledger.earn[0]{path}"]
