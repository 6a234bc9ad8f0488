"""What a change of the program would do to past orders, reckoned under the rules before and after."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import timedelta
from fractions import Fraction
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.book import Book
from services.ledger.domain.left_out import Seen, left_out
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Purchase
from services.ledger.domain.replaying import FROM_NOTHING, Start, replaying
from services.ledger.domain.trial_start import counts_from, used_before
from services.ledger.domain.trials import Given, GivenByRule, Trial, policies_changed, trying
from services.ledger.program import parse
from shared.events import Event
from shared.programs import BEGINNING_OF_TIME
from shared.rows import replace
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_cancellation,
    a_fulfilment,
    a_line,
    a_refund,
    a_review,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rise, a_rule, at

T = TypeVar("T")
DAY = timedelta(days=1)
LATER = NOON + 1000 * DAY
TEA = a_rule("tea counts double", if_={"category": "tea"}, times="2")
THIRD = a_rule("third order", if_={"order_number": "3"}, points="30")
HUNDREDS = a_rule("hundreds", credit="5.00 EUR", for_spending="each 100.00 EUR per month")
CAPPED = PER_EURO | {"at_most": "100 per month"}


def outcome(steps: Generator[None, None, T]) -> T:
    """What comes of it, when nobody interrupts."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found


def try_orders(*args: Any, **more: Any) -> Trial:
    return outcome(trying(*args, **more))


def past(desk: Desk, *members: str) -> list[Purchase]:
    found = [
        order
        for name in members or desk.members
        for order in desk.book.purchases.of((PROGRAM, name)).values()
    ]
    return sorted(found, key=lambda each: (each.paid_at or NOON, each.member_id, each.order_id))


def tried(
    desk: Desk, before: LedgerProgram, after: LedgerProgram, start: Start = FROM_NOTHING, first: int = 0
) -> Trial:
    return try_orders(desk.book, past(desk)[first:], before, after, until=LATER, start=start)


def given_by(trial: Trial) -> list[tuple[str, int, int]]:
    return [(each.asset, each.before, each.after) for each in trial.assets]


def a_desk(*totals: str, rules: tuple[Any, ...] = (PER_EURO,), **ledger: Any) -> Desk:
    desk = Desk(a_document(*rules, **ledger))
    for number, total in enumerate(totals):
        line = a_line(total, categories=("tea",) if number == 0 else ())
        desk.receives(an_order_paid(total, lines=(line,), at=NOON + number * DAY))
    return desk


def test_the_worked_example_gives_25_more_for_tea() -> None:
    desk = a_desk("25.00", "40.00", "60.00")
    found = tried(desk, a_program(PER_EURO), a_program(PER_EURO, TEA))
    assert (found.orders, found.skipped) == (3, 0)
    assert found.assets == (Given("points", 125, 150, 125, 150),)
    assert set(found.rules) == {
        GivenByRule("base", "points", 125, 125),
        GivenByRule("tea counts double", "points", 0, 25),
    }
    assert given_by(tried(desk, a_program(CAPPED), a_program(CAPPED, TEA))) == [("points", 100, 125)]
    desk.receives(a_refund(an_event_of(desk, 0), amount="25.00", at=NOON + 9 * DAY))
    assert tried(desk, a_program(PER_EURO), a_program(PER_EURO, TEA)).assets == (
        Given("points", 125, 150, 100, 100),
    )


def an_event_of(desk: Desk, number: int) -> Event[Any]:
    """The order of this place, as the shop told it."""
    order = past(desk)[number]
    assert order.paid is not None
    return an_order_paid(order.paid.total, order_id=order.order_id)


def test_a_rule_that_counts_orders_counts_those_that_came_before_the_trial() -> None:
    desk = a_desk("10.00", "10.00", "10.00")
    start = Start(order_counts={(PROGRAM, MEMBER): 1})
    found = tried(desk, a_program(PER_EURO), a_program(PER_EURO, THIRD), start, first=1)
    assert given_by(found) == [("points", 20, 50)]


def test_the_level_is_that_of_the_order() -> None:
    desk = Desk(a_document(PER_EURO)).receives(
        a_rise(times="2", since=NOON), an_order_paid("10.00", at=NOON + DAY)
    )
    assert given_by(tried(desk, a_program(PER_EURO), a_program(TEA))) == [("points", 20, 0)]


