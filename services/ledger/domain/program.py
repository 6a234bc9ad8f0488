"""The merchant's program as values: rules, waits, expiry, checkout; `services.ledger.program` reads them from the file.

What a newcomer would get wrong: all points are exact fractions (1 point per 1.00 EUR is 1/100 a minor unit), rounded
once, at the end of an award.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import chain
from math import lcm
from typing import Any
from zoneinfo import ZoneInfo

from services.ledger.domain.budgets import Budget
from services.ledger.domain.catalogue import Offer
from services.ledger.domain.conditions import Condition, Labels, LineIn, labels_of
from services.ledger.domain.goals import Goal
from services.ledger.domain.spending import Checkout, Spending
from services.ledger.domain.when import When
from shared.calendar import Period
from shared.events import OrderLine
from shared.money import Rounding
from shared.orders import ITEMS, Basis
from shared.programs import Versions

OCCASIONS = ("birthday", "signup_anniversary", "first_purchase_anniversary")
"""What a rule's `on` may name that no event brings: the calendar does."""
LARGEST_MULTIPLIER = 10  # the product of all multipliers on a line
PRODUCTS_REMEMBERED = 20_000  # some megabytes; a larger shop sells most of its orders from so many


class Effect(Enum):
    """What a rule gives."""

    PER_AMOUNT = "per_amount"  # base: points for each so much money of a line
    PER_ITEM = "per_item"  # base: points for each item
    TIMES = "times"  # multiplier of the base
    FIXED = "fixed"  # bonus for the order or event
    BONUS_PER_AMOUNT = "bonus_per_amount"  # bonus that no multiplier touches


BASE_EFFECTS = frozenset({Effect.PER_AMOUNT, Effect.PER_ITEM})


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
    is_base: bool = field(init=False)
    """True where multipliers apply to what it gives."""
    measure: str = field(init=False)
    """A name for what it counts on a line: rules of the same measure share one reckoning of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounded", bool(self.caps) or self.budget is not None)
        object.__setattr__(self, "is_base", self.effect in BASE_EFFECTS)
        object.__setattr__(self, "measure", "item" if self.effect is Effect.PER_ITEM else repr(self.basis))
        if self.basis == ITEMS:
            object.__setattr__(self, "basis", ITEMS)

    def covers(self, labels: Labels) -> bool:
        """Whether a line with these labels meets all conditions on lines."""
        return all(condition.meets(labels) for condition in self.line_conditions)

    def rate_in(self, currency: str) -> Fraction | None:
        """Points per minor unit of this currency (or per item), None where the rule has no unit for it."""
        if self.effect in (Effect.PER_AMOUNT, Effect.BONUS_PER_AMOUNT):
            return self.per_minor.get(currency)
        return self.rate


class After(Enum):
    """What an award waits for."""

    NOTHING = "immediate"
    EVENT = "event"  # the event that earned it: for an order, its payment
    FULFILMENT = "order.fulfilled"


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an award is pending. A wait for a fulfilment that never comes is cancelled after `deadline_days`."""

    after: After = After.NOTHING
    days: int = 0
    deadline_days: int = 90


class Negative(Enum):
    """What a reversal does where it takes more than there is."""

    ALLOW = "allow"
    TO_ZERO = "to_zero"
    PENDING_ONLY = "pending_only"


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """How points of the program live and die."""

    zone: ZoneInfo
    expire_months: int | None = None
    expiry_rounded_to: Period = Period.DAY
    negative: Negative = Negative.ALLOW
    rounding: Rounding = Rounding.DOWN


