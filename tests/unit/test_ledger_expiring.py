"""Members hear in time of what will expire: once per group and step, at its own midnight."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.program import parse
from shared.errors import ServiceError
from shared.events import PointsExpiring
from tests.support.events import a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, at

MONTHS = {"expire": "12 months", "rounded_to": "month"}  # of May 2026: to the end of May 2027
THIRTY, SEVEN, ONE = at("2027-05-01T22:00"), at("2027-05-24T22:00"), at("2027-05-30T22:00")
EXPIRY = at("2027-05-31T22:00")


def a_desk(points: dict[str, Any] | None = None, *totals: str) -> Desk:
    desk = Desk(a_document(PER_EURO, points=points or MONTHS))
    for number, total in enumerate(totals):
        desk.receives(an_order_paid(total, order_id=f"o{number}", at=at("2026-05-04T10:00")))
    return desk


def expiring(desk: Desk) -> list[tuple[datetime, int, int]]:
    """What was told: when, how many points, how many days before."""
    return [
        (event.time, event.data.points, event.data.days_left)
        for event in desk.book.outgoing
        if isinstance(event.data, PointsExpiring)
    ]


def test_a_group_of_lots_is_told_of_at_once_thirty_seven_and_one_day_before() -> None:
    desk = a_desk(None, "50.00", "30.00").reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 80, 30), (SEVEN, 80, 7), (ONE, 80, 1)]
    told = [event for event in desk.book.outgoing if isinstance(event.data, PointsExpiring)]
    assert len({event.id for event in told}) == 3
    assert {event.data.expires_at for event in told} == {EXPIRY}
    assert told[0].data.balance.available == 80


def test_what_was_spent_meanwhile_counts_less_and_then_nothing() -> None:
    desk = a_desk(None, "50.00", "30.00").reaches(THIRTY)
    desk.pays(60)
    desk.reaches(SEVEN)
    desk.pays(20, "rest")
    desk.reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 80, 30), (SEVEN, 20, 7)]


def test_a_job_that_runs_late_tells_the_same_at_the_same_moments() -> None:
    in_time, late = a_desk(None, "50.00"), a_desk(None, "50.00")
    for moment in (THIRTY - timedelta(seconds=1), THIRTY, SEVEN, ONE, EXPIRY):
        in_time.reaches(moment).reaches(moment)
    late.reaches(EXPIRY + timedelta(days=99))
    assert expiring(in_time) == expiring(late) == [(THIRTY, 50, 30), (SEVEN, 50, 7), (ONE, 50, 1)]


def test_points_that_live_on_are_not_told_of() -> None:
    desk = a_desk({"expire": "after 12 months without activity"}, "50.00")
    desk.receives(an_order_paid("1.00", order_id="later", at=at("2027-05-01T10:00")))
    desk.reaches(at("2028-04-01"))
    assert expiring(desk) == [(at("2027-04-04T22:00"), 50, 30), (at("2027-04-27T22:00"), 50, 7)]
    desk.reaches(at("2028-06-01"))
    assert [points for _, points, _ in expiring(desk)] == [50, 50, 51, 51, 51]


def test_a_lot_that_joins_a_group_is_told_of_at_the_next_step() -> None:
    desk = a_desk({"expire": "every 31 may", "least": "0 days"})
    desk.receives(an_order_paid("50.00", order_id="a", at=at("2027-01-01T10:00")))
    desk.receives(an_order_paid("30.00", order_id="b", at=at("2027-05-10T10:00")))
    desk.reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 50, 30), (SEVEN, 80, 7), (ONE, 80, 1)]


def test_a_late_lot_does_not_tell_a_step_again() -> None:
    desk = a_desk(None, "50.00").reaches(THIRTY)
    desk.receives(an_order_paid("30.00", order_id="late", at=at("2026-05-05T10:00")))
    desk.reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 50, 30), (SEVEN, 80, 7), (ONE, 80, 1)]


def test_a_late_lot_is_told_of_alone_where_the_last_step_was_told_without_it() -> None:
    late = an_order_paid("30.00", order_id="late", at=at("2026-05-05T10:00"))
    after_all = a_desk(None, "50.00").reaches(ONE).receives(late).reaches(EXPIRY)
    assert expiring(after_all) == [(THIRTY, 50, 30), (SEVEN, 50, 7), (ONE, 50, 1), (ONE, 30, 1)]
    once = a_desk({**MONTHS, "announce": ["30 days"]}, "50.00").reaches(THIRTY).receives(late).reaches(EXPIRY)
    assert expiring(once) == [(THIRTY, 50, 30), (THIRTY, 30, 30)]
    for desk in (after_all, once):
        assert len({event.id for event in desk.book.outgoing}) == len(desk.book.outgoing)


def test_a_late_lot_is_told_of_though_what_was_told_before_is_spent() -> None:
    desk = a_desk(None, "50.00").reaches(ONE)
    desk.pays(50)
    desk.receives(an_order_paid("30.00", order_id="late", at=at("2026-05-05T10:00"))).reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 50, 30), (SEVEN, 50, 7), (ONE, 50, 1), (ONE, 30, 1)]


def test_a_late_lot_tells_nothing_of_one_that_was_opened_after_that_step() -> None:
    desk = a_desk({"expire": "every 31 may", "least": "0 days"})
    desk.receives(an_order_paid("50.00", order_id="in time", at=at("2027-05-10T10:00")))
    desk.receives(an_order_paid("30.00", order_id="late", at=at("2027-01-01T10:00"))).reaches(EXPIRY)
    assert expiring(desk) == [(THIRTY, 30, 30), (SEVEN, 80, 7), (ONE, 80, 1)]


def test_what_came_back_is_told_of_from_then_on() -> None:
    desk = a_desk(None, "50.00").reaches(at("2027-04-01"))
    desk.pays(50)
    desk.reaches(at("2027-05-20"))
    assert expiring(desk) == []
    back = a_desk(None, "50.00")
    back.now = THIRTY - timedelta(minutes=10)
    back.holds(50, minutes=20)
    back.reaches(EXPIRY)
    assert expiring(back) == [(SEVEN, 50, 7), (ONE, 50, 1)]


def test_a_refund_leaves_nothing_to_tell() -> None:
    order = an_order_paid("50.00", order_id="o", at=at("2026-05-04T10:00"))
    desk = (
        a_desk().receives(order, a_refund(order, amount="50.00", at=at("2026-06-01T10:00"))).reaches(EXPIRY)
    )
    assert expiring(desk) == []


def test_the_program_says_how_long_before() -> None:
    desk = a_desk({**MONTHS, "announce": ["1 day", "14 days"]}, "50.00").reaches(EXPIRY)
    assert [days for _, _, days in expiring(desk)] == [14, 1]
    assert expiring(a_desk({**MONTHS, "announce": []}, "50.00").reaches(EXPIRY)) == []
    with pytest.raises(ServiceError, match="at least `1 day`"):
        parse(a_document(PER_EURO, points={"announce": ["0 days"]}))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 800), st.integers(1, 50)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 60)), max_size=4),
)
def test_no_step_of_a_group_is_told_twice_nor_late_nor_of_nothing(
    orders: list[tuple[int, int]], spends: list[tuple[int, int]]
) -> None:
    desk = a_desk({"expire": "3 months", "rounded_to": "month"})
    for number, (day, total) in enumerate(orders):
        moment = at("2026-01-01T10:00") + timedelta(days=day)
        desk.receives(an_order_paid(f"{total}.00", order_id=f"o{number}", at=moment))
    for number, (day, points) in enumerate(sorted(spends)):
        desk.reaches(max(desk.now, at("2026-01-01T10:00") + timedelta(days=day)))
        if points <= desk.balance()[1]:
            desk.pays(points, f"s{number}")
    desk.reaches(at("2032-01-01"))
    told = [event for event in desk.book.outgoing if isinstance(event.data, PointsExpiring)]
    assert len({event.id for event in told}) == len(told)
    for event in told:
        assert event.data.points > 0
        assert timedelta(0) <= event.data.expires_at - event.time - timedelta(days=event.data.days_left - 1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 150), st.integers(1, 50)), min_size=1, max_size=6),
    st.sampled_from([["30 days", "7 days", "1 day"], ["7 days"], ["60 days", "1 day"]]),
)
def test_whatever_expires_was_told_of_at_the_last_step_exactly_once_however_late_it_came(
    orders: list[tuple[int, int, int]], announce: list[str]
) -> None:
    desk = a_desk({"expire": "3 months", "rounded_to": "month", "announce": announce})
    begin, last = at("2026-01-01T10:00"), min(int(each.split()[0]) for each in announce)
    for day, late, total in sorted(orders, key=lambda order: order[0] + order[1]):
        desk.reaches(max(desk.now, begin + timedelta(days=day + late)))
        desk.receives(an_order_paid(f"{total}.00", order_id=f"{day}-{late}", at=begin + timedelta(days=day)))
    desk.reaches(at("2032-01-01"))
    told = sum(points for _, points, days in expiring(desk) if days == last)
    assert told == sum(transfer.amount for transfer in desk.book.transfers if transfer.kind == "expiry")
    assert len({event.id for event in desk.book.outgoing}) == len(desk.book.outgoing)