def test_caps_count_along_the_orders_and_from_the_same_place_on_both_sides() -> None:
    desk = a_desk("80.00", "70.00", "30.00")
    before, after = a_program(CAPPED), a_program(CAPPED | {"at_most": "160 per month"})
    assert given_by(tried(desk, before, after)) == [("points", 100, 160)]
    start = Start(earlier=(past(desk)[0],))
    found = tried(desk, before, after, start, first=1)
    assert (given_by(found), found.orders) == ([("points", 20, 80)], 2)
    assert [(each.rule, each.before, each.after) for each in found.rules] == [("base", 20, 80)]


def test_where_the_program_caps_rules_share_what_it_leaves() -> None:
    desk = a_desk("80.00", "40.00")
    ten = a_rule("ten", points="10")
    caps = [{"at_most": "60 points per month", "beyond": "shrink"}]
    found = tried(desk, a_program(PER_EURO, ten), a_program(PER_EURO, ten, caps=caps))
    assert given_by(found) == [("points", 140, 60)]
    assert {each.rule: (each.before, each.after) for each in found.rules} == {
        "base": (120, 53),
        "ten": (20, 7),
    }


def test_the_programs_caps_know_what_was_earned_otherwise() -> None:
    caps = [{"at_most": "60 points per month", "beyond": "shrink"}]
    document = a_document(PER_EURO, a_rule("review", on="review.published", points="20"), caps=caps)
    desk = Desk(document).receives(a_review(at=NOON), an_order_paid("50.00", at=NOON + DAY))
    otherwise = tuple(
        award for award in desk.book.awards.of((PROGRAM, MEMBER)).values() if award.order_id is None
    )
    program = parse(document)
    found = tried(desk, program, program, Start(otherwise=otherwise))
    assert given_by(found) == [("points", 40, 40)]


def test_a_budget_begins_with_what_others_left_of_it() -> None:
    rule = PER_EURO | {"budget": "100 points"}
    desk = Desk(a_document(rule), members=("ada", "ben"))
    desk.receives(
        an_order_paid("60.00", member="ada", at=NOON), an_order_paid("30.00", member="ben", at=NOON + DAY)
    )
    awards = [award for award in desk.book.awards.changed() if award.member_id == "ben"]
    used = used_before({("rule:base", "points:ever"): 90}, awards, desk.book.versions_of(PROGRAM))
    assert used == {("rule:base", "points:ever"): 60}
    after = a_program(PER_EURO | {"budget": "85 points"})
    orders = past(desk, "ben")
    found = try_orders(desk.book, orders, parse(desk.document), after, until=LATER, start=Start(used=used))
    assert given_by(found) == [("points", 30, 25)]


def test_a_budget_of_times_gives_one_time_back_for_each_order_that_is_tried() -> None:
    desk = a_desk("10.00", "20.00", rules=(a_rule("gift", points="5", budget="3 times per month"),))
    bucket = ("rule:gift", "times:month:2026-05-01")
    awards = desk.book.awards.changed()
    versions = desk.book.versions_of(PROGRAM)
    assert used_before({bucket: 3}, awards, versions) == {bucket: 1}
    imported = [replace(award, kind="import") for award in awards]
    assert used_before({bucket: 3}, imported, versions) == {bucket: 3}


def test_goals_count_what_was_spent_before_and_a_step_belongs_to_the_order_that_reaches_it() -> None:
    desk = a_desk("60.00", "50.00", "95.00")
    before, after = a_program(PER_EURO), a_program(PER_EURO, HUNDREDS)
    assert given_by(tried(desk, before, after)) == [("credit:EUR", 0, 1000), ("points", 205, 205)]
    start = Start(earlier=tuple(past(desk)[:2]))
    found = tried(desk, before, after, start, first=2)
    assert given_by(found) == [("credit:EUR", 0, 500), ("points", 95, 95)]
    assert {each.rule: (each.before, each.after) for each in found.rules}["hundreds"] == (0, 500)


def test_a_refund_takes_back_what_the_goal_no_longer_reaches() -> None:
    desk = a_desk("60.00", "50.00")
    desk.receives(a_refund(an_event_of(desk, 1), amount="20.00", at=NOON + 3 * DAY))
    credit, _ = tried(desk, a_program(PER_EURO), a_program(PER_EURO, HUNDREDS)).assets
    assert credit == Given("credit:EUR", 0, 500, 0, 0)


def test_what_was_called_off_or_never_handed_over_holds_nothing() -> None:
    desk = a_desk("60.00", "50.00")
    desk.receives(a_cancellation(an_event_of(desk, 0), at=NOON + 3 * DAY))
    waits = a_program(PER_EURO, pending={"order.paid": "14 days after order.fulfilled"})
    assert tried(desk, a_program(PER_EURO), waits).assets == (Given("points", 110, 110, 50, 0),)
    desk.receives(a_fulfilment(an_event_of(desk, 1), at=NOON + 4 * DAY))
    assert tried(desk, a_program(PER_EURO), waits).assets == (Given("points", 110, 110, 50, 50),)


