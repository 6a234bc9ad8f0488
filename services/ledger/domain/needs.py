"""What a batch of events touches, so that the store can bring all of it in a few queries.

What a newcomer would get wrong: a row that is not named here is not in memory, and a rule would take it for one that
does not exist. So each handler's needs stand here, next to those of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ledger.domain.allowances import whole_bucket
from services.ledger.domain.book import Book
from services.ledger.domain.budgets import BudgetKey
from services.ledger.domain.caps import bucket_of
from services.ledger.domain.conditions import Facts
from services.ledger.domain.deeds import award_id_of, entry_name, facts_of, referral_name, trigger_of
from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.goals import have_goals
from services.ledger.domain.issued import ShelfNeeds
from services.ledger.domain.leasing import wanted_by, wanted_by_goals
from services.ledger.domain.orders import PAID
from services.ledger.domain.orders import award_id_of as order_award_id
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award, MemberKey
from shared.events import (
    CustomerDeleted,
    CustomerSignedUp,
    CustomerUpdated,
    Event,
    Grant,
    OrderCancelled,
    OrderFulfilled,
    OrderPaid,
    OrderRefunded,
    ReferralApproved,
    ReferralStarted,
    ReferralVoided,
    ReviewPublished,
    ReviewRemoved,
    SegmentEntered,
    SegmentLeft,
    TierLowered,
    TierRaised,
)
from shared.programs import Versions

# Sets: to ask a class of the contract whether something is of it costs more than the rest of the question.
OF_REVIEWS = frozenset({ReviewPublished, ReviewRemoved})
OF_ORDERS = frozenset({OrderPaid, OrderFulfilled, OrderRefunded, OrderCancelled})
TELLS_OF_PERSON = frozenset({CustomerSignedUp, CustomerUpdated, SegmentEntered, SegmentLeft})
TAKES_BACK = frozenset({OrderRefunded, OrderCancelled, ReviewRemoved, ReferralVoided, CustomerDeleted})


@dataclass(slots=True)
class Needs:
    """Keys of rows, by kind.

    `members` says up to when each is settled: what falls due of them until then comes anyway. `detailed` need all their
    open awards, lots and holds, `shoppers` all their purchases, `counted` the number of their paid orders, `rewarded`
    the entry rewards of their levels, `persons` what is known of the person (which a program with rules about persons
    asks of everybody).
    `stated` are orders that an `order.paid` states: one that was heard of before is edited or was refunded already,
    and may give points back. `holds` are named; the open ones of a detailed member, and those of `orders`, come anyway.
    """

    members: dict[MemberKey, datetime] = field(default_factory=dict)
    detailed: set[MemberKey] = field(default_factory=set)
    shoppers: set[MemberKey] = field(default_factory=set)
    counted: set[MemberKey] = field(default_factory=set)
    rewarded: set[MemberKey] = field(default_factory=set)
    orders: set[tuple[MemberKey, str]] = field(default_factory=set)
    stated: set[tuple[MemberKey, str]] = field(default_factory=set)
    awards: set[tuple[MemberKey, str]] = field(default_factory=set)
    usage: set[tuple[MemberKey, str, str]] = field(default_factory=set)
    reviews: set[tuple[MemberKey, str]] = field(default_factory=set)
    """Awards of reviews, which may be removed: the products that they have used up are needed, too."""
    budgets: dict[BudgetKey, int] = field(default_factory=dict)
    """Budgets for everybody, with about how much the batch may take of each."""
    holds: set[tuple[MemberKey, str]] = field(default_factory=set)
    shelf: ShelfNeeds = field(default_factory=ShelfNeeds)
    striving: dict[tuple[MemberKey, str], set[datetime]] = field(default_factory=dict)
    """Orders of programs with goals, each with the times at which it is stated: all of their periods are needed."""
    persons: set[MemberKey] = field(default_factory=set)
    pools: set[tuple[str, str]] = field(default_factory=set)
    """Pools by program and id: with all their members, and what these have of each other."""
    pooling: set[MemberKey] = field(default_factory=set)
    """Members whose pools are needed so, if they are in any."""
    returning: set[MemberKey] = field(default_factory=set)
    """Members from whom goes home what is others' (it came back, or they are erased): their pools and these others."""

    def member(self, key: MemberKey, until: datetime) -> None:
        """This member, settled up to `until`."""
        known = self.members.get(key)
        if known is None or known < until:
            self.members[key] = until


