"""Whatever is counted: stamps, spins, store credit, and a merchant's own assets, each with its own life."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.ledger.program import parse
from shared.events import RefundLine
from shared.program_file import InvalidProgram
from tests.support.events import NOON, a_fulfilment, a_line, a_refund, a_review, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, a_rise, a_rule, at

CREDIT = "credit:EUR"
CASHBACK = a_rule("cashback", cashback="5 %")
STAMP = a_rule("a stamp per coffee", gives="1 stamp", per="item", if_={"category": "coffee"})


def faults(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and message of everything that is wrong."""
    with pytest.raises(InvalidProgram) as refused:
        parse(document)
    errors: Any = refused.value.extra["errors"]
    return [(each["path"], each["message"]) for each in errors]


def test_cashback_is_a_share_of_the_spend_in_cents_of_store_credit() -> None:
    order = an_order_paid("64.90", lines=(a_line("64.90"),))
    desk = Desk(a_document(PER_EURO, CASHBACK)).receives(order)
    assert desk.balance() == (0, 64, 0)
    assert desk.balance(asset=CREDIT) == (0, 324, 0), "5 % of 64.90 are 3.245"


def test_cashback_follows_a_refund_to_the_last_cent() -> None:
    order = an_order_paid("100.00", lines=(a_line("60.00", line_id="a"), a_line("40.00", line_id="b")))
    desk = Desk(a_document(CASHBACK)).receives(order, a_refund(order, lines=(RefundLine(line_id="b"),)))
    assert desk.balance(asset=CREDIT) == (0, 300, 0)
    desk.receives(a_refund(order, lines=(RefundLine(line_id="a"),)))
    assert desk.balance(asset=CREDIT) == (0, 0, 0)


def test_cashback_is_a_base_effect_that_its_own_multiplier_and_the_level_multiply() -> None:
    twice = a_rule("double cashback", times="2", of="cashback")
    desk = Desk(a_document(PER_EURO, CASHBACK, twice))
    desk.receives(a_rise(times="1.5", since=at("2026-01-01")), an_order_paid("10.00"))
    assert desk.balance() == (0, 15, 0), (
        "`times` multiplies what `of` names, and points here have only the level"
    )
    assert desk.balance(asset=CREDIT) == (0, 150, 0)


def test_cashback_of_another_currency_is_credit_of_that_currency() -> None:
    dollars = a_rule("dollars", cashback="10 %", if_={"currency": "USD"})
    desk = Desk(a_document(CASHBACK, dollars))
    desk.receives(an_order_paid("10.00", currency="USD"), an_order_paid("10.00"))
    assert (desk.balance(asset="credit:USD"), desk.balance(asset=CREDIT)) == ((0, 100, 0), (0, 50, 0))


def test_yen_have_no_cents() -> None:
    document = a_document(CASHBACK) | {"currency": "JPY"}
    desk = Desk(document).receives(an_order_paid("1250", currency="JPY"))
    assert desk.balance(asset="credit:JPY") == (0, 62, 0)


def test_a_stamp_card_counts_items() -> None:
    order = an_order_paid(
        "9.00", lines=(a_line("6.00", quantity="2", categories=("coffee",)), a_line("3.00"))
    )
    desk = Desk(a_document(PER_EURO, STAMP)).receives(order)
    assert (desk.balance(), desk.balance(asset="stamps")) == ((0, 9, 0), (0, 2, 0))


def test_credit_and_spins_are_given_as_points_are() -> None:
    desk = Desk(
        a_document(
            a_rule("review", on="review.published", credit="2.00 EUR"),
            a_rule("spin", gives="1 spin", if_={"order_at_least": "50.00 EUR"}),
            a_rule("ten back per hundred", credit="10.00 EUR", per="100.00 EUR", whole_units="true"),
        )
    )
    desk.receives(a_review(), an_order_paid("250.00"))
    assert desk.balance(asset=CREDIT) == (0, 200 + 2000, 0)
    assert desk.balance(asset="spins") == (0, 1, 0)


