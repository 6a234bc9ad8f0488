"""The merchant's program as values: rules, waits, expiry, checkout; `services.ledger.program` reads them from the file.

What a newcomer would get wrong: a program never changes. A new version is another program, so all that follows from
its rules alone (`prepared`) is reckoned once and kept with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import chain
from math import lcm
from zoneinfo import ZoneInfo

from services.ledger.domain.agreements import Agreement
from services.ledger.domain.budgets import Budget
from services.ledger.domain.catalogue import Offer
from services.ledger.domain.conditions import Condition
from services.ledger.domain.gift_terms import GiftTerms
from services.ledger.domain.goals import Goal
from services.ledger.domain.pool_terms import PoolTerms
from services.ledger.domain.prepared import Prepared
from services.ledger.domain.rules import Cap, Rule
from services.ledger.domain.spending import Checkout, Spending
from services.ledger.domain.when import When
from shared.calendar import Period
from shared.money import DIGITS, Rounding
from shared.programs import Versions

CREDIT = "credit"
"""Store credit, with its currency behind a colon."""
COMMON_ASSETS = ("points", "stamps", "spins")
"""What every program knows without a word about it, beside store credit."""

OCCASIONS = ("birthday", "signup_anniversary", "first_purchase_anniversary")
"""What a rule's `on` may name that no event brings: the calendar does."""


class After(Enum):
    """What an award waits for."""

    NOTHING = "immediate"
    EVENT = "event"  # the event that earned it: for an order, its payment
    FULFILMENT = "order.fulfilled"


FULFILLED_WITHIN = 90
"""Days from the payment after which a wait for a fulfilment is cancelled, where the program says no other."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an award is pending. A wait for a fulfilment that never comes is cancelled after `deadline_days`."""

    after: After = After.NOTHING
    days: int = 0
    deadline_days: int = FULFILLED_WITHIN
    is_none: bool = field(init=False)
    """True where nothing is waited for."""
    is_for_fulfilment: bool = field(init=False)

    def __post_init__(self) -> None:
        # Kept, since asking an enumeration for a member takes longer than the rest of the question.
        object.__setattr__(self, "is_none", self.after is After.NOTHING)
        object.__setattr__(self, "is_for_fulfilment", self.after is After.FULFILMENT)


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
    by_activity: bool = False
    """Whether the months count from the member's last activity instead of the activation."""
    expire_on: tuple[int, int] | None = None
    """Month and day of the calendar on which points expire; None where they live for months, or for ever."""
    least_days: int = 90
    """How long points live at least that expire on a day of the calendar."""
    announce: tuple[int, ...] = (30, 7, 1)
    """How many days before they expire the member is told."""


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
    early_days: int = 30
    """How long what came before its order or review waits until people are told."""
    policies: Mapping[str, PointsPolicy] = field(default_factory=dict)
    """How assets other than points live, where the program says so; `credit` stands for every `credit:…`."""
    four_eyes: Mapping[str, int] = field(default_factory=dict)
    """Above how many an adjustment by hand needs a second person, by asset."""
    asset_waits: Mapping[str, Mapping[str, Wait]] = field(default_factory=dict)
    """How long awards of an asset are pending, where that differs: by asset and trigger."""
    charities: Mapping[str, str] = field(default_factory=dict)
    """Who gets what the merchant donates, by asset."""
    partners: Mapping[str, Agreement] = field(default_factory=dict)
    """Other companies that credit points to members, by name."""
    pools: PoolTerms | None = None
    """How households share what they earn; None for not at all."""
    gifts: GiftTerms | None = None
    """What members may give to each other; None for nothing."""

    @property
    def checkout(self) -> Checkout | None:
        """How points pay for an order; None where they do not."""
        return self.spending.checkout_for("points")

    def policy_for(self, asset: str) -> PointsPolicy:
        """How this asset lives and dies; as points do, where the program says nothing else."""
        if not self.policies:
            return self.points
        return self.policies.get(asset) or self.policies.get(asset.partition(":")[0], self.points)

    def rounding_of(self, asset: str) -> Rounding:
        """How an award of this asset is rounded."""
        return self.policy_for(asset).rounding

    def goal(self, name: str) -> Goal | None:
        """The goal of this name, None where this version has none."""
        return next((goal for goal in self.goals if goal.name == name), None)

    def asset_of(self, name: str) -> str | None:
        """What the rule of this name gives; None where there is none."""
        rules = (rule for rules in self.rules.values() for rule in rules)
        return next((rule.asset for rule in rules if rule.name == name), None)

    def rules_for(self, trigger: str) -> tuple[Rule, ...]:
        """The rules of this trigger, in the order of the file."""
        return self.rules.get(trigger, ())

    def prepared(self, trigger: str) -> Prepared | None:
        """The rules of this trigger, ready to be asked; None where there are none."""
        return self._prepared.get(trigger)

    @cached_property
    def _prepared(self) -> Mapping[str, Prepared]:
        return {
            trigger: Prepared(rules, self.scale, self.rounding_of, self.bounded)
            for trigger, rules in self.rules.items()
            if rules
        }

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
        of_partners = [each.budget for each in self.partners.values() if each.budget is not None]
        return {(budget.name, budget.terms): budget.amount for budget in [*of_rules, *of_all, *of_partners]}

    @cached_property
    def lives_by_activity(self) -> bool:
        """True where something expires unless its member is active: every activity needs the lots then."""
        return any(policy.by_activity for policy in (self.points, *self.policies.values()))

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Everything that the rules give."""
        given = [rule.asset for rules in self.rules.values() for rule in rules]
        return tuple(dict.fromkeys([*given, *(goal.asset for goal in self.goals)]))

    def knows(self, asset: str) -> bool:
        """Whether members can have this: a common one, one that has an entry or that a rule gives, or store credit."""
        kind, _, currency = asset.partition(":")
        if kind == CREDIT:
            return currency in DIGITS
        return asset in COMMON_ASSETS or asset in self.policies or asset in self.assets

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
