"""Pools of households, without a database: who may spend what, and who takes what along."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.erasure import erase
from services.ledger.domain.households import Pool
from services.ledger.domain.joining import LEFT, join, leave, leave_merged
from services.ledger.domain.lending import send_home
from services.ledger.domain.pooling import buy_together
from services.ledger.domain.pools import bring, offers_to
from services.ledger.domain.pools import pool_terms_of as terms_of
from services.ledger.errors import (
    InsufficientPoints,
    NotInPool,
    NotPoolOwner,
    PoolsOff,
    RewardUnavailable,
    UnknownReward,
)
from shared.errors import ServiceError
from shared.program_file import InvalidProgram
from tests.support.events import NOON, PROGRAM, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, differences
from tests.support.rewards import RewardDesk, a_reward

ANA, BEN, CEM = "ana", "ben", "cem"


class House:
    """A pool at a desk: who spends brings what is missing."""

    def __init__(self, pools: Mapping[str, Any] | None = None, **ledger: Any) -> None:
        self.desk = RewardDesk(a_document(PER_EURO, pools=pools or {}, **ledger), members=(ANA, BEN, CEM))
        for member in (ANA, BEN, CEM):
            join(self.desk.book, (PROGRAM, member), "home", self.desk.now)

    @property
    def pool(self) -> Pool:
        found = self.desk.book.pools.get(PROGRAM, "home")
        assert found is not None
        return found

    @property
    def borrowed(self) -> dict[tuple[str, int], str]:
        """Of lots that hold something: whose, number, and whose they are."""
        rows = [
            row
            for member in (ANA, BEN, CEM)
            for row in self.desk.book.borrowed.of((PROGRAM, member)).values()
        ]
        lots = self.desk.book.lots
        return {
            (row.member_id, row.lot_no): row.from_member_id
            for row in rows
            if (lot := lots.get((PROGRAM, row.member_id), (row.asset, row.lot_no))) and lot.remaining
        }

    def earns(self, member: str, points: int) -> Any:
        order = an_order_paid(f"{points}.00", member=member, at=self.desk.now)
        self.desk.receives(order)
        return order

    def brings(self, member: str, points: int) -> None:
        bring(self.desk.book, (PROGRAM, member), points, "points", cause="c", at=self.desk.now)
        assert differences(self.desk.book) == []

    def spends(self, member: str, points: int) -> None:
        self.brings(member, points)
        self.desk.spends(points, member=member)

    def holds(self, member: str, points: int, hold_id: str = "h") -> None:
        self.brings(member, points)
        self.desk.holds(points, hold_id, member=member)

    def buys(self, member: str, reward: str = "five off", reward_id: str = "r1") -> None:
        buy_together(
            self.desk.book, (PROGRAM, member), reward, reward_id=reward_id, charity=None, at=self.desk.now
        )
        assert differences(self.desk.book) == []

    def leaves(self, *members: str) -> None:
        leave(self.desk.book, self.pool, members, how=LEFT, at=self.desk.now)
        assert differences(self.desk.book) == []

    def goes_home(self) -> None:
        """The clock's job."""
        for member in (ANA, BEN, CEM):
            send_home(self.desk.book, (PROGRAM, member), cause="home", at=self.desk.now)
        assert differences(self.desk.book) == []

    def erases(self, member: str) -> None:
        erase(self.desk.book, (PROGRAM, member), cause="gone", at=self.desk.now)
        assert differences(self.desk.book) == []

    def has(self) -> dict[str, int]:
        return {name: self.desk.balance(name)[1] for name in (ANA, BEN, CEM)}

    def in_transit(self) -> int:
        return sum(
            each.amount * ((each.to_account == "in_transit") - (each.from_account == "in_transit"))
            for each in self.desk.book.transfers
        )


def test_who_lacks_points_spends_those_of_the_others_that_expire_soonest() -> None:
    house = House(points={"expire": "12 months"})
    house.earns(CEM, 30)
    house.desk.now += timedelta(days=31)
    house.earns(ANA, 80)
    house.earns(BEN, 30)
    house.spends(BEN, 100)
    assert house.has() == {ANA: 40, BEN: 0, CEM: 0}
    assert house.in_transit() == 0
    sent = [event for event in house.desk.book.outgoing if event.type == "points.transferred.v1"]
    assert [(each.data.kind, each.data.direction, each.data.counterpart_id) for each in sent[:2]] == [
        ("pool", "sent", BEN), ("pool", "received", ANA),
    ]  # fmt: skip


