"""Import, without a database: original dates, what is owed, and old orders that still come back."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.actions.imports import Entry, Fault
from services.ledger.domain.importing import Brought, OldOrder, Opening, bring_in
from services.ledger.errors import ImportFault
from services.ledger.importing import entries_of
from shared.events import OrderPaid
from tests.support.events import MEMBER, NOON, PROGRAM, a_fulfilment, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, at, differences

KEY = (PROGRAM, MEMBER)
EARNED = at("2026-03-03T09:00")


def an_opening(points: int = 300, row: str = "lot-1", **facts: Any) -> Opening:
    return Opening(row, "points", points, **facts)


def an_old_order(total: str = "80.00", points: int = 100, **facts: Any) -> OldOrder:
    stated = OrderPaid(customer_id=MEMBER, order_id="o-1", total=total)
    return OldOrder("order-1", "points", points, EARNED, stated, **facts)


def a_desk(*rows: Brought, **ledger: Any) -> Desk:
    desk = Desk(a_document(PER_EURO, **ledger))
    for row in rows:
        bring_in(desk.book, KEY, row, NOON)
    assert differences(desk.book) == []
    return desk


def the_refund(amount: str, name: str = "r-1") -> Any:
    return a_refund(
        an_order_paid("80.00", order_id="o-1"), refund_id=name, amount=amount, at=NOON + timedelta(days=1)
    )


def test_a_lot_keeps_its_age_and_its_expiry_and_nobody_is_written_to() -> None:
    desk = a_desk(an_opening(earned_at=EARNED, expires_at=at("2026-12-31T23:00")))
    (lot,) = desk.lots()
    assert (lot.opened_at, lot.expires_at, lot.remaining) == (EARNED, at("2026-12-31T23:00"), 300)
    (event,) = desk.book.outgoing
    assert (event.type, event.replayed, event.data.kind) == ("points.earned.v1", True, "import")


def test_without_an_expiry_a_lot_lives_as_if_it_had_been_earned_here() -> None:
    desk = a_desk(an_opening(earned_at=EARNED), points={"expire": "6 months"})
    assert desk.lots()[0].expires_at == at("2026-09-03T22:00")
    assert a_desk(an_opening(expires_at="never"), points={"expire": "6 months"}).lots()[0].expires_at is None


def test_what_a_member_owed_is_owed_here_and_the_next_points_fill_it() -> None:
    desk = a_desk(an_opening(30), an_opening(-50, "owed"))
    assert (desk.balance(), desk.lots()) == ((0, -20, 0), [])
    assert desk.receives(an_order_paid("70.00")).balance() == (0, 50, 0)


def test_an_old_order_that_comes_back_takes_its_share_by_target() -> None:
    desk = a_desk(an_opening(300, order_id=None), an_old_order())
    assert desk.balance() == (0, 300, 0)
    assert desk.receives(the_refund("20.00")).balance() == (0, 275, 0)
    assert desk.receives(the_refund("60.00", "r-2")).balance() == (0, 200, 0)


def test_a_refund_that_came_before_the_old_order_was_imported_is_taken_with_it() -> None:
    desk = Desk(a_document(PER_EURO)).receives(the_refund("80.00"))
    bring_in(desk.book, KEY, an_opening(), NOON + timedelta(days=2))
    bring_in(desk.book, KEY, an_old_order(), NOON + timedelta(days=2))
    assert (desk.balance(), differences(desk.book)) == ((0, 200, 0), [])


def test_an_old_order_that_is_stated_again_earns_nothing_again() -> None:
    desk = a_desk(an_opening(), an_old_order())
    again = an_order_paid("80.00", order_id="o-1", at=NOON + timedelta(hours=1))
    assert desk.receives(again).balance() == (0, 300, 0)
    less = an_order_paid("40.00", order_id="o-1", at=NOON + timedelta(hours=2))
    assert desk.receives(less).balance() == (0, 250, 0)


def test_points_of_an_old_order_may_still_be_pending_and_come_back_from_there() -> None:
    desk = a_desk(an_old_order(available_at=NOON + timedelta(days=3)))
    assert desk.balance() == (100, 0, 0)
    assert desk.receives(the_refund("20.00")).balance() == (75, 0, 0)
    assert desk.reaches(NOON + timedelta(days=3)).balance() == (0, 75, 0)


def test_an_old_order_that_waits_is_started_by_its_fulfilment_and_cancelled_by_the_deadline() -> None:
    waits = {"pending": {"order.paid": "14 days after order.fulfilled"}}
    order = an_old_order(waits_until=NOON + timedelta(days=9))
    desk = a_desk(order, **waits).receives(a_fulfilment(an_order_paid(order_id="o-1"), at=NOON))
    assert desk.balance() == (100, 0, 0)
    assert desk.reaches(NOON + timedelta(days=15)).balance() == (0, 100, 0)
    assert a_desk(order, **waits).reaches(NOON + timedelta(days=10)).balance() == (0, 0, 0)


def test_orders_of_before_count_towards_no_goal_here() -> None:
    goal = {"rule": "big", "on": "order.paid", "points": "500", "for_spending": "50.00 EUR per month"}
    desk = Desk(a_document(PER_EURO, goal))
    bring_in(desk.book, KEY, an_old_order(), NOON)
    assert desk.receives(the_refund("1.00")).balance()[1] <= 0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (an_opening(expires_at=NOON), "expired on"),
        (an_opening(earned_at=NOON + timedelta(days=1)), "future"),
        (an_opening(available_at=NOON), "has passed"),
        (an_old_order(waits_until=NOON + timedelta(days=1)), "waits for no fulfilment"),
    ],
)
def test_a_row_that_time_has_passed_over_is_at_fault(row: Brought, why: str) -> None:
    with pytest.raises(ImportFault, match=why):
        a_desk(row)


def test_an_order_that_earned_here_is_not_brought_in() -> None:
    desk = Desk(a_document(PER_EURO)).receives(an_order_paid("80.00", order_id="o-1"))
    with pytest.raises(ImportFault, match="knows order"):
        bring_in(desk.book, KEY, an_old_order(), NOON)


@given(
    cents=st.lists(st.integers(1, 8000), min_size=1, max_size=5),
    points=st.integers(0, 10_000),
    order=st.randoms(use_true_random=False),
)
def test_whatever_the_order_of_refunds_an_old_order_ends_at_the_same_and_all_of_it_at_0(
    cents: list[int], points: int, order: Random
) -> None:
    refunds = [the_refund(f"{each / 100:.2f}", f"r-{place}") for place, each in enumerate(cents)]
    first = a_desk(an_old_order(points=points)).receives(*refunds).balance()
    order.shuffle(refunds)
    assert a_desk(an_old_order(points=points)).receives(*refunds).balance() == first
    kept = max(0, 8000 - sum(cents))
    assert first[1] == points * kept // 8000 - points


CSV_FILE = """row,kind,member_id,points,earned_at,expires_at,order_id,total,paid_at,at,text
lot-1,points,anna,300,2026-03-03T09:00:00Z,never,,,,,
o,order,anna,100,,,order-1,80.00,2026-03-03T09:00:00Z,,
h,history,anna,-50,,,,,,2026-02-01T00:00:00Z,"Gift card, blue"
"""


def test_csv_and_json_lines_say_the_same() -> None:
    rows: list[Any] = list(entries_of(CSV_FILE.splitlines(keepends=True), is_csv=True))
    assert [type(row) for row in rows] == [Entry] * 3
    lines = [json.dumps(row.said) for row in rows]
    again: list[Any] = list(entries_of(lines, is_csv=False))
    assert [row.brought for row in again] == [row.brought for row in rows]


@pytest.mark.parametrize(
    ("line", "path", "why"),
    [
        ("{", "", "not JSON"),
        ('{"row": "a", "kind": "points", "member_id": "m", "points": 0}', "", "leave it out"),
        (
            '{"row": "a", "kind": "points", "member_id": "m", "points": 1, "expires_at": "soon"}',
            "expires_at",
            "",
        ),
        ('{"row": "a", "kind": "wish", "member_id": "m"}', "", "wish"),
        ('{"row": "a", "kind": "points", "member_id": "m", "points": 1, "colour": "red"}', "colour", ""),
        ('{"row": "a", "kind": "member", "member_id": "m", "birthday": "02-30"}', "birthday", ""),
        ('{"row": "a", "kind": "member", "member_id": "m", "time_zone": "Mars"}', "time_zone", "Mars"),
    ],
)
def test_every_fault_is_told_with_its_line_and_place(line: str, path: str, why: str) -> None:
    (blank, fault) = [None, *entries_of(["\n", line], is_csv=False)]
    assert blank is None
    assert isinstance(fault, Fault)
    assert (fault.line, fault.path.partition(".")[0]) == (2, path)
    assert why in fault.message


def test_a_cell_that_no_reader_of_csv_takes_is_a_fault_with_its_line() -> None:
    lines = ["kind,row,member_id,points\n", "points,1,m,5\n", f"points,2,{'x' * 200_000},5\n"]
    good, fault = entries_of(lines, is_csv=True)
    assert isinstance(good, Entry)
    assert isinstance(fault, Fault)
    assert (fault.line, fault.message.partition(":")[0]) == (3, "this is not CSV")
