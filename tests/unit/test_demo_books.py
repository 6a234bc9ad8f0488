"""The auditor of the demo: what it reckons anew is right, and no difference escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from deploy.local.audit import audit
from deploy.local.expected import Expected, OtherRules, Terms, expect
from deploy.local.figures import Award, Figures
from shared.events import (
    ContentShared,
    CustomerSignedUp,
    Event,
    OrderLine,
    OrderPaid,
    OrderRefunded,
    RefundLine,
    ReviewPublished,
    event_type,
)
from shared.program_file import read_program

STARTER = Path(__file__).parents[2] / "examples" / "programs" / "starter.yaml"
DOCUMENT = read_program(STARTER.read_text(encoding="utf-8")).document
TERMS = Terms.of(DOCUMENT)
MAY = datetime(2026, 5, 5, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)


def an_event(data: Any, at: datetime = MAY, name: str = "") -> Event[Any]:
    about = getattr(data, "order_id", None) or data.customer_id
    return Event(
        id=f"{event_type(type(data))}-{about}{name}",
        source="shop/test",
        type=event_type(type(data)),
        program_id="demo",
        time=at,
        data=data,
    )


def an_order(
    order_id: str, total: str, at: datetime = MAY, customer: str = "ada", lines: Sequence[str] = ()
) -> Event[Any]:
    listed = tuple(
        OrderLine(line_id=str(number + 1), total=line) for number, line in enumerate(lines or [total])
    )
    return an_event(OrderPaid(order_id=order_id, customer_id=customer, total=total, lines=listed), at)


def a_sign_up(customer: str = "ada", code: str | None = None, at: datetime = MAY) -> Event[Any]:
    return an_event(CustomerSignedUp(customer_id=customer, referral_code=code), at)


def a_refund(order_id: str, at: datetime = MAY, **what: Any) -> Event[Any]:
    data = OrderRefunded(order_id=order_id, customer_id="ada", refund_id=f"r-{order_id}", **what)
    return an_event(data, at + timedelta(days=1))


def reckoned(*events: Event[Any], now: datetime = LATER, codes: dict[str, str] | None = None) -> Expected:
    return expect(events, TERMS, codes or {}, now)


def in_year(year: int) -> datetime:
    return datetime(year, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "level"),
    [(2025, "Curator"), (2026, "Curator"), (2027, "Collector"), (2028, "Listener")],
)
def test_a_level_is_kept_to_the_end_of_the_next_year_and_then_lost_step_by_step(
    year: int, level: str
) -> None:
    orders = (an_order("1", "1000.00", in_year(2025)), an_order("2", "400.00", in_year(2026)))
    told = [event for event in orders if event.time.year <= year]
    levels = reckoned(a_sign_up(at=in_year(2025)), *told, now=in_year(year)).levels
    assert [name for name, count in levels.items() if count] == [level]


def test_what_was_refunded_does_not_count_for_a_level() -> None:
    levels = reckoned(a_sign_up(), an_order("1", "360.00"), a_refund("1", amount="20.00")).levels
    assert levels == {"Listener": 1, "Collector": 0, "Curator": 0}


def test_a_refund_by_line_gives_back_the_worth_of_the_line() -> None:
    order = an_order("1", "30.00", lines=("10.00", "20.00"))
    found = reckoned(order, a_refund("1", lines=(RefundLine(line_id="2"),))).orders["1"]
    assert (found.total, found.kept()) == (30_00, 10_00)
    assert found.points(TERMS, Fraction(5, 4), kept=True) == 12


def test_shares_and_reviews_count_up_to_their_caps() -> None:
    shares = [
        an_event(
            ContentShared(customer_id="ada", network=network), MAY + timedelta(days=day), f"{day}{again}"
        )
        for day, network in enumerate(("instagram", "instagram", "tiktok", "facebook", "tiktok"))
        for again in range(2)
    ]
    reviews = [
        an_event(
            ReviewPublished(
                customer_id="ada",
                review_id=str(number),
                product_id=product,
                text="x" * length,
                verified_purchase=True,
            ),
            name=str(number),
        )
        for number, (product, length) in enumerate((("a", 40), ("a", 90), ("b", 39), ("c", 40)))
    ]
    expected = reckoned(*shares, *reviews)
    assert (expected.shares, expected.reviews) == (20, 40)


def test_a_referral_is_decided_by_what_is_kept_of_the_first_order_when_its_wait_ends() -> None:
    codes = {"bela": "BELA", "ada": "ADA"}
    referred = a_sign_up("ada", "BELA")
    enough, late = an_order("1", "15.00"), MAY + timedelta(days=20)
    assert reckoned(referred, enough, codes=codes).referrals == {"approved": 1}
    assert reckoned(referred, enough, codes=codes, now=MAY + timedelta(days=10)).referrals == {"pending": 1}
    assert reckoned(referred, an_order("1", "14.99"), codes=codes).referrals == {"voided": 1}
    assert reckoned(referred, enough, a_refund("1", amount="0.01"), codes=codes).referrals == {"voided": 1}
    assert reckoned(referred, enough, a_refund("1", late, amount="0.01"), codes=codes).referrals == {
        "approved": 1
    }
    own = reckoned(a_sign_up("ada", "ADA"), enough, codes=codes)
    assert (own.referrals, own.blocked) == ({}, 1)


def test_no_order_may_earn_more_than_at_the_level_reached_before_it() -> None:
    days = [MAY + timedelta(days=day) for day in range(3)]
    orders = [
        an_order(str(number), total, at)
        for number, (total, at) in enumerate(zip(("349.99", "0.01", "5.00"), days, strict=True))
    ]
    assert [order.most for order in reckoned(*orders).orders.values()] == [1, 1, Fraction(5, 4)]


def test_a_program_of_other_rules_is_not_reckoned_at_all() -> None:
    rules = [*DOCUMENT["ledger"]["earn"], {"rule": "big", "on": "order.paid", "points": "5"}]
    with pytest.raises(OtherRules):
        Terms.of({**DOCUMENT, "ledger": {**DOCUMENT["ledger"], "earn": rules}})


STORY = (a_sign_up(), an_order("1", "42.50"), an_order("2", "10.00"), a_refund("2", amount="10.00"))
AUDITED = Figures(
    orders={"ledger": 2, "tiers": 2, "referrals": 2},
    awards={"1": Award(42, 42, Fraction(1)), "2": Award(10, 0, Fraction(1))},
    gained={"welcome": 50},
    held={"welcome": 50},
    accounts={"issued": -102, "available": 50, "pending": 42, "reversed": 10},
    balances={"available": 50, "pending": 42},
    members=1,
    levels={"Listener": 1},
    entry_rewards=0,
    referrals={},
    referral_rewards=0,
    attempts_blocked=0,
    messages={("inbox", "sent"): 1, ("email", "sent"): 1},
    languages={"en": 2},
    dead_letters={"ledger": 0, "tiers": 0, "referrals": 0, "notifier": 0},
    known={"ledger": 4, "tiers": 4, "referrals": 4, "notifier": 1},
    duplicates={"ledger": 1, "tiers": 1, "referrals": 1, "notifier": 0},
)


def against(figures: Figures, mails: int = 1, verified: dict[str, list[str]] | None = None) -> list[str]:
    checks = audit(figures, reckoned(*STORY), TERMS, STORY, [STORY[1]], verified or {}, mails)
    return [reason for check in checks for reason in check.against]


def test_books_that_are_right_have_nothing_against_them() -> None:
    assert against(AUDITED) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"orders": {**AUDITED.orders, "tiers": 1}}, "tiers, orders: 1, should be 2"),
        ({"members": 2}, "ledger, members: 2, should be 1"),
        (
            {"awards": {**AUDITED.awards, "1": Award(43, 43, Fraction(1))}},
            "1: earned 43 and holds 43; should be 42 and 42",
        ),
        (
            {"awards": {**AUDITED.awards, "2": Award(10, 10, Fraction(1))}},
            "2: earned 10 and holds 10; should be 10 and 0",
        ),
        (
            {"awards": {**AUDITED.awards, "1": Award(53, 53, Fraction(5, 4))}},
            "1: earned 1.25 times, at most 1 is right",
        ),
        ({"awards": {"1": AUDITED.awards["1"]}}, "2: no award"),
        (
            {"awards": {**AUDITED.awards, "3": Award(0, 0, Fraction(1))}},
            "3: was never published",
        ),
        ({"gained": {"welcome": 100}}, "points of the rule 'welcome': 100, should be 50"),
        ({"held": {"entry_reward": 100}}, "entry rewards paid: 100, should be 0"),
        ({"held": {"referral": 300}}, "referral rewards paid: 300, should be 0"),
        ({"levels": {"Curator": 1}}, "members on the level Listener: 0, should be 1"),
        ({"referrals": {"approved": 1}}, "referrals approved: 1, should be 0"),
        ({"attempts_blocked": 1}, "attempts to refer oneself: 1, should be 0"),
        ({"accounts": {**AUDITED.accounts, "available": 51}}, "sum of all accounts: 1, should be 0"),
        ({"balances": {"available": 49, "pending": 42}}, "members' available points: 49, should be 50"),
        ({"dead_letters": {"ledger": 2}}, "ledger has 2 dead letters"),
        ({"known": {**AUDITED.known, "ledger": 3}}, "ledger, events in the inbox: 3, should be 4"),
        (
            {"duplicates": {**AUDITED.duplicates, "tiers": 0}},
            "tiers, records recognised as repetitions: 0, should be 1",
        ),
        ({"messages": {("email", "failed"): 1, ("email", "sent"): 1}}, "1 messages by email failed"),
        ({"messages": {("email", "sent"): 2}}, "mails at the mail server: 1, should be 2"),
    ],
)
def test_every_difference_is_named(wrong: dict[str, Any], reason: str) -> None:
    assert any(found.startswith(reason) for found in against(replace(AUDITED, **wrong)))


def test_what_a_service_says_against_its_own_books_counts() -> None:
    assert against(AUDITED, verified={"ledger": ["lots are off"]}) == ["lots are off"]
