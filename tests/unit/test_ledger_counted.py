"""What caps and budgets counted of an award under each version that it was decided by."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

from services.ledger.domain.counted import Counted, as_stored, more, sums
from shared.events import Event, OrderPaid
from tests.support.events import MEMBER, NOON, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule

SECOND_SINCE, THIRD_SINCE = NOON, NOON + timedelta(days=1)
FIRST, SECOND, THIRD = (NOON + timedelta(hours=hours) for hours in (-1, 1, 25))
KEY = ("demo", MEMBER)


def a_desk(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any] | None = None) -> Desk:
    """A program of two or three versions, each one rule."""
    later = [(SECOND_SINCE, a_document(second))]
    return Desk(a_document(first), later=[*later, (THIRD_SINCE, a_document(third))] if third else later)


def the_order(total: str, at: Any) -> Event[OrderPaid]:
    """The one order, stated once more."""
    return an_order_paid(total, order_id="o", at=at)


def used(desk: Desk) -> dict[str, tuple[int, Any]]:
    """Times and points of each bucket of the rule."""
    return {bucket: (each.times, each.points) for (_, bucket), each in desk.book.usage.of(KEY).items()}


def test_a_version_that_an_order_comes_to_counts_what_is_on_top_and_no_further_time() -> None:
    more_per_euro = PER_EURO | {"points": "1.5", "at_most": "100 per week"}
    desk = a_desk(more_per_euro, PER_EURO | {"limit": "3 per month"})
    late = the_order("60.00", SECOND)
    desk.receives(late, the_order("60.00", FIRST))
    assert desk.award(late).points == 90
    assert used(desk) == {"times:month=2026-05": (1, 60), "points:week=2026-W19": (0, 30)}
    assert desk.award(late).breakdown["counted"] == [[2, "base", 1, "60", "60"], [1, "base", 0, "30", "0"]]
    desk.receives(the_order("64.00", SECOND + timedelta(minutes=1)))
    assert desk.award(late).breakdown["counted"] == [[2, "base", 1, "60", "60"], [1, "base", 0, "36", "0"]]


def test_an_order_that_passes_a_version_without_caps_is_not_counted_twice() -> None:
    capped = PER_EURO | {"at_most": "100 per month"}
    desk = a_desk(capped, PER_EURO, capped)
    desk.receives(the_order("60.00", THIRD), the_order("60.00", SECOND), the_order("60.00", FIRST))
    assert used(desk) == {"points:month=2026-05": (1, 60)}
    other = an_order_paid("70.00", at=FIRST)
    desk.receives(other)
    assert desk.award(other).points == 40, "60 of 100 are used"


def test_a_budget_that_is_asked_for_the_first_time_by_an_edit_is_not_exceeded() -> None:
    desk = a_desk(
        a_rule("base", points="1", per="1.00 EUR", budget="50 points"),
        a_rule("base", points="1", per="1.00 EUR", limit="3 per month"),
    )
    late = the_order("60.00", SECOND)
    desk.receives(late, the_order("60.00", FIRST))
    (portion,) = desk.book.portions.of("demo").values()
    assert (desk.award(late).points, portion.taken) == (50, 50)
    assert desk.award(late).breakdown["counted"] == [[2, "base", 1, "60", "60"], [1, "base", 0, "0", "50"]]


def test_what_a_goal_gave_says_which_version_bounded_it() -> None:
    goal = a_rule("goal", points="50", for_spending="each 100.00 EUR per month")
    bounded = a_document(goal, caps=[{"at_most": "80 points per month"}])
    desk = Desk(a_document(goal), later=[(SECOND_SINCE, bounded)])
    desk.receives(an_order_paid("100.00", at=FIRST), an_order_paid("200.00", at=SECOND))
    counted = [
        award.breakdown["counted"] for award in desk.book.awards.of(KEY).values() if "goal" in award.breakdown
    ]
    assert counted == [[], [[2, "", 1, "80", "80"]]]


def test_rows_of_one_version_and_rule_are_one_row_and_exact() -> None:
    third = Fraction(1, 3)
    counted = more([Counted(2, "a", 1, third, 0)], Counted(2, "a", 0, third, 5))
    counted = more(counted, Counted(1, "a", 0, third, 0))
    assert counted == [Counted(2, "a", 1, 2 * third, 5), Counted(1, "a", 0, third, 0)]
    assert sums(counted) == {"a": 1}
    assert as_stored(counted) == {"counted": [[2, "a", 1, "2/3", "5"], [1, "a", 0, "1/3", "0"]]}
