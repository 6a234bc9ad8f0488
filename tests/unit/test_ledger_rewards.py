"""Rewards: bought, given, promised; used, voided, expired; and what a refund does to those that are unused."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain import rewards, using
from services.ledger.domain.adjusting import adjust
from services.ledger.domain.records import Draw
from services.ledger.domain.rewards import is_unused
from services.ledger.errors import (
    CharityUnknown,
    CouponRefused,
    InsufficientPoints,
    PoolEmpty,
    RewardClosed,
    RewardConflict,
    RewardSoldOut,
    RewardUnavailable,
    UnknownReward,
)
from shared.errors import ServiceError
from shared.events import (
    CustomerDeleted,
    Grant,
    PointsDonated,
    PointsRestored,
    ReferralApproved,
    ReferralStarted,
    ReferralVoided,
    RewardIssued,
    SegmentEntered,
    SegmentLeft,
    TierLowered,
    TierRaised,
)
from shared.events.fields import MAX_ID_LENGTH
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_cancellation,
    a_refund,
    an_event,
    an_order_paid,
)
from tests.support.ledger import at
from tests.support.rewards import RewardDesk, a_reward, a_shop, reasons_of

KEY = (PROGRAM, MEMBER)


def a_desk(*catalogue: dict[str, Any], points: int = 420, **spend: Any) -> RewardDesk:
    """A member with so many points, and these rewards."""
    desk = RewardDesk(a_shop(*(catalogue or (a_reward(),)), **spend))
    return desk.receives(an_order_paid(f"{points}.00", order_id="first", at=NOON - timedelta(days=1)))


def asset(desk: RewardDesk, name: str) -> int:
    """What the member has available of another asset."""
    return desk.book.balance(KEY, name).available


class TestBuying:
    def test_a_reward_costs_its_price_and_comes_with_a_code(self) -> None:
        desk = a_desk()
        reward = desk.buys()
        assert (desk.balance(), reward.state, reward.price) == ((0, 20, 0), "issued", 400)
        assert reward.valid_until == at("2026-07-03T22:00"), "the end of the sixtieth day, in Paris"
        (issued,) = [event.data for event in desk.book.outgoing if isinstance(event.data, RewardIssued)]
        assert issued.grant.code == desk.code_of()
        assert (issued.grant.amount, issued.grant.currency, issued.points) == ("5.00", "EUR", 400)

    def test_the_soonest_lots_pay_first(self) -> None:
        document = a_shop(a_reward()) | {}
        document["ledger"]["points"] = {"expire": "12 months"}
        desk = RewardDesk(document)
        desk.receives(
            an_order_paid("300.00", at=at("2026-01-10")), an_order_paid("120.00", at=at("2026-03-10"))
        )
        a, b = desk.lots()
        assert desk.buys().draws == (Draw(a.lot_no, 300), Draw(b.lot_no, 100))

    def test_the_same_id_again_is_the_same_purchase(self) -> None:
        desk = a_desk()
        assert desk.buys() == desk.buys()
        assert desk.balance() == (0, 20, 0)

    def test_the_same_id_for_another_reward_is_a_conflict(self) -> None:
        desk = a_desk(a_reward(), a_reward("mug", "10", gives={"product": "mug-1"}))
        desk.buys()
        with pytest.raises(RewardConflict):
            desk.buys("mug")

    def test_too_few_points_are_told_in_numbers(self) -> None:
        desk = a_desk(points=399)
        with pytest.raises(InsufficientPoints) as refused:
            desk.buys()
        assert (refused.value.extra["asked"], refused.value.extra["available"]) == (400, 399)

    def test_what_the_catalogue_does_not_have_cannot_be_bought(self) -> None:
        with pytest.raises(UnknownReward):
            a_desk().buys("six off")

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            ({"from_": "2026-05-05"}, "not_yet"),
            ({"until": "2026-05-03"}, "over"),
            ({"for_": {"level": ["Gold"]}}, "not_at_this_level"),
            ({"for_": {"segment": "tea lovers"}}, "not_in_segment"),
        ],
    )
    def test_every_reason_against_it_is_named(self, words: dict[str, Any], code: str) -> None:
        desk = a_desk(a_reward(**words), points=100)
        with pytest.raises(RewardUnavailable) as refused:
            desk.buys()
        assert reasons_of(refused.value) == [code, "not_enough"]

    def test_who_is_in_the_segment_can_have_what_is_for_it(self) -> None:
        desk = a_desk(a_reward(for_={"segment": "tea lovers"}))
        desk.receives(an_event(SegmentEntered(member_id=MEMBER, segment="tea lovers")))
        assert desk.buys().state == "issued"
        desk.receives(
            an_event(SegmentLeft(member_id=MEMBER, segment="tea lovers"), at=NOON + timedelta(hours=1))
        )
        desk.now = NOON + timedelta(hours=1)
        with pytest.raises(RewardUnavailable):
            desk.buys(reward_id="r2")

    @pytest.mark.parametrize("day", ["2026-05-04T00:00:00+02:00", "2026-05-04T23:59:59+02:00"])
    def test_first_and_last_day_are_in(self, day: str) -> None:
        desk = a_desk(a_reward(from_="2026-05-04", until="2026-05-04"))
        desk.now = at(day[:19]) - timedelta(hours=2)
        assert desk.buys().state == "issued"

    def test_what_has_no_price_is_not_for_sale(self) -> None:
        desk = a_desk(a_reward("surprise tea", None, gives={"product": "tea-1"}))
        with pytest.raises(RewardUnavailable) as refused:
            desk.buys("surprise tea")
        assert reasons_of(refused.value)[0] == "not_for_sale"

    def test_a_limit_per_month_begins_anew_with_the_month(self) -> None:
        desk = a_desk(a_reward(costs="10", limit="1 per month"))
        desk.buys()
        with pytest.raises(RewardUnavailable):
            desk.buys(reward_id="r2")
        desk.reaches(at("2026-05-31T22:00"))
        assert desk.buys(reward_id="r2").state == "issued"

    def test_a_voided_reward_does_not_count_towards_the_limit(self) -> None:
        desk = a_desk(a_reward(costs="10", limit="1"))
        desk.buys()
        desk.voids()
        assert desk.buys(reward_id="r2").state == "issued"

    def test_stock_is_never_oversold_and_a_voided_one_is_there_again(self) -> None:
        desk = a_desk(a_reward(costs="10", stock=2))
        desk.buys(reward_id="a")
        desk.buys(reward_id="b")
        with pytest.raises(RewardSoldOut):
            desk.buys(reward_id="c")
        desk.voids("a")
        assert desk.buys(reward_id="c").state == "issued"

    def test_a_price_in_stamps_leaves_the_points_alone(self) -> None:
        document = a_shop(a_reward("free tea", "10 stamps", gives={"product": "tea-1"}))
        document["ledger"]["earn"].append({"rule": "card", "on": "order.paid", "gives": "5 stamps"})
        desk = RewardDesk(document)
        desk.receives(an_order_paid("7.00"))
        with pytest.raises(InsufficientPoints):
            desk.buys("free tea")
        desk.receives(an_order_paid("7.00"))
        desk.buys("free tea")
        assert (asset(desk, "stamps"), asset(desk, "points")) == (0, 14)


class TestEffects:
    @pytest.mark.parametrize(
        ("gives", "kind", "fields"),
        [
            ({"money_off": "5.00 EUR"}, "coupon", {"amount": "5.00", "currency": "EUR"}),
            (
                {"percent_off": "10 %", "at_most": "20.00 EUR"},
                "coupon",
                {"percent": "10", "at_most": "20.00"},
            ),
            (
                {"free_shipping": "true", "order_at_least": "15 EUR"},
                "free_shipping",
                {"order_at_least": "15"},
            ),
            ({"product": "mug-1"}, "product", {"product_id": "mug-1"}),
            ({"gift_card": "25.00 EUR", "anyone": "true"}, "gift_card", {"amount": "25.00"}),
            ({"ticket": "tea tasting"}, "ticket", {"name": "tea tasting"}),
        ],
    )
    def test_what_is_handed_over_has_a_code(
        self, gives: dict[str, Any], kind: str, fields: dict[str, str]
    ) -> None:
        desk = a_desk(a_reward(gives=gives))
        reward = desk.buys()
        assert reward.gives.kind == kind
        assert {name: getattr(reward.gives, name) for name in fields} == fields
        assert len(desk.code_of()) == 14

    def test_store_credit_is_available_at_once_and_ends_with_its_time(self) -> None:
        desk = a_desk(a_reward(gives={"credit": "5.00 EUR", "valid": "1 month"}))
        assert desk.buys().state == "used"
        assert asset(desk, "credit:EUR") == 500
        desk.reaches(at("2026-06-04T22:00"))
        assert asset(desk, "credit:EUR") == 0

    def test_what_took_effect_cannot_be_voided(self) -> None:
        desk = a_desk(a_reward(gives={"credit": "5.00 EUR"}))
        desk.buys()
        with pytest.raises(RewardClosed):
            desk.voids()

    def test_nobody_donates_the_points_of_another_by_a_gift(self) -> None:
        desk = RewardDesk(a_shop(a_reward("give", "100", gives={"donate_to": ["forest"]})))
        desk.receives(an_order_paid("420.00"))
        with pytest.raises(RewardUnavailable, match="is a donation"):
            desk.gives("give")
        assert (desk.balance(), desk.rewards_told) == ((0, 420, 0), [])

    def test_a_charity_is_named_for_donations_alone(self) -> None:
        desk = RewardDesk(a_shop(a_reward())).receives(an_order_paid("420.00"))
        with pytest.raises(CharityUnknown, match="leave `charity` out"):
            desk.buys(charity="forest")
        assert desk.balance() == (0, 420, 0)

    def test_a_donation_goes_to_the_charity_that_the_member_chose(self) -> None:
        desk = a_desk(a_reward("give", "100", gives={"donate_to": ["forest", "food bank"]}))
        with pytest.raises(CharityUnknown):
            desk.buys("give")
        desk.buys("give", charity="forest")
        donation = desk.book.transfers._items[-1]
        assert (donation.to_account, donation.amount, desk.balance()) == ("charity:forest", 100, (0, 320, 0))
        assert [e.data.charity for e in desk.book.outgoing if isinstance(e.data, PointsDonated)] == ["forest"]

    def test_a_gift_costs_nothing_and_says_why(self) -> None:
        desk = a_desk(a_reward("surprise tea", None, gives={"product": "tea-1"}))
        gift = desk.gives("surprise tea")
        assert (gift.price, gift.reason, gift.source, desk.balance()) == (
            0,
            "thank you",
            "given",
            (0, 420, 0),
        )

    def test_a_gift_by_hand_passes_over_the_limit_of_members_and_counts_towards_none(self) -> None:
        desk = a_desk(a_reward(costs="10", limit="1"))
        desk.gives("five off", reward_id="g1")
        assert desk.buys().state == "issued"
        assert desk.gives("five off", reward_id="g2").state == "issued"
        with pytest.raises(RewardUnavailable) as refused:
            desk.buys(reward_id="r2")
        assert reasons_of(refused.value) == ["limit_reached"]

    def test_a_gift_by_hand_takes_from_the_stock_and_never_what_is_gone(self) -> None:
        desk = a_desk(a_reward(costs="10", stock="2"))
        desk.gives("five off", reward_id="g1")
        desk.buys()
        with pytest.raises(RewardSoldOut):
            desk.gives("five off", reward_id="g2")

    def test_a_gift_of_points_is_there_at_once(self) -> None:
        desk = a_desk()
        desk.gives(grant=Grant(kind="points", asset="points", points=50))
        assert desk.balance() == (0, 470, 0)

    def test_codes_of_the_shop_are_handed_out_one_each_until_the_pool_is_empty(self) -> None:
        desk = a_desk(a_reward(costs="10", gives={"money_off": "5.00 EUR", "pool": "summer"}))
        desk.has_pool("summer", "SUN-1", "SUN-2")
        desk.buys(reward_id="a")
        desk.buys(reward_id="b")
        assert {desk.code_of("a"), desk.code_of("b")} == {"SUN-1", "SUN-2"}
        with pytest.raises(PoolEmpty):
            desk.buys(reward_id="c")
        assert desk.balance() == (0, 400, 0)


class TestAfterwards:
    def test_voiding_returns_the_price_to_the_lots_it_came_from(self) -> None:
        document = a_shop(a_reward())
        document["ledger"]["points"] = {"expire": "12 months"}
        desk = RewardDesk(document)
        desk.receives(
            an_order_paid("300.00", at=at("2026-01-10")), an_order_paid("120.00", at=at("2026-03-10"))
        )
        before = desk.lots()
        desk.buys()
        code = desk.code_of()
        desk.voids()
        assert desk.lots() == before
        with pytest.raises(CouponRefused) as refused:
            desk.uses(code)
        assert reasons_of(refused.value) == ["voided"]
        assert desk.rewards_told == ["issued r1", "voided r1"]

    def test_what_expired_meanwhile_comes_back_with_a_grace(self) -> None:
        document = a_shop(a_reward())
        document["ledger"]["points"] = {"expire": "2 months"}
        desk = RewardDesk(document).receives(an_order_paid("420.00", at=at("2026-03-10T12:00")))
        desk.buys()
        desk.reaches(at("2026-06-01T12:00"))
        assert desk.balance() == (0, 0, 0), "the 20 that were left have expired"
        desk.voids()
        (lot,) = desk.lots()
        assert (lot.remaining, lot.expires_at) == (400, at("2026-07-01T22:00"))
        (back,) = [e.data for e in desk.book.outgoing if isinstance(e.data, PointsRestored)]
        assert (back.reward_id, back.expires_at) == ("r1", at("2026-07-01T22:00"))

    def test_what_is_partly_expired_comes_back_to_what_lives_and_with_a_grace(self) -> None:
        document = a_shop(a_reward())
        document["ledger"]["points"] = {"expire": "2 months"}
        desk = RewardDesk(document).receives(
            an_order_paid("300.00", at=at("2026-03-10T12:00")),
            an_order_paid("100.00", at=at("2026-04-20T12:00")),
        )
        desk.buys()
        desk.reaches(at("2026-05-20T12:00"))
        desk.voids()
        lots = sorted((lot.remaining, lot.expires_at) for lot in desk.lots() if lot.remaining)
        assert lots == [(100, at("2026-06-20T22:00")), (300, at("2026-06-19T22:00"))]
        assert desk.balance() == (0, 400, 0)

    @pytest.mark.parametrize("day", ["2026-05-05", "2026-05-20"])
    def test_a_person_who_takes_points_voids_no_reward_and_its_price_fills_what_is_owed(
        self, day: str
    ) -> None:
        document = a_shop(a_reward())
        document["ledger"]["points"] = {"expire": "2 months"}
        desk = RewardDesk(document).receives(an_order_paid("400.00", at=at("2026-03-10T12:00")))
        desk.buys()
        adjust(desk.book, KEY, name="a", asset="points", points=-150, reason="given by mistake", at=desk.now)
        assert (desk.reward().state, desk.balance()) == ("issued", (0, -150, 0))
        desk.reaches(at(f"{day}T12:00"))
        desk.voids()
        assert desk.balance() == (0, 250, 0)
        assert sum(lot.remaining for lot in desk.lots()) == 250

    def test_what_a_person_handed_over_names_no_order(self) -> None:
        desk = a_desk()
        desk.buys()
        used = using.use_reward(desk.book, desk.reward(), order_id=None, cause="till", at=desk.now)
        assert (used.state, used.order_id) == ("used", None)
        with pytest.raises(CouponRefused):
            using.use_reward(desk.book, desk.reward(), order_id=None, cause="till", at=desk.now)

    def test_a_use_that_comes_back_revives_nothing_that_was_voided(self) -> None:
        desk = a_desk(a_reward(costs="10", gives={"percent_off": "10 %", "uses": "2"}))
        desk.buys()
        code = desk.code_of()
        desk.uses(code, "other")
        rewards.void_all(desk.book, KEY, cause="test", at=desk.now)
        desk.frees(code, "other")
        assert (desk.reward().state, desk.coupon(code).used) == ("voided", 0)

    def test_a_used_reward_is_not_voided(self) -> None:
        desk = a_desk()
        desk.buys()
        desk.uses(desk.code_of())
        with pytest.raises(RewardClosed):
            desk.voids()

    def test_a_reward_expires_at_the_midnight_that_follows_its_last_day(self) -> None:
        desk = a_desk()
        desk.buys()
        desk.reaches(at("2026-07-03T21:59:59"))
        assert desk.reward().state == "issued"
        desk.reaches(at("2026-07-03T22:00"))
        assert (desk.reward().state, desk.balance()) == ("expired", (0, 20, 0))
        assert desk.rewards_told == ["issued r1", "expired r1"]
        with pytest.raises(CouponRefused):
            desk.uses(desk.code_of())

    def test_what_a_checkout_keeps_neither_expires_nor_is_voided(self) -> None:
        desk = a_desk()
        desk.buys()
        desk.reaches(at("2026-07-03T21:50"))
        desk.keeps(desk.code_of(), minutes=30)
        with pytest.raises(RewardClosed):
            desk.voids()
        desk.reaches(at("2026-07-03T22:10"))
        assert desk.reward().state == "issued"
        desk.uses(desk.code_of(), use_id="u1")
        assert desk.reward().state == "used"

    def test_what_a_checkout_let_go_expires_then(self) -> None:
        desk = a_desk()
        desk.buys()
        desk.reaches(at("2026-07-03T21:50"))
        desk.keeps(desk.code_of(), minutes=30)
        desk.reaches(at("2026-07-03T22:20"))
        assert desk.reward().state == "expired"

    def test_an_erased_member_has_no_unused_reward_and_no_points(self) -> None:
        desk = a_desk()
        desk.buys()
        desk.receives(an_event(CustomerDeleted(customer_id=MEMBER)))
        assert (desk.reward().state, desk.balance()) == ("voided", (0, 0, 0))


class TestRefunds:
    def test_a_refund_voids_an_unused_reward_before_it_makes_a_deficit(self) -> None:
        desk = RewardDesk(a_shop(a_reward()))
        order = an_order_paid("500.00")
        desk.receives(order)
        desk.buys()
        desk.receives(a_refund(order, amount="500.00"))
        assert (desk.balance(), desk.reward().state) == ((0, 0, 0), "voided")
        assert desk.told[-3:] == ["voided 400", "restored 400", "reversed 500"]

    def test_a_used_reward_leaves_a_deficit(self) -> None:
        desk = RewardDesk(a_shop(a_reward()))
        order = an_order_paid("500.00")
        desk.receives(order)
        desk.buys()
        desk.uses(desk.code_of(), "other")
        desk.receives(a_refund(order, amount="500.00"))
        assert (desk.balance(), desk.reward().state) == ((0, -400, 0), "used")

    def test_only_as_many_as_needed_are_voided_the_latest_first(self) -> None:
        desk = RewardDesk(a_shop(a_reward(costs="100")))
        order = an_order_paid("300.00")
        desk.receives(order)
        for number in (1, 2, 3):
            desk.now = NOON + timedelta(minutes=number)
            desk.buys(reward_id=f"r{number}")
        desk.receives(a_refund(order, amount="150.00", at=NOON + timedelta(hours=1)))
        assert [desk.reward(f"r{number}").state for number in (1, 2, 3)] == ["issued", "voided", "voided"]
        assert desk.balance() == (0, 50, 0), "what was returned and not needed is the member's"

    def test_a_reward_bought_before_the_award_is_left_alone(self) -> None:
        desk = a_desk(points=400)
        desk.buys()
        order = an_order_paid("50.00", at=NOON + timedelta(hours=1))
        desk.receives(order)
        desk.now = NOON + timedelta(hours=2)
        desk.spends(50)
        desk.receives(a_refund(order, amount="50.00", at=NOON + timedelta(hours=3)))
        assert (desk.balance(), desk.reward().state) == ((0, -50, 0), "issued")

    @pytest.mark.parametrize(("policy", "left"), [("to_zero", (0, 0, 0)), ("pending_only", (0, 100, 0))])
    def test_the_policy_for_reversals_holds_here_too(self, policy: str, left: tuple[int, int, int]) -> None:
        document = a_shop(a_reward())
        document["ledger"]["points"] = {"negative": policy}
        desk = RewardDesk(document)
        order = an_order_paid("500.00")
        desk.receives(order)
        desk.buys()
        desk.receives(a_cancellation(order))
        assert desk.balance() == left
        assert desk.reward().state == ("issued" if policy == "pending_only" else "voided")

    def test_a_reward_that_a_checkout_keeps_is_out_of_reach(self) -> None:
        desk = RewardDesk(a_shop(a_reward()))
        order = an_order_paid("500.00")
        desk.receives(order)
        desk.buys()
        desk.keeps(desk.code_of())
        desk.receives(a_cancellation(order))
        assert (desk.balance(), desk.reward().state) == ((0, -400, 0), "issued")

    def test_a_refund_that_is_older_than_the_purchase_still_finds_it(self) -> None:
        desk = RewardDesk(a_shop(a_reward()))
        order = an_order_paid("500.00", at=NOON - timedelta(days=2))
        desk.receives(order)
        bought = desk.buys()
        desk.receives(a_cancellation(order, at=NOON - timedelta(days=1)))
        assert (desk.balance(), desk.reward().state) == ((0, 0, 0), "voided")
        assert desk.reward().closed_at == bought.issued_at

    @given(
        st.lists(
            st.tuples(st.sampled_from("obukvrc"), st.integers(0, 3), st.integers(1, 120)),
            min_size=5,
            max_size=40,
        )
    )
    @settings(max_examples=80)
    def test_a_refund_makes_no_debt_while_there_is_an_unused_reward_bought_since(
        self, steps: list[tuple[str, int, int]]
    ) -> None:
        desk = RewardDesk(a_shop(a_reward(costs="60", gives={"percent_off": "10 %", "valid": "20 days"})))
        orders: list[Any] = []
        for number, (step, which, hours) in enumerate(steps):
            desk.reaches(desk.now + timedelta(hours=hours))
            with suppress(ServiceError):
                _take_step(desk, orders, step, which, number)
        for order in orders:
            _comes_back(desk, order, a_cancellation(order, at=desk.now))
        paid = sum(r.price for r in desk.book.shelf.rewards.of(KEY).values() if r.state != "voided")
        assert desk.balance() == (0, -paid, 0), "nothing was earned, and what was used is owed"


def _take_step(desk: RewardDesk, orders: list[Any], step: str, which: int, number: int) -> None:
    """One thing that happens: an order, a purchase, a use, a reservation, a void, a refund, a cancellation."""
    issued = list(desk.book.shelf.rewards.of(KEY).values())
    reward = issued[which % len(issued)] if issued else None
    order = orders[which % len(orders)] if orders else None
    match step:
        case "o":
            orders.append(an_order_paid("100.00", order_id=f"o{number}", at=desk.now))
            desk.receives(orders[-1])
        case "b":
            desk.buys(reward_id=f"r{number}")
        case "u" if reward:
            desk.uses(desk.code_of(reward.reward_id), f"u{number}")
        case "k" if reward:
            desk.keeps(desk.code_of(reward.reward_id), f"k{number}")
        case "v" if reward:
            desk.voids(reward.reward_id)
        case "r" if order:
            _comes_back(desk, order, a_refund(order, amount="30.00", at=desk.now))
        case "c" if order:
            _comes_back(desk, order, a_cancellation(order, at=desk.now))


def _comes_back(desk: RewardDesk, order: Any, event: Any) -> None:
    """A refund; where the member owes more after it, no reward could have been voided instead."""
    before = desk.balance()[1]
    desk.receives(event)
    if desk.balance()[1] < min(0, before):
        since = [r for r in desk.book.shelf.rewards.of(KEY).values() if r.issued_at >= order.time]
        assert not [reward for reward in since if is_unused(desk.book, reward, desk.now)]


class TestPromises:
    WELCOME = (Grant(kind="coupon", percent="10"),)

    def started(self) -> Any:
        data = ReferralStarted(
            member_id=MEMBER, referral_id="ref", role="friend", counterpart_id="ada", rewards=self.WELCOME
        )
        return an_event(data)

    def test_the_welcome_of_a_referral_is_a_coupon_of_the_friend(self) -> None:
        desk = RewardDesk(a_shop()).receives(self.started())
        reward = desk.reward("referral:ref:friend:welcome:0")
        assert (reward.source, reward.gives.percent, reward.state) == ("promised", "10", "issued")

    def test_it_is_issued_once(self) -> None:
        desk = RewardDesk(a_shop()).receives(self.started(), self.started())
        assert len(desk.rewards_told) == 1

    def test_a_voided_referral_takes_back_what_is_unused(self) -> None:
        approved = ReferralApproved(
            member_id=MEMBER,
            referral_id="ref",
            role="friend",
            rewards=(Grant(kind="gift_card", amount="5.00", currency="EUR"), Grant(kind="points", points=50)),
        )
        desk = RewardDesk(a_shop())
        desk.receives(self.started(), an_event(approved))
        desk.uses(desk.code_of("referral:ref:friend:welcome:0"))
        voided = ReferralVoided(member_id=MEMBER, referral_id="ref", role="friend", rewards=approved.rewards)
        desk.receives(an_event(voided, at=NOON + timedelta(days=1)))
        assert desk.reward("referral:ref:friend:welcome:0").state == "used"
        assert desk.reward("referral:ref:friend:0").state == "voided"
        assert desk.balance() == (0, 0, 0)

    def test_a_referral_that_counts_again_issues_a_new_code(self) -> None:
        reward = (Grant(kind="coupon", amount="5.00", currency="EUR"),)
        said: dict[str, Any] = {
            "member_id": MEMBER,
            "referral_id": "ref",
            "role": "advocate",
            "rewards": reward,
        }
        desk = RewardDesk(a_shop()).receives(an_event(ReferralApproved(**said)))
        first = desk.code_of("referral:ref:advocate:0")
        desk.receives(an_event(ReferralVoided(**said)), an_event(ReferralApproved(**said)))
        assert desk.code_of("referral:ref:advocate:0") != first
        assert desk.reward("referral:ref:advocate:0").state == "issued"

    def test_the_entry_reward_of_a_level_goes_with_the_level(self) -> None:
        grant = Grant(kind="product", product_id="mug-1")
        rise = TierRaised(member_id=MEMBER, level="Gold", since=NOON, rewards=(grant,))
        drop = TierLowered(member_id=MEMBER, level="Guest", since=NOON, rewards_taken_back=(grant,))
        desk = RewardDesk(a_shop()).receives(an_event(rise, event_id="rise"))
        assert desk.reward("entry:main:Gold:rise:0").state == "issued"
        desk.receives(an_event(drop, at=NOON + timedelta(days=1)))
        assert desk.reward("entry:main:Gold:rise:0").state == "voided"

    def test_ids_of_promises_are_as_long_as_an_id_may_be_however_long_the_names_are(self) -> None:
        long, mug = "x" * MAX_ID_LENGTH, Grant(kind="product", product_id="mug-1")
        said = {"member_id": MEMBER, "referral_id": long, "role": "advocate"}
        desk = RewardDesk(a_shop()).receives(
            an_event(
                TierRaised(member_id=MEMBER, level=long, since=NOON, rewards=(mug, mug)),
                event_id=f"{long[1:]}y",
            ),
            an_event(TierRaised(member_id=MEMBER, level=long, since=NOON, rewards=(mug,)), event_id=long),
            an_event(ReferralStarted(**said, rewards=(mug,))),
            an_event(ReferralApproved(**said, rewards=(mug,))),
        )
        rewards = desk.book.shelf.rewards.of(KEY)
        assert (len(rewards), max(map(len, rewards)) <= MAX_ID_LENGTH) == (5, True)
        desk.receives(an_event(ReferralVoided(**said)))
        assert sorted(each.state for each in rewards.values()) == ["issued"] * 3 + ["voided"] * 2

    def test_a_promise_keeps_its_end(self) -> None:
        grant = Grant(kind="coupon", percent="10", valid_until=NOON + timedelta(days=3))
        data = ReferralApproved(member_id=MEMBER, referral_id="ref", role="friend", rewards=(grant,))
        desk = RewardDesk(a_shop()).receives(an_event(data)).reaches(NOON + timedelta(days=3))
        assert desk.reward("referral:ref:friend:0").state == "expired"