def test_what_is_released_goes_home_to_whose_it_was() -> None:
    house = House()
    house.earns(ANA, 80)
    house.earns(BEN, 30)
    house.desk.now += timedelta(days=1)
    house.holds(BEN, 100)
    assert house.has() == {ANA: 10, BEN: 0, CEM: 0}
    house.desk.releases(member=BEN)
    assert house.has() == {ANA: 10, BEN: 100, CEM: 0}
    house.goes_home()
    assert (house.has(), house.borrowed, house.in_transit()) == ({ANA: 80, BEN: 30, CEM: 0}, {}, 0)


def test_what_came_from_one_may_go_on_to_another_and_still_is_the_firsts() -> None:
    house = House()
    house.earns(ANA, 50)
    house.brings(BEN, 50)
    house.brings(CEM, 50)
    assert (house.has(), house.borrowed) == ({ANA: 0, BEN: 0, CEM: 50}, {(CEM, -1): ANA})
    house.leaves(CEM)
    assert house.has() == {ANA: 50, BEN: 0, CEM: 0}


@pytest.mark.parametrize("leaving", [ANA, BEN])
def test_what_is_held_when_somebody_leaves_stays_held_and_goes_home_once_it_is_released(leaving: str) -> None:
    house = House()
    house.earns(ANA, 50)
    house.holds(BEN, 50)
    house.leaves(leaving)
    assert house.desk.balance(BEN) == (0, 0, 50)
    house.desk.releases(member=BEN)
    house.goes_home()
    assert house.has() == {ANA: 50, BEN: 0, CEM: 0}


def test_what_is_spent_when_somebody_leaves_and_refunded_later_goes_home() -> None:
    house = House(points={"expire": "12 months"})
    house.earns(ANA, 50)
    order = an_order_paid("10.00", order_id="o", member=BEN, at=house.desk.now)
    house.brings(BEN, 50)
    house.desk.pays(50, member=BEN, order_id="o")
    house.desk.receives(order)
    house.leaves(ANA)
    house.desk.reaches(house.desk.now + timedelta(days=500))
    house.desk.receives(a_refund(order, amount="10.00", at=house.desk.now))
    assert house.has() == {ANA: 0, BEN: 50, CEM: 0}, "with a grace, since its lot has expired"
    house.goes_home()
    assert house.has() == {ANA: 50, BEN: 0, CEM: 0}
    (lot,) = house.desk.lots(ANA)
    assert lot.expires_at is not None
    assert lot.expires_at > house.desk.now


SHELF = {"rewards": [a_reward("five off", "100", limit="1 per month")]}


def test_a_reward_is_bought_together_and_a_void_returns_to_each_what_was_theirs() -> None:
    house = House(spend=SHELF)
    house.earns(ANA, 80)
    house.earns(BEN, 30)
    house.buys(BEN)
    assert (house.has(), house.desk.reward(member=BEN).price) == ({ANA: 10, BEN: 0, CEM: 0}, 100)
    house.buys(BEN)
    assert house.has() == {ANA: 10, BEN: 0, CEM: 0}, "the same again is the same purchase"
    house.desk.voids(member=BEN)
    house.goes_home()
    assert house.has() == {ANA: 80, BEN: 30, CEM: 0}


def test_a_reward_that_expires_unused_stays_paid() -> None:
    house = House(spend={"rewards": [a_reward("five off", "100")]})
    house.earns(ANA, 100)
    house.buys(BEN)
    house.desk.reaches(house.desk.now + timedelta(days=100))
    house.goes_home()
    assert (house.desk.reward(member=BEN).state, house.has()) == ("expired", {ANA: 0, BEN: 0, CEM: 0})


