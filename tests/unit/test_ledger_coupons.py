"""Coupons: their codes, who may use them, the last use, and what orders do to them."""

from __future__ import annotations

import string
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain import coupons
from services.ledger.domain.coupons import LETTERS, Attempt
from services.ledger.domain.issued import canonical
from services.ledger.domain.using import coupon_named
from services.ledger.errors import CouponRefused, UnknownCoupon
from shared.events import Event, Grant, OrderPaid
from shared.orders import order_of
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_cancellation,
    a_line,
    a_refund,
    an_order_paid,
)
from tests.support.ledger import at
from tests.support.rewards import RewardDesk, a_reward, a_shop, reasons_of

TEA, CUP = a_line("25.00", product_id="tea-1"), a_line("40.00", product_id="cup-1")


def a_desk(**coupon: Any) -> RewardDesk:
    """A desk with one code, `SPRING`, that belongs to nobody."""
    desk = RewardDesk(a_shop(a_reward(costs="10")), members=(MEMBER, "ada"))
    desk.has_coupon("SPRING", **coupon)
    return desk


def an_order(*codes: str, order_id: str = "o1", member: str = MEMBER, **more: Any) -> Event[OrderPaid]:
    """An order that names these codes."""
    return an_order_paid("30.00", order_id=order_id, member=member, coupon_codes=codes, **more)


def why_not(desk: RewardDesk, code: str = "SPRING", **attempt: Any) -> list[str]:
    """Why a code cannot be used so."""
    coupon = coupon_named(desk.book, PROGRAM, code)
    uses = desk.book.shelf.uses.of((PROGRAM, coupon.code)).values()
    said: dict[str, Any] = {"at": desk.now, "member_id": MEMBER} | attempt
    asked = Attempt(**said)
    return [reason.code for reason in coupons.reasons_against(coupon, uses, asked)]


class TestCodes:
    def test_no_two_letters_look_alike(self) -> None:
        for alike in ("0O", "1IL", "2Z", "5S", "8B", "UV"):
            assert len(set(alike) & set(LETTERS)) <= 0
        assert not set("AEIOU") & set(LETTERS)
        assert set(LETTERS) <= set(string.ascii_uppercase + string.digits)

    def test_a_code_has_twelve_letters_in_groups_that_people_can_read_out(self) -> None:
        code = coupons.new_code(Random(7).randrange)
        assert len(code) == 12
        assert [len(group) for group in coupons.shown(code).split("-")] == [4, 4, 4]

    def test_all_codes_are_equally_likely(self) -> None:
        assert coupons.new_code(lambda _: 0) == LETTERS[0] * 12
        assert coupons.new_code(lambda below: below - 1) == LETTERS[-1] * 12

    @given(st.text(max_size=40))
    def test_a_code_is_found_however_it_is_written(self, text: str) -> None:
        once = canonical(text)
        assert canonical(once) == once
        assert canonical(" " + text.replace(" ", " - ")) == once

    def test_case_spaces_and_hyphens_do_not_matter(self) -> None:
        assert canonical(" k7qf-m3tw 9xhc ") == "K7QFM3TW9XHC"


