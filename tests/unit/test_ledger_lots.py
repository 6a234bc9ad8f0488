"""Lots, deficits and holds: what is spent first, where it goes back to, and what is owed."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.lots import draw, spending_order, take
from services.ledger.domain.program import PointsPolicy
from services.ledger.domain.records import Draw, Lot
from services.ledger.errors import (
    HoldClosed,
    HoldConflict,
    HoldExceeded,
    InsufficientPoints,
    UnknownHold,
)
from shared.calendar import Period, midnight
from shared.errors import ServiceError
from shared.events import CustomerDeleted
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_refund,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

PARIS = ZoneInfo("Europe/Paris")
MONTH: dict[str, Any] = {"points": {"expire": "1 month"}}


def a_lot(number: int, remaining: int, *, expires: datetime | None = None, opened: datetime = NOON) -> Lot:
    return Lot("demo", MEMBER, "points", number, None, None, opened, expires, remaining, remaining)


def a_desk(*orders: str, **words: Any) -> Desk:
    """A desk at which orders of these totals were paid, one a day, the last of them at noon."""
    desk = Desk(a_document(PER_EURO, **words))
    for day, total in enumerate(reversed(orders)):
        desk.receives(an_order_paid(total, at=NOON - timedelta(days=day)))
    return desk


def test_the_soonest_expiry_is_spent_first_then_the_oldest_and_never_expiring_last() -> None:
    may, june = at("2026-05-31"), at("2026-06-30")
    lots = [
        a_lot(1, 20),
        a_lot(2, 50, expires=june),
        a_lot(3, 30, expires=may, opened=NOON + timedelta(hours=1)),
        a_lot(4, 10, expires=may),
    ]
    assert draw(60, lots) == [Draw(4, 10), Draw(3, 30), Draw(2, 20)]
    with pytest.raises(InsufficientPoints, match="111 points asked for, 110 available"):
        draw(111, lots)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(1, 9)), max_size=8),
    st.integers(0, 300),
)
def test_no_other_order_lets_fewer_points_expire_unused(
    held: list[tuple[int, int | None]], points: int
) -> None:
    lots = [
        a_lot(number, remaining, expires=None if days is None else NOON + timedelta(days=days))
        for number, (remaining, days) in enumerate(held)
    ]
    draws, missing = take(points, sorted(lots, key=spending_order))
    assert sum(each.points for each in draws) == points - missing
    assert missing == max(0, points - sum(lot.remaining for lot in lots))
    taken = {each.lot_no: each.points for each in draws}
    untouched = [lot.expires_at for lot in lots if taken.get(lot.lot_no, 0) < lot.remaining]
    drawn = [lot.expires_at for lot in lots if taken.get(lot.lot_no)]
    assert max((_days(each) for each in drawn), default=0) <= min(
        (_days(each) for each in untouched), default=math.inf
    )


def _days(expires_at: datetime | None) -> float:
    return math.inf if expires_at is None else (expires_at - NOON).days


def test_a_hold_draws_its_lots_at_once_and_a_capture_keeps_the_soonest_draws() -> None:
    desk = a_desk("50.00", "30.00", **MONTH)
    hold = desk.holds(60)
    assert [each.points for each in hold.draws] == [50, 10]
    desk.captures(points=40)
    assert desk.balance() == (0, 40, 0)
    assert sorted(lot.remaining for lot in desk.lots()) == [10, 30]
    assert desk.kinds == ["award", "award", "hold", "capture", "release"]


def test_a_capture_of_nothing_gives_everything_back() -> None:
    desk = a_desk("50.00")
    desk.holds(20)
    assert desk.captures(points=0).state == "captured"
    assert (desk.balance(), desk.kinds) == ((0, 50, 0), ["award", "hold", "release"])


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda desk: desk.holds(51, "other"), InsufficientPoints, "51 points asked for, 20 available"),
        (lambda desk: desk.holds(29), HoldConflict, "hold h is of 30 points"),
        (lambda desk: desk.captures(points=31), HoldExceeded, "of 30 points, 31 were to be captured"),
        (lambda desk: desk.captures("nobody"), UnknownHold, "there is no hold 'nobody'"),
        (lambda desk: (desk.captures(), desk.captures()), HoldClosed, "hold h was captured"),
        (lambda desk: (desk.releases(), desk.captures()), HoldClosed, "hold h was released"),
        (
            lambda desk: (desk.reaches(NOON + timedelta(minutes=30)), desk.captures()),
            HoldClosed,
            "hold h was timed out",
        ),
    ],
)
def test_what_a_hold_cannot_do_is_refused(act: Any, error: type[ServiceError], message: str) -> None:
    desk = a_desk("50.00")
    desk.holds(30)
    with pytest.raises(error, match=message):
        act(desk)


def test_the_same_hold_again_is_the_same_hold() -> None:
    desk = a_desk("50.00")
    assert desk.holds(30) is desk.holds(30)
    assert desk.balance() == (0, 20, 30)


def test_nothing_is_spent_below_zero() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(42)
    desk.receives(a_refund(order, amount="42.00"))
    with pytest.raises(InsufficientPoints) as refused:
        desk.holds(1)
    assert refused.value.extra == {"asked": 1, "available": -42}
    assert "0 available" in refused.value.message


def test_held_points_do_not_expire_and_expire_at_once_when_they_come_back_too_late() -> None:
    desk = a_desk("50.00", **MONTH)
    desk.holds(30, minutes=60 * 24 * 60)
    desk.reaches(NOON + timedelta(days=50))
    assert desk.balance() == (0, 0, 30), "20 were not held and have expired"
    desk.releases()
    assert desk.balance() == (0, 0, 0)
    assert desk.kinds == ["award", "hold", "expiry", "release", "expiry"]
    assert [transfer.amount for transfer in desk.book.transfers] == [50, 30, 20, 30, 30]


def test_released_points_keep_the_expiry_of_their_lot() -> None:
    desk = a_desk("50.00", **MONTH)
    (before,) = desk.lots()
    desk.holds(50)
    desk.releases()
    assert desk.lots() == [before]
    desk.reaches(NOON + timedelta(days=50))
    assert desk.balance() == (0, 0, 0)


def test_a_credit_fills_the_deficit_before_it_opens_a_lot() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(42)
    desk.receives(a_refund(order, amount="42.00"), an_order_paid("40.00"))
    assert (desk.balance(), desk.lots()) == ((0, -2, 0), [])
    desk.receives(an_order_paid("10.00"))
    assert (desk.balance(), [lot.amount for lot in desk.lots()]) == ((0, 8, 0), [8])


def test_an_activation_and_an_entry_reward_fill_a_deficit_too() -> None:
    desk = Desk(
        a_document(PER_EURO, a_rule("hello", on="customer.signed_up", points="100"),
                   pending={"order.paid": "14 days after order.paid"})
    )  # fmt: skip
    desk.receives(a_sign_up())
    desk.spends(100)
    desk.receives(an_order_paid("30.00"), a_rise(since=NOON, points=5))
    assert desk.balance() == (30, 5, 0)
    desk.reaches(NOON + timedelta(days=20))
    assert desk.balance() == (0, 35, 0)


def test_erasure_leaves_nothing_and_later_events_book_nothing() -> None:
    desk = Desk(a_document(PER_EURO, pending={"order.paid": "14 days after order.paid"}))
    desk.receives(an_order_paid("50.00", at=NOON - timedelta(days=30)), an_order_paid("30.00"))
    desk.holds(20)
    desk.receives(an_event(CustomerDeleted(customer_id=MEMBER)))
    assert desk.balance() == (0, 0, 0)
    assert desk.kinds[-3:] == ["release", "erasure", "erasure"]
    desk.receives(an_order_paid("99.00")).reaches(NOON + timedelta(days=99))
    assert desk.balance() == (0, 0, 0)


@pytest.mark.parametrize(
    ("opened", "months", "rounded_to", "last_day"),
    [
        ("2026-01-31T12:00", 1, "day", date(2026, 2, 28)),
        ("2028-01-31T12:00", 1, "day", date(2028, 2, 29)),
        ("2028-02-29T12:00", 12, "day", date(2029, 2, 28)),
        ("2026-01-15T12:00", 12, "month", date(2027, 1, 31)),
        ("2026-01-15T12:00", 12, "quarter", date(2027, 3, 31)),
        ("2026-11-15T12:00", 3, "quarter", date(2027, 3, 31)),
        ("2026-01-15T12:00", 24, "year", date(2028, 12, 31)),
        ("2026-05-04T21:59", 1, "day", date(2026, 6, 4)),  # the date is that of the program's zone
        ("2026-05-04T22:00", 1, "day", date(2026, 6, 5)),
        ("2026-03-28T22:59", 12, "day", date(2027, 3, 28)),
        ("2025-10-31T12:00", 5, "month", date(2026, 3, 31)),  # over the change of clocks
    ],
)
def test_points_expire_at_the_end_of_a_day_of_the_programs_zone(
    opened: str, months: int, rounded_to: str, last_day: date
) -> None:
    policy = PointsPolicy(PARIS, months, Period(rounded_to))
    assert expiry_of(policy, at(opened)) == midnight(last_day + timedelta(days=1), PARIS)


def test_points_of_a_program_without_expiry_stay() -> None:
    assert expiry_of(PointsPolicy(PARIS), NOON) is None
    desk = a_desk("50.00").reaches(NOON + timedelta(days=36_500))
    assert desk.balance() == (0, 50, 0)


@given(
    st.integers(0, 3_000_000_000), st.integers(1, 120), st.sampled_from(["day", "month", "quarter", "year"])
)
def test_no_lot_expires_before_its_months_are_over(seconds: int, months: int, rounded_to: str) -> None:
    opened = at("1990-01-01") + timedelta(seconds=seconds)
    expires = expiry_of(PointsPolicy(PARIS, months, Period(rounded_to)), opened)
    assert expires is not None
    assert expires - opened >= timedelta(days=28 * months)
    assert expires - opened <= timedelta(days=31 * months + 368)


class Till(RuleBasedStateMachine):
    """A member who buys, spends, holds and sends back, while time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(a_document(PER_EURO, points={"expire": "2 months"}))
        self.orders: list[Any] = []
        self.number = 0

    @property
    def open_holds(self) -> list[str]:
        holds = self.desk.book.holds.of(("demo", MEMBER))
        return [name for name, hold in holds.items() if hold.state == "open"]

    @rule(points=st.integers(1, 100))
    def buy(self, points: int) -> None:
        order = an_order_paid(f"{points}.00", at=self.desk.now)
        self.desk.receives(order)
        self.orders.append(order)

    @precondition(lambda self: self.orders)
    @rule(points=st.integers(1, 100), which=st.integers(0, 99))
    def send_back(self, points: int, which: int) -> None:
        order = self.orders[which % len(self.orders)]
        self.desk.receives(a_refund(order, amount=f"{points}.00", at=self.desk.now))

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 99))
    def call_off(self, which: int) -> None:
        self.desk.receives(a_cancellation(self.orders[which % len(self.orders)], at=self.desk.now))

    @rule(points=st.integers(1, 150), minutes=st.sampled_from([30, 30_000, 200_000]))
    def hold(self, points: int, minutes: int) -> None:
        self.number += 1
        available = self.desk.balance()[1]
        try:
            self.desk.holds(points, str(self.number), minutes=minutes)
        except InsufficientPoints:
            assert points > available
        else:
            assert points <= available

    @precondition(lambda self: self.open_holds)
    @rule(share=st.floats(0, 1), which=st.integers(0, 99), order=st.none() | st.integers(0, 99))
    def capture(self, share: float, which: int, order: int | None) -> None:
        name = self.open_holds[which % len(self.open_holds)]
        points = self.desk.book.holds.of(("demo", MEMBER))[name].points
        pays_for = self.orders[order % len(self.orders)].data.order_id if order and self.orders else None
        self.desk.captures(name, int(share * points), order_id=pays_for)

    @precondition(lambda self: self.orders and self.desk.balance()[1] > 0)
    @rule(share=st.floats(0.01, 1), which=st.integers(0, 99))
    def pay(self, share: float, which: int) -> None:
        self.number += 1
        points = max(1, int(share * self.desk.balance()[1]))
        order = self.orders[which % len(self.orders)].data.order_id
        self.desk.pays(points, str(self.number), order_id=order)

    @precondition(lambda self: self.orders)
    @rule(points=st.integers(1, 100), which=st.integers(0, 99))
    def edit(self, points: int, which: int) -> None:
        order = self.orders[which % len(self.orders)].data.order_id
        self.desk.receives(an_order_paid(f"{points}.00", order_id=order, at=self.desk.now))

    @precondition(lambda self: self.open_holds)
    @rule(which=st.integers(0, 99))
    def release(self, which: int) -> None:
        self.desk.releases(self.open_holds[which % len(self.open_holds)])

    @rule(days=st.integers(1, 40))
    def wait(self, days: int) -> None:
        self.desk.reaches(self.desk.now + timedelta(days=days))

    @invariant()
    def a_deficit_and_a_spendable_lot_never_exist_together(self) -> None:
        in_lots = sum(lot.remaining for lot in self.desk.lots())
        assert in_lots == max(0, self.desk.balance()[1])


Till.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_lots_and_balance_agree_whatever_a_member_does = Till.TestCase
