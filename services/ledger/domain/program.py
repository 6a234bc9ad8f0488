"""The merchant's program as values: rules, waits, expiry, checkout; `services.ledger.program` reads them from the file.

What a newcomer would get wrong: a program never changes. A new version is another program, so all that follows from
its rules alone (`prepared`) is reckoned once and kept with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import cached_property
from math import lcm
from zoneinfo import ZoneInfo

from services.ledger.domain.prepared import Prepared
from services.ledger.domain.rules import Rule
from shared.calendar import Period
from shared.money import Rounding


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


@dataclass(frozen=True, slots=True)
class Checkout:
    """Points as money: whole blocks of `block_points` are worth `block_minor` each."""

    block_points: int
    block_minor: int
    currency: str
    order_at_least_minor: int = 0
    largest_share: Fraction = Fraction(1)
    hold_minutes: int = 30


@dataclass(frozen=True)  # no slots: what is derived from it is kept
class LedgerProgram:
    """What the ledger reads in a program file."""

    currency: str
    zone: ZoneInfo
    points: PointsPolicy
    rules: Mapping[str, tuple[Rule, ...]]
    waits: Mapping[str, Wait] = field(default_factory=dict)
    checkout: Checkout | None = None

    def rules_for(self, trigger: str) -> tuple[Rule, ...]:
        """The rules of this trigger, in the order of the file."""
        return self.rules.get(trigger, ())

    def prepared(self, trigger: str) -> Prepared | None:
        """The rules of this trigger, ready to be asked; None where there are none."""
        return self._prepared.get(trigger)

    @cached_property
    def _prepared(self) -> Mapping[str, Prepared]:
        return {
            trigger: Prepared(rules, self.scale, self.points.rounding)
            for trigger, rules in self.rules.items()
            if rules
        }

    def wait_for(self, trigger: str) -> Wait:
        """How long awards of this trigger are pending."""
        return self.waits.get(trigger, IMMEDIATE)

    @cached_property
    def scale(self) -> int:
        """The common denominator of all that the rules give for whole amounts."""
        rules = [rule for rules in self.rules.values() for rule in rules]
        rates = [rate for rule in rules for rate in (rule.rate, *rule.per_minor.values())]
        return lcm(1, *[rate.denominator for rate in rates])

    @cached_property
    def capped(self) -> Mapping[str, tuple[Rule, ...]]:
        """The rules with a cap, by trigger."""
        return {trigger: tuple(rule for rule in rules if rule.caps) for trigger, rules in self.rules.items()}

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Everything that the rules give."""
        return tuple(dict.fromkeys(rule.asset for rules in self.rules.values() for rule in rules))

    @cached_property
    def counts_orders(self) -> bool:
        """True where a rule asks for the how many-th order it is."""
        return any(
            condition.counts_orders
            for rules in self.rules.values()
            for rule in rules
            for condition in rule.conditions
        )


IMMEDIATE = Wait()
