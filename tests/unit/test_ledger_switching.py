"""A new expiry policy moves existing expiries only later, at the moment from which it holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.switching import switches_in
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, at

KEY = (PROGRAM, MEMBER)
SWITCH = at("2026-07-01T10:00")  # orders are of 4 May 2026
FOR_EVER = "never"


def a_program(expire: str) -> dict[str, object]:
    return a_document(PER_EURO, points={"expire": expire})


def a_desk(before: str, *later: tuple[datetime, str]) -> Desk:
    return Desk(a_program(before), later=[(since, a_program(expire)) for since, expire in later])


def the_expiry(desk: Desk) -> datetime | None:
    (lot,) = desk.lots()
    return lot.expires_at


@pytest.mark.parametrize(
    ("before", "after", "expires_at"),
    [
        (FOR_EVER, "12 months", at("2027-07-01T22:00")),
        ("12 months", "24 months", at("2028-05-04T22:00")),
        ("12 months", "6 months", at("2027-05-04T22:00")),
        ("12 months", FOR_EVER, None),
        ("3 months", "every 31 december", at("2026-12-31T23:00")),
        (FOR_EVER, "after 12 months without activity", at("2027-07-01T22:00")),
    ],
)
def test_what_is_there_lives_longer_and_never_shorter(
    before: str, after: str, expires_at: datetime | None
) -> None:
    desk = a_desk(before, (SWITCH, after)).receives(an_order_paid("42.00"))
    desk.book.schedule(KEY, SWITCH)  # as the sweep does
    assert the_expiry(desk.reaches(SWITCH)) == expires_at
    late = a_desk(before, (SWITCH, after))
    assert the_expiry(late.receives(an_order_paid("42.00"))) == expires_at, "also where the order comes late"


def test_what_is_opened_after_the_switch_lives_by_the_new_policy() -> None:
    desk = a_desk(FOR_EVER, (SWITCH, "12 months")).receives(an_order_paid("42.00", at=SWITCH))
    assert the_expiry(desk) == at("2027-07-01T22:00")


def test_what_was_pending_at_the_switch_lives_by_the_longer_policy() -> None:
    waits: Any = {"pending": {"order.paid": "90 days after order.paid"}}
    documents = [
        a_document(PER_EURO, points={"expire": expire}, **waits) for expire in (FOR_EVER, "12 months")
    ]
    desk = Desk(documents[0], later=[(SWITCH, documents[1])]).receives(an_order_paid("42.00"))
    assert the_expiry(desk.reaches(at("2026-08-03T00:00"))) == at("2027-08-03T22:00")


def test_held_points_follow_the_switch_and_come_back_into_a_lot_that_lives_on() -> None:
    desk = a_desk("2 months", (SWITCH, FOR_EVER)).receives(an_order_paid("42.00"))
    desk.reaches(SWITCH - timedelta(minutes=5)).holds(42, minutes=30)
    desk.book.schedule(KEY, SWITCH)
    assert desk.reaches(SWITCH + timedelta(days=60)).balance() == (0, 42, 0)
    assert the_expiry(desk) is None


def test_a_chain_of_switches_ends_where_the_last_one_leads_and_what_expired_stays_expired() -> None:
    later = [(SWITCH, "1 month"), (SWITCH + timedelta(days=10), FOR_EVER)]
    desk = a_desk(FOR_EVER, *later).receives(an_order_paid("42.00"))
    desk.book.schedule(KEY, SWITCH)
    assert the_expiry(desk.reaches(SWITCH + timedelta(days=400))) is None
    gone = a_desk("1 month", (SWITCH, FOR_EVER)).receives(an_order_paid("42.00"))
    assert gone.reaches(SWITCH + timedelta(days=1)).balance() == (0, 0, 0)


def test_a_refund_after_a_switch_takes_what_it_took_before() -> None:
    order = an_order_paid("42.00")
    desk = a_desk("12 months", (SWITCH, FOR_EVER)).receives(order)
    desk.book.schedule(KEY, SWITCH)
    assert desk.receives(a_refund(order, amount="42.00", at=SWITCH + timedelta(days=1))).balance() == (
        0,
        0,
        0,
    )


def test_a_version_that_lets_points_live_as_before_is_no_switch() -> None:
    same = a_document(PER_EURO, points={"expire": "12 months", "negative": "to_zero"})
    desk = Desk(a_program("12 months"), later=[(SWITCH, same)])
    assert switches_in(desk.book, PROGRAM) == ()


POLICIES = st.sampled_from([FOR_EVER, "1 month", "12 months", "24 months", "every 31 december"])


@given(policies=st.lists(POLICIES, min_size=2, max_size=4), swept=st.booleans())
def test_no_switch_lets_anything_expire_sooner_and_following_twice_is_following_once(
    policies: list[str], swept: bool
) -> None:
    later = [(NOON + timedelta(days=7 * place), expire) for place, expire in enumerate(policies[1:], 1)]
    desk = a_desk(policies[0], *later)
    before = a_desk(policies[0]).receives(an_order_paid("42.00"))
    desk.receives(an_order_paid("42.00"))
    once = the_expiry(desk)
    if swept:
        desk.book.schedule(KEY, later[0][0])
    desk.reaches(NOON + timedelta(days=27))
    assert the_expiry(desk) == once
    first = the_expiry(before)
    if FOR_EVER not in policies[1:-1]:  # what never expires any more counts from the switch that ends it
        assert once is None or first is None or once >= first
