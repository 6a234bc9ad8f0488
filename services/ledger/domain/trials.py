"""What a change of the program would do: past orders, earned again under the rules before and after.

Example: orders of 25.00 (tea), 40.00 and 60.00 EUR under 1 point per 1.00 EUR, and a change that doubles tea.
Before, 125 points; after, the tea of 25.00 gives 25 more: 150. The rule `tea counts double` gives 25 that it did not
give. With `at_most: 100 per month` on the base, 100 before and 125 after. Where the tea came back meanwhile, the orders
hold 100 of 125 before, and 100 of 150 after.

What a newcomer would get wrong: both sides begin at the same place (`replaying.Start`), as though each version had
always been in force. So `before` is not what was awarded where another version was in force then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.contributions import given_by_rule
from services.ledger.domain.earning import earn
from services.ledger.domain.orders import facts_when_paid, with_person
from services.ledger.domain.program import LedgerProgram, PointsPolicy
from services.ledger.domain.records import Award, Purchase
from services.ledger.domain.replaying import FROM_NOTHING, Start, held_at, replaying
from shared.errors import ServiceError
from shared.orders import order_of
from shared.rows import Row, replace


class Given(Row, frozen=True, gc=False):
    """What the same orders earn of one asset before and after, and what they hold of that now; whole points."""

    asset: str
    before: int
    after: int
    kept_before: int
    kept_after: int


class GivenByRule(Row, frozen=True, gc=False):
    """What one rule gives of it before and after; rules add up to what is given."""

    rule: str
    asset: str
    before: int
    after: int


class Trial(Row, frozen=True, gc=False):
    """Past orders under the rules before and after. `skipped` could not be reckoned under one of them."""

    orders: int
    skipped: int
    assets: tuple[Given, ...]
    rules: tuple[GivenByRule, ...]


class _Side:
    """What the orders earn under one version."""

    def __init__(self, awards: Iterable[Award], until: datetime) -> None:
        self.given: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.rules: Counter[tuple[str, str]] = Counter()
        for award in awards:
            self.given[award.asset] += award.points
            self.kept[award.asset] += held_at(award, until)
            for rule, points in given_by_rule(award):
                self.rules[rule, award.asset] += points


def trying(
    known: Book,
    orders: Sequence[Purchase],
    before: LedgerProgram,
    after: LedgerProgram,
    *,
    until: datetime,
    start: Start = FROM_NOTHING,
) -> Generator[None, None, Trial]:
    """Earn these orders under both, stopping after each step; what is held is as of `until`.

    `known` has the members of all orders, and is not changed.
    """
    both = (before, after)
    fitting = yield from _reckonable(known, orders, both)
    earlier = yield from _reckonable(known, start.earlier, both)
    start = replace(start, earlier=tuple(earlier))
    old = _Side((yield from replaying(known, before, fitting, start)), until)
    new = _Side((yield from replaying(known, after, fitting, start)), until)
    return Trial(len(orders), len(orders) - len(fitting), _assets(old, new), _rules(old, new))


def policies_changed(before: LedgerProgram, after: LedgerProgram, assets: Iterable[str]) -> list[str]:
    """The assets of which the program says now that they expire otherwise."""
    return [asset for asset in assets if _life(before.policy_for(asset)) != _life(after.policy_for(asset))]


def _reckonable(
    known: Book, orders: Iterable[Purchase], programs: Sequence[LedgerProgram]
) -> Generator[None, None, list[Purchase]]:
    found = []
    for order in orders:
        if _is_reckonable(known, order, programs):
            found.append(order)
        yield
    return found


def _is_reckonable(known: Book, order: Purchase, programs: Iterable[LedgerProgram]) -> bool:
    """Whether the rules of each can be asked about it: none can about a currency that it does not know, for one."""
    paid, at = order.paid, order.paid_at
    assert paid is not None and at is not None  # noqa: PT018 - both or neither
    key = (order.program_id, order.member_id)
    try:
        for program in programs:
            stated = order_of(paid, program.currency, order.removed_lines)
            facts, frozen = facts_when_paid(program, paid, stated, at, known.member(key), 1)
            earn(program, with_person(facts, program, known, key, at), frozen)
    except ServiceError:
        return False
    return True


def _assets(old: _Side, new: _Side) -> tuple[Given, ...]:
    names = sorted({*old.given, *new.given})
    return tuple(
        Given(name, old.given[name], new.given[name], old.kept[name], new.kept[name]) for name in names
    )


def _rules(old: _Side, new: _Side) -> tuple[GivenByRule, ...]:
    """Those of the version after, as they came up, then those that it does not have."""
    names = dict.fromkeys([*new.rules, *old.rules])
    return tuple(
        GivenByRule(rule, asset, old.rules[rule, asset], new.rules[rule, asset]) for rule, asset in names
    )


def _life(policy: PointsPolicy) -> tuple[object, ...]:
    return (
        policy.expire_months, policy.expiry_rounded_to, policy.by_activity, policy.expire_on, policy.least_days,
    )  # fmt: skip