def test_what_cannot_be_reckoned_is_counted_and_the_book_stays_as_it_was() -> None:
    desk = a_desk("10.00", "20.00")
    before = len(desk.book.transfers)
    first, second = past(desk)
    assert first.paid is not None
    odd = replace(first, paid=replace(first.paid, total="0.001", lines=(a_line("0.001"),)))
    program = a_program(PER_EURO)
    found = try_orders(desk.book, [odd, second], program, program, until=LATER)
    assert (found.orders, found.skipped, found.assets[0].after) == (2, 1, 20)
    assert len(desk.book.transfers) == before


def test_an_asset_whose_life_changes_is_named() -> None:
    year, months = (a_program(PER_EURO, points={"expire": f"{n} months"}) for n in (12, 6))
    assert policies_changed(year, months, ["points"]) == ["points"]
    assert policies_changed(year, year, ["points"]) == []


@pytest.mark.parametrize(
    ("rules", "since"),
    [
        ((PER_EURO,), None),
        ((CAPPED,), at("2026-04-30T22:00")),
        ((PER_EURO | {"limit": "1 per day"}, CAPPED | {"rule": "b"}), at("2026-04-30T22:00")),
        ((PER_EURO | {"at_most": "5 per week"},), at("2026-05-10T22:00")),
        ((HUNDREDS,), at("2026-04-30T22:00")),
        ((PER_EURO | {"limit": "1 per lifetime"}, CAPPED | {"rule": "b"}), BEGINNING_OF_TIME),
    ],
)
def test_orders_are_played_from_where_the_longest_cap_or_goal_counts(
    rules: tuple[Any, ...], since: Any
) -> None:
    assert counts_from([a_program(*rules), a_program(PER_EURO)], at("2026-05-14T08:00")) == since


def test_what_is_reckoned_is_not_named_as_left_out_and_the_rest_is() -> None:
    capped = a_program(CAPPED | {"budget": "9 points"}, HUNDREDS)
    seen = Seen(times=(NOON,), used=frozenset({("rule:base", "points:ever")}))
    assert left_out(a_program(PER_EURO), capped, seen) == []
    assert left_out(capped, capped, Seen(times=(NOON,))) == []
    other = a_program(
        CAPPED | {"budget": "9 points per year"},
        a_rule("review", on="review.published", points="20"),
        spend={"at_checkout": {"points": "100", "are_worth": "1.00 EUR"}},
        guests={"keep": "9 days"},
    )
    photo = a_document(a_rule("photo", on="review.published", points="5", when="event.photo"))
    assert left_out(parse(photo), parse(photo), Seen(times=(NOON,))) == []
    partly = Seen(times=(NOON,), earlier=5000, earlier_cut=True, otherwise=False)
    found = left_out(capped, other, partly)
    assert [what for what, _ in found] == [
        "earlier orders", "other earnings", "budgets", "other events", "spending", "guests",
    ]  # fmt: skip
    assert "the budget of rule `base`" in dict(found)["budgets"]
    lost = left_out(capped, capped, Seen(times=None, earlier=None, counted=False, used=None))
    assert [what for what, _ in lost] == ["orders", "order numbers", "earlier orders", "budgets"]


AMOUNTS = st.integers(1, 20_000).map(lambda minor: f"{minor // 100}.{minor % 100:02}")
RULES: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((PER_EURO, TEA, THIRD), {}),
    ((CAPPED, TEA, THIRD | {"limit": "1 per year"}), {}),
    ((CAPPED | {"beyond": "reject"}, HUNDREDS), {"caps": [{"at_most": "700 credit per month"}]}),
    ((PER_EURO | {"at_most": "90 per week"}, TEA), {"caps": [{"at_most": "150 points per month"}]}),
    ((PER_EURO | {"budget": "250 points"}, THIRD), {"caps": [{"budget": "280 points per month"}]}),
    ((HUNDREDS | {"limit": "2 per month"}, CAPPED), {"pending": {"order.paid": "14 days after order.paid"}}),
]
PROGRAMS = st.sampled_from(RULES)
MEMBERS = ("ada", "ben")


