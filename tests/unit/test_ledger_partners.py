"""Partners, without a database: what a purchase is worth, what is kept of it, and what the partner owes."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.agreements import Line, amounts_due, in_decimals
from services.ledger.domain.partners import Credit, Purchase, check_same, credit, reverse
from services.ledger.errors import (
    AgreementNotValid,
    CreditConflict,
    CreditInvalid,
    PartnerBudgetSpent,
    UnknownPartner,
)
from shared.errors import ServiceError
from shared.money import InvalidAmount
from shared.program_file import InvalidProgram
from tests.support.events import MEMBER, NOON, PROGRAM
from tests.support.ledger import Desk, a_document, a_program, at, differences

KEY = (PROGRAM, MEMBER)
RIVER_BANK: dict[str, Any] = {
    "partner": "river-bank",
    "gives": "1 point per 2.00 EUR",
    "price": "0.008 EUR per point",
}


def a_desk(*partners: dict[str, Any], **ledger: Any) -> Desk:
    return Desk(a_document(partners=[*partners] or [RIVER_BANK], **ledger))


def credits(desk: Desk, amount: str | None = "24.00", name: str = "t-1", **more: Any) -> Credit:
    purchase = Purchase(transaction_id=name, member_id=MEMBER, amount=amount, **more)
    return credit(desk.book, KEY, "river-bank", purchase, at=desk.now)


def reverses(desk: Desk, made: Credit, amount: str | None = None, points: int | None = None) -> Credit:
    return reverse(desk.book, made, amount=amount, points=points, cause="reversal", at=desk.now)


def test_a_purchase_is_credited_by_the_rate_and_comes_from_the_partners_account() -> None:
    desk = a_desk()
    made = credits(desk, "25.90")
    assert (made.points, made.minor, made.price) == (12, 2590, "1/125")
    (transfer,) = desk.book.transfers
    assert (transfer.from_account, transfer.to_account, transfer.amount) == (
        "partner:river-bank",
        "available",
        12,
    )
    assert desk.told == ["earned 12"]
    assert differences(desk.book) == []


def test_where_the_partner_says_the_points_an_amount_is_refused_and_the_other_way_round() -> None:
    desk = a_desk({"partner": "river-bank", "gives": "stamps"})
    assert credits(desk, None, points=7).points == 7
    assert desk.balance(asset="stamps") == (0, 7, 0)
    with pytest.raises(CreditInvalid):
        credits(desk, "24.00", "t-2")
    with pytest.raises(CreditInvalid):
        credits(a_desk(), None, points=7)
    with pytest.raises(CreditInvalid):
        credits(a_desk(), "24.00", currency="USD")
    with pytest.raises(InvalidAmount):
        credits(a_desk(), "24.001")


def test_what_is_kept_is_reckoned_anew_and_never_rises() -> None:
    desk = a_desk()
    made = reverses(desk, credits(desk), "9.00")
    assert (made.kept, desk.balance()) == (4, (0, 4, 0))
    assert reverses(desk, made, "15.00") == made
    assert reverses(desk, made, "9.00") == made
    assert reverses(desk, made).kept == 0
    assert desk.balance() == (0, 0, 0)
    assert {transfer.to_account for transfer in desk.book.transfers} == {"available", "partner:river-bank"}
    assert differences(desk.book) == []


def test_a_reversal_says_what_is_kept_as_the_credit_was_told() -> None:
    desk = a_desk()
    made = credits(desk)
    with pytest.raises(CreditInvalid):
        reverses(desk, made, points=3)
    by_points = a_desk({"partner": "river-bank"})
    other = credits(by_points, None, points=10)
    with pytest.raises(CreditInvalid):
        reverses(by_points, other, "3.00")
    assert reverses(by_points, other, points=3).kept == 3


@pytest.mark.parametrize(("policy", "left"), [("allow", -8), ("to_zero", 0), ("pending_only", 4)])
def test_a_reversal_of_what_is_spent_obeys_the_policy_and_the_partner_is_given_all_of_it_back(
    policy: str, left: int
) -> None:
    desk = a_desk(points={"negative": policy})
    made = credits(desk)
    desk.spends(8)
    assert reverses(desk, made).kept == 0
    assert desk.balance() == (0, left, 0)
    assert differences(desk.book) == []


def test_points_of_a_partner_that_expired_unused_make_no_member_owe() -> None:
    desk = a_desk(points={"expire": "1 month"})
    made = credits(desk)
    desk.reaches(NOON + timedelta(days=60))
    assert reverses(desk, made).kept == 0
    assert desk.balance() == (0, 0, 0)


def test_the_same_transaction_says_the_same_or_is_a_conflict() -> None:
    made = credits(a_desk())
    same = Purchase(transaction_id="t-1", member_id=MEMBER, amount="24.0")
    assert check_same(made, MEMBER, same) is made
    for member, amount in (("customer-8", "24.00"), (MEMBER, "24.01"), (MEMBER, None)):
        with pytest.raises(CreditConflict):
            check_same(
                made, member, Purchase(transaction_id="t-1", member_id=member, amount=amount, points=5)
            )


def test_the_terms_are_those_of_the_moment_of_the_purchase() -> None:
    later = a_document(partners=[RIVER_BANK | {"gives": "3 points per 2.00 EUR"}])
    desk = Desk(a_document(partners=[RIVER_BANK]), later=[(NOON, later)])
    assert credits(desk, "20.00").points == 30
    assert credits(desk, "20.00", "t-2", happened_at=NOON - timedelta(hours=1)).points == 10
    with pytest.raises(CreditInvalid, match="future"):
        credits(desk, "20.00", "t-3", happened_at=NOON + timedelta(hours=1))


def test_an_agreement_holds_from_its_first_day_to_the_end_of_its_last() -> None:
    desk = a_desk(RIVER_BANK | {"from": "2026-02-01", "until": "2026-02-28"})
    desk.now = at("2026-06-01")
    for moment, holds in (
        ("2026-01-31T22:59:59", False), ("2026-01-31T23:00:00", True),
        ("2026-02-28T22:59:59", True), ("2026-02-28T23:00:00", False),
    ):  # fmt: skip
        try:
            credits(desk, name=moment, happened_at=at(moment))
        except AgreementNotValid:
            assert not holds, moment
        else:
            assert holds, moment


def test_nobody_credits_for_a_partner_that_the_program_does_not_know() -> None:
    desk = Desk(a_document())
    with pytest.raises(UnknownPartner):
        credits(desk)


def test_a_budget_is_given_wholly_or_not_at_all_and_a_reversal_gives_none_of_it_back() -> None:
    desk = a_desk(RIVER_BANK | {"budget": "20 points per month"})
    made = credits(desk)
    with pytest.raises(PartnerBudgetSpent):
        credits(desk, "20.00", "t-2")
    assert credits(desk, "16.00", "t-3").points == 8
    reverses(desk, made)
    with pytest.raises(PartnerBudgetSpent):
        credits(desk, "2.00", "t-4")
    desk.now = NOON + timedelta(days=31)
    assert credits(desk, "40.00", "t-5").points == 20


def test_what_is_due_is_added_up_exactly_and_rounded_once() -> None:
    price = Fraction("0.008")
    lines = [
        Line(
            asset="points",
            price=price,
            currency="EUR",
            credits=3,
            credited=1_000_003,
            reversals=1,
            reversed=2,
        ),
        Line(asset="stamps", price=Fraction("0.0005"), currency="EUR", credits=1, credited=1),
        Line(asset="spins", price=None, currency=None, credits=1, credited=99),
    ]
    assert amounts_due(lines, {"EUR": 100}) == {"EUR": 800_001}
    back = [Line(asset="points", price=price, currency="EUR", reversals=1, reversed=1)]
    assert amounts_due(back, {"EUR": 100}) == {"EUR": -1}
    assert amounts_due(lines[2:], {}) == {}
    assert [in_decimals(value) for value in (price, -price, Fraction(3), Fraction(5, 2), Fraction(0))] == [
        "0.008", "-0.008", "3", "2.5", "0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gives", "many points"),
        ("gives", "1 wish per 2.00 EUR"),
        ("gives", "0 points per 2.00 EUR"),
        ("gives", "1 point per 0.00 EUR"),
        ("gives", "1 point per 2.00 XXY"),
        ("price", "0.008 per point"),
        ("price", "0.008 EUR per stamp"),
        ("price", "0.008 XXY per point"),
        ("budget", "100 stamps per month"),
        ("budget", "0 points"),
        ("budget", "some"),
        ("partner", "River Bank"),
        ("until", "2025-01-01"),
    ],
)
def test_an_agreement_that_cannot_work_is_refused_with_its_place(word: str, said: str) -> None:
    with pytest.raises(InvalidProgram, match="partners"):
        a_program(partners=[{"from": "2026-01-01"} | RIVER_BANK | {word: said}])


def test_two_agreements_with_one_partner_are_refused() -> None:
    with pytest.raises(InvalidProgram, match="already"):
        a_program(partners=[RIVER_BANK, RIVER_BANK])


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["credit", "reverse", "spend", "time"]),
        st.integers(0, 3),
        st.integers(0, 60_00),
    ),
    max_size=25,
)


@given(EVENTS, st.sampled_from(["allow", "to_zero", "pending_only"]))
def test_whatever_happens_nothing_is_lost_and_the_budget_holds(
    events: list[tuple[str, int, int]], policy: str
) -> None:
    partner = RIVER_BANK | {"budget": "50 points"}
    desk = a_desk(partner, points={"negative": policy, "expire": "1 month"})
    found: dict[str, Credit] = {}
    for what, which, cents in events:
        name, amount = f"t-{which}", f"{cents // 100}.{cents % 100:02}"
        desk.book.journal.mark()
        try:
            if what == "credit" and name not in found:
                found[name] = credits(desk, amount, name)
            elif what == "reverse" and name in found:
                found[name] = reverses(desk, found[name], amount)
            elif what == "spend":
                desk.spends(which + 1)
            elif what == "time":
                desk.reaches(desk.now + timedelta(days=9))
        except ServiceError:
            desk.book.journal.undo()
        assert differences(desk.book) == []
    assert sum(made.points for made in found.values()) <= 50
    for name, made in found.items():
        award = desk.book.awards.get(KEY, f"partner:river-bank:{name}")
        assert made.kept == (award.held_points if award else 0)
        assert 0 <= made.kept <= made.points