def test_nothing_is_brought_for_a_reward_that_the_member_may_not_have() -> None:
    house = House(spend=SHELF)
    house.earns(ANA, 300)
    house.buys(BEN)
    with pytest.raises(RewardUnavailable, match="1 per month"):
        house.buys(BEN, reward_id="r2")
    with pytest.raises(UnknownReward):
        house.buys(BEN, "six off", "r3")
    house.leaves(CEM)
    with pytest.raises(NotInPool):
        house.buys(CEM, reward_id="r4")
    assert house.has() == {ANA: 200, BEN: 0, CEM: 0}


def test_a_pool_that_is_too_poor_buys_nothing_and_only_the_owner_buys_where_the_program_says_so() -> None:
    house = House({"who_may_spend": "owner"}, spend=SHELF)
    house.earns(CEM, 150)
    with pytest.raises(NotPoolOwner):
        house.buys(BEN)
    house.buys(ANA)
    with pytest.raises(InsufficientPoints):
        house.brings(ANA, 51)


def test_what_somebody_has_of_others_goes_home_before_they_are_erased() -> None:
    house = House(spend=SHELF)
    house.earns(ANA, 200)
    house.earns(BEN, 30)
    house.holds(BEN, 80)
    house.buys(BEN)
    house.erases(BEN)
    assert house.has() == {ANA: 200, BEN: 0, CEM: 0}
    expired = [each.amount for each in house.desk.book.transfers if each.kind == "erasure"]
    assert (sum(expired), house.pool.members) == (30, (ANA, CEM))


def test_what_others_have_of_somebody_who_is_erased_stays_with_these() -> None:
    house = House()
    house.earns(ANA, 50)
    house.holds(BEN, 50)
    house.erases(ANA)
    house.desk.releases(member=BEN)
    house.goes_home()
    assert house.has() == {ANA: 0, BEN: 50, CEM: 0}


def test_who_joins_and_leaves_is_told_once_with_who_is_left() -> None:
    house = House()
    join(house.desk.book, (PROGRAM, BEN), "home", house.desk.now)
    house.leaves(BEN)
    house.erases(CEM)
    told = [
        (event.type, event.data.member_id, event.data.members, getattr(event.data, "how", None))
        for event in house.desk.book.outgoing
        if event.type.startswith("pool.")
    ]
    assert told == [
        ("pool.joined.v1", ANA, (ANA,), None),
        ("pool.joined.v1", BEN, (ANA, BEN), None),
        ("pool.joined.v1", CEM, (ANA, BEN, CEM), None),
        ("pool.left.v1", BEN, (ANA, CEM), "left"),
        ("pool.left.v1", CEM, (ANA,), "erased"),
    ]
    assert len({event.id for event in house.desk.book.outgoing}) == len(house.desk.book.outgoing)


def test_who_is_merged_leaves_their_place_to_the_survivor() -> None:
    house = House()
    book, at = house.desk.book, house.desk.now
    assert leave_merged(book, (PROGRAM, CEM), (PROGRAM, ANA), at) is None
    assert list(house.pool.members) == [CEM, BEN], "the better place of both"
    house.leaves(BEN)
    assert leave_merged(book, (PROGRAM, BEN), (PROGRAM, CEM), at) is None, (
        "a pool with nobody left is dissolved"
    )
    assert not house.pool.members


def test_a_share_leaves_the_rest_of_each_lot_to_who_earned_it() -> None:
    house = House({"share": "50 %"})
    house.earns(ANA, 101)
    with pytest.raises(InsufficientPoints):
        house.spends(BEN, 51)
    house.spends(BEN, 50)
    house.spends(ANA, 51)
    assert house.has() == {ANA: 0, BEN: 0, CEM: 0}
    house.earns(ANA, 100)
    house.spends(ANA, 30)
    terms = terms_of(house.desk.book, PROGRAM, NOON)
    offers = offers_to(house.desk.book, house.pool, (PROGRAM, BEN), "points", terms)
    assert sum(part for _, part in offers) == 20


def test_where_only_the_owner_may_spend_the_others_spend_their_own() -> None:
    house = House({"who_may_spend": "owner"})
    house.earns(BEN, 50)
    house.spends(ANA, 20)
    house.spends(BEN, 10)
    with pytest.raises(NotPoolOwner):
        house.spends(BEN, 21)
    house.erases(ANA)
    assert house.pool.members == (BEN, CEM)
    house.earns(CEM, 5)
    house.spends(BEN, 21)
    assert house.has() == {ANA: 0, BEN: 0, CEM: 4}