def needs_of(events: Sequence[Event[Any]], programs: Mapping[str, Versions[LedgerProgram]]) -> Needs:
    """What these events touch; events of unknown programs and of guests touch nothing."""
    needs = Needs()
    for event in events:
        versions, member_id = programs.get(event.program_id), event.member_id
        if versions is not None and member_id is not None:
            key, program = (event.program_id, member_id), versions.at(event.time).rules
            _add(needs, event, key, program)
            if type(event.data) in OF_REVIEWS:
                _add_review(needs, key, event.data.review_id, versions)
            if program.lives_by_activity:
                needs.detailed.add(key)
    for program_id, versions in programs.items():
        if have_goals(versions):
            mine = [event for event in events if event.program_id == program_id]
            _add_striving(needs, mine, versions)
    return needs


def _add_review(needs: Needs, key: MemberKey, review_id: str, versions: Versions[LedgerProgram]) -> None:
    """What a review earned under whichever version: it may be told again, or removed, under a later one."""
    assets = {asset for version in versions.all for asset in version.rules.assets}
    awards = {(key, f"review:{review_id}:{asset}") for asset in assets}
    needs.awards |= awards
    needs.reviews |= awards
    needs.awards.add((key, f"removed:{review_id}"))


def _add_striving(needs: Needs, events: Sequence[Event[Any]], versions: Versions[LedgerProgram]) -> None:
    """An order moves what its periods hold, and a late one may take something back."""
    for event in events:
        if event.member_id is not None and type(event.data) in OF_ORDERS:
            key = (event.program_id, event.member_id)
            times = needs.striving.setdefault((key, event.data.order_id), set())
            needs.detailed.add(key)
            if isinstance(event.data, OrderPaid):
                times.add(event.time)
            _add_bounds(needs, event, key, versions.at(event.time).rules)


def _add(needs: Needs, event: Event[Any], key: MemberKey, program: LedgerProgram) -> None:
    data = event.data
    needs.member(key, event.time)
    if type(data) in TAKES_BACK:
        _add_taking_back(needs, key, data)
    match data:
        case OrderPaid():
            order = (key, data.order_id)
            if order in needs.stated:
                needs.detailed.add(key)
            needs.orders.add(order)
            needs.stated.add(order)
            facts = Facts(trigger=PAID, at=event.time.astimezone(program.zone))
            _add_caps(needs, event, key, program, facts)
            if program.counts_orders:
                needs.counted.add(key)
            if data.hold_id is not None or data.paid_with:
                _add_payment(needs, key, data)
            if data.coupon_codes:
                needs.shelf.add_codes(key, data.order_id, data.coupon_codes)
        case OrderRefunded() | OrderCancelled() | OrderFulfilled():
            needs.orders.add((key, data.order_id))
        case ReviewRemoved():
            pass  # all of it is known by its review
        case ReferralStarted() | ReferralApproved() | ReferralVoided():
            _add_grants(needs, key, referral_name(data), data.rewards)
        case TierLowered() if data.rewards_taken_back:
            needs.detailed.add(key)
            needs.rewarded.add(key)
        case TierRaised():
            _add_grants(needs, key, entry_name(event), data.rewards)
        case _:
            _add_deed(needs, event, key, program)


def _add_payment(needs: Needs, key: MemberKey, data: OrderPaid) -> None:
    """What paid for an order may be held."""
    if data.hold_id is not None:
        needs.holds.add((key, data.hold_id))
    if data.hold_id is not None or any(part.kind != "gift_card" for part in data.paid_with):
        needs.detailed.add(key)


def _add_taking_back(needs: Needs, key: MemberKey, data: Any) -> None:
    needs.detailed.add(key)
    if isinstance(data, OrderRefunded | OrderCancelled):
        needs.shelf.orders.add((key[0], data.order_id))
    elif isinstance(data, CustomerDeleted):
        needs.returning.add(key)