class TestWhyNot:
    def test_all_reasons_are_named_together(self) -> None:
        grant = Grant(
            kind="coupon", amount="5.00", currency="EUR", order_at_least="80.00", products=("mug-1",)
        )
        desk = a_desk(
            gives=grant,
            member_id="ada",
            reward_id="x",
            anyone=False,
            valid_until=NOON - timedelta(hours=1),
            used=1,
        )
        cart = order_of(OrderPaid(order_id="cart", total="65.00", lines=(TEA, CUP)), "EUR")
        assert why_not(desk, order=cart) == [
            "ended",
            "not_theirs",
            "used_up",
            "order_too_small",
            "no_such_product",
        ]

    @pytest.mark.parametrize(
        ("coupon", "attempt", "reasons"),
        [
            ({}, {}, []),
            ({"valid_from": NOON}, {}, []),
            ({"valid_from": NOON + timedelta(seconds=1)}, {}, ["not_yet"]),
            ({"valid_until": NOON}, {}, ["ended"]),
            ({"valid_until": NOON + timedelta(seconds=1)}, {}, []),
            ({"anyone": False, "member_id": MEMBER, "reward_id": "x"}, {}, []),
            (
                {"anyone": False, "member_id": MEMBER, "reward_id": "x"},
                {"member_id": None},
                ["member_unknown"],
            ),
            ({"anyone": False, "member_id": MEMBER, "reward_id": "x"}, {"member_id": "ada"}, ["not_theirs"]),
            ({"state": "voided"}, {}, ["voided"]),
            ({"uses": None, "used": 0}, {}, []),
        ],
    )
    def test_each_alone(self, coupon: dict[str, Any], attempt: dict[str, Any], reasons: list[str]) -> None:
        assert why_not(a_desk(**coupon), **attempt) == reasons

    @pytest.mark.parametrize(("total", "reasons"), [("29.99", ["order_too_small"]), ("30.00", [])])
    def test_the_minimum_order_is_inclusive(self, total: str, reasons: list[str]) -> None:
        grant = Grant(kind="coupon", amount="5.00", currency="EUR", order_at_least="30.00")
        cart = order_of(OrderPaid(order_id="cart", total=total), "EUR")
        assert why_not(a_desk(gives=grant), order=cart) == reasons

    def test_another_currency_is_told_as_such(self) -> None:
        grant = Grant(kind="coupon", amount="5.00", currency="USD", order_at_least="30.00")
        cart = order_of(OrderPaid(order_id="cart", total="65.00"), "EUR")
        assert why_not(a_desk(gives=grant), order=cart) == ["wrong_currency"]

    def test_a_code_of_the_pool_is_no_coupon_yet(self) -> None:
        desk = a_desk()
        desk.has_pool("summer", "SUN-1")
        with pytest.raises(UnknownCoupon):
            coupon_named(desk.book, PROGRAM, "SUN-1")


class TestWorth:
    @pytest.mark.parametrize(
        ("gives", "minor"),
        [
            ({"amount": "5.00"}, 500),
            ({"amount": "99.00"}, 6_500),
            ({"percent": "10"}, 650),
            ({"percent": "10", "at_most": "3.00"}, 300),
            ({"percent": "12.5", "products": ("tea-1",)}, 312),
            ({"amount": "30.00", "products": ("tea-1",)}, 2_500),
            ({"kind": "free_shipping"}, 490),
            ({"kind": "product", "product_id": "mug-1"}, None),
        ],
    )
    def test_what_it_takes_off(self, gives: dict[str, Any], minor: int | None) -> None:
        order = order_of(OrderPaid(order_id="o", total="69.90", shipping="4.90", lines=(TEA, CUP)), "EUR")
        assert coupons.worth(Grant(**{"kind": "coupon", "currency": "EUR"} | gives), order) == minor