@dataclass(frozen=True)  # no slots: what is derived from it is kept
class LedgerProgram:
    """What the ledger reads in a program file."""

    currency: str
    zone: ZoneInfo
    points: PointsPolicy
    rules: Mapping[str, tuple[Rule, ...]]
    waits: Mapping[str, Wait] = field(default_factory=dict)
    spending: Spending = field(default_factory=Spending)
    catalogue: Mapping[str, Offer] = field(default_factory=dict)
    coupons_back: bool = True
    """Whether an order of which nothing is kept gives the use of its coupons back."""
    language: str = "en"
    """The first of the program's languages: what is said to those of whom no language is known."""
    goals: tuple[Goal, ...] = ()
    caps: Mapping[str, tuple[Cap, ...]] = field(default_factory=dict)
    """How many whole points all earning rules together may give one member, by asset."""
    budgets: Mapping[str, tuple[Budget, ...]] = field(default_factory=dict)
    """How many whole points all earning rules together may give everybody, by asset."""
    guest_days: int | None = None
    """How long orders of guests are kept; None: not at all."""
    policies: Mapping[str, PointsPolicy] = field(default_factory=dict)
    """How assets other than points live, where the program says so; `credit` stands for every `credit:…`."""
    asset_waits: Mapping[str, Mapping[str, Wait]] = field(default_factory=dict)
    """How long awards of an asset are pending, where that differs: by asset and trigger."""

    @property
    def checkout(self) -> Checkout | None:
        """How points pay for an order; None where they do not."""
        return self.spending.checkout_for("points")

    def policy_for(self, asset: str) -> PointsPolicy:
        """How this asset lives and dies; as points do, where the program says nothing else."""
        if not self.policies:
            return self.points
        return self.policies.get(asset) or self.policies.get(asset.partition(":")[0], self.points)

    def goal(self, name: str) -> Goal | None:
        """The goal of this name, None where this version has none."""
        return next((goal for goal in self.goals if goal.name == name), None)

    def rules_for(self, trigger: str) -> tuple[Rule, ...]:
        """The rules of this trigger, in the order of the file."""
        return self.rules.get(trigger, ())

    def rules_by_asset(self, trigger: str) -> Mapping[str, tuple[Rule, ...]]:
        """The rules of this trigger, by what they give."""
        return self._by_asset.get(trigger, {})

    @cached_property
    def _by_asset(self) -> Mapping[str, Mapping[str, tuple[Rule, ...]]]:
        return {
            trigger: {
                asset: tuple(rule for rule in rules if rule.asset == asset)
                for asset in dict.fromkeys(rule.asset for rule in rules)
            }
            for trigger, rules in self.rules.items()
        }

    def naming(self, line: OrderLine) -> frozenset[str]:
        """The rules with conditions on lines that this line meets, by their names."""
        return self._naming(line.categories, line.collections, line.brand, line.product_id, line.sku)

    @cached_property
    def _naming(self) -> Callable[..., frozenset[str]]:
        """Remembered by product: a shop sells the same ones over and over."""
        rules = [rule for rules in self.rules.values() for rule in rules if rule.line_conditions]

        @lru_cache(maxsize=PRODUCTS_REMEMBERED)
        def naming(*labels: Any) -> frozenset[str]:
            named = labels_of(*labels)
            return frozenset(rule.name for rule in rules if rule.covers(named))

        return naming

    def wait_for(self, trigger: str, asset: str = "points") -> Wait:
        """How long awards of this trigger and asset are pending."""
        if self.asset_waits:
            for name in (asset, asset.partition(":")[0]):
                if trigger in self.asset_waits.get(name, {}):
                    return self.asset_waits[name][trigger]
        return self.waits.get(trigger, IMMEDIATE)

    @cached_property
    def scale(self) -> int:
        """The common denominator of all that the rules give for whole amounts."""
        rules = [rule for rules in self.rules.values() for rule in rules]
        rates = [rate for rule in rules for rate in (rule.rate, *rule.per_minor.values())]
        return lcm(1, *[rate.denominator for rate in rates])

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int | None]:
        return {}

    def number_of(self, rule: Rule, currency: str) -> int | None:
        """What a rule gives for one minor unit (or item, or as it stands), in `1 / scale`; None without a unit."""
        key = (rule.name, currency)
        if key not in self._numbers:
            rate = rule.rate_in(currency)
            self._numbers[key] = None if rate is None else rate.numerator * (self.scale // rate.denominator)
        return self._numbers[key]

    @cached_property
    def capped(self) -> Mapping[str, tuple[Rule, ...]]:
        """The rules with a cap or a budget, by trigger."""
        return {
            trigger: tuple(rule for rule in rules if rule.bounded) for trigger, rules in self.rules.items()
        }

    @cached_property
    def bounded(self) -> frozenset[str]:
        """The assets of which the program bounds what all rules give together."""
        return frozenset({*self.caps, *self.budgets})

    @cached_property
    def has_budgets(self) -> bool:
        """True where a rule or the program has a budget for everybody."""
        return bool(self.budgets) or any(
            rule.budget is not None for rules in self.rules.values() for rule in rules
        )

    @cached_property
    def amounts(self) -> Mapping[tuple[str, str], int]:
        """The amounts of all budgets, by name and terms."""
        of_rules = [rule.budget for rules in self.rules.values() for rule in rules if rule.budget is not None]
        of_all = [budget for budgets in self.budgets.values() for budget in budgets]
        return {(budget.name, budget.terms): budget.amount for budget in [*of_rules, *of_all]}

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Everything that the rules give."""
        given = [rule.asset for rules in self.rules.values() for rule in rules]
        return tuple(dict.fromkeys([*given, *(goal.asset for goal in self.goals)]))

    @cached_property
    def occasions(self) -> tuple[str, ...]:
        """The occasions of the calendar that it rewards."""
        return tuple(trigger for trigger in OCCASIONS if self.rules.get(trigger))

    @cached_property
    def asks_of_persons(self) -> frozenset[str]:
        """Which facts about the person its rules ask for, beside the level."""
        return frozenset().union(*[getattr(condition, "asks", ()) for condition in self._conditions])

    @cached_property
    def looks_at_data(self) -> bool:
        """True where a `when` expression asks for more of an event than the other conditions do."""
        return any(isinstance(condition, When) for condition in self._conditions)

    @property
    def _conditions(self) -> Iterator[Condition]:
        of_rules = (each for rules in self.rules.values() for rule in rules for each in rule.conditions)
        return chain(of_rules, *(goal.conditions for goal in self.goals))

    @cached_property
    def counts_orders(self) -> bool:
        """True where a rule asks for the how many-th order it is."""
        return any(condition.counts_orders for condition in self._conditions)


def occasions_ever(versions: Versions[LedgerProgram]) -> tuple[str, ...]:
    """The occasions of the calendar that any of these versions rewards."""
    ever = {trigger for version in versions.all for trigger in version.rules.occasions}
    return tuple(trigger for trigger in OCCASIONS if trigger in ever)


IMMEDIATE = Wait()