def test_a_refund_is_the_affair_of_who_earned_and_an_erased_member_offers_nothing() -> None:
    house = House()
    order = house.earns(ANA, 60)
    house.spends(BEN, 60)
    house.desk.receives(a_refund(order, amount="60.00"))
    assert house.has() == {ANA: -60, BEN: 0, CEM: 0}
    house.earns(CEM, 10)
    house.erases(CEM)
    with pytest.raises(InsufficientPoints):
        house.spends(BEN, 1)
    assert house.has() == {ANA: -60, BEN: 0, CEM: 0}


def test_who_owes_and_spends_pays_what_is_owed_first() -> None:
    house = House()
    order = house.earns(BEN, 20)
    house.desk.spends(20, member=BEN)
    house.desk.receives(a_refund(order, amount="20.00"))
    house.earns(ANA, 50)
    house.spends(BEN, 30)
    assert house.has() == {ANA: 0, BEN: 0, CEM: 0}


def test_without_pools_nobody_joins_and_without_a_pool_nobody_brings() -> None:
    desk = Desk(a_document(PER_EURO), members=(ANA, BEN, CEM))
    with pytest.raises(PoolsOff):
        join(desk.book, (PROGRAM, BEN), "home", NOON)
    with pytest.raises(NotInPool):
        bring(desk.book, (PROGRAM, BEN), 1, "points", cause="c", at=NOON)


def test_where_pools_were_switched_off_everybody_spends_their_own() -> None:
    house = House()
    house.earns(ANA, 10)
    house.desk.now += timedelta(days=1)
    house.desk.applies(a_document(PER_EURO))
    house.brings(ANA, 10)
    with pytest.raises(PoolsOff):
        house.brings(BEN, 1)


@pytest.mark.parametrize(
    "words", [{"share": "0 %"}, {"share": "101 %"}, {"members": "1"}, {"assets": ["wishes"]}]
)
def test_a_pool_that_cannot_work_is_refused_with_its_place(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidProgram, match="pools"):
        a_program(pools=words)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["earn", "spend", "hold", "buy", "release", "void", "refund", "time", "home", "leave", "join"]
        ),
        st.sampled_from([ANA, BEN, CEM]),
        st.integers(1, 60),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from(["100 %", "50 %"]))
def test_whatever_a_household_does_nothing_is_lost_and_nothing_made(
    steps: list[tuple[str, str, int]], share: str
) -> None:
    house = House(
        {"share": share}, points={"expire": "1 month"}, spend={"rewards": [a_reward("five off", "40")]}
    )
    desk, orders = house.desk, list[Any]()
    for number, (what, member, points) in enumerate(steps):
        desk.book.journal.mark()
        total = sum(house.has().values())
        try:
            if what == "earn":
                orders.append(house.earns(member, points))
            elif what == "spend":
                house.spends(member, points)
            elif what == "hold":
                house.holds(member, points, f"h-{number}")
            elif what == "buy":
                house.buys(member, reward_id=f"r-{number}")
            elif what == "release":
                held = [
                    each for each in desk.book.holds.of((PROGRAM, member)).values() if each.state == "open"
                ]
                for each in held[:1]:
                    desk.releases(each.hold_id, member=member)
            elif what == "void":
                had = desk.book.shelf.rewards.of((PROGRAM, member)).values()
                for reward in [each for each in had if each.state == "issued"][:1]:
                    desk.voids(reward.reward_id, member=member)
            elif what == "refund" and orders:
                order = orders.pop(0)
                desk.receives(a_refund(order, amount=order.data.total, at=desk.now))
            elif what == "time":
                desk.reaches(desk.now + timedelta(days=points % 12))
            elif what == "home":
                house.goes_home()
                assert (house.borrowed, sum(house.has().values())) == ({}, total)
            elif what == "leave" and member in house.pool.members:
                house.leaves(member)
                assert sum(house.has().values()) == total
                assert member not in {*house.borrowed.values(), *(holder for holder, _ in house.borrowed)}
            elif what == "join":
                join(desk.book, (PROGRAM, member), "home", desk.now)
        except ServiceError:
            desk.book.journal.undo()
        assert differences(desk.book) == []
        assert house.in_transit() == 0
