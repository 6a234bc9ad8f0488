"""Orders of guests: kept, credited when their guest has an account, in whatever order things arrive; forgotten else."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.guests import NOBODY, Guests, Secret
from shared.events import (
    CustomerDeleted,
    CustomerUpdated,
    Event,
    OrderCancelled,
    OrderFulfilled,
    OrderPaid,
    OrderRefunded,
    RefundLine,
    Signals,
)
from tests.support.events import MEMBER, NOON, PROGRAM, a_line, a_sign_up, an_event, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_rule, at

KEEP: dict[str, Any] = {"guests": {"keep": "90 days"}}
ADA = "ada@example.org"
DAY = timedelta(days=1)
TEA = a_line("40.00", line_id="tea")
CUP = a_line("20.00", line_id="cup")


class Shop(Desk):
    """A desk that also keeps guests."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.book.guests = Guests(self.book.journal, Secret(b"only-for-tests-and-long-enough"))


def a_shop(*rules: dict[str, Any], **words: Any) -> Shop:
    return Shop(a_document(*(rules or (PER_EURO,)), **(KEEP | words)), members=(MEMBER, "bob"))


def by_guest(
    total: str = "60.00", *, order_id: str = "A", email: str | None = ADA, **more: Any
) -> Event[Any]:
    return an_order_paid(total, order_id=order_id, member=None, email=email, **more)  # type: ignore[arg-type]


def refunds(*, order_id: str = "A", at: Any = NOON + DAY, **more: Any) -> Event[Any]:
    return an_event(OrderRefunded(order_id=order_id, refund_id=more.pop("refund_id", "r1"), **more), at=at)


def fulfils(*, order_id: str = "A", at: Any = NOON + DAY) -> Event[Any]:
    return an_event(OrderFulfilled(order_id=order_id), at=at)


def cancels(*, order_id: str = "A", at: Any = NOON + DAY) -> Event[Any]:
    return an_event(OrderCancelled(order_id=order_id), at=at)


def signs_up(member: str = MEMBER, *, at: Any = NOON + 10 * DAY, email: str = ADA) -> Event[Any]:
    return a_sign_up(member, email=email, at=at)


def test_an_order_is_credited_when_its_guest_signs_up_and_is_booked_then() -> None:
    shop = a_shop().receives(by_guest())
    assert shop.kinds == []
    shop.receives(signs_up(email=" Ada@Example.ORG "))
    (transfer,) = shop.book.transfers
    assert (transfer.amount, transfer.happened_at, transfer.order_id) == (60, NOON + 10 * DAY, "A")
    assert shop.balance() == (0, 60, 0)


def test_the_rules_are_those_of_the_orders_time_and_the_wait_is_from_paid() -> None:
    early = a_document(PER_EURO, **KEEP, pending={"order.paid": "14 days after order.paid"})
    late = a_document(PER_EURO | {"points": "9"}, **KEEP)
    shop = Shop(early, later=[(NOON + DAY, late)], members=(MEMBER,))
    shop.receives(by_guest(), signs_up())
    assert shop.balance() == (60, 0, 0)
    assert shop.reaches(at("2026-05-18T22:00")).balance() == (0, 60, 0), "fourteen days from paid"


def test_a_wait_that_ended_before_the_sign_up_has_ended_and_the_expiry_clock_starts_then() -> None:
    words = {"pending": {"order.paid": "3 days after order.paid"}, "points": {"expire": "1 month"}}
    shop = a_shop(**words).receives(by_guest(), signs_up())
    (lot,) = shop.lots()
    assert (lot.opened_at, lot.expires_at) == (NOON + 10 * DAY, at("2026-06-14T22:00"))
    assert shop.kinds == ["award"]


def test_what_waits_for_a_fulfilment_finds_the_one_that_came_meanwhile() -> None:
    words = {"pending": {"order.paid": "3 days after order.fulfilled"}}
    assert a_shop(**words).receives(by_guest(), fulfils(), signs_up()).balance() == (0, 60, 0)
    assert a_shop(**words).receives(by_guest(), signs_up()).balance() == (60, 0, 0)
    assert a_shop(**words).receives(by_guest(), signs_up(at=NOON + 89 * DAY)).balance() == (60, 0, 0)
    never = a_shop(**words, guests={"keep": "300 days"}).receives(by_guest(), signs_up(at=NOON + 100 * DAY))
    assert (never.balance(), never.kinds) == ((0, 0, 0), []), "its deadline has passed"