def _add_deed(needs: Needs, event: Event[Any], key: MemberKey, program: LedgerProgram) -> None:
    if type(event.data) in TELLS_OF_PERSON:
        needs.persons.add(key)
    if program.rules_for(trigger_of(event)):
        _add_caps(needs, event, key, program, facts_of(event, program))
        needs.awards.update((key, award_id_of(event, asset)) for asset in program.assets)
    if isinstance(event.data, ReviewPublished) and event.data.verified_purchase is None:
        needs.shoppers.add(key)


def _add_caps(needs: Needs, event: Event[Any], key: MemberKey, program: LedgerProgram, facts: Facts) -> None:
    _add_rule_caps(needs, key, program, facts)
    _add_whole_caps(needs, key, program, facts)
    if program.has_budgets:
        _add_budgets(needs, wanted_by(event, program, facts.trigger))


def _add_rule_caps(needs: Needs, key: MemberKey, program: LedgerProgram, facts: Facts) -> None:
    for rule in program.capped.get(facts.trigger, ()):
        for cap in rule.caps:
            needs.usage.add((key, rule.name, bucket_of(cap, facts)))


def _add_bounds(needs: Needs, event: Event[Any], key: MemberKey, program: LedgerProgram) -> None:
    """What bounds the awards of goals, which belong to no trigger."""
    if program.bounded:
        facts = Facts(trigger=PAID, at=event.time.astimezone(program.zone))
        _add_whole_caps(needs, key, program, facts)
        _add_budgets(needs, wanted_by_goals(event, program))


def _add_whole_caps(needs: Needs, key: MemberKey, program: LedgerProgram, facts: Facts) -> None:
    for asset, caps in program.caps.items():
        needs.usage.update((key, PROGRAM, whole_bucket(asset, cap, facts)) for cap in caps)


def usage_known_of(book: Book, needs: Needs) -> set[tuple[MemberKey, str, str]]:
    """Usage that only the rows themselves name: of orders that are edited, and of reviews that may be removed."""
    wanted = _usage_of_edits(book, needs.stated) if needs.stated else set()
    for key, award_id in needs.reviews:
        award = book.awards.get(key, award_id)
        subjects = award.breakdown.get("subjects", []) if award is not None else []
        wanted.update((key, rule, bucket) for rule, bucket in subjects)
    return wanted


def _usage_of_edits(book: Book, stated: Iterable[tuple[MemberKey, str]]) -> set[tuple[MemberKey, str, str]]:
    """Where the caps count orders that are stated once more: by the time at which they were asked first."""
    needs = Needs()
    asking = {
        program_id: [
            version.rules for version in versions.all if version.rules.capped.get(PAID) or version.rules.caps
        ]
        for program_id, versions in book.programs.items()
    }
    for key, order_id in stated if any(asking.values()) else ():
        if book.purchases.get(key, order_id) is None:
            continue
        for program in asking[key[0]]:
            for award in _awards_of_order(book, key, order_id):
                facts = Facts(trigger=PAID, at=award.asked_at.astimezone(program.zone))
                _add_rule_caps(needs, key, program, facts)
                _add_whole_caps(needs, key, program, facts)
    return needs.usage


def _awards_of_order(book: Book, key: MemberKey, order_id: str) -> list[Award]:
    assets = {asset for version in book.programs[key[0]].all for asset in version.rules.assets}
    awards = [book.awards.get(key, order_award_id(order_id, asset)) for asset in assets]
    return [award for award in awards if award is not None]


def _add_budgets(needs: Needs, wanted: Iterable[tuple[BudgetKey, int]]) -> None:
    for budget, points in wanted:
        needs.budgets[budget] = needs.budgets.get(budget, 0) + points


def _add_grants(needs: Needs, key: MemberKey, name: str, grants: tuple[Grant, ...]) -> None:
    for number, grant in enumerate(grants):
        (needs.awards if grant.points else needs.shelf.rewards).add((key, f"{name}:{number}"))
