"""The whole model: orders that name coupons, orders of guests who sign up later, and requests that come in bulk.

What a newcomer would get wrong: the shop says what it likes. An order may name a code that is another's, that is used
up or was taken back, or nobody's; and a guest's order may come in before or after its guest has told an address.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.ledger.domain.guests import Address, GuestOrder, is_creditable
from services.ledger.domain.issued import IN_USE, REFUSED, Coupon, CouponUse, canonical
from services.ledger.domain.keeping import kept_of, order_of_purchase
from services.ledger.domain.records import Purchase
from shared.events import CustomerUpdated, Event, Grant, OrderPaid
from shared.rows import replace
from tests.support.events import NOON, PROGRAM, an_event
from tests.support.household_model import HouseholdModel
from tests.support.model import LedgerModel, came_back, cents, chance, few, some, who

SHOP_CODE, SHOP_USES = "TEA-4-ALL", 3
"""A code of the shop's own, for everybody: so many uses, one for each member."""
FOREIGN_CODE = "NEVER-HEARD-OF"
ADDRESSES = ("ada@example.org", "bob@example.org")

PRESENTS = ("five off", "mug", "for all")
After = list[tuple[str, bool]]
"""What becomes of an order, and whether the news of it come late."""

after = st.lists(
    st.tuples(st.sampled_from(["called off", "edited", "paid back", "tea", "cup"]), chance), max_size=3
)
codes = st.lists(some, min_size=1, max_size=2)
address = st.sampled_from(ADDRESSES)


def the_shops_coupon() -> Coupon:
    """The shop's own coupon as it is made."""
    return Coupon(
        program_id=PROGRAM, code=canonical(SHOP_CODE), shown=SHOP_CODE, gives=Grant(kind="coupon", percent="10"),
        uses=SHOP_USES, per_member=1, made_at=NOON,
    )  # fmt: skip


