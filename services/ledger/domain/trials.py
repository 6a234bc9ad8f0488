"""What a change of the program would do: past orders, earned again under the rules before and after.

Example: orders of 25.00 (tea), 40.00 and 60.00 EUR under 1 point per 1.00 EUR, and a change that doubles tea.
Before, 125 points; after, the tea of 25.00 gives 25 more: 150. The rule `tea counts double` gives 25 that it did not
give.

What a newcomer would get wrong: this is what the rules say to orders as they were paid. Caps, budgets and goals depend
on what members earned otherwise, and refunds on what they keep, so both sides are reckoned without them. What is known
of the person is what is known today.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from services.ledger.domain.book import Book
from services.ledger.domain.earning import earn
from services.ledger.domain.orders import facts_when_paid, with_person
from services.ledger.domain.program import LedgerProgram, PointsPolicy
from services.ledger.domain.records import Purchase
from shared.errors import ServiceError
from shared.orders import order_of
from shared.rows import Row

PastOrder = tuple[Purchase, int]
"""An order that was paid, and which one of its member it was, from 1."""


class Given(Row, frozen=True, gc=False):
    """What the same orders earn of one asset before and after; whole points."""

    asset: str
    before: int
    after: int


class GivenByRule(Row, frozen=True, gc=False):
    """What one rule gives of it before and after; exact, as long as no award was rounded."""

    rule: str
    asset: str
    before: Fraction
    after: Fraction


class Trial(Row, frozen=True, gc=False):
    """Past orders under the rules before and after. `skipped` could not be reckoned under one of them."""

    orders: int
    skipped: int
    assets: tuple[Given, ...]
    rules: tuple[GivenByRule, ...]


class _Side:
    """What the orders earn under one version."""

    def __init__(self) -> None:
        self.assets: dict[str, int] = {}
        self.rules: dict[tuple[str, str], Fraction] = {}

    def add(self, asset: str, points: int, rules: Iterable[tuple[str, Fraction]]) -> None:
        self.assets[asset] = self.assets.get(asset, 0) + points
        for rule, exact in rules:
            self.rules[rule, asset] = self.rules.get((rule, asset), Fraction(0)) + exact


def try_orders(book: Book, orders: Sequence[PastOrder], before: LedgerProgram, after: LedgerProgram) -> Trial:
    """Earn each order under both; `book` knows its members and persons, and is not changed."""
    sides = _Side(), _Side()
    skipped = 0
    for order in orders:
        try:
            found = [_earned(book, order, program) for program in (before, after)]
        except ServiceError:  # another currency than the program's, for one
            skipped += 1
            continue
        for side, earned in zip(sides, found, strict=True):
            for asset, points, rules in earned:
                side.add(asset, points, rules)
    return Trial(len(orders), skipped, _assets(*sides), _rules(*sides))


def policies_changed(before: LedgerProgram, after: LedgerProgram, assets: Iterable[str]) -> list[str]:
    """The assets of which the program says now that they expire otherwise."""
    return [asset for asset in assets if _life(before.policy_for(asset)) != _life(after.policy_for(asset))]


def _earned(
    book: Book, order: PastOrder, program: LedgerProgram
) -> list[tuple[str, int, list[tuple[str, Fraction]]]]:
    purchase, nth = order
    key = (purchase.program_id, purchase.member_id)
    assert purchase.paid is not None and purchase.paid_at is not None  # noqa: PT018 - both or neither
    stated = order_of(purchase.paid, program.currency, purchase.removed_lines)
    facts, frozen = facts_when_paid(program, purchase.paid, stated, purchase.paid_at, book.member(key), nth)
    facts = with_person(facts, program, book, key, purchase.paid_at)
    return [
        (
            earned.asset,
            earned.points,
            [(answer.rule, answer.exact) for answer in earned.answers if answer.why_not is None],
        )
        for earned in earn(program, facts, frozen)
    ]


def _assets(before: _Side, after: _Side) -> tuple[Given, ...]:
    names = sorted({*before.assets, *after.assets})
    return tuple(Given(name, before.assets.get(name, 0), after.assets.get(name, 0)) for name in names)


def _rules(before: _Side, after: _Side) -> tuple[GivenByRule, ...]:
    none = Fraction(0)
    names = dict.fromkeys([*after.rules, *before.rules])
    return tuple(
        GivenByRule(rule, asset, before.rules.get((rule, asset), none), after.rules.get((rule, asset), none))
        for rule, asset in names
    )


def _life(policy: PointsPolicy) -> tuple[object, ...]:
    return (
        policy.expire_months, policy.expiry_rounded_to, policy.by_activity, policy.expire_on, policy.least_days,
    )  # fmt: skip
