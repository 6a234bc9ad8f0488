"""Refunds by target: what an order holds follows from what the customer keeps, whatever came in which order."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.ledger.domain.refunds import borne_of
from shared.events import Event, OrderPaid, PaidWith, RefundLine
from tests.support.events import (
    NOON,
    a_cancellation,
    a_fulfilment,
    a_line,
    a_refund,
    a_review,
    a_review_removed,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule

TEA = a_line("25.00", line_id="tea", categories=("tea",))
CUP = a_line("40.00", line_id="cup")
RULES = (
    PER_EURO,
    a_rule("tea counts double", times="2", if_={"category": "tea"}),
    a_rule("big basket", points="50", if_={"order_at_least": "60.00 EUR"}),
)
WAITS: dict[str, Any] = {"pending": {"order.paid": "14 days after order.fulfilled"}}
WAITS_FROM_PAID: dict[str, Any] = {"pending": {"order.paid": "14 days after order.paid"}}
MONTH: dict[str, Any] = {"points": {"expire": "1 month"}}


def the_example(**more: Any) -> Event[OrderPaid]:
    return an_order_paid("64.90", **{"lines": (TEA, CUP), "discount": "5.00", "shipping": "4.90"} | more)


def back(order: Event[OrderPaid], *lines: str, **more: Any) -> Any:
    """These lines of the order come back."""
    return a_refund(order, lines=tuple(RefundLine(line_id=line) for line in lines), **more)


@pytest.mark.parametrize(("first", "held"), [("cup", 46), ("tea", 36)])
def test_the_worked_example_ends_at_zero_in_either_order(first: str, held: int) -> None:
    desk, order = Desk(a_document(*RULES)), the_example()
    second = {"cup": "tea", "tea": "cup"}[first]
    assert desk.receives(order, back(order, first)).award(order).held_points == held
    assert desk.receives(back(order, second)).award(order).held_points == 0
    assert desk.balance() == (0, 0, 0)
    assert desk.told == ["earned 133", f"reversed {133 - held}", f"reversed {held}"]


def test_a_goodwill_cent_on_the_threshold_takes_the_bonus() -> None:
    desk, order = Desk(a_document(*RULES)), the_example()
    assert desk.receives(order, a_refund(order, amount="0.01")).award(order).held_points == 83


def test_money_for_shipping_takes_no_points() -> None:
    desk, order = Desk(a_document(*RULES)), the_example()
    desk.receives(order, a_refund(order, amount="4.90", shipping="4.90"))
    assert desk.award(order).held_points == 133


def test_what_went_back_otherwise_is_not_money() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    desk.receives(order, a_refund(order, given_back=(PaidWith(kind="credit", amount="10.00"),)))
    assert desk.award(order).held_points == 42


def test_the_same_refund_twice_counts_once() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    desk.receives(order, *(a_refund(order, amount="10.00", refund_id="r1") for _ in range(2)))
    assert desk.balance() == (0, 32, 0)


def test_a_refund_larger_than_the_order_is_cut_to_it() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    assert desk.receives(order, a_refund(order, amount="100.00")).balance() == (0, 0, 0)


def test_a_cancelled_order_holds_nothing_whenever_the_cancellation_comes() -> None:
    for order in (the_example(), the_example()):
        events = [order, a_cancellation(order), back(order, "cup")]
        for walk in itertools.permutations(events):
            assert Desk(a_document(*RULES)).receives(*walk).award(order).held_points == 0


@pytest.mark.parametrize(
    ("code", "refund"),
    [
        ("unknown_line", {"lines": (RefundLine(line_id="spoon"),)}),
        ("currency_mismatch", {"amount": "1.00", "currency": "USD"}),
        ("nothing_refunded", {}),
        ("invalid_amount", {"amount": "1.001"}),
    ],
)
def test_a_refund_that_does_not_fit_its_order_is_refused_or_counts_nothing(
    code: str, refund: dict[str, Any]
) -> None:
    order = the_example()
    after, before = Desk(a_document(*RULES)), Desk(a_document(*RULES))
    refused = after.receives(order).tries(a_refund(order, **refund))
    assert [error.code for error in refused.values()] == [code]
    early = a_refund(order, **refund)
    with capture_logs() as logs:
        before.receives(early, order)
    assert after.award(order).held_points == before.award(order).held_points == 133
    (told,) = [each for each in logs if each["event"] == "refund_does_not_fit"]
    assert (told["log_level"], told["code"]) == ("warning", code)
    assert (told["order_id"], told["refund_id"]) == (order.data.order_id, early.data.refund_id)


@pytest.mark.parametrize("overtakes", [False, True])
def test_a_refund_larger_than_its_order_takes_everything_back_and_warns(overtakes: bool) -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    refund = a_refund(order, amount="50.00")
    with capture_logs() as logs:
        desk.receives(*((refund, order) if overtakes else (order, refund)))
    assert desk.award(order).held_points == 0
    (told,) = [each for each in logs if each["event"] == "refunds_exceed_order"]
    assert (told["log_level"], told["order_id"]) == ("warning", order.data.order_id)
    assert (told["excess"], told["currency"]) == ("8.00", "EUR")


def test_no_refund_lifts_an_order_above_its_award_but_a_later_one_may_give_back() -> None:
    desk = Desk(a_document(a_rule(points="1", per="1.00 EUR", if_={"category": "tea"})))
    order = an_order_paid("65.00", lines=(TEA, CUP))
    desk.receives(order, a_refund(order, amount="40.00"))
    assert desk.award(order).held_points == 9, "25.00 are kept, spread over both lines by value"
    desk.receives(back(order, "cup", amount="0"))
    assert desk.award(order).held_points == 25, "all that is kept is the tea"
    assert desk.kinds == ["award", "reversal", "correction"]


def test_the_level_of_the_time_stays_with_the_award() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("100.00")
    desk.receives(a_rise(times="1.5", since=NOON - timedelta(days=1)), order)
    desk.receives(a_rise("Top", times="3", since=NOON + timedelta(days=1)))
    desk.receives(a_refund(order, amount="50.00", at=NOON + timedelta(days=2)))
    assert desk.award(order).held_points == 75


def test_a_later_version_of_the_program_changes_no_old_order() -> None:
    later = [(NOON + timedelta(days=1), a_document(PER_EURO | {"points": "9"}))]
    desk, order = Desk(a_document(PER_EURO), later=later), an_order_paid("100.00")
    desk.receives(order, a_refund(order, amount="50.00", at=NOON + timedelta(days=2)))
    assert desk.award(order).held_points == 50


def test_what_still_waits_is_taken_from_pending() -> None:
    desk, order = Desk(a_document(PER_EURO, **WAITS)), an_order_paid("42.00")
    desk.receives(order, a_refund(order, amount="10.00"))
    assert desk.balance() == (32, 0, 0)
    assert desk.book.outgoing._items[-1].data.taken_from_pending == 10


def test_points_are_taken_from_the_orders_own_lots_first() -> None:
    desk = Desk(a_document(PER_EURO, **MONTH))
    older, order = an_order_paid("10.00"), an_order_paid("20.00", at=NOON + timedelta(days=3))
    desk.receives(older, order, a_refund(order, amount="15.00", at=NOON + timedelta(days=4)))
    assert [lot.remaining for lot in desk.lots()] == [10, 5]


def test_then_from_other_lots_and_what_is_still_missing_is_a_deficit() -> None:
    desk = Desk(a_document(PER_EURO))
    other, order = an_order_paid("10.00"), an_order_paid("20.00")
    desk.receives(order, other)
    desk.spends(18)
    desk.receives(a_refund(order, amount="20.00"))
    assert desk.balance() == (0, -8, 0)
    assert desk.lots() == []


@pytest.mark.parametrize(
    ("policy", "available", "written_off"), [("allow", -42, 0), ("to_zero", 0, 42), ("pending_only", 0, 42)]
)
def test_a_deficit_follows_the_programs_policy(policy: str, available: int, written_off: int) -> None:
    desk, order = Desk(a_document(PER_EURO, points={"negative": policy})), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(42)
    desk.receives(a_refund(order, amount="42.00"))
    award = desk.award(order)
    assert desk.balance() == (0, available, 0)
    assert (award.held_points, award.written_off) == (0, written_off)


def test_what_the_program_bore_stands_in_the_breakdown_also_after_an_edit() -> None:
    desk, order = Desk(a_document(PER_EURO, points={"negative": "to_zero"})), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(30)
    desk.receives(a_refund(order, amount="42.00"))
    assert (desk.award(order).written_off, borne_of(desk.award(order))) == (30, 30)
    # 52.00 - 42.00 are kept: 10 points, which the member has spent already
    desk.receives(an_order_paid("52.00", order_id=order.data.order_id, at=NOON + timedelta(hours=1)))
    award = desk.award(order)
    assert (award.held_points, award.written_off, borne_of(award)) == (10, 20, 20)
    assert desk.balance() == (0, 0, 0)


def test_what_the_program_bore_is_not_taken_for_what_expired() -> None:
    """30 were borne while available was never touched; then all 100 expire, so that nobody owes for any of them."""
    later = [(NOON + timedelta(days=1), a_document(PER_EURO, points={"expire": "1 months"}))]
    first = a_document(PER_EURO, points={"negative": "pending_only", "expire": "1 months"})
    desk, order = Desk(first, later=later), an_order_paid("100.00")
    desk.receives(order, a_refund(order, amount="30.00"))
    assert (desk.balance(), borne_of(desk.award(order))) == ((0, 100, 0), 30)
    desk.reaches(NOON + timedelta(days=60))
    desk.receives(a_refund(order, amount="70.00", at=NOON + timedelta(days=61)))
    assert (desk.balance(), borne_of(desk.award(order))) == ((0, 0, 0), 30)


def test_pending_only_never_touches_what_is_available() -> None:
    desk, order = Desk(a_document(PER_EURO, points={"negative": "pending_only"})), an_order_paid("42.00")
    desk.receives(order, a_refund(order, amount="10.00"))
    assert (desk.balance(), desk.award(order).held_points) == ((0, 42, 0), 32)


def test_the_policy_is_that_of_the_refunds_time() -> None:
    later = [(NOON + timedelta(days=1), a_document(PER_EURO, points={"negative": "to_zero"}))]
    desk, order = Desk(a_document(PER_EURO), later=later), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(42)
    desk.receives(a_refund(order, amount="42.00", at=NOON + timedelta(days=2)))
    assert desk.balance() == (0, 0, 0)


def test_held_points_are_out_of_reach_of_a_refund() -> None:
    desk, order = Desk(a_document(PER_EURO)), an_order_paid("42.00")
    desk.receives(order)
    desk.holds(40)
    desk.receives(a_refund(order, amount="42.00"))
    assert desk.balance() == (0, -40, 40)
    desk.releases()
    assert desk.balance() == (0, 0, 0)


def test_points_that_expired_unused_count_as_taken_back_first() -> None:
    desk, order = Desk(a_document(PER_EURO, **MONTH)), an_order_paid("42.00")
    desk.receives(order, a_refund(order, amount="42.00", at=NOON + timedelta(days=60)))
    assert desk.kinds == ["award", "expiry"]
    assert (desk.balance(), desk.award(order).held_points) == ((0, 0, 0), 0)


def test_expiry_never_makes_a_refund_credit_points() -> None:
    desk = Desk(a_document(a_rule(points="1", per="1.00 EUR", if_={"category": "tea"}), **MONTH))
    order = an_order_paid("65.00", lines=(TEA, CUP))
    later = NOON + timedelta(days=60)
    desk.receives(order, a_refund(order, amount="40.00", at=later), back(order, "cup", amount="0", at=later))
    assert (desk.kinds, desk.balance()) == (["award", "expiry"], (0, 0, 0))
    assert desk.award(order).held_points == 25


def test_of_what_was_spent_before_the_rest_expired_only_the_spent_part_is_owed() -> None:
    desk, order = Desk(a_document(PER_EURO, **MONTH)), an_order_paid("42.00")
    desk.receives(order)
    desk.spends(12)
    desk.reaches(NOON + timedelta(days=60))
    desk.receives(a_refund(order, amount="42.00", at=NOON + timedelta(days=61)))
    assert desk.balance() == (0, -12, 0)


@st.composite
def refunds(draw: st.DrawFn) -> tuple[Event[Any], list[Event[Any]]]:
    """An order of tea and cups with what its customer sends back or is given back."""
    cents = st.integers(0, 9_999).map(lambda c: f"{c / 100:.2f}")
    lines = tuple(
        a_line(draw(cents), line_id=f"l{i}", quantity=draw(st.sampled_from(["1", "2", "3"])),
               categories=draw(st.sampled_from([(), ("tea",)])))
        for i in range(draw(st.integers(1, 4)))
    )  # fmt: skip
    order = an_order_paid("300.00", lines=lines, discount=draw(cents))
    several = []
    for _ in range(draw(st.integers(1, 5))):
        named = [
            RefundLine(line_id=line.line_id or "", quantity=draw(st.sampled_from([None, "1", "2"])))
            for line in lines
            if draw(st.booleans())
        ]
        amount = draw(st.none() | cents)
        if named or amount:
            later = NOON + timedelta(days=draw(st.integers(0, 100)))
            several.append(a_refund(order, lines=tuple(named), amount=amount, at=later))
    assume(several)
    return order, several


@given(refunds(), st.randoms(use_true_random=False), st.sampled_from([{}, WAITS, WAITS_FROM_PAID, MONTH]))
def test_refunds_in_any_order_end_at_the_same_points(
    case: tuple[Event[Any], list[Event[Any]]], rng: Any, words: dict[str, Any]
) -> None:
    order, several = case
    held = set()
    for _ in range(3):
        events = [order, *several]
        rng.shuffle(events)
        desk = Desk(a_document(*RULES, **words))
        for event in events:
            desk.tries(event)
            found = desk.book.awards.get(
                ("demo", order.data.customer_id), f"order:{order.data.order_id}:points"
            )
            assert found is None or 0 <= found.held_points <= found.points
        desk.reaches(NOON + timedelta(days=200))
        held.add((desk.award(order).points, desk.award(order).held_points, sum(desk.balance())))
    assert len(held) == 1


@given(refunds(), st.integers(0, 5))
def test_a_full_refund_ends_at_zero_whatever_came_before(
    case: tuple[Event[Any], list[Event[Any]]], place: int
) -> None:
    order, several = case
    all_of_it = back(order, *(line.line_id or "" for line in order.data.lines))
    several.insert(place, all_of_it)
    desk = Desk(a_document(*RULES)).receives(order, *several)
    assert (desk.award(order).held_points, desk.balance()) == (0, (0, 0, 0))


def test_an_edit_moves_the_order_to_its_new_lines() -> None:
    desk = Desk(a_document(*RULES))
    order = an_order_paid("65.00", order_id="o", lines=(TEA, CUP))
    desk.receives(order, an_order_paid("25.00", order_id="o", lines=(TEA,)))
    assert (desk.award(order).points, desk.balance()) == (50, (0, 50, 0))
    desk.receives(back(order, "cup"))
    assert desk.balance() == (0, 50, 0), "a line that an edit removed counts nothing"
    desk.receives(an_order_paid("65.00", order_id="o", lines=(TEA, CUP)))
    assert desk.balance() == (0, 140 - 90, 0), "but once it is there again, it had come back"


@given(st.permutations(range(3)))
def test_an_edit_and_refunds_end_alike_in_any_order(walk: list[int]) -> None:
    first = an_order_paid("65.00", order_id="o", lines=(TEA, CUP))
    edit = an_order_paid("50.00", order_id="o", lines=(TEA, a_line("25.00", line_id="pot")))
    desk = Desk(a_document(*RULES)).receives(first)
    events = [edit, a_refund(first, amount="10.00"), back(first, "tea")]
    desk.receives(*(events[place] for place in walk))
    assert desk.award(first).held_points == 15


def test_the_statement_of_the_latest_time_stands_even_if_it_came_first() -> None:
    desk = Desk(a_document(PER_EURO))
    desk.receives(
        an_order_paid("60.00", order_id="o", at=NOON + timedelta(hours=1)),
        an_order_paid("42.00", order_id="o", at=NOON),
    )
    assert desk.balance() == (0, 60, 0)


def test_an_order_that_held_nothing_at_first_becomes_available_after_an_edit() -> None:
    desk = Desk(a_document(PER_EURO, **WAITS_FROM_PAID))
    order = an_order_paid("42.00", order_id="o")
    desk.receives(a_refund(order, amount="42.00"), order, an_order_paid("60.00", order_id="o"))
    desk.reaches(NOON + timedelta(days=20))
    assert desk.balance() == (0, 18, 0)


@pytest.mark.parametrize("points", [{"expire": "1 month"}, {"negative": "pending_only"}])
def test_an_order_that_lost_its_points_can_still_be_edited(points: dict[str, str]) -> None:
    desk, later = Desk(a_document(PER_EURO, points=points)), NOON + timedelta(days=60)
    order = an_order_paid("42.00", order_id="o")
    desk.receives(order, a_refund(order, amount="42.00", at=later))
    desk.receives(an_order_paid("30.00", order_id="o", at=later))
    assert desk.award(order).held_points == 0


def test_a_fulfilment_in_time_that_arrives_late_is_booked_as_if_it_had_come_in_time() -> None:
    desk, order = Desk(a_document(PER_EURO, **WAITS)), an_order_paid("42.00")
    desk.receives(order).reaches(NOON + timedelta(days=100))
    desk.receives(a_fulfilment(order, at=NOON + timedelta(days=5)))
    desk.reaches(NOON + timedelta(days=101))
    assert desk.balance() == (0, 42, 0)


def test_the_first_fulfilment_by_its_time_starts_the_wait() -> None:
    desk, order = Desk(a_document(PER_EURO, **WAITS)), an_order_paid("42.00")
    desk.receives(order, a_fulfilment(order, at=NOON + timedelta(days=9)))
    desk.receives(a_fulfilment(order, at=NOON + timedelta(days=2)))
    desk.reaches(NOON + timedelta(days=18))
    assert desk.balance() == (0, 42, 0)


def test_a_removed_review_gives_back_what_it_earned_also_before_it_came() -> None:
    for early in (False, True):
        desk, review = Desk(a_document(a_rule(on="review.published", points="20"))), a_review()
        events = [review, a_review_removed(review)]
        desk.receives(*(reversed(events) if early else events))
        assert desk.balance() == (0, 0, 0)


def test_a_review_that_is_published_once_more_earns_once() -> None:
    desk = Desk(a_document(a_rule(on="review.published", points="20", limit="5 per product")))
    desk.receives(a_review(review_id="r"), a_review(review_id="r"))
    assert desk.balance() == (0, 20, 0)


def test_an_order_whose_hold_nobody_knows_still_counts() -> None:
    desk = Desk(a_document(a_rule(points="50", if_={"first_order": "true"})))
    desk.receives(an_order_paid("10.00", hold_id="nobody's"), an_order_paid("10.00"))
    assert desk.balance() == (0, 50, 0)


def test_an_order_whose_first_statement_turns_out_older_than_its_rules_holds_nothing() -> None:
    only_stamps = a_document(a_rule("stamp", on="order.paid", gives="1 stamp"))
    desk = Desk(only_stamps, later=[(NOON, a_document(PER_EURO))])
    newest = an_order_paid("42.00", order_id="o", at=NOON + timedelta(hours=1))
    desk.receives(newest, an_order_paid("40.00", order_id="o", at=NOON - timedelta(hours=1)))
    assert desk.award(newest).held_points == 0


@pytest.mark.parametrize("total", ["42.00", "20.00", "60.00"])
def test_what_waits_under_a_later_version_waits_no_more_once_its_first_statement_lets_nothing_wait(
    total: str,
) -> None:
    desk = Desk(a_document(PER_EURO), later=[(NOON, a_document(PER_EURO, **WAITS))])
    newest = an_order_paid("42.00", order_id="o", at=NOON + timedelta(hours=1))
    desk.receives(newest)
    assert desk.balance() == (42, 0, 0)
    desk.receives(an_order_paid(total, order_id="o", at=NOON - timedelta(hours=1))).reaches(newest.time)
    assert (desk.balance(), desk.award(newest).state) == ((0, 42, 0), "available")