class WholeModel(HouseholdModel):
    """Three members, a partner, a shop with coupons, and guests."""

    def opens(self, document: dict[str, Any]) -> None:
        super().opens(document)
        coupon = the_shops_coupon()
        self.desk.book.shelf.coupons.load(PROGRAM, coupon.code, coupon)

    def asks_in_bulk(self, asked: list[tuple[str, dict[str, Any]]]) -> list[str | None]:
        """Spends and holds that come in one request, or at once; the code of each refusal."""
        found = []
        for what, words in asked:
            available = self.desk.balance(words["member"])[1]
            found.append(LedgerModel.asks(self, what, **words))
            assert found[-1] == (None if words["points"] <= available else "insufficient_points")
        return found

    def waits(self, hours: int) -> None:
        super().waits(hours)
        self._forget_guests()

    def _presents(self, *, member: str, name: str, reward_id: str) -> None:
        self.desk.gives(name, reward_id, member=member)

    # Orders that name coupons.

    @rule(member=who, name=st.sampled_from(PRESENTS))
    def give_a_present(self, member: str, name: str) -> None:
        if member in self.living:
            words = {"member": member, "name": name, "reward_id": f"r{self._next()}"}
            assert self.asks("presents", **words) in (None, "reward_sold_out")

    @rule(member=who, tea=cents, cup=cents, which=codes, late=chance, lost=chance, after=after)
    def order_with_codes(
        self, member: str, tea: int, cup: int, which: list[int], late: bool, lost: bool, after: After
    ) -> None:
        """Somebody has a code at least: before the first order, the merchant gives one to who orders."""
        if not self._codes_of_rewards():
            self.give_a_present(member, PRESENTS[0])
        words = {"coupon_codes": self._codes(which)}
        order = self._order(member, f"o{self._next()}", tea, cup, 0, **words)
        self._orders_and_more(order, after, late=late, lost=lost)

    @precondition(lambda self: self.orders)
    @rule(which=some, codes=codes, late=chance)
    def edit_the_codes_of_an_order(self, which: int, codes: list[int], late: bool) -> None:
        order = self._one(self.orders, which)
        said = replace(order.data, coupon_codes=self._codes(codes))
        self._happens(an_event(said, at=self.desk.now), late=late)

    # Guests.

    @rule(
        email=address, tea=cents, cup=cents, which=st.just([]) | codes, late=chance, lost=chance, after=after
    )
    def order_as_a_guest(
        self, email: str, tea: int, cup: int, which: list[int], late: bool, lost: bool, after: After
    ) -> None:
        words = {"email": email, "coupon_codes": self._codes(which)}
        order = self._order(None, f"o{self._next()}", tea, cup, 0, **words)
        self._orders_and_more(order, after, late=late, lost=lost)

    @rule(member=who, email=address, late=chance, lost=chance)
    def tell_an_address(self, member: str, email: str, late: bool, lost: bool) -> None:
        told = CustomerUpdated(customer_id=member, email=email)
        self._happens(an_event(told, at=self.desk.now), late=late, lost=lost)

    # In bulk.

    @rule(asked=st.lists(st.tuples(who, few, st.booleans(), st.none() | some), min_size=2, max_size=5))
    def spend_in_bulk(self, asked: list[tuple[str, int, bool, int | None]]) -> None:
        """Each sees what those before it took, and one that is refused leaves no trace."""
        wanted: list[tuple[str, dict[str, Any]]] = []
        for member, points, hold, order in asked:
            if member in self.living:
                words = {"member": member, "points": points, "order_id": self._order_of(member, order)}
                name = f"b{self._next()}"
                more = {"hold_id": name, "minutes": 600} if hold else {"spend_id": name}
                wanted.append(("holds" if hold else "pays", words | more))
        self.desk.reaches(self.desk.now)
        self.asks_in_bulk(wanted)

    # What must hold.

    @invariant()
    def an_order_uses_the_codes_that_it_names_as_long_as_something_of_it_is_kept(self) -> None:
        for use in self._all_uses():
            order = next((each for each in self.orders if each.data.order_id == use.order_id), None)
            purchase = self._purchase_of(order) if order is not None else None
            if use.named and use.state == IN_USE and purchase is not None:
                paid = purchase.paid
                assert paid is not None
                assert use.code in map(canonical, paid.coupon_codes), (use, purchase)
                assert not came_back(purchase) or self._may_keep_codes(), (use, purchase)

    @invariant()
    def no_code_that_an_order_names_is_lost(self) -> None:
        """It counts, or is kept as refused, for people to see."""
        for order in self.orders:
            purchase = self._purchase_of(order)
            if purchase is not None and purchase.paid is not None and not self._nothing_kept(purchase):
                for code in {canonical(each) for each in purchase.paid.coupon_codes}:
                    states = {
                        use.state for use in self._all_uses(code) if use.order_id == order.data.order_id
                    }
                    known = self.desk.book.shelf.coupons.get(PROGRAM, code) is not None
                    assert not known or states & {IN_USE, REFUSED}, (code, states, purchase)

    @invariant()
    def nobody_uses_the_code_of_the_shop_twice(self) -> None:
        used = Counter(use.member_id for use in self._all_uses(canonical(SHOP_CODE)) if use.state == IN_USE)
        assert used.total() <= SHOP_USES
        assert max(used.values(), default=0) <= 1, used

    @invariant()
    def an_order_of_a_guest_is_one_members_who_told_the_address(self) -> None:
        book = self.desk.book
        for order in self._guest_orders():
            have = [each for each in self.desk.members if book.purchases.get((PROGRAM, each), order.order_id)]
            assert have == ([order.member_id] if order.member_id else []), (order, have)
            if order.member_id is None and order.address is not None:
                holder = self._holder(order)
                assert holder is None or holder.since is None or not is_creditable(order, holder.since), order

    # Helpers.

    def _orders_and_more(self, order: Event[OrderPaid], after: After, *, late: bool, lost: bool) -> None:
        """An order, and what becomes of it at once; what is late may come in before the order itself."""
        self.orders.append(order)
        self._happens(order, late=late, lost=lost)
        which = len(self.orders) - 1
        for what, is_late in after:
            match what:
                case "called off":
                    self.call_off(which, is_late, False)
                case "edited":
                    self.edit_an_order(which, 2_500, 0, is_late)
                case "paid back":
                    self.send_money_back(which, 2_500, is_late)
                case _:
                    self.send_lines_back(which, {what}, is_late, False)

    def _codes(self, which: list[int]) -> tuple[str, ...]:
        """Some of the codes that there are, the newest first; of whomever, good for something or not."""
        known = [*reversed(self._codes_of_rewards()), SHOP_CODE, FOREIGN_CODE]
        return tuple(dict.fromkeys(self._one(known, number) for number in which))

    def _codes_of_rewards(self) -> list[str]:
        coupons = self.desk.book.shelf.coupons.of(PROGRAM).values()
        return [coupon.shown for coupon in coupons if coupon.member_id]

    def _all_uses(self, code: str | None = None) -> list[CouponUse]:
        shelf = self.desk.book.shelf
        asked = [code] if code is not None else list(shelf.coupons.of(PROGRAM))
        return [use for each in asked for use in shelf.uses.of((PROGRAM, each)).values()]

    def _may_keep_codes(self) -> bool:
        """Whether some version so far does not give codes back."""
        return not all(version.rules.coupons_back for version in self.desk.book.versions_of(PROGRAM).all)

    def _nothing_kept(self, purchase: Purchase) -> bool:
        order = order_of_purchase(purchase, self.desk.book.versions_of(PROGRAM))
        left = kept_of(purchase, order) if order is not None else None
        return purchase.cancelled_at is not None or (left is not None and not any(left.shares))

    def _guest_orders(self) -> list[GuestOrder]:
        """Those of whom something is kept."""
        guests = self.desk.book.guests
        assert guests is not None
        return [each for each in guests.orders.of(PROGRAM).values() if each.kept or each.member_id]

    def _addresses(self) -> list[Address]:
        """Those of members who were not forgotten."""
        guests = self.desk.book.guests
        assert guests is not None
        return [each for each in guests.addresses.of(PROGRAM).values() if each.member_id in self.living]

    def _holder(self, order: GuestOrder) -> Address | None:
        return next((each for each in self._addresses() if each.address == order.address), None)

    def _forget_guests(self) -> None:
        """What the clock's job forgets: in memory, what is left is as if it had never been.

        What waits for its order is kept until people were told, which is another job's.
        """
        guests = self.desk.book.guests
        assert guests is not None
        for order in self._guest_orders():
            is_over = order.forget_at is not None and order.forget_at <= self.desk.now
            if is_over and order.member_id is None and order.cause is not None:
                guests.put_order(GuestOrder(PROGRAM, order.order_id))
