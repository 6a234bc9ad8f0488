"""What the calendar earns: at its own midnight, once a year, and never twice within 300 days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.occasions import FEWEST_DAYS
from shared.calendar import zone
from shared.events import ActivityRecorded, CustomerDeleted, CustomerUpdated, Event
from tests.support.events import MEMBER, NOON, PROGRAM, a_cancellation, a_sign_up, an_event, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule, at

KEY = (PROGRAM, MEMBER)
BIRTHDAY = a_rule("birthday", on="birthday", points="200")
SIGN_UP = a_rule("anniversary", on="signup_anniversary", points="100")
FIRST = a_rule("first purchase", on="first_purchase_anniversary", points="50")
NEW_YEAR = at("2026-01-01")


def an_update(*, at: datetime = NEW_YEAR, **told: Any) -> Event[Any]:
    return an_event(CustomerUpdated(customer_id=MEMBER, **told), at=at)


def happened(desk: Desk) -> list[datetime]:
    """When points were given."""
    return [transfer.happened_at for transfer in desk.book.transfers]


def a_desk(*rules: dict[str, Any], later: Any = (), **words: Any) -> Desk:
    return Desk(a_document(*(rules or (BIRTHDAY,)), **words), later=later)


def test_a_birthday_begins_at_midnight_of_the_members_zone_else_of_the_programs() -> None:
    paris, auckland = a_desk(), a_desk()
    paris.receives(an_update(birthday="--05-04")).reaches(at("2026-12-31"))
    auckland.receives(an_update(birthday="--05-04", time_zone="Pacific/Auckland")).reaches(at("2026-12-31"))
    assert happened(paris) == [at("2026-05-03T22:00")]
    assert happened(auckland) == [at("2026-05-03T12:00")]


def test_the_29th_of_february_is_the_28th_in_common_years() -> None:
    desk = a_desk(zone="UTC").receives(an_update(birthday="--02-29")).reaches(at("2029-01-01"))
    assert happened(desk) == [at("2026-02-28"), at("2027-02-28"), at("2028-02-29")]


def test_a_day_that_begins_at_one_o_clock_begins_then() -> None:
    desk = a_desk(zone="America/Asuncion").receives(an_update(birthday="--10-06", at=at("2024-01-01")))
    desk.reaches(at("2024-12-31"))
    assert happened(desk) == [at("2024-10-06T04:00")], "the clock goes from 23:59 to 01:00"


def test_who_tells_the_birthday_on_the_day_itself_is_celebrated_next_year() -> None:
    desk = a_desk(zone="UTC").receives(an_update(birthday="--05-04", at=at("2026-05-04T08:00")))
    assert happened(desk.reaches(at("2027-12-31"))) == [at("2027-05-04")]


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ("--08-01", [date(2026, 5, 4), date(2027, 8, 1)]),
        ("--12-31", [date(2026, 5, 4), date(2027, 12, 31)]),
        ("--01-01", [date(2026, 5, 4), date(2028, 1, 1)]),  # 242 days after the last: too soon
        ("--02-28", [date(2026, 5, 4), date(2027, 2, 28), date(2028, 2, 28)]),  # exactly 300 days
        ("--02-27", [date(2026, 5, 4), date(2028, 2, 27)]),
    ],
)
def test_an_edited_birthday_comes_once_a_year_and_not_within_300_days(
    edited: str, expected: list[date]
) -> None:
    desk = a_desk(zone="UTC").receives(an_update(birthday="--05-04"))
    desk.receives(an_update(birthday=edited, at=at("2026-06-10")))
    desk.reaches(at("2028-03-01"))
    assert [moment.date() for moment in happened(desk)] == expected


MONTHS_AND_DAYS = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: f"--{day:%m-%d}")


@settings(deadline=None)  # a history of years is settled twice
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1500),
            MONTHS_AND_DAYS,
            st.sampled_from(["Europe/Paris", "Pacific/Auckland", "America/Lima"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(0, 2000), max_size=6),
)
def test_however_often_it_is_edited_and_whenever_somebody_looks(
    edits: list[tuple[int, str, str]], looks: list[int]
) -> None:
    steps: list[tuple[int, Any]] = [
        (day, an_update(birthday=birthday, time_zone=where, at=NEW_YEAR + timedelta(days=day)))
        for day, birthday, where in edits
    ]
    seldom, often = a_desk(), a_desk()
    for _, event in sorted(steps, key=lambda step: step[0]):
        seldom.receives(event)
    for day, event in sorted([*steps, *((day, None) for day in looks)], key=lambda step: step[0]):
        if event is None:
            often.reaches(NEW_YEAR + timedelta(days=day))
        else:
            often.receives(event)
    end = NEW_YEAR + timedelta(days=2500)
    assert list(seldom.reaches(end).book.transfers) == list(often.reaches(end).book.transfers)
    days = [award.award_id for award in seldom.book.awards.of(KEY).values()]
    assert len(days) == len(set(days))
    moments = sorted(happened(seldom))
    fewest = timedelta(days=FEWEST_DAYS - 1)  # whole days of other zones
    assert all(later - earlier > fewest for earlier, later in pairwise(moments))


def test_the_anniversary_of_the_sign_up_is_never_its_own_day() -> None:
    desk = a_desk(SIGN_UP, zone="UTC").receives(a_sign_up(at=at("2024-02-29T00:00")))
    assert happened(desk.reaches(at("2028-12-31"))) == [
        at("2025-02-28"),
        at("2026-02-28"),
        at("2027-02-28"),
        at("2028-02-29"),
    ]


def test_the_first_purchase_is_the_earliest_one_whatever_arrives_first_and_came_back() -> None:
    desk = a_desk(FIRST, zone="UTC")
    first = an_order_paid("1.00", at=at("2026-03-01T10:00"))
    desk.receives(an_order_paid("1.00", at=at("2026-06-01T10:00")), first, a_cancellation(first))
    assert happened(desk.reaches(at("2027-12-31"))) == [at("2027-03-01")]


def test_a_job_that_runs_late_books_at_the_moment_and_by_the_level_of_that_moment() -> None:
    rules = (
        a_rule("silver", on="birthday", points="10", if_={"level": "Silver"}),
        a_rule("gold", on="birthday", points="20", if_={"level": "Gold"}),
    )
    desk = a_desk(*rules, zone="UTC").receives(
        an_update(birthday="--05-04"),
        a_rise("Silver", since=at("2026-02-01")),
        a_rise("Gold", since=at("2026-05-04")),
    )
    desk.reaches(at("2026-12-31"))
    assert desk.balance() == (0, 10, 0), "Gold came with the midnight, Silver was held until then"


def test_a_history_that_is_replayed_comes_out_as_if_it_had_been_lived() -> None:
    desk = a_desk(BIRTHDAY, SIGN_UP, FIRST, PER_EURO, zone="UTC", points={"expire": "6 months"})
    desk.receives(
        a_sign_up(birthday="1990-05-04", at=at("2024-01-10T10:00")),
        an_order_paid("1.00", at=at("2024-02-01T10:00")),
        an_order_paid("1.00", at=at("2026-03-01T10:00")),
    )
    awards = [(t.happened_at.date(), t.amount) for t in desk.book.transfers if t.kind == "award"]
    assert awards == [
        (date(2024, 2, 1), 1),
        (date(2024, 5, 4), 200),
        (date(2025, 1, 10), 100),
        (date(2025, 2, 1), 50),
        (date(2025, 5, 4), 200),
        (date(2026, 1, 10), 100),
        (date(2026, 2, 1), 50),
        (date(2026, 3, 1), 1),
    ]
    assert [t.happened_at for t in desk.book.transfers] == sorted(t.happened_at for t in desk.book.transfers)


def test_conditions_caps_and_waits_apply() -> None:
    rules = (
        a_rule(
            "birthday", on="birthday", points="200", if_={"weekday": "tuesday"}, at_most="300 per lifetime"
        ),
    )
    desk = a_desk(*rules, zone="UTC", pending={"birthday": "3 days after birthday"})
    desk.receives(an_update(birthday="--05-04"))
    desk.reaches(at("2027-05-04"))
    assert desk.balance() == (200, 0, 0), "in 2026 it is a Monday, in 2027 a Tuesday"
    assert desk.reaches(at("2027-05-08")).balance() == (0, 200, 0)
    desk.reaches(at("2033-01-01"))
    assert desk.balance() == (0, 300, 0), "2032 is the next Tuesday, and 100 are left"


def test_an_occasion_that_gives_nothing_says_why() -> None:
    desk = a_desk(a_rule("gold only", on="birthday", points="5", if_={"level": "Gold"}))
    desk.receives(an_update(birthday="--05-04")).reaches(at("2026-06-01"))
    award = desk.book.awards.get(KEY, "birthday:2026:points")
    assert award is not None
    assert (award.cause, award.points) == ("birthday:2026", 0)
    assert award.breakdown["why_not"] == [["gold only", "level is not given, Gold asked for"]]


def test_a_version_that_brings_or_drops_the_rule_takes_effect_from_then_on() -> None:
    without, with_it = a_document(PER_EURO, zone="UTC"), a_document(BIRTHDAY, zone="UTC")
    desk = Desk(without, later=[(at("2027-01-01"), with_it), (at("2029-05-04"), without)])
    desk.receives(an_update(birthday="--05-04", at=at("2025-01-01"))).reaches(at("2031-01-01"))
    assert happened(desk) == [at("2027-05-04"), at("2028-05-04")]
    assert desk.book.member(KEY).next_due is None


def test_the_erased_get_nothing() -> None:
    desk = a_desk().receives(a_sign_up(birthday="--05-04", at=NEW_YEAR))
    desk.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=at("2026-02-01")))
    desk.receives(an_update(birthday="--05-04", at=at("2026-03-01"))).reaches(at("2027-01-01"))
    assert happened(desk) == []


def test_no_activity_can_pass_for_an_occasion_or_an_order() -> None:
    desk = a_desk(BIRTHDAY, a_rule("order", points="5"))
    desk.receives(
        *(
            an_event(ActivityRecorded(customer_id=MEMBER, activity=name))
            for name in ("birthday", "order.paid")
        )
    )
    assert happened(desk) == []


def test_in_a_program_without_such_rules_nothing_is_looked_for() -> None:
    desk = a_desk(PER_EURO).receives(a_sign_up(birthday="--05-04"), an_order_paid("1.00", at=NOON))
    assert desk.book.member(KEY).next_due is None


def test_a_zone_changed_on_the_eve_neither_skips_nor_doubles_the_day() -> None:
    desk = a_desk(zone="UTC").receives(an_update(birthday="--05-04", time_zone="America/Lima"))
    desk.receives(an_update(time_zone="Pacific/Auckland", at=at("2026-05-03T20:00")))
    desk.reaches(at("2026-12-31"))
    assert happened(desk) == [at("2026-05-03T12:00")]
    assert zone("Pacific/Auckland").utcoffset(datetime(2026, 5, 4)) == timedelta(hours=12)  # noqa: DTZ001
