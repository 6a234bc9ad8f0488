"""The model with households: members join and leave a pool, and spend, hold and buy with what the others have.

What a newcomer would get wrong: what comes back to a member, and is another's, lies in their purse until the clock's
job looks at it. So who has what is asked after each step, but whose it is only after time went on.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.ledger.domain.households import Pool
from services.ledger.domain.joining import DISSOLVED, LEFT, join, leave
from services.ledger.domain.lending import send_home
from services.ledger.domain.pooling import bring_for, buy_together
from services.ledger.domain.pools import check_owner, offers_to, own_pool, pool_of
from services.ledger.domain.records import MemberKey
from tests.support.events import PROGRAM
from tests.support.model import MEMBERS, PRICES, some, who
from tests.support.wider_model import WiderModel

JOINING_REFUSED = (None, "pools_off", "pool_full", "in_another_pool")
BUYING_REFUSED = (
    None, "not_in_pool", "pools_off", "not_pool_owner", "insufficient_points", "reward_sold_out", "reward_unavailable",
)  # fmt: skip
many = st.integers(1, 150)


class HouseholdModel(WiderModel):
    """Three members who may live together."""

    def waits(self, hours: int) -> None:
        super().waits(hours)
        for member in MEMBERS:
            send_home(self.desk.book, (PROGRAM, member), cause="home", at=self.desk.now)
        assert self.lent == []

    # The commands, as the doors call them.

    def _enters(self, *, member: str, pool_id: str) -> None:
        pool = self.desk.book.pools.get(PROGRAM, pool_id)
        for each in pool.members if pool is not None else ():
            self.desk._settled(each)
        join(self.desk.book, self._household(member), pool_id, self.desk.now)

    def _parts(self, *, member: str) -> None:
        pool = own_pool(self.desk.book, self._household(member))
        leave(self.desk.book, pool, {member}, how=LEFT, at=self.desk.now)

    def _dissolves(self, *, member: str) -> None:
        pool = own_pool(self.desk.book, self._household(member))
        check_owner(pool, member)
        leave(self.desk.book, pool, pool.members, how=DISSOLVED, at=self.desk.now)

    def _holds_together(self, *, member: str, points: int, id_: str, order_id: str | None) -> None:
        bring_for(self.desk.book, self._household(member), id_, points, "points", at=self.desk.now)
        self.desk.holds(points, id_, member=member, order_id=order_id, minutes=60_000)

    def _pays_together(self, *, member: str, points: int, id_: str, order_id: str | None) -> None:
        bring_for(self.desk.book, self._household(member), id_, points, "points", at=self.desk.now)
        self.desk.pays(points, id_, member=member, order_id=order_id)

    def _buys_together(self, *, member: str, name: str, reward_id: str) -> None:
        key, now = self._household(member), self.desk.now
        own_pool(self.desk.book, key)
        buy_together(self.desk.book, key, name, reward_id=reward_id, charity=None, at=now)

    # Households.

    @precondition(lambda self: not self._pools())
    @rule()
    def move_in_together(self) -> None:
        for member in MEMBERS:
            self.join_a_pool(member, 0)

    @rule(member=who, which=some)
    def join_a_pool(self, member: str, which: int) -> None:
        if member in self.living:
            there = [pool.pool_id for pool in self._pools()]
            pool_id = self._one(there, which) if there else f"p{self._next()}"
            assert self.asks("enters", member=member, pool_id=pool_id) in JOINING_REFUSED

    @precondition(lambda self: self._pools())
    @rule(member=who)
    def leave_the_pool(self, member: str) -> None:
        if member in self.living:
            in_pool = pool_of(self.desk.book, (PROGRAM, member)) is not None
            assert self.asks("parts", member=member) == (None if in_pool else "not_in_pool")

    @precondition(lambda self: self._pools())
    @rule(odds=st.integers(0, 3), which=some)
    def dissolve_a_pool(self, odds: int, which: int) -> None:
        if odds == 0:
            first, *others = self._one(self._pools(), which).members
            for member in others:
                assert self.asks("dissolves", member=member) == "not_pool_owner"
            assert self.asks("dissolves", member=first) is None

    @precondition(lambda self: self._pools())
    @rule(member=who, points=many, hold=st.booleans(), order=st.none() | some)
    def spend_together(self, member: str, points: int, hold: bool, order: int | None) -> None:
        words = {"points": points, "id_": f"p{self._next()}", "order_id": self._order_of(member, order)}
        self._asks_together("holds_together" if hold else "pays_together", member, points, **words)

    @precondition(lambda self: self._pools())
    @rule(member=who, name=st.sampled_from(["five off", "mug"]))
    def buy_together(self, member: str, name: str) -> None:
        words = {"name": name, "reward_id": f"r{self._next()}"}
        self._asks_together("buys_together", member, PRICES[name], **words)

    # What must hold.

    @invariant()
    def nobody_is_in_two_pools_and_nobody_who_was_forgotten_in_any(self) -> None:
        inside = [member for pool in self._pools() for member in pool.members]
        assert len(inside) == len(set(inside))
        assert set(inside) <= set(self.living)

    @invariant()
    def who_joins_and_leaves_is_told_just_so(self) -> None:
        told: dict[str, tuple[str, ...]] = {}
        for event in self.desk.book.outgoing:
            if event.type.startswith("pool."):
                before, after = told.get(event.data.pool_id, ()), event.data.members
                joined = event.type == "pool.joined.v1"
                assert (event.data.member_id in after) == joined
                told[event.data.pool_id] = after
                assert set(after) <= {*before, event.data.member_id}
        assert {pool: members for pool, members in told.items() if members} == {
            pool.pool_id: pool.members for pool in self._pools()
        }

    # Helpers.

    @property
    def lent(self) -> list[tuple[str, int]]:
        """Lots in which a member has again what is another's, who was not forgotten: whose, and the number."""
        lots = self.desk.book.lots
        return [
            (row.member_id, row.lot_no)
            for member in MEMBERS
            for row in self.desk.book.borrowed.of((PROGRAM, member)).values()
            if row.from_member_id in self.living
            if (lot := lots.get((PROGRAM, member), (row.asset, row.lot_no))) is not None and lot.remaining
        ]

    def _asks_together(self, what: str, member: str, price: int, **words: Any) -> None:
        """What is taken from the others is what is missing, and no more than each of them offers."""
        if member not in self.living:
            return
        self.desk.reaches(self.desk.now)
        had, offered = self._purses(), self._offered_to(member)
        refused = self.asks(what, member=member, **words)
        assert refused in BUYING_REFUSED
        has, missing = self._purses(), max(0, price - had[member])
        if refused is not None:
            assert has == had
            assert refused != "insufficient_points" or sum(offered.values()) < missing
            return
        left = had[member] + missing - price
        assert has[member] == left or (has[member] > left and words.get("order_id")), (
            "a refund gave back at once"
        )
        lost = {each: had[each] - has[each] for each in MEMBERS if each != member}
        assert sum(lost.values()) == missing
        assert all(0 <= lost[each] <= offered.get(each, 0) for each in lost), (lost, offered)

    def _purses(self) -> dict[str, int]:
        return {each: self.desk.balance(each)[1] for each in MEMBERS}

    def _offered_to(self, member: str) -> dict[str, int]:
        """What each of the others offers by the program of this moment."""
        book, key = self.desk.book, (PROGRAM, member)
        pool, terms = pool_of(book, key), book.versions_of(PROGRAM).at(self.desk.now).rules.pools
        found: dict[str, int] = {}
        if pool is not None and terms is not None:
            for lot, part in offers_to(book, pool, key, "points", terms):
                found[lot.member_id] = found.get(lot.member_id, 0) + part
        return found

    def _pools(self) -> list[Pool]:
        return [pool for pool in self.desk.book.pools.of(PROGRAM).values() if pool.members]

    def _household(self, member: str) -> MemberKey:
        """A member, with all of their pool settled."""
        key = (PROGRAM, member)
        pool = pool_of(self.desk.book, key)
        for each in (member, *(pool.members if pool is not None else ())):
            self.desk._settled(each)
        return key
