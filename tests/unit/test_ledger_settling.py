"""What falls due by itself: at its own moment, in its order, and only once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOON, a_cancellation, a_fulfilment, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, at

FROM_PAID: dict[str, Any] = {"pending": {"order.paid": "14 days after order.paid"}}
FROM_FULFILLED: dict[str, Any] = {"pending": {"order.paid": "14 days after order.fulfilled"}}
DUE = at("2026-05-18T22:00")  # the midnight in Paris that follows the fourteenth day after 4 May


def happened(desk: Desk) -> list[tuple[str, datetime]]:
    return [(transfer.kind, transfer.happened_at) for transfer in desk.book.transfers]


def test_what_is_due_in_days_falls_due_at_the_midnight_that_follows() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID)).receives(an_order_paid("42.00"))
    assert desk.reaches(DUE - timedelta(seconds=1)).balance() == (42, 0, 0)
    assert desk.reaches(DUE).balance() == (0, 42, 0)


def test_a_due_thing_is_booked_at_its_own_moment_however_late_somebody_looks() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID, points={"expire": "1 month"}))
    desk.receives(an_order_paid("42.00")).reaches(NOON + timedelta(days=500))
    assert happened(desk) == [("award", NOON), ("activation", DUE), ("expiry", at("2026-06-19T22:00"))]


def test_the_expiry_clock_starts_at_activation() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID, points={"expire": "1 month"}))
    desk.receives(an_order_paid("42.00")).reaches(DUE)
    (lot,) = desk.lots()
    assert (lot.opened_at, lot.expires_at) == (DUE, at("2026-06-19T22:00"))


def test_at_one_instant_waits_end_first_then_lots_expire_then_holds_time_out() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID, points={"expire": "1 month"}))
    meet = at("2026-06-19T22:00")  # when the first order's lot expires
    desk.receives(an_order_paid("10.00"), an_order_paid("20.00", at=at("2026-06-05T12:00")))
    desk.reaches(at("2026-06-10"))
    desk.holds(4, minutes=int((meet - desk.now).total_seconds() // 60))
    desk.reaches(meet)
    assert [kind for kind, moment in happened(desk) if moment == meet] == [
        "activation",
        "expiry",
        "release",
        "expiry",
    ]
    assert desk.balance() == (0, 20, 0)


def test_what_expires_at_a_moment_cannot_be_spent_at_it() -> None:
    desk = Desk(a_document(PER_EURO, points={"expire": "1 month"})).receives(an_order_paid("42.00"))
    desk.now = at("2026-06-04T22:00")
    with pytest.raises(Exception, match="1 points asked for, 0 available"):
        desk.holds(1)


def test_what_becomes_available_at_a_moment_can_be_spent_at_it() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID)).receives(an_order_paid("42.00"))
    desk.now = DUE
    assert desk.holds(42).points == 42


def test_a_wait_for_a_fulfilment_begins_with_it() -> None:
    desk, order = Desk(a_document(PER_EURO, **FROM_FULFILLED)), an_order_paid("42.00")
    desk.receives(order, a_fulfilment(order, at=NOON + timedelta(days=3)))
    assert desk.reaches(DUE + timedelta(days=3, seconds=-1)).balance() == (42, 0, 0)
    assert desk.reaches(DUE + timedelta(days=3)).balance() == (0, 42, 0)


def test_a_second_fulfilment_changes_nothing() -> None:
    desk, order = Desk(a_document(PER_EURO, **FROM_FULFILLED)), an_order_paid("42.00")
    desk.receives(order, a_fulfilment(order), a_fulfilment(order, at=NOON + timedelta(days=9)))
    assert desk.reaches(DUE).balance() == (0, 42, 0)


def test_a_fulfilment_that_overtakes_its_order_is_waited_for() -> None:
    desk, order = Desk(a_document(PER_EURO, **FROM_FULFILLED)), an_order_paid("42.00")
    desk.receives(a_fulfilment(order, at=NOON + timedelta(days=3)), order)
    assert desk.reaches(DUE + timedelta(days=3)).balance() == (0, 42, 0)


def test_what_is_never_fulfilled_goes_back_at_the_deadline() -> None:
    desk, order = Desk(a_document(PER_EURO, **FROM_FULFILLED)), an_order_paid("42.00")
    deadline = at("2026-08-02T22:00")  # the midnight that follows the ninetieth day
    desk.receives(order)
    assert desk.reaches(deadline - timedelta(seconds=1)).balance() == (42, 0, 0)
    assert desk.reaches(deadline).balance() == (0, 0, 0)
    assert (desk.award(order).state, desk.told) == ("cancelled", ["pending 42", "reversed 42"])


def test_what_was_taken_back_while_it_waited_does_not_become_available() -> None:
    desk = Desk(a_document(PER_EURO, **FROM_PAID))
    part, all_of_it = an_order_paid("42.00"), an_order_paid("7.00")
    desk.receives(part, all_of_it, a_refund(part, amount="40.00"), a_cancellation(all_of_it))
    assert desk.reaches(DUE).balance() == (0, 2, 0)
    assert desk.kinds.count("activation") == 1


def test_a_late_order_is_booked_as_of_its_time_and_expires_with_the_next_look() -> None:
    desk = Desk(a_document(PER_EURO, points={"expire": "1 month"}))
    desk.receives(an_order_paid("1.00", at=NOON + timedelta(days=100)), an_order_paid("42.00"))
    assert desk.balance() == (0, 43, 0)
    desk.reaches(NOON + timedelta(days=100))
    assert desk.balance() == (0, 1, 0)
    assert happened(desk)[-1] == ("expiry", at("2026-06-04T22:00"))


def test_a_late_event_undoes_no_spend() -> None:
    desk, order = Desk(a_document(PER_EURO, points={"expire": "1 month"})), an_order_paid("42.00")
    desk.receives(order)
    desk.now = NOON + timedelta(days=10)
    desk.spends(42)
    desk.receives(a_refund(order, amount="42.00", at=NOON + timedelta(days=5)))
    assert desk.balance() == (0, -42, 0)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 99)), max_size=8),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_looking_often_or_seldom_comes_to_the_same_book(
    bought: list[tuple[int, int]], looks: list[int]
) -> None:
    words: dict[str, Any] = {**FROM_PAID, "points": {"expire": "2 months"}}
    seldom, often = Desk(a_document(PER_EURO, **words)), Desk(a_document(PER_EURO, **words))
    orders = [an_order_paid(f"{total}.00", at=NOON + timedelta(days=day)) for day, total in sorted(bought)]
    steps = [(order.time, order) for order in orders] + [
        (NOON + timedelta(days=day, hours=1), None) for day in looks
    ]
    seldom.receives(*orders)
    for moment, order in sorted(steps, key=lambda step: step[0]):
        if order is not None:
            often.receives(order)
        else:
            often.reaches(moment)
    end = NOON + timedelta(days=1000)
    assert list(seldom.reaches(end).book.transfers) == list(often.reaches(end).book.transfers)
