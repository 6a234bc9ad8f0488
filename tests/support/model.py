"""The model of the ledger: members who do whatever they can, in any order, and what must hold after each step.

A `LedgerModel` is a state machine of Hypothesis. Its steps go through the functions of production in memory; a subclass
sends the same steps to a ledger on Postgres as well, and both must agree (`tests/integration/test_ledger_model.py`).

What a newcomer would get wrong: time only goes on, but news do not keep up with it. What happened in the shop is told
at once, or lies in `under_way` and comes in later, in another order, twice, or in a batch that is lost at first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import deepcopy
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.ledger.domain.adjusting import adjust
from services.ledger.domain.book import Book
from services.ledger.domain.gifts import Gift, give
from services.ledger.domain.guests import NOBODY, Guests, Secret
from services.ledger.domain.holds import OPEN, drawn
from services.ledger.domain.records import MEMBER_ACCOUNTS, Purchase, Transfer
from services.ledger.domain.transit import IN_TRANSIT
from services.ledger.handlers import on
from shared.errors import ServiceError
from shared.events import CustomerDeleted, Event, OrderPaid, RefundLine
from tests.support.events import (
    PROGRAM,
    a_cancellation,
    a_fulfilment,
    a_line,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.ledger import PER_EURO, a_document, a_rule, differences
from tests.support.rewards import RewardDesk, a_reward, shelf_differences

MEMBERS = ("anna", "ben", "cleo")
CAP_OF_RULE, CAP_OF_PROGRAM = 300, 400
"""Points that orders earn a member by the rule `base`, and all rules earn them, in a month."""
GIFT_REFUSED = (None, "insufficient_points", "transfers_off", "not_givable", "unknown_receiver")
ZONE = "Europe/Paris"
SECRET = Secret(b"only-for-tests-and-long-enough")
EARN = [
    PER_EURO | {"at_most": f"{CAP_OF_RULE} per month"},
    a_rule("tea counts double", if_={"category": "tea"}, times="2"),
    a_rule("big basket", if_={"order_at_least": "60.00 EUR"}, points="50"),
    a_rule("welcome", on="customer.signed_up", points="100"),
    a_rule("review", on="review.published", points="20", limit="1 per product"),
    a_rule("share", on="content.shared", points="5", limit="1 per network and day"),
    a_rule("food", donate="0.50 EUR", per="item", to="food bank"),
]
PRICES = {"five off": 80, "mug": 30, "five more": 60, "a tree": 10}
SHELF = [
    a_reward("five off", "80"),
    a_reward("mug", "30", stock=3, gives={"product": "mug-1"}),
    a_reward("five more", "60", gives={"credit": "5.00 EUR"}),
    a_reward("a tree", "10", gives={"donate_to": ["forest"]}),
    a_reward("for all", None, gives={"percent_off": "10 %", "uses": 2, "anyone": True, "valid": "30 days"}),
]
PARTNER = "river-bank"
PARTNERS = [{"partner": PARTNER, "gives": "points", "budget": "400 points per month"}]


def a_version(**words: Any) -> dict[str, Any]:
    """One version of the program; they differ in everything but the caps and the shelf."""
    words = {"pools": {}, "guests": {"keep": "60 days"}} | words
    backs = {"spent_points_back": words.pop("back", "proportional")}
    spend = {"rewards": SHELF, "used_coupons_back": words.pop("codes_back", "full_only"), **backs}
    caps = [{"at_most": f"{CAP_OF_PROGRAM} points per month"}]
    return a_document(*EARN, zone=ZONE, spend=spend, caps=caps, partners=PARTNERS, **words)


VERSIONS = [
    a_version(points={"expire": "2 months"}, transfers={"older_than": "0 days"}),
    a_version(
        points={"expire": "1 month"},
        pending={"order.paid": "14 days after order.fulfilled"},
        pools={"share": "50 %"},
    ),
    a_version(
        points={"expire": "2 months", "negative": "to_zero"},
        back="full_only",
        transfers={"older_than": "1 day"},
    ),
    a_version(
        points={"negative": "pending_only"},
        pending={"order.paid": "14 days after order.paid"},
        codes_back="never",
        pools={"members": "2", "who_may_spend": "owner"},
    ),
    a_version(points={"expire": "after 1 months without activity"}, back="never"),
]

who = st.sampled_from(MEMBERS)
cents = st.sampled_from([0, 1_999, 2_500]) | st.integers(0, 20_000)
some = st.integers(0, 99)
few = st.integers(1, 70)
chance = st.integers(0, 3).map(lambda number: number == 0)


def money(amount: int) -> str:
    """Cents as the shop writes them."""
    return f"{amount // 100}.{amount % 100:02}"


def thoroughly(steps: int) -> settings:
    """So many walks of 50 steps; twenty times as many under `--hypothesis-profile=thorough`."""
    times = 20 if settings.get_current_profile_name() == "thorough" else 1
    return settings(max_examples=steps * times // 50, stateful_step_count=50)


class LedgerModel(RuleBasedStateMachine):
    """Three members, one program."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = RewardDesk(VERSIONS[0], members=MEMBERS)
        self.orders: list[Event[OrderPaid]] = []
        self.reviews: list[Event[Any]] = []
        self.told: list[Event[Any]] = []
        self.under_way: list[Event[Any]] = []
        self.looked_at = 0
        self.number = 0

    @initialize(document=st.sampled_from(VERSIONS))
    def begin(self, document: dict[str, Any]) -> None:
        self.opens(document)
        for member in MEMBERS:
            self.receives(a_sign_up(member, at=self.desk.now))

    # What is done with a step; the machine on Postgres does more.

    def opens(self, document: dict[str, Any]) -> None:
        """The merchant begins with this version."""
        self.desk = RewardDesk(document, members=MEMBERS)
        self.desk.book.guests = Guests(self.desk.book.journal, SECRET)

    def receives(self, *events: Event[Any], lost: bool = False) -> None:
        """A batch comes in; where it is `lost` at first, it comes again, and nobody sees a difference."""
        known = {event.id for event in self.told}
        fresh = [event for event in events if event.id not in known]
        fresh = list({event.id: event for event in fresh}.values())
        self.told += fresh
        away = self._copy() if lost else None
        self.desk.tries(*fresh)
        if away is not None:
            on.run(fresh, away)
            assert list(away.transfers) == list(self.desk.book.transfers)

    def asks(self, what: str, **words: Any) -> str | None:
        """A command comes in; the code of its refusal, which leaves no trace."""
        journal = self.desk.book.journal
        journal.mark()
        try:
            getattr(self, f"_{what}")(**words)
        except ServiceError as refusal:
            journal.undo()
            self.desk.reaches(self.desk.now)
            return refusal.code
        return None

    def waits(self, hours: int) -> None:
        """Time goes on, and the clock's job runs."""
        self.desk.reaches(self.desk.now + timedelta(hours=hours))

    def applies(self, document: dict[str, Any]) -> None:
        """The merchant applies a version."""
        self.desk.applies(document)

    # The commands, as the doors call them.

    def _holds(self, **words: Any) -> None:
        self.desk.holds(**words)

    def _captures(self, **words: Any) -> None:
        self.desk.captures(**words)

    def _releases(self, **words: Any) -> None:
        self.desk.releases(**words)

    def _pays(self, **words: Any) -> None:
        self.desk.pays(**words)

    def _buys(self, **words: Any) -> None:
        self.desk.buys(**words)

    def _voids(self, **words: Any) -> None:
        self.desk.voids(**words)

    def _adjusts(self, *, member: str, name: str, points: int) -> None:
        key, now = self.desk._settled(member)
        adjust(self.desk.book, key, name=name, asset="points", points=points, reason="test", at=now)

    def _gives(self, *, member: str, to: str, name: str, points: int) -> None:
        for each in (member, to):
            self.desk._settled(each)
        give(self.desk.book, Gift(PROGRAM, member, name, to, "points", points, self.desk.now), ())

    # The shop.

    @rule(member=who, tea=cents, cup=cents, discount=st.sampled_from([0, 0, 500]), late=chance, lost=chance)
    def order(self, member: str, tea: int, cup: int, discount: int, late: bool, lost: bool) -> None:
        order = self._order(member, f"o{self._next()}", tea, cup, discount)
        self.orders.append(order)
        self._happens(order, late=late, lost=lost)

    @precondition(lambda self: self.orders)
    @rule(which=some, tea=cents, cup=cents, late=chance)
    def edit_an_order(self, which: int, tea: int, cup: int, late: bool) -> None:
        before = self._one(self.orders, which).data
        said = self._order(before.customer_id, before.order_id, tea, cup, 0, email=before.email)
        self._happens(said, late=late)

    @precondition(lambda self: self.orders)
    @rule(which=some, lines=st.sets(st.sampled_from(["tea", "cup"]), min_size=1), late=chance, lost=chance)
    def send_lines_back(self, which: int, lines: set[str], late: bool, lost: bool) -> None:
        back = tuple(RefundLine(line_id=line) for line in sorted(lines))
        refund = a_refund(self._one(self.orders, which), lines=back, at=self.desk.now)
        self._happens(refund, late=late, lost=lost)

    @precondition(lambda self: self.orders)
    @rule(which=some, amount=st.integers(1, 20_000), late=chance)
    def send_money_back(self, which: int, amount: int, late: bool) -> None:
        refund = a_refund(self._one(self.orders, which), amount=money(amount), at=self.desk.now)
        self._happens(refund, late=late)

    @precondition(lambda self: self.orders)
    @rule(which=some, late=chance, lost=chance)
    def call_off(self, which: int, late: bool, lost: bool) -> None:
        order = self._one(self.orders, which)
        self._happens(a_cancellation(order, at=self.desk.now), late=late, lost=lost)

    @precondition(lambda self: self.orders)
    @rule(which=some, late=chance)
    def hand_over(self, which: int, late: bool) -> None:
        self._happens(a_fulfilment(self._one(self.orders, which), at=self.desk.now), late=late)

    @rule(member=who, what=st.sampled_from(["x", "facebook", "tea", "cup"]), late=chance)
    def share_or_review(self, member: str, what: str, late: bool) -> None:
        if what in ("x", "facebook"):
            self._happens(a_share(member, network=what, at=self.desk.now), late=late)
            return
        review = a_review(member, product=what, at=self.desk.now)
        self.reviews.append(review)
        self._happens(review, late=late)

    @precondition(lambda self: self.reviews)
    @rule(which=some, late=chance)
    def remove_a_review(self, which: int, late: bool) -> None:
        self._happens(a_review_removed(self._one(self.reviews, which), at=self.desk.now), late=late)

    @precondition(lambda self: len(self.living) > 2)
    @rule(which=some, odds=st.integers(0, 9))
    def forget(self, which: int, odds: int) -> None:
        if odds == 0:
            self._happens(
                an_event(CustomerDeleted(customer_id=self._one(self.living, which)), at=self.desk.now)
            )

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), again=some, lost=chance)
    def what_was_under_way_comes_in(self, data: st.DataObject, again: int, lost: bool) -> None:
        shuffled = data.draw(st.permutations(self.under_way))
        size = data.draw(st.integers(1, len(shuffled)))
        batch, self.under_way = shuffled[:size], shuffled[size:]
        self.receives(*batch, *([self._one(self.told, again)] if self.told else []), lost=lost)

    # Members and people.

    @rule(member=who, points=few, minutes=st.sampled_from([30, 60_000, 60_000]), order=st.none() | some)
    def hold(self, member: str, points: int, minutes: int, order: int | None) -> None:
        words = {"points": points, "hold_id": f"h{self._next()}", "minutes": minutes}
        self._spends("holds", member, points, words, order)

    @rule(member=who, points=few, order=st.none() | some)
    def pay(self, member: str, points: int, order: int | None) -> None:
        self._spends("pays", member, points, {"points": points, "spend_id": f"s{self._next()}"}, order)

    @precondition(lambda self: self.open_holds)
    @rule(which=some, less=st.integers(0, 40), order=st.none() | some)
    def capture(self, which: int, less: int, order: int | None) -> None:
        member, hold_id, points = self._one(self.open_holds, which)
        words = {"hold_id": hold_id, "points": max(0, points - less), "member": member}
        assert self.asks("captures", **words, order_id=self._order_of(member, order)) is None
        assert self.asks("captures", **words) == "hold_closed"

    @precondition(lambda self: self.open_holds)
    @rule(which=some)
    def release(self, which: int) -> None:
        member, hold_id, _ = self._one(self.open_holds, which)
        assert self.asks("releases", hold_id=hold_id, member=member) is None

    @rule(member=who, points=st.integers(-150, 150).filter(bool))
    def adjust(self, member: str, points: int) -> None:
        if member in self.living:
            refused = self.asks("adjusts", member=member, name=f"a{self._next()}", points=points)
            assert refused in (None, "not_reversible")

    @rule(member=who, to=who, points=few)
    def give(self, member: str, to: str, points: int) -> None:
        if member in self.living:
            self.desk.reaches(self.desk.now)
            available = self.desk.balance(member)[1]
            refused = self.asks("gives", member=member, to=to, name=f"g{self._next()}", points=points)
            assert refused in GIFT_REFUSED
            assert points <= available or refused

    @rule(member=who, reward=st.sampled_from(sorted(PRICES)))
    def buy(self, member: str, reward: str) -> None:
        if member in self.living:
            available = self.desk.balance(member)[1]
            refused = self.asks("buys", name=reward, reward_id=f"r{self._next()}", member=member)
            assert refused in (None, "insufficient_points", "reward_sold_out", "reward_unavailable")
            assert (available >= PRICES[reward]) or refused

    @precondition(lambda self: self.unused)
    @rule(which=some)
    def void(self, which: int) -> None:
        member, reward_id = self._one(self.unused, which)
        assert self.asks("voids", reward_id=reward_id, member=member) is None

    @rule(hours=st.sampled_from([1, 24, 24 * 8, 24 * 15, 24 * 35]))
    def wait(self, hours: int) -> None:
        self.waits(hours)

    @rule(document=st.sampled_from(VERSIONS), odds=chance)
    def change_the_program(self, document: dict[str, Any], odds: bool) -> None:
        newest = self.desk.book.versions_of(PROGRAM).newest
        if odds and newest.since < self.desk.now and newest.document != document:
            self.applies(document)

    # What must hold.

    @invariant()
    def balances_transfers_lots_holds_and_awards_agree(self) -> None:
        assert differences(self.desk.book) == []
        assert shelf_differences(self.desk.book) == []

    @invariant()
    def all_accounts_sum_to_zero(self) -> None:
        total, in_transit = Counter[str](), 0
        for each in self.desk.book.transfers:
            for account, amount in ((each.from_account, -each.amount), (each.to_account, each.amount)):
                if account not in MEMBER_ACCOUNTS:
                    total[each.asset] += amount
                in_transit += amount if account == IN_TRANSIT else 0
        for member in MEMBERS:
            for balance in self.desk.book.balances.of((PROGRAM, member)).values():
                total[balance.asset] += balance.pending + balance.available + balance.held
        assert not any(total.values()), total
        assert in_transit == 0

    @invariant()
    def versions_are_gapless_and_each_transfer_follows_from_the_one_before(self) -> None:
        before: dict[tuple[str, str], tuple[int, ...]] = defaultdict(lambda: (0, 0, 0, 0))
        for each in self.desk.book.transfers:
            version, *has = before[each.member_id, each.asset]
            for place, account in enumerate(("pending", "available", "held")):
                has[place] += each.amount * ((each.to_account == account) - (each.from_account == account))
            assert (each.version, [each.pending, each.available, each.held]) == (version + 1, has)
            before[each.member_id, each.asset] = (version + 1, *has)

    @invariant()
    def what_expires_was_there_and_nobody_spends_below_zero(self) -> None:
        new = list(self.desk.book.transfers)[self.looked_at :]
        self.looked_at += len(new)
        for each in new:
            if each.kind in ("expiry", "hold", "spend", "redemption"):
                assert (each.from_account, each.available >= 0) == ("available", True), each

    @invariant()
    def no_lot_gives_a_point_twice(self) -> None:
        for member in MEMBERS:
            for lot_no, gone in _drawn_from(self.desk.book, member).items():
                lot = self.desk.book.lots.get((PROGRAM, member), ("points", lot_no))
                assert lot is not None
                assert gone + lot.remaining + lot.expired <= lot.amount, (gone, lot)

    @invariant()
    def an_order_that_was_called_off_or_came_back_wholly_holds_nothing(self) -> None:
        for order in self.orders:
            purchase = self._purchase_of(order)
            if purchase is not None and came_back(purchase):
                for asset in ("points", "donation:EUR"):
                    key = (PROGRAM, purchase.member_id)
                    award = self.desk.book.awards.get(key, f"order:{order.data.order_id}:{asset}")
                    assert award is None or award.held_points == 0, (purchase, award)

    @invariant()
    def caps_are_kept(self) -> None:
        for member in MEMBERS:
            given, reviewed = Counter[str](), Counter[str]()
            for award in self.desk.book.awards.of((PROGRAM, member)).values():
                if (award.kind, award.asset) == ("award", "points"):
                    given[f"{award.asked_at.astimezone(ZoneInfo(ZONE)):%Y-%m}"] += award.points
            for review in self.reviews:
                award_of = self.desk.book.awards.get(
                    (PROGRAM, member), f"review:{review.data.review_id}:points"
                )
                if review.data.customer_id == member and award_of is not None and award_of.held_points:
                    reviewed[review.data.product_id] += 1
            assert max(given.values(), default=0) <= CAP_OF_PROGRAM, given
            for used in self.desk.book.usage.of((PROGRAM, member)).values():
                assert used.rule != "base" or used.points <= CAP_OF_RULE, used
                assert used.rule not in ("share", "review") or used.times <= 1, used
            assert max(reviewed.values(), default=0) <= 1, reviewed

    # Helpers.

    @property
    def living(self) -> list[str]:
        """Members who were not forgotten."""
        return [each for each in MEMBERS if self.desk.book.member((PROGRAM, each)).erased_at is None]

    @property
    def open_holds(self) -> list[tuple[str, str, int]]:
        """Of which members, which, of how many points."""
        return [
            (member, hold.hold_id, hold.points)
            for member in MEMBERS
            for hold in self.desk.book.holds.of((PROGRAM, member)).values()
            if hold.state == OPEN and hold.held_until > self.desk.now
        ]

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Rewards that can be voided."""
        return [
            (member, reward.reward_id)
            for member in MEMBERS
            for reward in self.desk.book.shelf.rewards.of((PROGRAM, member)).values()
            if reward.state == "issued" and (reward.valid_until is None or reward.valid_until > self.desk.now)
        ]

    def _spends(self, what: str, member: str, points: int, words: dict[str, Any], order: int | None) -> None:
        if member not in self.living:
            return
        self.desk.reaches(self.desk.now)
        available = self.desk.balance(member)[1]
        refused = self.asks(what, **words, member=member, order_id=self._order_of(member, order))
        assert refused == (None if points <= available else "insufficient_points")

    def _order_of(self, member: str, which: int | None) -> str | None:
        theirs = [order.data.order_id for order in self.orders if order.data.customer_id == member]
        return self._one(theirs, which) if which is not None and theirs else None

    def _purchase_of(self, order: Event[OrderPaid]) -> Purchase | None:
        """What the book knows of an order, if it knows of whom it is."""
        member, order_id = order.member_id, order.data.order_id
        guests = self.desk.book.guests
        if (
            member is None
            and guests is not None
            and (kept := guests.orders.get(PROGRAM, order_id)) is not None
        ):
            member = kept.member_id
        return self.desk.book.purchases.get((PROGRAM, member or NOBODY), order_id)

    def _order(
        self, member: str | None, order_id: str, tea: int, cup: int, discount: int, **more: Any
    ) -> Event[OrderPaid]:
        lines = (
            a_line(money(tea), line_id="tea", categories=("tea",)),
            a_line(money(cup), line_id="cup"),
        )
        return an_order_paid(
            money(tea + cup),
            order_id=order_id,
            member=member,  # type: ignore[arg-type]  # None is a guest
            lines=lines,
            discount=money(min(discount, tea + cup)),
            at=self.desk.now,
            **more,
        )

    def _happens(self, event: Event[Any], *, late: bool = False, lost: bool = False) -> None:
        if late:
            self.under_way.append(event)
        else:
            self.receives(event, lost=lost)

    def _copy(self) -> Book:
        """The book as it is now, with the same programs."""
        programs = self.desk.book.programs
        return deepcopy(self.desk.book, {id(programs): programs})

    def _next(self) -> int:
        self.number += 1
        return self.number

    @staticmethod
    def _one(things: Sequence[Any], which: int) -> Any:
        return things[which % len(things)]


def came_back(purchase: Purchase) -> bool:
    """Whether the order was called off, or all of its lines were sent back."""
    back = {line.line_id for refund in purchase.refunds for line in refund.said.lines}
    return purchase.cancelled_at is not None or (purchase.paid is not None and back == {"tea", "cup"})


def _drawn_from(book: Book, member: str) -> Counter[int]:
    """How many points of each lot are held, spent, or paid for rewards."""
    gone: Counter[int] = Counter()
    for hold in book.holds.of((PROGRAM, member)).values():
        out = hold.points if hold.state == OPEN else hold.captured - hold.returned
        for each in drawn(hold, 0, out):
            gone[each.lot_no] += each.points
    for reward in book.shelf.rewards.of((PROGRAM, member)).values():
        if reward.state != "voided":
            for each in reward.draws:
                gone[each.lot_no] += each.points
    del gone[0]  # what was spent again while the member owed came from no lot
    return gone


def transfers_of(book: Book, member: str) -> list[Transfer]:
    """What was booked for a member, in order."""
    return [each for each in book.transfers if each.member_id == member]
