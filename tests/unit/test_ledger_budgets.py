"""Budgets for everybody: how they are divided, leased, used up, and what an edit or a refund finds of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.budgets import Budget, Portion, Slot, adjusted, divided, spread
from services.ledger.domain.leasing import amount_of, wanted_by
from services.ledger.program import parse
from services.ledger.store.budgets import EVERYTHING, more_wanted
from shared.calendar import Period
from shared.program_file import InvalidProgram
from shared.programs import BEGINNING_OF_TIME, Version, Versions
from tests.support.events import NOON, a_line, a_refund, a_share, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rule, at

MEMBERS = ("a", "b", "c")


def awarded(rule: dict[str, Any], *totals: str, dates: tuple[str, ...] = (), **ledger: Any) -> list[int]:
    """What each of these orders of different members was awarded."""
    desk = Desk(a_document(rule, **ledger), members=MEMBERS)
    moments = [at(text) for text in dates] or [NOON] * len(totals)
    orders = [
        an_order_paid(total, member=MEMBERS[number % 3], at=moment)
        for number, (total, moment) in enumerate(zip(totals, moments, strict=True))
    ]
    desk.receives(*orders)
    return [desk.award(order).points for order in orders]


def test_a_budget_is_everybodys_and_what_is_left_of_it_is_given() -> None:
    assert awarded(PER_EURO | {"budget": "100 points"}, "60.00", "60.00", "60.00") == [60, 40, 0]


def test_or_an_award_that_does_not_fit_is_rejected_and_takes_nothing() -> None:
    rule = PER_EURO | {"budget": "100 points", "beyond": "reject"}
    assert awarded(rule, "60.00", "60.00", "40.00") == [60, 0, 40]


def test_a_budget_of_times_counts_contributions() -> None:
    rule = a_rule(points="50", budget="2 times", if_={"order_at_least": "10.00 EUR"})
    assert awarded(rule, "10.00", "9.00", "10.00", "10.00") == [50, 0, 50, 0]


def test_a_budget_of_a_month_is_there_again_in_the_next() -> None:
    rule = PER_EURO | {"budget": "100 points per month"}
    dates = ("2026-05-31T21:59", "2026-05-31T21:59", "2026-05-31T22:00")
    assert awarded(rule, "80.00", "80.00", "80.00", dates=dates) == [80, 20, 80]


def test_it_counts_exact_points_and_all_caps_hold() -> None:
    assert awarded(PER_EURO | {"budget": "2 points"}, "0.75", "0.75", "5.00") == [0, 0, 0]
    rule = PER_EURO | {"budget": "100 points", "at_most": "30 per month"}
    assert awarded(rule, "60.00", "60.00", "60.00", "60.00") == [30, 30, 30, 0]


def test_a_budget_of_the_program_counts_whole_points_of_all_rules_together() -> None:
    caps = [{"budget": "100 points"}, {"budget": "1 stamp"}]
    rules = [PER_EURO, a_rule("more", points="0.9")]
    desk = Desk(a_document(*rules, a_rule("stamp", gives="1 stamp"), caps=caps), members=MEMBERS)
    orders = [an_order_paid("60.50", member=member) for member in MEMBERS]
    desk.receives(*orders)
    assert [desk.award(order).points for order in orders] == [61, 39, 0]
    assert [desk.award(order, asset="stamps").points for order in orders] == [1, 0, 0]


def test_a_deed_takes_from_it_too() -> None:
    desk = Desk(a_document(a_rule(on="content.shared", points="5", budget="7 points")), members=MEMBERS)
    desk.receives(*(a_share(network="x", member=member) for member in MEMBERS))
    assert [desk.balance(member)[1] for member in MEMBERS] == [5, 2, 0]


def test_a_refund_gives_nothing_back_and_is_bounded_by_what_was_taken() -> None:
    desk = Desk(a_document(PER_EURO | {"budget": "100 points"}), members=MEMBERS)
    first, second = an_order_paid("80.00", member="a"), an_order_paid("80.00", member="b")
    desk.receives(first, second, a_refund(second, amount="30.00"), a_refund(first, amount="80.00"))
    assert (desk.balance("a"), desk.balance("b")) == ((0, 0, 0), (0, 20, 0)), (
        "of 50.00 kept, the room allows 20"
    )
    third = an_order_paid("10.00", member="c")
    assert desk.receives(third).award(third).points == 0


def test_an_edit_takes_nothing_more() -> None:
    desk = Desk(a_document(PER_EURO | {"budget": "100 points"}), members=MEMBERS)
    order = an_order_paid("20.00", member="a", order_id="edited")
    desk.receives(order, an_order_paid("50.00", member="a", order_id="edited"))
    assert desk.award(order).points == 20
    desk.receives(an_order_paid("10.00", member="a", order_id="edited"))
    assert desk.award(order).points == 10


def test_an_edit_does_not_wake_a_rule_that_took_nothing() -> None:
    rule = a_rule("big", points="50", budget="10 times", if_={"order_at_least": "60.00 EUR"})
    desk = Desk(a_document(rule), members=MEMBERS)
    order = an_order_paid("20.00", member="a", order_id="edited")
    desk.receives(order, an_order_paid("90.00", member="a", order_id="edited"))
    assert desk.award(order).points == 0


def test_a_goal_takes_from_the_budget_of_the_program() -> None:
    goal = a_rule("goal", points="50", for_spending="each 100.00 EUR per month")
    desk = Desk(a_document(goal, caps=[{"budget": "120 points"}]), members=MEMBERS)
    desk.receives(*(an_order_paid("100.00", member=member) for member in MEMBERS))
    assert [desk.balance(member)[1] for member in MEMBERS] == [50, 50, 20]
    desk.receives(an_order_paid("100.00", member="a"))
    assert desk.balance("a") == (0, 50, 0)


def test_it_is_explained_what_was_cut() -> None:
    desk = Desk(a_document(PER_EURO | {"budget": "100 points per month"}), members=MEMBERS)
    first, second = an_order_paid("80.00", member="a"), an_order_paid("80.00", member="b")
    desk.receives(first, second)
    assert "cuts" not in desk.award(first).breakdown
    assert desk.award(second).breakdown["cuts"] == [["base", "a budget of 100 per month", None, "80", "20"]]
    assert desk.award(second).breakdown["room"] == {"base": "20"}


# A batch leases slots.


def leased(budget: Budget, *slots: Slot, elsewhere: int = 0) -> Desk:
    """A desk whose batch leased these slots of the budget of all rules."""
    desk = Desk(a_document(PER_EURO | {"budget": "100 points"}), members=MEMBERS)
    desk.book.leases = True
    portion = Portion("demo", budget.name, budget.bucket(NOON.date()), slots, elsewhere=elsewhere)
    desk.book.portions.load("demo", (portion.name, portion.bucket), portion)
    return desk


BUDGET = Budget("rule:base", 100)


def test_a_batch_gives_what_it_leased_and_says_that_it_was_short() -> None:
    desk = leased(BUDGET, Slot(0, 10), Slot(3, 15), elsewhere=75)
    order = an_order_paid("60.00", member="a")
    assert desk.receives(order).award(order).points == 25
    assert desk.book.short == {("demo", "rule:base", "points:ever")}
    (portion,) = desk.book.portions.changed()
    assert spread(portion) == [Slot(0, 0, 10), Slot(3, 0, 15)]


def test_what_was_not_leased_is_never_given_and_asked_for() -> None:
    desk = Desk(a_document(PER_EURO | {"budget": "100 points"}), members=MEMBERS)
    desk.book.leases = True
    order = an_order_paid("60.00", member="a")
    assert desk.receives(order).award(order).points == 0
    assert more_wanted(desk.book) == {("demo", "rule:base", "points:ever"): EVERYTHING}


def test_a_refused_event_takes_nothing() -> None:
    desk = leased(BUDGET, Slot(0, 100))
    lines = (a_line("30.00", line_id="x"), a_line("30.00", line_id="x"))
    assert desk.tries(an_order_paid("60.00", member="a", lines=lines))
    order = an_order_paid("100.00", member="b")
    assert desk.receives(order).award(order).points == 100


@given(st.integers(0, 1000), st.integers(1, 20))
def test_a_new_budget_is_divided_without_rest(amount: int, slots: int) -> None:
    found = divided(amount, slots)
    assert sum(slot.left for slot in found) == amount
    assert max(slot.left for slot in found) - min(slot.left for slot in found) <= 1


shares = st.fractions(min_value=0, max_value=50, max_denominator=7)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=8), st.integers(0, 500))
def test_a_budget_that_is_changed_leaves_exactly_the_rest(
    known: list[tuple[Fraction, Fraction]], amount: int
) -> None:
    slots = [Slot(number, left, used) for number, (left, used) in enumerate(known)]
    changed = adjusted(slots, amount)
    assert [slot.used for slot in changed] == [slot.used for slot in slots]
    assert min(slot.left for slot in changed) >= 0
    assert sum(slot.left for slot in changed) == max(0, amount - sum(slot.used for slot in slots))


@given(st.lists(shares, min_size=1, max_size=8), st.fractions(0, 1))
def test_what_is_taken_comes_out_of_the_slots_exactly(left: list[Fraction], part: Fraction) -> None:
    slots = tuple(Slot(number, each) for number, each in enumerate(left))
    taken = sum(left) * part
    changed = spread(Portion("p", "n", "b", slots, taken))
    assert sum(slot.used for slot in changed) == taken
    assert all(slot.left + slot.used == left[slot.number] and slot.left >= 0 for slot in changed)


def test_a_batch_estimates_what_it_may_want() -> None:
    program = a_program(
        PER_EURO | {"budget": "900 points"},
        a_rule("b", points="20", budget="3 times per month"),
        caps=[{"budget": "5000 points per year"}],
    )
    found = dict(wanted_by(an_order_paid("49.50"), program, "order.paid"))
    assert found == {
        ("demo", "rule:base", "points:ever"): 50,
        ("demo", "rule:b", "times:month:2026-05-01"): 1,
        ("demo", "asset:points", "points:year:2026-01-01"): 70,
    }


def test_the_newest_version_that_has_a_budget_says_how_much_it_is() -> None:
    def version(number: int, *rules: dict[str, Any]) -> Version[Any]:
        document = a_document(*rules)
        return Version("demo", number, BEGINNING_OF_TIME, NOON, document, parse(document))

    versions = Versions(
        (
            version(1, PER_EURO | {"budget": "100 points"}),
            version(2, PER_EURO | {"budget": "150 points"}),
            version(3, PER_EURO),
        )
    )
    assert amount_of(versions, ("demo", "rule:base", "points:ever")) == 150


def test_a_bucket_names_what_is_counted_and_the_period() -> None:
    day = NOON.date()
    found = [
        Budget("b", 1, times, period).bucket(day) for times, period in ((True, None), (False, Period.MONTH))
    ]
    assert found == ["times:ever", "points:month:2026-05-01"]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (a_document(PER_EURO | {"budget": "much"}), "ledger.earn[0].budget"),
        (a_document(PER_EURO | {"budget": "0 points"}), "ledger.earn[0].budget"),
        (a_document(PER_EURO | {"budget": "5 stamps"}), "ledger.earn[0].budget"),
        (a_document(PER_EURO | {"budget": "2.5 points"}), "ledger.earn[0].budget"),
        (a_document(PER_EURO | {"budget": "5 points per fortnight"}), "ledger.earn[0].budget"),
        (a_document(a_rule(times="2", budget="5 times")), "ledger.earn[0]"),
        (a_document(caps=[{"budget": "5 times"}]), "ledger.caps[0].budget"),
        (a_document(caps=[{"budget": "5 points"}, {"budget": "6 points"}]), "ledger.caps[1].budget"),
        (a_document(caps=[{}]), "ledger.caps[0]"),
        (a_document(caps=[{"at_most": "5 points per day", "budget": "6 points"}]), "ledger.caps[0]"),
        (a_document(caps=[{"at_most": "5 points"}]), "ledger.caps[0].at_most"),
        (a_document(caps=[{"at_most": "5 points per product"}]), "ledger.caps[0].at_most"),
        (a_document(caps=[{"at_most": "2.5 points per day"}]), "ledger.caps[0].at_most"),
        (a_document(caps=[{"at_most": "5 points per day"}] * 2), "ledger.caps[1].at_most"),
        (a_document(PER_EURO | {"at_most": ["5 per day", "6 per day"]}), "ledger.earn[0].at_most[1]"),
        (a_document(PER_EURO | {"at_most": "5 stamps per day"}), "ledger.earn[0].at_most"),
    ],
)
def test_a_bound_that_cannot_work_is_refused(document: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidProgram) as refused:
        parse(document)
    errors: Any = refused.value.extra["errors"]
    assert [each["path"] for each in errors] == [path]