def test_refunds_and_cancellations_meanwhile_are_kept_with_it() -> None:
    part = refunds(lines=(RefundLine(line_id="cup"),))
    shop = a_shop().receives(by_guest(lines=(TEA, CUP)), part, part, signs_up())
    assert shop.balance() == (0, 40, 0)
    assert a_shop().receives(by_guest(), cancels(), signs_up()).balance() == (0, 0, 0)


def test_what_happens_after_it_was_credited_finds_its_member() -> None:
    words = {"pending": {"order.paid": "3 days after order.fulfilled"}}
    shop = a_shop(**words).receives(by_guest(lines=(TEA, CUP)), signs_up())
    shop.receives(fulfils(at=NOON + 12 * DAY), refunds(amount="20.00", at=NOON + 13 * DAY))
    assert shop.balance() == (40, 0, 0)
    shop.receives(by_guest("50.00", at=NOON + 13 * DAY))
    assert shop.reaches(NOON + 20 * DAY).balance() == (0, 30, 0), (
        "the order was edited to 50.00, 20.00 came back"
    )


STORY = {
    "paid": by_guest(lines=(TEA, CUP)),
    "edited": by_guest("50.00", lines=(TEA, a_line("10.00", line_id="cup")), at=NOON + 2 * DAY),
    "refunded": refunds(lines=(RefundLine(line_id="cup"),), at=NOON + 3 * DAY),
    "fulfilled": fulfils(at=NOON + 4 * DAY),
    "signed up": signs_up(),
}


@pytest.mark.parametrize("order", list(permutations(STORY)), ids=" ".join)
def test_it_does_not_matter_what_arrives_first(order: tuple[str, ...]) -> None:
    words = {"pending": {"order.paid": "3 days after order.fulfilled"}}
    shop = a_shop(**words).receives(*(STORY[name] for name in order)).reaches(NOON + 60 * DAY)
    assert shop.balance() == (0, 40, 0)


@given(st.permutations(list(STORY)), st.lists(st.sampled_from(list(STORY)), max_size=3))
def test_nor_does_it_matter_what_is_told_again(order: list[str], again: list[str]) -> None:
    shop = a_shop().receives(*(STORY[name] for name in (*order, *again))).reaches(NOON + 60 * DAY)
    assert shop.balance() == (0, 40, 0)


def test_of_two_who_tell_the_same_address_the_first_wins() -> None:
    shop = a_shop().receives(signs_up("bob"), signs_up(), by_guest(at=NOON + 11 * DAY))
    assert (shop.balance("bob"), shop.balance()) == ((0, 60, 0), (0, 0, 0))


def test_an_order_of_somebody_with_an_account_is_credited_at_once() -> None:
    shop = a_shop().receives(signs_up(at=NOON - DAY), by_guest())
    (transfer,) = shop.book.transfers
    assert (transfer.amount, transfer.happened_at) == (60, NOON)


def test_an_order_that_came_late_is_booked_when_its_guest_signed_up() -> None:
    shop = a_shop().receives(signs_up(at=NOON + 5 * DAY), by_guest())
    assert [transfer.happened_at for transfer in shop.book.transfers] == [NOON + 5 * DAY]


def test_an_address_told_later_brings_its_orders_too() -> None:
    shop = a_shop().receives(
        by_guest(),
        a_sign_up(at=NOON),
        an_event(CustomerUpdated(customer_id=MEMBER, email=ADA), at=NOON + DAY),
    )
    assert shop.balance() == (0, 60, 0)


@pytest.mark.parametrize("email", [None, "", "ada", "@example.org", "ada@"])
def test_an_order_without_an_address_has_no_effect(email: str | None) -> None:
    shop = a_shop().receives(by_guest(email=email), signs_up(email=email or ADA))
    assert shop.kinds == []
    assert shop.book.guests is not None
    assert not shop.book.guests.orders.of(PROGRAM)


def test_what_tells_people_apart_in_an_address_counts() -> None:
    shop = a_shop().receives(by_guest(email="ada+tea@example.org"), signs_up())
    assert shop.kinds == []


def test_whoever_comes_too_late_gets_nothing() -> None:
    assert a_shop().receives(by_guest(), signs_up(at=NOON + 90 * DAY)).kinds == []
    assert a_shop().receives(signs_up(at=NOON + 90 * DAY), by_guest()).kinds == []
    assert (
        a_shop().receives(by_guest(), signs_up(at=NOON + 90 * DAY - timedelta(seconds=1))).balance()[1] == 60
    )