class TestUses:
    def test_the_last_use_has_one_winner(self) -> None:
        desk = a_desk(uses=2)
        desk.uses("SPRING", "o1")
        desk.uses("spring", "o2", member="ada")
        with pytest.raises(CouponRefused) as refused:
            desk.uses("SPRING", "o3")
        assert reasons_of(refused.value) == ["used_up"]

    def test_the_same_order_again_is_the_same_use(self) -> None:
        desk = a_desk(uses=2)
        assert desk.uses("SPRING", "o1") == desk.uses("SPRING", "o1")
        assert desk.coupon("SPRING").used == 1

    def test_a_reservation_counts_until_it_times_out(self) -> None:
        desk = a_desk()
        desk.keeps("SPRING", minutes=30)
        with pytest.raises(CouponRefused) as refused:
            desk.uses("SPRING", "o2", member="ada")
        assert reasons_of(refused.value) == ["reserved"]
        desk.reaches(NOON + timedelta(minutes=30))
        assert desk.uses("SPRING", "o2", member="ada").state == "used"

    def test_an_order_uses_the_reservation_of_its_member(self) -> None:
        desk = a_desk()
        desk.keeps("SPRING")
        used = desk.uses("SPRING", "o1")
        assert (used.use_id, used.state, desk.coupon("SPRING").used) == ("u1", "used", 1)

    def test_a_reservation_that_became_a_use_is_no_other_orders(self) -> None:
        desk = a_desk()
        desk.keeps("SPRING")
        desk.uses("SPRING", "o1", use_id="u1")
        with pytest.raises(CouponRefused):
            desk.uses("SPRING", "o2", use_id="u1")

    def test_what_is_set_free_can_be_had_by_others(self) -> None:
        desk = a_desk()
        desk.keeps("SPRING")
        desk.frees("SPRING")
        assert desk.uses("SPRING", "o2", member="ada").state == "used"

    def test_once_for_each_member(self) -> None:
        desk = a_desk(uses=None, per_member=1)
        desk.uses("SPRING", "o1")
        with pytest.raises(CouponRefused) as refused:
            desk.uses("SPRING", "o2")
        assert reasons_of(refused.value) == ["had_by_member"]
        assert desk.uses("SPRING", "o3", member="ada").state == "used"

    def test_a_reward_of_two_uses_is_used_with_the_second(self) -> None:
        desk = RewardDesk(a_shop(a_reward(costs="10", gives={"percent_off": "10 %", "uses": "2"})))
        desk.receives(an_order_paid("10.00", at=NOON - timedelta(days=1)))
        desk.buys()
        desk.uses(desk.code_of(), "o1")
        assert desk.reward().state == "issued"
        desk.uses(desk.code_of(), "o2")
        assert desk.reward().state == "used"
        assert desk.rewards_told == ["issued r1", "used r1", "used r1"]

    @given(st.lists(st.tuples(st.sampled_from("kufr"), st.integers(1, 4), st.integers(0, 40)), max_size=30))
    @settings(max_examples=150)
    def test_a_code_is_never_used_more_often_than_it_may_be(self, steps: list[tuple[str, int, int]]) -> None:
        desk = a_desk(uses=2)
        for step, number, minutes in steps:
            desk.now += timedelta(minutes=minutes)
            try:
                match step:
                    case "k":
                        desk.keeps("SPRING", f"u{number}", member=None)
                    case "u":
                        desk.uses("SPRING", f"o{number}", member=None)
                    case "f":
                        desk.uses("SPRING", f"o{number}", use_id=f"u{number}", member=None)
                    case "r" if desk.book.shelf.uses.get((PROGRAM, "SPRING"), f"u{number}"):
                        desk.frees("SPRING", f"u{number}")
            except CouponRefused:
                continue
            uses = desk.book.shelf.uses.of((PROGRAM, "SPRING")).values()
            taken = sum(1 for use in uses if use.state == "used" or use.is_live(desk.now))
            assert taken <= 2