def test_each_asset_lives_by_its_own_policy_and_otherwise_as_points_do() -> None:
    document = a_document(
        PER_EURO,
        CASHBACK,
        a_rule("stamp", gives="1 stamp"),
        points={"expire": "12 months", "rounded_to": "month"},
        assets={"stamps": {"expire": "1 month"}, "credit": {"expire": "never", "rounding": "up"}},
    )
    desk = Desk(document).receives(an_order_paid("10.01", at=at("2026-05-04T10:00")))
    ends = {asset: desk.lots(asset=asset)[0].expires_at for asset in ("points", "stamps", CREDIT)}
    assert ends == {
        "points": at("2027-05-31T22:00"),
        "stamps": at("2026-06-30T22:00"),
        CREDIT: None,
    }
    assert desk.balance(asset=CREDIT) == (0, 51, 0), "0.5005 rounded up"
    desk.reaches(at("2027-06-01"))
    assert [desk.balance(asset=asset)[1] for asset in ends] == [0, 0, 51]


def test_a_deficit_in_one_asset_does_not_touch_another() -> None:
    document = a_document(PER_EURO, CASHBACK, assets={"credit": {"negative": "to_zero"}})
    order = an_order_paid("100.00")
    desk = Desk(document).receives(order)
    desk.spends(100)
    desk.receives(a_refund(order, amount="100.00"))
    assert (desk.balance(), desk.balance(asset=CREDIT)) == ((0, -100, 0), (0, 0, 0))


def test_stamps_may_be_there_at_once_while_points_wait_for_the_fulfilment() -> None:
    document = a_document(
        PER_EURO,
        a_rule("stamp", gives="1 stamp"),
        CASHBACK,
        pending={"order.paid": "14 days after order.fulfilled"},
        assets={
            "stamps": {"pending": {"order.paid": "immediate"}},
            "credit": {"pending": {"order.paid": "3 days after order.paid"}},
        },
    )
    order = an_order_paid("10.00")
    desk = Desk(document).receives(order)
    found = [desk.balance(asset=asset) for asset in ("points", "stamps", CREDIT)]
    assert found == [(10, 0, 0), (0, 1, 0), (50, 0, 0)]
    desk.receives(a_fulfilment(order, at=NOON + timedelta(days=1))).reaches(NOON + timedelta(days=4))
    assert [desk.balance(asset=asset)[1] for asset in ("points", "stamps", CREDIT)] == [0, 1, 50]
    desk.reaches(NOON + timedelta(days=17))
    assert desk.balance() == (0, 10, 0)


def test_names_of_assets_are_read_in_one_or_many_and_must_be_known() -> None:
    program = a_program(
        a_rule("a", gives="1 stamp"),
        a_rule("b", gives="2 stamps"),
        a_rule("c", gives="1 leaf"),
        a_rule("d", gives="3 spins"),
        a_rule("e", gives="500 credit"),
        assets={"leaf": {}},
    )
    assert [(rule.asset, int(rule.rate)) for rule in program.rules["order.paid"]] == [
        ("stamps", 1),
        ("stamps", 2),
        ("leaf", 1),
        ("spins", 3),
        (CREDIT, 500),
    ]


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        (
            a_document(a_rule(gives="1 stmap")),
            "ledger.earn[0].gives",
            "there is no asset 'stmap'; name it under `assets`, or write one of credit, points, spins, stamps",
        ),
        (
            a_document(assets={"points": {"expire": "never"}}),
            "ledger.assets.points",
            "points have the section `points`; write it there",
        ),
        (
            a_document(assets={"stamps:EUR": {}}),
            "ledger.assets.stamps:EUR",
            "only store credit has a currency, as in `credit:EUR`",
        ),
        (
            a_document(assets={"credit:XXZ": {}}),
            "ledger.assets.credit:XXZ",
            "'XXZ' is no currency of ISO 4217 that has minor units",
        ),
        (
            a_document(assets={"stamps": {"pending": {"order.paid": "soon"}}}),
            "ledger.assets.stamps.pending.order.paid",
            "write `immediate` or `14 days after order.paid`, not 'soon'",
        ),
        (a_document(a_rule(cashback="101 %")), "ledger.earn[0].cashback", None),
        (a_document(a_rule(cashback="0 %")), "ledger.earn[0].cashback", None),
        (a_document(a_rule(cashback="5 %", per="1.00 EUR")), "ledger.earn[0]", None),
        (a_document(a_rule(on="quiz", cashback="5 %")), "ledger.earn[0]", None),
        (a_document(a_rule(points="1", of="stamps")), "ledger.earn[0]", None),
        (a_document(a_rule(credit="1.001 EUR")), "ledger.earn[0].credit", None),
    ],
)
def test_a_fault_names_its_place(document: dict[str, Any], path: str, message: str | None) -> None:
    ((found, said),) = faults(document)
    assert found == path
    assert message is None or said == message