def test_a_program_that_keeps_no_guests_keeps_nothing() -> None:
    shop = Shop(a_document(PER_EURO), members=(MEMBER,)).receives(by_guest(), refunds(), signs_up())
    assert shop.kinds == []
    assert shop.book.guests is not None
    assert not shop.book.guests.orders.of(PROGRAM)


def test_only_orders_of_the_time_in_which_guests_are_kept_are_kept() -> None:
    shop = Shop(a_document(PER_EURO), later=[(NOON, a_document(PER_EURO, **KEEP))], members=(MEMBER,))
    shop.receives(by_guest(order_id="before", at=NOON - DAY), by_guest(order_id="after"), signs_up())
    assert {transfer.order_id for transfer in shop.book.transfers} == {"after"}


def test_several_orders_count_in_the_order_of_their_payment() -> None:
    rules = (PER_EURO, a_rule("first", points="100", if_={"first_order": True}))
    shop = a_shop(*rules)
    shop.receives(by_guest("5.00", order_id="B", at=NOON + DAY), by_guest("7.00", order_id="A"), signs_up())
    awards = {award.order_id: award.points for award in shop.book.awards.of((PROGRAM, MEMBER)).values()}
    assert awards == {"A": 107, "B": 5}


def test_caps_count_in_the_period_of_the_order() -> None:
    shop = a_shop(PER_EURO | {"at_most": "70 per day"})
    shop.receives(by_guest(order_id="A"), by_guest(order_id="B", at=NOON + timedelta(hours=1)), signs_up())
    assert shop.balance() == (0, 70, 0)
    shop.receives(an_order_paid("60.00", at=NOON + 10 * DAY))
    assert shop.balance() == (0, 130, 0)


def test_the_erased_lose_the_address_and_another_may_have_it() -> None:
    shop = a_shop().receives(signs_up(), an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + 11 * DAY))
    shop.receives(by_guest(at=NOON + 12 * DAY))
    assert shop.kinds == []
    shop.receives(signs_up("bob", at=NOON + 13 * DAY))
    assert shop.balance("bob") == (0, 60, 0)


def test_what_concerns_an_order_of_somebody_erased_has_no_effect() -> None:
    shop = a_shop().receives(by_guest(), signs_up())
    shop.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + 11 * DAY))
    booked = len(shop.book.transfers)
    shop.receives(refunds(amount="60.00", at=NOON + 12 * DAY))
    assert len(shop.book.transfers) == booked


def test_an_order_that_the_shop_tells_of_the_customer_as_well_counts_once() -> None:
    shop = a_shop().receives(by_guest(), an_order_paid("50.00", order_id="A", at=NOON + DAY), signs_up())
    assert shop.balance() == (0, 50, 0)
    other = a_shop().receives(by_guest(), signs_up(), an_order_paid("50.00", order_id="A", at=NOON + DAY))
    assert other.balance() == (0, 50, 0)


def test_a_refund_that_cannot_be_is_refused_while_it_is_kept_as_well() -> None:
    shop = a_shop().receives(by_guest(lines=(TEA, CUP)))
    refused = shop.tries(refunds(lines=(RefundLine(line_id="spoon"),)))
    assert [error.code for error in refused.values()] == ["unknown_line"]
    doubled = by_guest(order_id="B", lines=(TEA, TEA))
    assert [error.code for error in shop.tries(doubled).values()] == ["duplicate_line"]
    assert shop.receives(signs_up()).balance() == (0, 60, 0)


def test_no_contact_data_is_kept_of_guests_nor_of_members() -> None:
    signals = Signals(ip="192.0.2.1")
    shop = a_shop().receives(by_guest(signals=signals))
    assert shop.book.guests is not None
    kept = shop.book.guests.orders.get(PROGRAM, "A")
    assert kept is not None
    assert kept.kept is not None
    assert kept.kept.member_id == NOBODY
    member = an_order_paid("9.00", email=ADA, signals=signals)
    shop.receives(member, an_order_paid("8.00", order_id=member.data.order_id, email=ADA, at=NOON + DAY))
    purchase = shop.book.purchases.get((PROGRAM, MEMBER), member.data.order_id)
    for paid in (kept.kept.paid, purchase.paid if purchase else None):
        assert isinstance(paid, OrderPaid)
        assert (paid.email, paid.signals) == (None, None)


def test_a_hash_tells_nothing_across_programs_and_keys() -> None:
    one, other = Secret(b"0123456789abcdef"), Secret(b"fedcba9876543210")
    hashes = {one.address("a", ADA), one.address("b", ADA), other.address("a", ADA)}
    assert len(hashes) == 3
    assert one.address("a", ADA) == one.address("a", "ADA@EXAMPLE.org ")
