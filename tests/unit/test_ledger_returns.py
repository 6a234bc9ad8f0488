"""Spent points come back: by target, along the draws, whatever came in which order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.records import Lot
from services.ledger.domain.returns import stays_spent
from services.ledger.domain.spending import SpentBack
from shared.events import CustomerDeleted, Event, OrderPaid, PaidWith, RefundLine
from shared.rows import replace
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_line,
    a_refund,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_rise, a_rule

HELLO = a_rule("hello", on="customer.signed_up", points="300")
MONTH: dict[str, Any] = {"points": {"expire": "1 month"}}
CHECKOUT: dict[str, Any] = {"at_checkout": {"points": "100", "are_worth": "1.00 EUR"}}
TEA, CUP = a_line("25.00", line_id="tea"), a_line("35.00", line_id="cup")
A, B = 1, 2
"""The numbers of the two lots that a desk begins with."""
DAY = timedelta(days=1)


def a_desk(*rules: Any, later: Any = (), **words: Any) -> Desk:
    """A member with lot A of 300 points since a week, and lot B of 700, which expires later if they expire."""
    desk = Desk(a_document(HELLO, *rules, **words), later=later)
    return desk.receives(a_sign_up(at=NOON - 7 * DAY), a_rise(since=NOON, points=700))


def the_order(**more: Any) -> Event[OrderPaid]:
    """Tea for 25.00 and a cup for 35.00."""
    return an_order_paid("60.00", order_id="o", lines=(TEA, CUP), **more)


def back(order: Event[OrderPaid], *lines: str, **more: Any) -> Any:
    """These lines of the order come back."""
    return a_refund(order, lines=tuple(RefundLine(line_id=line) for line in lines), **more)


def paid_with(amount: str, kind: Any = "points") -> tuple[PaidWith, ...]:
    return (PaidWith(kind=kind, amount=amount),)


def remaining(desk: Desk) -> dict[int, int]:
    """What the lots hold."""
    return {lot.lot_no: lot.remaining for lot in desk.lots()}


# The worked example


@pytest.mark.parametrize(("first", "stays", "lots"), [("cup", 417, {B: 583}), ("tea", 584, {B: 416})])
def test_the_worked_example_ends_with_all_lots_as_they_were_in_either_order(
    first: str, stays: int, lots: dict[int, int]
) -> None:
    desk, order = a_desk(), the_order()
    desk.pays(1000, order_id="o")
    desk.receives(order, back(order, first))
    assert (desk.spent_on("o"), remaining(desk)) == (stays, lots)
    desk.receives(back(order, {"cup": "tea", "tea": "cup"}[first]))
    assert (desk.spent_on("o"), remaining(desk)) == (0, {A: 300, B: 700})
    assert desk.told[2:] == ["spent 1000", f"restored {1000 - stays}", f"restored {stays}"]


def test_what_comes_back_is_announced_with_what_the_order_is_still_paid_with() -> None:
    desk, order = a_desk(), the_order()
    desk.pays(1000, order_id="o")
    desk.receives(order, back(order, "cup", event_id="the refund"))
    restored = desk.book.outgoing._items[-1].data
    assert (restored.points, restored.order_spent, restored.order_id) == (583, 417, "o")
    assert (restored.kind, restored.hold_id, restored.cause) == ("return", "s", "the refund")


def test_what_was_paid_otherwise_counts_as_kept_and_total_too() -> None:
    """30.00 of 60.00 were paid with points; half of the goods come back: half of the points."""
    desk = a_desk(spend=CHECKOUT)
    order = an_order_paid("60.00", order_id="o", lines=(a_line("30.00", line_id="x"), a_line("30.00")),
                          paid_with=paid_with("10.00"), hold_id="h")  # fmt: skip
    desk.holds(1000)
    desk.receives(order, back(order, "x"))
    assert desk.spent_on("o") == 500


def test_money_for_shipping_brings_no_points_back() -> None:
    desk = a_desk()
    order = an_order_paid("64.90", order_id="o", lines=(TEA, CUP), shipping="4.90")
    desk.pays(1000, order_id="o")
    desk.receives(order, a_refund(order, amount="4.90", shipping="4.90"))
    assert desk.spent_on("o") == 1000


def test_an_order_that_points_paid_wholly_gives_them_back_with_its_lines() -> None:
    desk = a_desk(spend=CHECKOUT)
    desk.holds(1000)
    order = an_order_paid("10.00", order_id="o", lines=(a_line("4.00", line_id="x"), a_line("6.00")),
                          paid_with=paid_with("10.00"), hold_id="h")  # fmt: skip
    desk.receives(order, back(order, "x"))
    assert desk.spent_on("o") == 600


def test_a_cancellation_is_a_full_refund_also_of_an_order_that_was_never_paid() -> None:
    for paid in (True, False):
        desk, order = a_desk(), the_order()
        desk.pays(1000, order_id="o")
        desk.receives(*([order] if paid else []), a_cancellation(order))
        assert (desk.balance(), remaining(desk)) == ((0, 1000, 0), {A: 300, B: 700})


def test_the_same_refund_twice_brings_back_once() -> None:
    desk, order = a_desk(), the_order()
    desk.pays(1000, order_id="o")
    desk.receives(order, *(a_refund(order, amount="30.00", refund_id="r") for _ in range(2)))
    assert desk.spent_on("o") == 500


def test_points_that_were_spent_on_something_else_stay_spent() -> None:
    desk, order = a_desk(), the_order()
    desk.pays(400, "game")
    desk.pays(600, "s", order_id="o")
    desk.receives(order, a_cancellation(order))
    assert desk.balance() == (0, 600, 0)


def test_store_credit_comes_back_beside_points_each_in_its_share() -> None:
    desk = a_desk(a_rule("gift", on="customer.signed_up", credit="9.00 EUR"))
    order = the_order()
    desk.pays(600, "p", order_id="o")
    desk.pays(900, "c", order_id="o", asset="credit:EUR")
    desk.receives(order, back(order, "cup"))
    assert desk.spent_on("o") == ceil(Fraction(600 * 25, 60))
    assert desk.spent_on("o", asset="credit:EUR") == ceil(Fraction(900 * 25, 60))


def test_of_several_spends_the_one_drawn_last_comes_back_first() -> None:
    desk, order = a_desk(), the_order()
    desk.pays(300, "first", order_id="o")
    desk.now = NOON + timedelta(minutes=1)
    desk.pays(700, "second", order_id="o")
    desk.receives(order, back(order, "tea", at=desk.now))
    holds = desk.book.holds.of(("demo", MEMBER))
    assert (holds["first"].returned, holds["second"].returned) == (0, 416)


# Policies


@pytest.mark.parametrize(
    ("policy", "after_cup", "after_all"),
    [("proportional", 417, 0), ("full_only", 1000, 0), ("never", 1000, 1000)],
)
def test_the_policy_says_what_comes_back(policy: str, after_cup: int, after_all: int) -> None:
    desk, order = a_desk(spend={"spent_points_back": policy}), the_order()
    desk.pays(1000, order_id="o")
    assert desk.receives(order, back(order, "cup")).spent_on("o") == after_cup
    assert desk.receives(back(order, "tea")).spent_on("o") == after_all


@pytest.mark.parametrize(("policy", "stays"), [("full_only", 0), ("never", 1000)])
def test_the_policy_holds_for_cancellations_too(policy: str, stays: int) -> None:
    desk, order = a_desk(spend={"spent_points_back": policy}), the_order()
    desk.pays(1000, order_id="o")
    assert desk.receives(order, a_cancellation(order)).spent_on("o") == stays


def test_the_policy_is_that_of_the_refunds_time_whenever_it_arrives() -> None:
    """Half comes back while points do, the rest when they do no more: half of them stay with the member."""
    words = a_document(HELLO, spend={"spent_points_back": "never"})
    order = the_order()
    refunds = [a_refund(order, amount="30.00", at=NOON + DAY), a_cancellation(order, at=NOON + 3 * DAY)]
    for walk in itertools.permutations([order, *refunds]):
        desk = a_desk(later=[(NOON + 2 * DAY, words)])
        desk.pays(1000, order_id="o")
        assert desk.receives(*walk).spent_on("o") == 500


@given(
    spent=st.integers(0, 10_000),
    steps=st.lists(st.tuples(st.sampled_from(SpentBack), st.fractions(0, 1, max_denominator=50)), max_size=6),
)
def test_no_policy_gives_more_than_the_share_that_came_back(
    spent: int, steps: list[tuple[SpentBack, Fraction]]
) -> None:
    stays = stays_spent(spent, steps)
    in_proportion = ceil(spent * steps[-1][1]) if steps else spent
    assert in_proportion <= stays <= spent
    if steps and steps[-1][0] is SpentBack.PROPORTIONAL:
        assert stays == in_proportion


# Lots


def test_they_return_to_their_lots_with_their_old_expiry() -> None:
    desk, order = a_desk(**MONTH), the_order()
    before = desk.lots()
    desk.pays(1000, order_id="o")
    desk.receives(order, a_cancellation(order, at=NOON + DAY))
    assert desk.lots() == before


def test_what_cannot_return_into_an_expired_lot_lives_for_the_grace() -> None:
    desk, order = a_desk(**MONTH, spend={"grace": "10 days"}), the_order()
    a, b = desk.lots()
    assert a.expires_at is not None
    desk.pays(1000, order_id="o")
    late = a.expires_at + timedelta(hours=1)
    desk.receives(order, a_cancellation(order, at=late))
    whole, anew = desk.lots()
    assert (replace(whole, told_at=None), anew.remaining) == (b, 300)
    assert (anew.opened_at, anew.award_id) == (a.opened_at, a.award_id)
    assert anew.expires_at is not None
    assert anew.expires_at == midnight_after(late + 10 * DAY)
    assert desk.told[-2:] == ["restored 700", "restored 300"]
    desk.reaches(anew.expires_at)
    assert desk.balance() == (0, 0, 0)


def midnight_after(moment: datetime) -> datetime:
    """The midnight in Paris that follows, in summer."""
    paris = moment + timedelta(hours=2)
    return paris.replace(hour=0, minute=0) + DAY - timedelta(hours=2)


def test_a_lot_that_expires_at_the_moment_of_the_refund_has_expired() -> None:
    desk, order = a_desk(**MONTH), the_order()
    a, _ = desk.lots()
    assert a.expires_at is not None
    desk.pays(300, order_id="o")
    desk.receives(order, a_cancellation(order, at=a.expires_at))
    assert desk.balance() == (0, 1000, 0)
    assert {lot.lot_no for lot in desk.lots()} != {A, B}


def test_points_in_their_grace_are_those_of_the_award_that_they_came_from() -> None:
    """The order that earned them is refunded later: they are taken from the lot that they came back in."""
    desk = Desk(a_document(PER_EURO, **MONTH))
    earned, paid = an_order_paid("100.00"), an_order_paid("60.00", order_id="o", lines=(a_line("0"),))
    desk.receives(earned)
    desk.pays(100, order_id="o")
    later = NOON + 40 * DAY
    desk.receives(paid, a_cancellation(paid, at=later), a_sign_up(at=later))
    desk.receives(a_refund(earned, amount="70.00", at=later + DAY))
    assert [(lot.remaining, lot.award_id) for lot in desk.lots()] == [(30, desk.award(earned).award_id)]


def test_a_deficit_is_filled_first() -> None:
    desk = Desk(a_document(PER_EURO))
    earned, paid = an_order_paid("100.00"), the_order()
    desk.receives(earned)
    desk.pays(100, order_id="o")
    desk.receives(a_refund(earned, amount="70.00"), paid)
    assert desk.balance() == (0, -10, 0)
    desk.receives(back(paid, "tea"))
    assert desk.balance() == (0, -10 + 41 - 25, 0)


@pytest.mark.parametrize("policy", ["allow", "to_zero", "pending_only"])
def test_spent_points_come_back_before_earned_ones_are_taken(policy: str) -> None:
    desk = Desk(a_document(a_rule(points="1", per="1.00 EUR"), points={"negative": policy}))
    first, order = an_order_paid("100.00"), the_order()
    desk.receives(first)
    desk.pays(100, "s", order_id="o")
    desk.receives(order)
    desk.pays(60, "rest")
    desk.receives(a_cancellation(order))
    kinds = [kind for kind in desk.kinds if kind in ("return", "reversal")]
    assert kinds == (["return"] if policy == "pending_only" else ["return", "reversal"])
    assert desk.balance() == (0, 100 if policy == "pending_only" else 40, 0)
    assert desk.award(order).written_off == (60 if policy == "pending_only" else 0)


# Edits of the order


def test_an_edit_that_says_less_was_paid_with_points_gives_the_rest_back() -> None:
    desk = a_desk(spend=CHECKOUT)
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(the_order(hold_id="h", paid_with=paid_with("4.00"), at=NOON + DAY))
    assert (desk.spent_on("o"), remaining(desk)) == (400, {B: 600})


def test_points_of_an_edit_come_back_before_earned_ones_are_taken() -> None:
    """Else the program would bear what the member has again a moment later."""
    desk = a_desk(PER_EURO, spend=CHECKOUT, points={"negative": "to_zero"})
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.pays(50, "game")
    desk.receives(
        an_order_paid("25.00", order_id="o", lines=(TEA,), paid_with=paid_with("4.00"), at=NOON + DAY)
    )
    assert desk.kinds[-2:] == ["return", "reversal"]
    assert desk.balance() == (0, 600 - (50 - 21), 0)


def test_an_edit_that_says_nothing_of_points_changes_nothing() -> None:
    desk = a_desk(spend=CHECKOUT)
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(an_order_paid("25.00", order_id="o", lines=(TEA,), at=NOON + DAY))
    assert desk.spent_on("o") == 1000


def test_the_newest_statement_says_what_points_paid_whichever_came_last() -> None:
    statements = [
        the_order(hold_id="h", paid_with=paid_with(amount), at=NOON + day * DAY)
        for day, amount in enumerate(("10.00", "4.00", "7.00"))
    ]
    refund = a_refund(statements[0], amount="26.50", at=NOON + 5 * DAY)
    for walk in itertools.permutations([*statements, refund]):
        desk = a_desk(spend=CHECKOUT)
        desk.pays(1000, "h")
        assert desk.receives(*walk).spent_on("o") == 350


@pytest.mark.parametrize(
    ("policy", "balance", "borne"),
    [("allow", (0, -100, 0), 0), ("to_zero", (0, 0, 0), 100), ("pending_only", (0, 200, 0), 300)],
)
def test_goods_that_are_taken_again_are_paid_again_as_a_reversal_takes(
    policy: str, balance: tuple[int, int, int], borne: int
) -> None:
    """600 came back and 400 of them were spent; then the shop says that 700 were paid after all."""
    desk = a_desk(spend=CHECKOUT, points={"negative": policy})
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(the_order(paid_with=paid_with("4.00"), at=NOON + DAY))
    desk.pays(400, "game")
    desk.receives(the_order(paid_with=paid_with("7.00"), at=NOON + 2 * DAY))
    hold = desk.book.holds.of(("demo", MEMBER))["h"]
    assert (desk.balance(), hold.borne, desk.spent_on("o")) == (balance, borne, 700)
    desk.receives(a_cancellation(the_order(), at=NOON + 3 * DAY))
    assert (desk.balance(), desk.spent_on("o")) == ((0, 600, 0), 0)


def test_goods_that_are_taken_again_are_paid_from_the_lots_that_the_points_came_back_to() -> None:
    """And not from another one that expires sooner."""
    shorter = a_document(HELLO, spend=CHECKOUT, points={"expire": "1 month"})
    desk = a_desk(spend=CHECKOUT, points={"expire": "12 months"}, later=[(NOON + DAY / 2, shorter)])
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(the_order(paid_with=paid_with("4.00"), at=NOON + DAY))
    desk.receives(a_rise("Top", since=NOON + DAY, points=600))
    (sooner,) = {lot.lot_no for lot in desk.lots()} - {B}
    desk.receives(the_order(paid_with=paid_with("8.00"), at=NOON + 2 * DAY))
    assert remaining(desk) == {B: 200, sooner: 600}


def test_what_was_paid_again_from_another_lot_returns_there() -> None:
    desk = a_desk(spend=CHECKOUT)
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(the_order(paid_with=paid_with("4.00"), at=NOON + DAY))
    desk.pays(600, "game")
    desk.receives(an_order_paid("0", at=NOON + DAY), a_rise("Top", since=NOON + DAY, points=300))
    (other,) = desk.lots()
    desk.receives(the_order(paid_with=paid_with("7.00"), at=NOON + 2 * DAY))
    assert desk.balance() == (0, 0, 0)
    desk.receives(a_cancellation(the_order(), at=NOON + 3 * DAY))
    assert remaining(desk) == {A: 300, B: 100, other.lot_no: 300}


def test_what_was_paid_again_while_the_member_owed_forms_a_lot_of_its_own() -> None:
    desk = a_desk(spend=CHECKOUT)
    desk.holds(1000)
    desk.receives(the_order(hold_id="h", paid_with=paid_with("10.00")))
    desk.receives(the_order(paid_with=paid_with("4.00"), at=NOON + DAY))
    desk.pays(600, "game")
    desk.receives(the_order(paid_with=paid_with("7.00"), at=NOON + 2 * DAY))
    assert desk.balance() == (0, -300, 0)
    desk.receives(a_rise("Top", since=NOON + 2 * DAY, points=300))
    assert desk.balance() == (0, 0, 0)
    desk.receives(a_cancellation(the_order(), at=NOON + 3 * DAY))
    assert desk.balance() == (0, 700, 0)
    assert {A: 300, B: 100}.items() <= remaining(desk).items()


def test_whoever_is_forgotten_gets_nothing_back() -> None:
    desk, order = a_desk(), the_order()
    desk.pays(600, order_id="o")
    desk.receives(order, an_event(CustomerDeleted(customer_id=MEMBER)), a_cancellation(order))
    assert desk.balance() == (0, 0, 0)


# Whatever the order of arrival

cents = st.integers(0, 9_999).map(lambda c: f"{c / 100:.2f}")


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[Callable[[Desk], Any]]]:
    """An order that points paid, perhaps edited, with what comes back of it, as steps in no order."""
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    words: dict[str, Any] = {"order_id": "o", "discount": draw(cents)}
    lines = [a_line(draw(cents), line_id=n, quantity=draw(st.sampled_from(["1", "3"]))) for n in names]
    said = draw(st.sampled_from([(), paid_with("4.00"), paid_with("6.00")]))
    first = an_order_paid("300.00", lines=lines, paid_with=said, **words)
    events: list[Event[Any]] = [first]
    if draw(st.booleans()):
        edited = [a_line(draw(cents), line_id=n) for n in names]
        again = draw(st.sampled_from([said, paid_with("3.00")]))
        events.append(an_order_paid("300.00", lines=edited, paid_with=again, at=NOON + DAY, **words))
    for number in range(draw(st.integers(1, 4))):
        named = [RefundLine(line_id=name, quantity=draw(st.none() | st.just("1"))) for name in names]
        some = tuple(each for each in named if draw(st.booleans()))
        when = NOON + draw(st.integers(0, 50)) * DAY
        amount = draw(st.none() | cents) if some else draw(cents)
        if some or amount is not None:
            events.append(
                a_refund(first, lines=some, amount=amount, at=when, refund_id=str(number), shipping="0")
            )
    if draw(st.integers(0, 5)) == 0:
        events.append(a_cancellation(first, at=NOON + draw(st.integers(0, 50)) * DAY))
    spent = draw(st.sampled_from([200, 500, 600, 1000]))
    steps: list[Callable[[Desk], Any]] = [partial(_tell, event) for event in events]
    return spent, [*steps, partial(Desk.captures, order_id="o")]


def _tell(event: Event[Any], desk: Desk) -> None:
    desk.tries(event)


POLICIES: list[dict[str, Any]] = [
    {"spend": CHECKOUT | {"spent_points_back": back}, "points": {"negative": negative}}
    for back in ("proportional", "full_only", "never")
    for negative in ("allow", "to_zero")
]


@given(histories(), st.randoms(use_true_random=False), st.sampled_from(POLICIES))
def test_what_stays_spent_is_the_same_whatever_came_first(
    case: tuple[int, list[Callable[[Desk], Any]]], rng: Any, words: dict[str, Any]
) -> None:
    """Also the capture: before the order, between its refunds, or after all of them."""
    spent, steps = case
    ends = set()
    for _ in range(3):
        desk = a_desk(**words)
        desk.holds(spent, minutes=60 * 24 * 99)
        rng.shuffle(steps)
        for step in steps:
            step(desk)
        stays = desk.spent_on("o")
        assert 0 <= stays <= spent
        assert desk.balance()[1] + stays == 1000
        ends.add((stays, desk.balance()))
    assert len(ends) == 1


@given(
    spent=st.lists(st.integers(1, 400), min_size=1, max_size=3),
    refunds=st.lists(st.integers(0, 6_000), max_size=4),
    rng=st.randoms(use_true_random=False),
)
def test_a_full_refund_leaves_every_lot_as_it_was(spent: list[int], refunds: list[int], rng: Any) -> None:
    desk, order = a_desk(**MONTH), the_order()
    before = _as_drawn(desk)
    for number, points in enumerate(spent):
        if points <= desk.balance()[1]:
            desk.pays(points, str(number), order_id="o")
    events = [order, *(a_refund(order, amount=f"{c / 100:.2f}", at=NOON + DAY) for c in refunds)]
    events.append(back(order, "tea", "cup", at=NOON + DAY))
    rng.shuffle(events)
    desk.receives(*events)
    assert _as_drawn(desk) == before


def _as_drawn(desk: Desk) -> dict[int, Lot]:
    """The lots but for what was told of them, which goes on while they are empty."""
    return {lot.lot_no: replace(lot, told_at=None) for lot in desk.lots()}
