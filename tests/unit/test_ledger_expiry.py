"""Points that expire on a day of the calendar, or when a member stays away."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.expiry import expiry_of
from services.ledger.domain.program import PointsPolicy
from services.ledger.program import parse
from shared.calendar import midnight, zone
from shared.errors import ServiceError
from tests.support.events import MEMBER, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rise, at

PARIS = zone("Europe/Paris")
AWAY = {"expire": "after 12 months without activity"}
END_OF_YEAR = {"expire": "every 31 december"}


def a_desk(points: dict[str, Any], **ledger: Any) -> Desk:
    return Desk(a_document(PER_EURO, points=points, **ledger))


def an_order(order_id: str, total: str, moment: str) -> Any:
    return an_order_paid(total, order_id=order_id, at=at(moment))


def expiries(desk: Desk, asset: str = "points") -> list[datetime | None]:
    return [lot.expires_at for lot in desk.lots(asset=asset)]


@pytest.mark.parametrize(
    ("words", "opened", "last_day"),
    [
        (END_OF_YEAR, "2026-10-02T12:00", date(2026, 12, 31)),  # exactly 90 days
        (END_OF_YEAR, "2026-10-03T12:00", date(2027, 12, 31)),
        (END_OF_YEAR, "2026-10-02T22:00", date(2027, 12, 31)),  # the day is that of the program's zone
        ({**END_OF_YEAR, "least": "0 days"}, "2026-12-31T12:00", date(2026, 12, 31)),
        ({**END_OF_YEAR, "least": "400 days"}, "2026-12-31T12:00", date(2028, 12, 31)),
        ({"expire": "every 29 february"}, "2026-06-01T12:00", date(2027, 2, 28)),
        ({"expire": "every 29 february"}, "2027-06-01T12:00", date(2028, 2, 29)),
    ],
)
def test_points_live_to_the_end_of_the_next_such_day_that_leaves_time(
    words: dict[str, str], opened: str, last_day: date
) -> None:
    policy = a_program(PER_EURO, points=words).points
    assert expiry_of(policy, at(opened)) == midnight(last_day + timedelta(days=1), PARIS)


@settings(deadline=None)
@given(st.integers(0, 3_000_000_000), st.integers(1, 12), st.integers(1, 28), st.integers(0, 999))
def test_no_points_live_shorter_than_the_program_says_nor_a_year_longer(
    seconds: int, month: int, day: int, least: int
) -> None:
    opened = at("1990-01-01") + timedelta(seconds=seconds)
    expires = expiry_of(PointsPolicy(PARIS, expire_on=(month, day), least_days=least), opened)
    assert expires is not None
    last = (expires.astimezone(PARIS) - timedelta(hours=12)).date()
    assert (last.month, last.day) == (month, day)
    assert least <= (last - opened.astimezone(PARIS).date()).days < least + 367


@pytest.mark.parametrize(
    ("points", "path", "what"),
    [
        ({"expire": "every 31 june"}, "ledger.points.expire", "june has days 1 to 30"),
        ({"expire": "every 0 may"}, "ledger.points.expire", "may has days 1 to 31"),
        ({"expire": "12 months", "least": "30 days"}, "ledger.points.least", "every 31 december"),
        ({**END_OF_YEAR, "rounded_to": "month"}, "ledger.points.rounded_to", "leave it out"),
        ({"expire": "12 monthsish"}, "ledger.points.expire", ""),
    ],
)
def test_words_that_cannot_be_meant_are_refused_with_their_place(
    points: dict[str, str], path: str, what: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        parse(a_document(PER_EURO, points=points))
    assert path in str(refused.value)
    assert what in str(refused.value)


def test_an_asset_with_a_day_of_its_own_takes_no_rounding_from_the_points() -> None:
    words = {"expire": "12 months", "rounded_to": "month"}
    program = a_program(PER_EURO, points=words, assets={"stamps": END_OF_YEAR})
    assert program.policy_for("stamps").expire_on == (12, 31)


def test_each_order_moves_all_open_points_on() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "10.00", "2026-05-04T10:00"))
    assert expiries(desk) == [at("2027-05-04T22:00")]
    desk.receives(an_order("b", "20.00", "2027-03-01T10:00"))
    assert expiries(desk) == [at("2028-03-01T23:00")] * 2
    desk.reaches(at("2028-03-01T23:00"))
    assert desk.balance() == (0, 0, 0)
    assert desk.kinds == ["award", "award", "expiry", "expiry"]


def test_a_spend_a_capture_and_an_activation_are_activity_and_a_hold_is_not() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "100.00", "2026-05-04T10:00"))
    desk.now = at("2026-06-01T10:00")
    desk.pays(10)
    assert expiries(desk) == [at("2027-06-01T22:00")]
    desk.now = at("2026-07-01T10:00")
    desk.holds(20, minutes=100)
    assert expiries(desk) == [at("2027-06-01T22:00")]
    desk.now = at("2026-07-01T10:30")
    desk.captures(points=5)
    assert expiries(desk) == [at("2027-07-01T22:00")]

    waits = a_desk(AWAY, pending={"order.paid": "14 days after order.paid"})
    waits.receives(an_order("a", "10.00", "2026-05-04T10:00")).reaches(at("2026-05-20"))
    waits.receives(an_order("b", "10.00", "2026-06-01T10:00"))
    assert expiries(waits) == [at("2027-06-01T22:00")]  # a pending award is activity
    waits.reaches(at("2026-06-20"))
    # and so is its activation, at the midnight that follows the 15th
    assert expiries(waits) == [at("2027-06-16T22:00")] * 2


def test_held_points_live_on_with_their_member() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "100.00", "2026-05-04T10:00"))
    desk.now = at("2026-05-05T10:00")
    desk.holds(100, minutes=100)
    desk.receives(an_order("b", "1.00", "2026-05-05T10:10"))
    desk.releases()
    assert expiries(desk) == [at("2027-05-05T22:00")] * 2


def test_only_what_lives_by_activity_moves() -> None:
    stamp = {"rule": "stamp", "on": "order.paid", "gives": "1 stamp"}
    desk = Desk(a_document(PER_EURO, stamp, points=AWAY, assets={"stamps": {"expire": "6 months"}}))
    desk.receives(an_order("a", "10.00", "2026-05-04T10:00"), an_order("b", "10.00", "2026-06-04T10:00"))
    assert expiries(desk) == [at("2027-06-04T22:00")] * 2
    assert expiries(desk, "stamps") == [at("2026-11-04T23:00"), at("2026-12-04T23:00")]


def test_a_late_order_moves_nothing_to_an_earlier_moment_and_revives_nothing() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "10.00", "2026-05-04T10:00"))
    desk.receives(an_order("b", "10.00", "2026-04-01T10:00"))
    assert expiries(desk) == [at("2027-05-04T22:00")] * 2, (
        "as if it had come in time: it lived on at the later one"
    )
    desk.reaches(at("2027-06-01"))
    desk.receives(an_order("c", "10.00", "2027-03-01T10:00"))
    assert desk.balance() == (0, 10, 0)


def test_a_late_order_lives_as_long_as_what_came_in_time_also_where_that_is_spent() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "10.00", "2026-06-10T10:00"))
    desk.now = at("2026-06-12T10:00")
    desk.spends(10)
    desk.receives(an_order("b", "5.00", "2026-05-01T10:00"))
    assert expiries(desk) == [at("2027-06-12T22:00")]


def test_what_came_late_may_close_a_gap_and_keep_alive_what_came_late_before() -> None:
    """In the months 0, 10 and 20: whatever came last, all of it lives up to twelve months after the latest."""
    months = {"a": "2026-01-01T10:00", "b": "2026-11-01T10:00", "c": "2027-09-01T10:00"}
    for names in ("abc", "cba", "cab", "bca"):
        desk = a_desk(AWAY).receives(*(an_order(name, "10.00", months[name]) for name in names))
        assert expiries(desk) == [at("2028-09-01T22:00")] * 3, names


def test_over_a_gap_in_which_everything_expired_a_late_order_is_not_kept_alive() -> None:
    """Active on 1 January 2026 and on 1 March 2027: what came between lived on, what was over by then did not."""
    desk = a_desk(AWAY)
    desk.receives(an_order("a", "10.00", "2026-01-01T10:00"), an_order("b", "10.00", "2027-03-01T10:00"))
    desk.receives(an_order("c", "5.00", "2026-02-01T10:00"))
    assert desk.reaches(at("2027-03-02")).balance() == (0, 10, 0)
    desk.receives(an_order("d", "7.00", "2026-12-01T10:00"))
    assert expiries(desk) == [at("2028-03-01T23:00")] * 2


def test_rewards_of_levels_are_activity_as_every_award_is() -> None:
    desk = a_desk(AWAY).receives(an_order("a", "10.00", "2026-05-04T10:00"))
    desk.receives(a_rise(points=7, since=at("2026-08-01T12:00")))
    assert expiries(desk) == [at("2027-08-01T22:00")] * 2


@settings(deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=8))
def test_activity_in_any_order_never_moves_an_expiry_earlier_and_each_lot_expires_once(
    days: list[int],
) -> None:
    desk = a_desk(AWAY)
    before: dict[int, datetime] = {}
    for number, day in enumerate(days):
        moment = at("2026-01-01T10:00") + timedelta(days=day)
        desk.receives(an_order_paid("1.00", order_id=f"o{number}", at=moment))
        for lot in desk.lots():
            assert lot.expires_at is not None
            assert lot.expires_at >= before.get(lot.lot_no, lot.expires_at)
            before[lot.lot_no] = lot.expires_at
    desk.reaches(at("2032-01-01"))
    causes = [each.cause for each in desk.book.transfers if each.kind == "expiry"]
    assert sorted(causes) == sorted({f"lot:{lot_no}" for lot_no in before} | set(causes))
    assert len(causes) == len(set(causes)) == len(days)
    assert desk.balance(MEMBER) == (0, 0, 0)
