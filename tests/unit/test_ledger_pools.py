"""Pools of households, without a database: who may spend what, and who takes what along."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.erasure import erase
from services.ledger.domain.pools import Origins, Pool, bring, leave, living, offers_to
from services.ledger.domain.pools import pool_terms_of as terms_of
from services.ledger.errors import InsufficientPoints, NotPoolOwner, PoolsOff
from shared.errors import ServiceError
from shared.program_file import InvalidProgram
from tests.support.events import NOON, PROGRAM, a_refund, an_order_paid
from tests.support.ledger import PER_EURO, Desk, a_document, a_program, differences

ANA, BEN, CEM = "ana", "ben", "cem"
POOL = Pool(PROGRAM, "home", (ANA, BEN, CEM))


class House:
    """A pool at a desk: who spends brings what is missing, and the origins go along."""

    def __init__(self, pools: Mapping[str, Any] | None = None, **ledger: Any) -> None:
        self.desk = Desk(a_document(PER_EURO, pools=pools or {}, **ledger), members=(ANA, BEN, CEM))
        self.pool, self.origins = POOL, dict[tuple[str, str, int], str]()

    def earns(self, member: str, points: int) -> Any:
        order = an_order_paid(f"{points}.00", member=member, at=self.desk.now)
        self.desk.receives(order)
        return order

    def spends(self, member: str, points: int) -> None:
        self.keeps(bring(self.desk.book, self.pool, (PROGRAM, member), points, "points", self.origins, cause="c",
                         at=self.desk.now))  # fmt: skip
        self.desk.spends(points, member=member)

    def leaves(self, *members: str) -> None:
        self.keeps(leave(self.desk.book, self.pool, members, self.origins, cause="bye", at=self.desk.now))
        staying = tuple(name for name in self.pool.members if name not in members)
        self.pool = Pool(PROGRAM, "home", staying)

    def keeps(self, origins: Origins) -> None:
        self.origins = dict(origins)
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


def test_a_refunded_spend_comes_back_and_who_leaves_takes_what_they_earned() -> None:
    house = House()
    house.earns(ANA, 80)
    house.earns(BEN, 30)
    house.desk.now += timedelta(days=1)
    house.keeps(bring(house.desk.book, POOL, (PROGRAM, BEN), 100, "points", {}, cause="c", at=house.desk.now))
    house.desk.holds(100, member=BEN)
    assert house.has() == {ANA: 10, BEN: 0, CEM: 0}
    house.desk.releases(member=BEN)
    assert house.has() == {ANA: 10, BEN: 100, CEM: 0}
    house.leaves(ANA)
    assert (house.has(), house.origins, house.in_transit()) == ({ANA: 80, BEN: 30, CEM: 0}, {}, 0)


def test_what_came_from_one_may_go_on_to_another_and_still_is_the_firsts() -> None:
    house = House()
    house.earns(ANA, 50)
    for member in (BEN, CEM):
        at = house.desk.now
        origins = bring(
            house.desk.book, POOL, (PROGRAM, member), 50, "points", house.origins, cause="c", at=at
        )
        house.keeps(origins)
    assert house.has() == {ANA: 0, BEN: 0, CEM: 50}
    house.leaves(CEM)
    assert house.has() == {ANA: 50, BEN: 0, CEM: 0}


def test_what_is_held_when_somebody_leaves_stays_with_who_holds_it() -> None:
    house = House()
    house.earns(ANA, 50)
    house.keeps(bring(house.desk.book, POOL, (PROGRAM, BEN), 50, "points", {}, cause="c", at=NOON))
    house.desk.holds(50, member=BEN)
    house.leaves(ANA)
    house.desk.releases(member=BEN)
    assert house.has() == {ANA: 0, BEN: 50, CEM: 0}


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
    offers = offers_to(house.desk.book, POOL, (PROGRAM, BEN), "points", terms, house.origins)
    assert sum(part for _, part in offers) == 20


def test_where_only_the_owner_may_spend_the_others_spend_their_own() -> None:
    house = House({"who_may_spend": "owner"})
    house.earns(BEN, 50)
    house.spends(ANA, 20)
    house.spends(BEN, 10)
    with pytest.raises(NotPoolOwner):
        house.spends(BEN, 21)
    erase(house.desk.book, (PROGRAM, ANA), cause="gone", at=house.desk.now)
    assert living(house.desk.book, POOL) == [BEN, CEM]
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
    erase(house.desk.book, (PROGRAM, CEM), cause="gone", at=house.desk.now)
    with pytest.raises(InsufficientPoints):
        house.spends(BEN, 1)
    house.leaves(CEM)
    assert house.has() == {ANA: -60, BEN: 0, CEM: 0}


def test_who_owes_and_spends_pays_what_is_owed_first() -> None:
    house = House()
    order = house.earns(BEN, 20)
    house.desk.spends(20, member=BEN)
    house.desk.receives(a_refund(order, amount="20.00"))
    house.earns(ANA, 50)
    house.spends(BEN, 30)
    assert house.has() == {ANA: 0, BEN: 0, CEM: 0}


def test_without_pools_everybody_spends_their_own() -> None:
    desk = Desk(a_document(PER_EURO), members=(ANA, BEN, CEM))
    with pytest.raises(PoolsOff):
        bring(desk.book, POOL, (PROGRAM, BEN), 1, "points", {}, cause="c", at=NOON)


@pytest.mark.parametrize(
    "words", [{"share": "0 %"}, {"share": "101 %"}, {"members": "1"}, {"assets": ["wishes"]}]
)
def test_a_pool_that_cannot_work_is_refused_with_its_place(words: dict[str, Any]) -> None:
    with pytest.raises(InvalidProgram, match="pools"):
        a_program(pools=words)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["earn", "spend", "hold", "release", "refund", "time", "leave"]),
        st.sampled_from([ANA, BEN, CEM]),
        st.integers(1, 60),
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from(["100 %", "50 %"]))
def test_whatever_a_household_does_nothing_is_lost_and_nothing_made(
    steps: list[tuple[str, str, int]], share: str
) -> None:
    house = House({"share": share}, points={"expire": "1 month"})
    desk, orders, gone = house.desk, list[Any](), set[str]()
    for what, member, points in steps:
        desk.book.journal.mark()
        before = dict(house.origins)
        try:
            if what == "earn":
                orders.append(house.earns(member, points))
            elif what == "spend" and member not in gone:
                house.spends(member, points)
            elif what == "hold" and member not in gone:
                at, book = desk.now, desk.book
                house.keeps(
                    bring(book, house.pool, (PROGRAM, member), points, "points", before, cause="c", at=at)
                )
                desk.holds(points, f"h-{len(book.transfers)}", member=member)
            elif what == "release":
                opened = [
                    each for each in desk.book.holds.of((PROGRAM, member)).values() if each.state == "open"
                ]
                for each in opened[:1]:
                    desk.releases(each.hold_id, member=member)
            elif what == "refund" and orders:
                order = orders.pop(0)
                desk.receives(a_refund(order, amount=order.data.total, at=desk.now))
            elif what == "time":
                desk.reaches(desk.now + timedelta(days=points % 12))
            elif what == "leave" and member not in gone:
                total = sum(house.has().values())
                house.leaves(member)
                gone.add(member)
                assert sum(house.has().values()) == total
                assert member not in {*house.origins.values(), *(holder for holder, _, _ in house.origins)}
        except ServiceError:
            desk.book.journal.undo()
            house.origins = before
        assert differences(desk.book) == []
        assert house.in_transit() == 0