@st.composite
def histories(draw: st.DrawFn) -> list[Event[Any]]:
    """Orders of two members and what came back of them, in the order of time."""
    events: list[Event[Any]] = []
    for number in range(draw(st.integers(0, 8))):
        paid_at = NOON + draw(st.integers(0, 40)) * DAY + timedelta(minutes=number)
        total = draw(AMOUNTS)
        line = a_line(total, categories=("tea",) if draw(st.booleans()) else ())
        order = an_order_paid(
            total, lines=(line,), at=paid_at, member=draw(st.sampled_from(MEMBERS)), order_id=f"o-{number}"
        )
        events.append(order)
        back = paid_at + timedelta(days=draw(st.integers(0, 20)), seconds=1)
        match draw(st.sampled_from(["kept", "kept", "part", "all", "off"])):
            case "part":
                part = str(Fraction(total) // 2)
                events += [a_refund(order, amount=f"{part}.00", at=back)] if part != "0" else []
            case "all":
                events.append(a_refund(order, amount=total, at=back))
            case "off":
                events.append(a_cancellation(order, at=back))
    return sorted(events, key=lambda event: event.time)


def lived(history: Iterable[Event[Any]], rules: tuple[Any, ...], ledger: dict[str, Any]) -> Desk:
    return Desk(a_document(*rules, **ledger), members=MEMBERS).receives(*history)


def sums(book: Book, orders: Iterable[Purchase]) -> dict[str, tuple[int, int]]:
    """What these orders earned and hold by a book that was lived, by asset."""
    own = {(order.member_id, order.order_id) for order in orders}
    found: dict[str, tuple[int, int]] = {}
    for award in book.awards.changed():
        if (award.member_id, award.order_id or award.breakdown["goal"]["order_id"]) in own:
            points, held = found.get(award.asset, (0, 0))
            found[award.asset] = (points + award.points, held + award.held_points)
    return {asset: both for asset, both in found.items() if any(both)}


@settings(deadline=None)
@given(histories(), PROGRAMS, PROGRAMS, st.integers(0, 8))
def test_the_figures_are_what_happens_where_the_program_is_in_force(
    history: list[Event[Any]], old: Any, new: Any, cut: int
) -> None:
    desks = [lived(history, *old), lived(history, *new)]
    programs = [parse(desk.document) for desk in desks]
    orders = past(desks[0])
    earlier, newest = tuple(orders[:cut]), orders[cut:]
    without_budgets = not any(program.has_budgets for program in programs)
    start = Start(earlier=earlier) if without_budgets else FROM_NOTHING
    looked_at = newest if without_budgets else orders
    found = try_orders(desks[0].book, looked_at, programs[0], programs[1], until=NOON, start=start)
    assert found.skipped == 0
    for desk, side in zip(desks, ("before", "after"), strict=True):
        told = {
            each.asset: (getattr(each, side), getattr(each, f"kept_{side}"))
            for each in found.assets
            if getattr(each, side)
        }
        assert told == sums(desk.book, looked_at)
        by_rule: dict[str, int] = {}
        for rule in found.rules:
            by_rule[rule.asset] = by_rule.get(rule.asset, 0) + getattr(rule, side)
        assert {asset: points for asset, points in by_rule.items() if points} == {
            asset: points for asset, (points, _) in told.items()
        }


@settings(deadline=None)
@given(histories(), PROGRAMS, st.integers(0, 8), st.integers(0, 300))
def test_the_unchanged_program_makes_no_difference_and_each_look_says_the_same(
    history: list[Event[Any]], program: Any, cut: int, used: int
) -> None:
    desk = lived(history, *program)
    rules, orders = parse(desk.document), past(desk)
    start = Start(earlier=tuple(orders[:cut]), used={("rule:base", "points:ever"): used})
    found = try_orders(desk.book, orders[cut:], rules, rules, until=LATER, start=start)
    assert all(each.before == each.after for each in found.rules)
    assert all((each.before, each.kept_before) == (each.after, each.kept_after) for each in found.assets)
    assert found == try_orders(desk.book, orders[cut:], rules, parse(desk.document), until=LATER, start=start)


@settings(deadline=None)
@given(histories(), PROGRAMS)
def test_a_replay_leaves_the_book_of_the_members_as_it_was(history: list[Event[Any]], program: Any) -> None:
    desk = lived(history, *program)
    rows = [desk.book.members, desk.book.persons, desk.book.awards, desk.book.purchases, desk.book.usage]
    before = [{key: dict(table.of((PROGRAM, key))) for key in MEMBERS} for table in rows]  # type: ignore[attr-defined]
    outcome(replaying(desk.book, parse(desk.document), past(desk)))
    assert before == [{key: dict(table.of((PROGRAM, key))) for key in MEMBERS} for table in rows]  # type: ignore[attr-defined]
