"""What reports mean: days covered, worth, and rules that share an award without losing a point."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.reports import RuleShare, covered, outstanding, rule_costs, worth_minor
from services.ledger.domain.returned_shares import returned_shares
from services.ledger.domain.spending import Checkout
from shared.errors import InvalidInput
from tests.support.events import MEMBER, PROGRAM, a_line, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule

PARIS = ZoneInfo("Europe/Paris")
LATE = datetime(2026, 5, 31, 23, 0, tzinfo=UTC)
"""In Paris it is June already."""
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


def a_share(rule: str | None, awarded: str, taken: str = "0", *, period: date = MAY) -> RuleShare:
    return RuleShare(period, "points", "award", rule, 1, Fraction(awarded), Fraction(taken))


def test_a_report_covers_this_month_and_the_eleven_before_in_the_programs_zone() -> None:
    found = covered(None, None, "month", zone=PARIS, now=LATE)
    assert (found.first, found.last) == (date(2025, 7, 1), date(2026, 6, 1))
    assert found.begins == datetime(2025, 6, 30, 22, 0, tzinfo=UTC)
    assert found.ends == datetime(2026, 6, 1, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "by", "fault"),
    [
        (JUNE, MAY, "month", "before it begins"),
        (date(2016, 6, 1), JUNE, "month", "at most 120 months"),
        (date(2025, 5, 31), JUNE, "day", "at most 12 months"),
    ],
)
def test_days_that_make_no_report_are_refused(first: date, last: date, by: str, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        covered(first, last, by, zone=PARIS, now=LATE)


def test_the_worked_example_shares_133_points_and_87_of_them_taken_back() -> None:
    exact = {"base": "60", "tea counts double": "23.08", "big basket": "50"}
    parts = {rule: Fraction(given) / Fraction("133.08") for rule, given in exact.items()}
    shares = [a_share(rule, str(133 * part), str(87 * part)) for rule, part in parts.items()]
    found = rule_costs(shares)
    assert [(cost.awarded, cost.reversed, cost.kept) for cost in found] == [
        (60, 39, 21), (23, 15, 8), (50, 33, 17),
    ]  # fmt: skip


def test_periods_share_nothing_with_each_other() -> None:
    shares = [a_share(rule, part, period=day) for rule in "ab" for part, day in (("0.5", MAY), ("1.5", JUNE))]
    found = rule_costs(shares)
    assert [cost.awarded for cost in found] == [1, 2, 0, 1]


def test_parts_of_blocks_are_owed_too_and_what_has_no_rate_has_no_worth() -> None:
    tens = Checkout(block_points=100, block_minor=100, currency="EUR")
    assert (worth_minor(1_234, tens), worth_minor(46, tens)) == (1_234, 46)
    assert worth_minor(199, Checkout(block_points=200, block_minor=100, currency="EUR")) == 99
    assert worth_minor(5, None) is None
    assert outstanding({"pending": 40, "available": 100, "held": 20}) == 160


@settings(deadline=None)
@given(
    awards=st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.integers(0, 100),
            st.lists(st.fractions(Fraction(1, 10**6), 10**6), min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_rules_cost_adds_up_to_what_was_awarded_and_taken_back(
    awards: list[tuple[int, int, list[Fraction]]],
) -> None:
    shares: dict[str, tuple[Fraction, Fraction]] = {}
    for points, percent, parts in awards:
        for number, part in enumerate(parts):
            gave, took = shares.get(f"rule {number}", (Fraction(0), Fraction(0)))
            of_it = part / sum(parts)
            shares[f"rule {number}"] = (gave + points * of_it, took + points * percent // 100 * of_it)
    found = rule_costs([a_share(rule, str(gave), str(took)) for rule, (gave, took) in shares.items()])
    assert sum(cost.awarded for cost in found) == sum(points for points, _, _ in awards)
    assert sum(cost.reversed for cost in found) == sum(
        points * percent // 100 for points, percent, _ in awards
    )
    assert all(abs(cost.awarded - cost.share.awarded) < 1 for cost in found)


TEA = a_rule("tea counts double", if_={"category": "tea"}, times="2")
BASKET = a_rule("big basket", if_={"order_at_least": "60.00 EUR"}, points="50")


@given(st.integers(1, 6489), st.sampled_from(["day", "week", "month", "year"]))
def test_what_rules_bear_of_a_return_adds_up_to_what_was_taken_back(cents: int, by: str) -> None:
    desk = Desk(a_document(PER_EURO, TEA, BASKET))
    lines = (a_line("25.00", line_id="tea", categories=("tea",)), a_line("40.00", line_id="cup"))
    order = an_order_paid("65.00", lines=lines)
    desk.receives(order, a_refund(order, amount=f"{cents / 100:.2f}"))
    purchase = desk.book.purchases.get((PROGRAM, MEMBER), order.data.order_id)
    assert purchase is not None
    award, versions = desk.award(order), desk.book.versions_of(PROGRAM)
    shares = returned_shares(purchase, award, versions, by, PARIS)
    assert sum(share.awarded for share in shares) == award.points
    assert sum(share.reversed for share in shares) == award.reversed
    basket = next(share for share in shares if share.rule == "big basket")
    assert basket.reversed == basket.awarded or cents <= 500
