"""The model with all that reaches a member beside shop and checkout: partners, another system's balances, coupons.

What a newcomer would get wrong: what a partner credited lies beside the book, as its own rows. The machine keeps them
as the store does, and changes them only where the book accepted it.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.ledger.domain import partners
from services.ledger.domain.importing import Brought, OldOrder, Opening, bring_in
from services.ledger.domain.issued import ISSUED, RESERVED, USED, Issued
from services.ledger.domain.partners import Credit, Purchase
from services.ledger.domain.rewards import is_unused
from tests.support.events import PROGRAM
from tests.support.model import PARTNER, LedgerModel, chance, few, some, who

BUDGET_REFUSED = (None, "partner_budget_spent")


class WiderModel(LedgerModel):
    """Three members, one program, one partner."""

    def __init__(self) -> None:
        super().__init__()
        self.credits: dict[str, Credit] = {}

    # The commands, as the doors call them.

    def _credits(self, *, member: str, transaction_id: str, points: int) -> None:
        key, now = self.desk._settled(member)
        purchase = Purchase(transaction_id=transaction_id, member_id=member, points=points)
        made = partners.credit(self.desk.book, key, PARTNER, purchase, at=now)
        self.credits[transaction_id] = made

    def _reverses(self, *, transaction_id: str, points: int) -> None:
        made = self.credits[transaction_id]
        self.desk._settled(made.member_id)
        self.credits[transaction_id] = partners.reverse(
            self.desk.book, made, amount=None, points=points, cause="test", at=self.desk.now
        )

    def _imports(self, *, member: str, brought: Brought) -> None:
        key, now = self.desk._settled(member)
        bring_in(self.desk.book, key, brought, now)

    def _reserves(self, *, member: str, reward_id: str, use_id: str, minutes: int) -> None:
        self.desk.keeps(self._code(member, reward_id), use_id, minutes=minutes, member=member)

    def _uses(self, *, member: str, reward_id: str, order_id: str) -> None:
        self.desk.uses(self._code(member, reward_id), order_id, member=member)

    def _frees(self, *, member: str, reward_id: str, use_id: str) -> None:
        self.desk._settled(member)
        self.desk.frees(self._code(member, reward_id), use_id)

    # Partners, and another system.

    @rule(member=who, points=few)
    def a_partner_credits(self, member: str, points: int) -> None:
        if member in self.living:
            words = {"transaction_id": f"t{self._next()}", "points": points}
            assert self.asks("credits", member=member, **words) in BUDGET_REFUSED

    @precondition(lambda self: self.credits)
    @rule(which=some, kept=st.integers(0, 70))
    def a_partner_takes_back(self, which: int, kept: int) -> None:
        name = self._one(list(self.credits), which)
        assert self.asks("reverses", transaction_id=name, points=kept) is None

    @rule(member=who, points=st.integers(-40, 90).filter(bool), age=st.integers(0, 40), pending=chance)
    def bring_in_a_balance(self, member: str, points: int, age: int, pending: bool) -> None:
        row, now = f"i{self._next()}", self.desk.now
        said = Opening(row, "points", points, earned_at=now - timedelta(days=age))
        if pending and points > 0:
            said = Opening(row, "points", points, available_at=now + timedelta(days=age + 1))
        elif age > 20:
            said = Opening(row, "points", points, said.earned_at, expires_at=now + timedelta(days=age))
        refused = self.asks("imports", member=member, brought=said)
        assert refused in (None, "import_fault")
        assert refused is None or member not in self.living or age > 20, (
            "it expired, or who had it was forgotten"
        )

    @rule(member=who, tea=st.integers(0, 9_000), cup=st.integers(0, 9_000), points=few)
    def bring_in_an_order(self, member: str, tea: int, cup: int, points: int) -> None:
        row, paid_at = f"i{self._next()}", self.desk.now - timedelta(days=1)
        order = self._order(member, f"old-{row}", tea, cup, 0)
        said = OldOrder(row, "points", points, paid_at, order.data)
        refused = self.asks("imports", member=member, brought=said)
        assert refused == (None if member in self.living else "import_fault")
        if refused is None:
            self.orders.append(order)

    # Coupons.

    @precondition(lambda self: self.with_codes)
    @rule(which=some, minutes=st.sampled_from([5, 600, 60_000]))
    def reserve_a_code(self, which: int, minutes: int) -> None:
        reward = self._one(self.with_codes, which)
        words = {"reward_id": reward.reward_id, "use_id": f"u{self._next()}", "minutes": minutes}
        assert self.asks("reserves", member=reward.member_id, **words) in (None, "coupon_refused")

    @precondition(lambda self: self.with_codes and self.orders)
    @rule(which=some, order=some)
    def use_a_code(self, which: int, order: int) -> None:
        reward = self._one(self.with_codes, which)
        order_id = self._order_of(reward.member_id, order)
        if order_id is not None:
            words = {"member": reward.member_id, "reward_id": reward.reward_id, "order_id": order_id}
            if self.asks("uses", **words) is None:
                assert self.asks("uses", **words) is None, "the same order again is the same use"
            else:
                assert self.asks("uses", **words) == "coupon_refused"

    @precondition(lambda self: self.reservations)
    @rule(which=some)
    def free_a_code(self, which: int) -> None:
        member, reward_id, use_id = self._one(self.reservations, which)
        assert self.asks("frees", member=member, reward_id=reward_id, use_id=use_id) is None

    # What must hold.

    @invariant()
    def credits_of_partners_hold_what_their_awards_hold(self) -> None:
        for made in self.credits.values():
            award = self.desk.book.awards.get((PROGRAM, made.member_id), made.award_id)
            assert award is not None
            if made.member_id in self.living:
                assert award.held_points == made.kept

    @invariant()
    def nothing_of_a_donation_enters_an_account_of_a_member(self) -> None:
        for each in self.desk.book.transfers:
            if each.asset.startswith("donation:"):
                assert (each.pending, each.available, each.held) == (0, 0, 0), each

    # Helpers.

    @property
    def with_codes(self) -> list[Issued]:
        """Rewards whose code is good for something, or was, of members who were not forgotten."""
        return [
            reward
            for member in self.living
            for reward in self.desk.book.shelf.rewards.of((PROGRAM, member)).values()
            if reward.code is not None and reward.state in (ISSUED, USED)
        ]

    @property
    def reservations(self) -> list[tuple[str, str, str]]:
        """Of which member, which reward, and the id of the reservation."""
        shelf = self.desk.book.shelf
        return [
            (reward.member_id, reward.reward_id, use.use_id)
            for reward in self.with_codes
            for use in shelf.uses.of((PROGRAM, reward.code or "")).values()
            if use.state == RESERVED
        ]

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Rewards that can be voided: no checkout keeps their code."""
        book, now = self.desk.book, self.desk.now
        found = [(each, book.shelf.rewards.get((PROGRAM, each[0]), each[1])) for each in super().unused]
        return [each for each, reward in found if reward is not None and is_unused(book, reward, now)]

    def _code(self, member: str, reward_id: str) -> str:
        return self.desk.reward(reward_id, member=member).code or ""
