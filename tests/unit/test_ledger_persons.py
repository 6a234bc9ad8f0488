"""For whom a rule is: segments, new members, people near their birthday; and what is kept of a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.persons import (
    SEGMENTS_REMEMBERED,
    InSegment,
    JoinedWithin,
    NearBirthday,
    Person,
    change_segment,
)
from shared.events import CustomerUpdated, Event, SegmentEntered, SegmentLeft
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule, at

KEY = (PROGRAM, MEMBER)


def an_update(*, at: Any = NOON, **told: Any) -> Event[Any]:
    """A customer tells something of themselves."""
    return an_event(CustomerUpdated(customer_id=MEMBER, **told), at=at)


def enters(segment: str, *, at: Any = NOON) -> Event[Any]:
    return an_event(SegmentEntered(member_id=MEMBER, segment=segment), at=at)


def leaves(segment: str, *, at: Any = NOON) -> Event[Any]:
    return an_event(SegmentLeft(member_id=MEMBER, segment=segment), at=at)


def a_desk(**conditions: Any) -> Desk:
    """A point per euro, and 10 points under these conditions."""
    return Desk(a_document(PER_EURO, a_rule("for some", points="10", if_=conditions)))


def gets(desk: Desk, event: Event[Any]) -> int:
    """How many of the 10 points an order of 1.00 EUR brings."""
    return desk.receives(event).award(event).points - 1


def test_a_segment_is_the_one_of_the_orders_time_however_late_it_arrives() -> None:
    desk = a_desk(segment=["tea lovers", "collectors"])
    desk.receives(
        enters("tea lovers", at=at("2026-05-01")),
        leaves("tea lovers", at=at("2026-05-10")),
        enters("others", at=at("2026-05-10")),
    )
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-11"))) == 0
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-01"))) == 10
    assert gets(desk, an_order_paid("1.00", at=at("2026-04-30"))) == 0


def test_a_segment_that_was_left_before_it_was_entered_is_left() -> None:
    desk = a_desk(segment="tea lovers")
    desk.receives(leaves("tea lovers", at=at("2026-05-10")), enters("tea lovers", at=at("2026-05-01")))
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-02"))) == 10
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-12"))) == 0


def test_a_rule_may_be_for_all_but_some() -> None:
    desk = a_desk(not_segment="staff")
    assert gets(desk, an_order_paid("1.00")) == 10
    assert gets(desk.receives(enters("staff")), an_order_paid("1.00")) == 0


@pytest.mark.parametrize(
    ("day", "points"), [("2026-05-04", 10), ("2026-06-03", 10), ("2026-06-04", 0), ("2027-05-04", 0)]
)
def test_new_members_are_new_for_so_many_calendar_days(day: str, points: int) -> None:
    desk = a_desk(joined_within="30 days").receives(a_sign_up(at=at("2026-05-03T22:30")))
    assert gets(desk, an_order_paid("1.00", at=at(f"{day}T20:00"))) == points


def test_who_never_signed_up_is_no_new_member() -> None:
    assert gets(a_desk(joined_within="30 days"), an_order_paid("1.00")) == 0


@pytest.mark.parametrize(
    ("birthday", "day", "points"),
    [
        ("--05-04", "2026-04-26", 0),
        ("--05-04", "2026-04-27", 10),
        ("--05-04", "2026-05-11", 10),
        ("--05-04", "2026-05-12", 0),
        ("1990-01-02", "2026-12-26", 10),
        ("1990-12-30", "2027-01-06", 10),
        ("--02-29", "2026-02-21", 10),
        ("--02-29", "2026-02-20", 0),
        ("--02-29", "2028-03-07", 10),
    ],
)
def test_a_birthday_window_reaches_as_far_before_as_after(birthday: str, day: str, points: int) -> None:
    desk = a_desk(birthday_within="7 days")
    desk.receives(an_update(birthday=birthday, at=at("2026-01-01")))
    assert gets(desk, an_order_paid("1.00", at=at(f"{day}T12:00"))) == points


def test_a_birthday_is_a_day_of_the_members_own_zone() -> None:
    desk = a_desk(birthday_within="0 days")
    desk.receives(an_update(birthday="--05-04", time_zone="Pacific/Auckland", at=at("2026-01-01")))
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-03T12:00"))) == 10
    assert gets(desk, an_order_paid("1.00", at=at("2026-05-04T12:00"))) == 0


def test_who_tells_no_birthday_is_near_none() -> None:
    assert gets(a_desk(birthday_within="365 days"), an_order_paid("1.00")) == 0


def test_what_is_told_later_changes_no_award_that_was_made() -> None:
    conditions = {"segment": "tea lovers", "joined_within": "30 days", "birthday_within": "7 days"}
    desk, order = a_desk(**conditions), an_order_paid("9.00")
    desk.receives(
        a_sign_up(birthday="--05-04", at=at("2026-05-01")), enters("tea lovers", at=at("2026-05-01")), order
    )
    assert desk.balance() == (0, 19, 0)
    later = at("2026-09-01")
    desk.receives(
        leaves("tea lovers", at=NOON),
        an_update(birthday="--09-01", at=later),
        a_refund(order, amount="1.00", at=later),
    )
    assert desk.balance() == (0, 18, 0)


def test_an_edited_order_meets_the_person_as_it_was() -> None:
    desk, order = a_desk(segment="tea lovers"), an_order_paid("9.00", order_id="A")
    desk.receives(order, enters("tea lovers", at=NOON - timedelta(days=1)))
    desk.receives(an_order_paid("12.00", order_id="A", at=NOON + timedelta(days=1)))
    assert desk.balance() == (0, 12, 0)


def test_an_edit_by_an_older_version_asks_what_that_version_asks() -> None:
    old = a_document(PER_EURO, a_rule("for some", points="10", if_={"segment": "tea lovers"}))
    desk = Desk(old, later=[(NOON - timedelta(hours=1), a_document(PER_EURO))])
    desk.receives(enters("tea lovers", at=NOON - timedelta(days=9)), an_order_paid("9.00", order_id="A"))
    assert desk.balance() == (0, 9, 0)
    desk.receives(an_order_paid("5.00", order_id="A", at=NOON - timedelta(days=1)))
    assert desk.balance() == (0, 19, 0), "the newest statement of 9.00, under the version of the first"


def test_nothing_but_birthday_zone_and_segments_is_kept_of_a_person() -> None:
    desk = Desk(a_document(PER_EURO))
    desk.receives(
        a_sign_up(
            email="a@example.org", name="Ada", phone="+33 1", birthday="1990-02-29", time_zone="Asia/Tokyo"
        )
    )
    assert desk.book.person(KEY) == Person(*KEY, (2, 29), NOON, "Asia/Tokyo")


def test_a_zone_that_nobody_knows_is_as_none() -> None:
    desk = Desk(a_document(PER_EURO)).receives(an_update(time_zone="Mars/Olympus"))
    assert desk.book.person(KEY) == Person(*KEY)


@given(st.permutations([(1, "--01-05"), (3, "--03-05"), (2, "--02-05")]))
def test_the_birthday_told_last_stands_whatever_arrives_last(told: list[tuple[int, str]]) -> None:
    desk = Desk(a_document(PER_EURO))
    for day, birthday in told:
        desk.receives(an_update(birthday=birthday, at=NOON + timedelta(days=day)))
    assert desk.book.person(KEY).birthday == (3, 5)


def test_the_same_birthday_told_again_counts_from_its_first_telling() -> None:
    desk = Desk(a_document(PER_EURO))
    for day in (5, 9, 2):
        desk.receives(an_update(birthday="--05-04", at=NOON + timedelta(days=day)))
    assert desk.book.person(KEY).birthday_since == NOON + timedelta(days=2)


def test_a_member_who_comes_and_goes_for_years_is_remembered_with_an_end() -> None:
    desk = Desk(a_document(PER_EURO))
    for day in range(SEGMENTS_REMEMBERED):
        moment = NOON + timedelta(days=day)
        change_segment(desk.book, KEY, "steady", is_in=True, at=NOON - timedelta(days=day))
        change_segment(desk.book, KEY, "wavering", is_in=day % 2 == 0, at=moment)
    person = desk.book.person(KEY)
    assert len(person.segments) == SEGMENTS_REMEMBERED
    assert person.segments_at(NOON + timedelta(days=500)) == {"steady"}


def test_all_reasons_can_be_read() -> None:
    from services.ledger.domain.conditions import Facts  # noqa: PLC0415

    facts = Facts(trigger="order.paid", at=NOON, days_as_member=31, days_from_birthday=8)
    assert InSegment(frozenset({"a", "b"})).reason(facts) == "the member is not in the segment a or b"
    assert InSegment(frozenset({"a"}), excluded=True).reason(facts) == "the member is in the segment a"
    assert JoinedWithin(30).reason(facts) == "the member signed up 31 days ago, at most 30 asked for"
    assert NearBirthday(7).reason(facts) == "the birthday is 8 days away, at most 7 asked for"