class TestOrders:
    def a_desk_with_a_code(self, **spend: Any) -> tuple[RewardDesk, str]:
        desk = RewardDesk(a_shop(a_reward(costs="10"), **spend), members=(MEMBER, "ada"))
        desk.receives(an_order_paid("100.00", at=NOON - timedelta(days=1)))
        desk.buys()
        return desk, desk.code_of()

    def test_a_paid_order_uses_the_codes_it_names(self) -> None:
        desk, code = self.a_desk_with_a_code()
        desk.receives(an_order(code.lower().replace("-", " "), "A-CODE-OF-THE-SHOP"))
        assert (desk.reward().state, desk.reward().order_id) == ("used", "o1")

    def test_a_cancelled_order_gives_them_back(self) -> None:
        desk, code = self.a_desk_with_a_code()
        order = an_order(code)
        desk.receives(order, a_cancellation(order))
        assert (desk.reward().state, desk.coupon(code).used) == ("issued", 0)
        assert desk.rewards_told == ["issued r1", "used r1", "issued r1"]
        desk.receives(an_order(code, order_id="o2"))
        assert desk.reward().state == "used"

    def test_a_part_refunded_keeps_the_use_and_the_rest_gives_it_back(self) -> None:
        desk, code = self.a_desk_with_a_code()
        order = an_order(code)
        desk.receives(order, a_refund(order, amount="29.99"))
        assert desk.reward().state == "used"
        desk.receives(a_refund(order, amount="0.01"))
        assert desk.reward().state == "issued"

    def test_a_program_may_keep_the_use(self) -> None:
        desk, code = self.a_desk_with_a_code(used_coupons_back="never")
        order = an_order(code)
        desk.receives(order, a_cancellation(order))
        assert desk.reward().state == "used"

    def test_what_came_back_after_its_end_is_good_for_a_grace(self) -> None:
        desk, code = self.a_desk_with_a_code()
        order = an_order(code)
        desk.receives(order, a_cancellation(order, at=at("2026-08-01T12:00")))
        assert desk.reward().due_at == desk.coupon(code).valid_until == at("2026-08-31T22:00")
        desk.reaches(at("2026-08-31T22:00"))
        assert desk.reward().state == "expired"

    def test_what_an_order_used_by_request_comes_back_as_well(self) -> None:
        desk, code = self.a_desk_with_a_code()
        desk.uses(code, "o1")
        order = an_order(order_id="o1")
        desk.receives(order, a_cancellation(order))
        assert desk.reward().state == "issued"

    def test_the_newest_statement_says_which_codes_are_used_in_whatever_order_they_come(self) -> None:
        statements = [
            an_order("SPRING", at=NOON),
            an_order("SUMMER", at=NOON + timedelta(minutes=1)),
            an_order("AUTUMN", at=NOON + timedelta(minutes=2)),
        ]
        for places in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)):
            desk = a_desk()
            desk.has_coupon("SUMMER")
            desk.has_coupon("AUTUMN")
            desk.receives(*(statements[place] for place in places))
            used = [desk.coupon(code).used for code in ("SPRING", "SUMMER", "AUTUMN")]
            assert used == [0, 0, 1], places

    def test_a_refund_that_overtook_its_order_leaves_the_code_free(self) -> None:
        desk, code = self.a_desk_with_a_code()
        order = an_order(code)
        desk.receives(a_cancellation(order), order)
        assert desk.reward().state == "issued"

    def test_a_code_without_a_right_to_it_is_kept_for_people_to_see(self) -> None:
        desk, code = self.a_desk_with_a_code()
        desk.receives(an_order(code, order_id="o9", member="ada"))
        use = desk.book.shelf.uses.get((PROGRAM, canonical(code)), "o9")
        assert use is not None
        assert (use.state, use.reason, desk.reward().state) == ("refused", "it is another member's", "issued")
        assert desk.balance("ada") == (0, 30, 0), "the order counts: it was paid"

    def test_an_order_of_its_time_uses_what_has_expired_meanwhile(self) -> None:
        desk, code = self.a_desk_with_a_code()
        desk.reaches(at("2026-07-04T12:00"))
        assert desk.reward().state == "expired"
        desk.receives(an_order(code, at=at("2026-07-03T12:00")))
        assert desk.reward().state == "used"

    def test_anyone_may_use_a_gift_card_and_its_buyer_is_told(self) -> None:
        gift = a_reward("card", "10", gives={"gift_card": "5.00 EUR", "anyone": "true"})
        desk = RewardDesk(a_shop(gift), members=(MEMBER, "ada"))
        desk.receives(an_order_paid("100.00", at=NOON - timedelta(days=1)))
        desk.buys("card")
        desk.receives(an_order(desk.code_of(), member="ada"))
        assert desk.reward().state == "used"
