"""One earning rule as the merchant wrote it: what it gives, when, and up to which cap.

What a newcomer would get wrong: all points are exact fractions (1 point per 1.00 EUR is 1/100 a minor unit), rounded
once, at the end of an award.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from services.ledger.domain.budgets import Budget
from services.ledger.domain.conditions import Condition, LineIn
from shared.events import OrderLine
from shared.orders import ITEMS, Basis


class Effect(Enum):
    """What a rule gives."""

    PER_AMOUNT = "per_amount"  # base: points for each so much money of a line
    PER_ITEM = "per_item"  # base: points for each item
    TIMES = "times"  # multiplier of the base
    FIXED = "fixed"  # bonus for the order or event
    BONUS_PER_AMOUNT = "bonus_per_amount"  # bonus that no multiplier touches


SUBJECTS = frozenset({"product", "network", "subject"})


@dataclass(frozen=True, slots=True)
class Cap:
    """How often (`times`) or how much (`points`) a rule may give one member in one bucket.

    `by` names what makes the bucket: periods (`day`, `week`, `month`, `year`), subjects of the event (`product`,
    `network`, `subject`), or nothing for a lifetime. `rejects` refuses the whole contribution where only a part has
    room; otherwise it shrinks.
    """

    times: int | None = None
    points: int | None = None
    by: tuple[str, ...] = ()
    rejects: bool = False
    measure: str = field(init=False)
    """What it counts."""
    by_subject: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "measure", "points" if self.points is not None else "times")
        object.__setattr__(self, "by_subject", not SUBJECTS.isdisjoint(self.by))


@dataclass(frozen=True, slots=True)
class Rule:
    """One earning rule; its name appears in explanations and reports.

    `rate` is the points of one step (a unit of money, an item), the factor of a multiplier, or the fixed points of
    a bonus. `per_minor` is what one minor unit gives, by currency: a currency that is not in it does not match.
    """

    name: str
    trigger: str
    effect: Effect
    rate: Fraction
    asset: str = "points"
    per_minor: Mapping[str, Fraction] = field(default_factory=dict)
    whole_units: bool = False
    basis: Basis = ITEMS
    conditions: tuple[Condition, ...] = ()
    line_conditions: tuple[LineIn, ...] = ()
    caps: tuple[Cap, ...] = ()
    priority: int = 0
    stackable: bool = True
    budget: Budget | None = None
    bounded: bool = field(init=False)
    """True where caps or a budget are to be asked."""
    measure: str = field(init=False)
    """A name for what it counts on a line: rules of the same measure share one reckoning of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounded", bool(self.caps) or self.budget is not None)
        items = "items with gift cards" if self.basis.gift_cards else "items"
        object.__setattr__(self, "measure", items if self.effect is Effect.PER_ITEM else repr(self.basis))
        if self.basis == ITEMS:
            object.__setattr__(self, "basis", ITEMS)

    def covers(self, line: OrderLine) -> bool:
        """Whether a line meets all conditions on its labels."""
        return all(each.meets(line) for each in self.line_conditions)

    def rate_in(self, currency: str) -> Fraction | None:
        """Points per minor unit of this currency (or per item), None where the rule has no unit for it."""
        if self.effect in (Effect.PER_AMOUNT, Effect.BONUS_PER_AMOUNT):
            return self.per_minor.get(currency)
        return self.rate
