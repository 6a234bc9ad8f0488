"""How much of which budgets a batch should lease before it is decided.

Example: 200 orders of 50.00 EUR under `points: 1, per: 1.00 EUR, budget: 100000 points` may want 10,000 points.

What a newcomer would get wrong: this is an estimate and bounds nothing. Too much goes back unused when the batch is
done; where it was too little, the batch asks for more and is decided again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from math import ceil
from typing import Any

from services.ledger.domain.budgets import Budget, BudgetKey
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.rules import Rule
from shared.errors import ServiceError
from shared.events import Event, OrderPaid
from shared.money import minor_units
from shared.programs import Versions


def wanted_by(event: Event[Any], program: LedgerProgram, trigger: str) -> Iterator[tuple[BudgetKey, int]]:
    """The budgets that an event may take from, each with about how much."""
    day = event.time.astimezone(program.zone).date()
    return wanted_on(day, event.program_id, program, trigger, event.data)


def wanted_on(
    day: date, program_id: str, program: LedgerProgram, trigger: str, data: Any = None
) -> Iterator[tuple[BudgetKey, int]]:
    """The same for whatever asks the rules of a trigger on a day of the program's zone."""
    by_asset: dict[str, int] = {}
    for rule in program.rules_for(trigger):
        most = _most(rule, data, program)
        by_asset[rule.asset] = by_asset.get(rule.asset, 0) + most
        if rule.budget is not None:
            yield _key(program_id, rule.budget, day), 1 if rule.budget.times else most
    for asset, most in by_asset.items():
        for budget in program.budgets.get(asset, ()):
            yield _key(program_id, budget, day), most


def wanted_by_goals(event: Event[Any], program: LedgerProgram) -> Iterator[tuple[BudgetKey, int]]:
    """The budgets of the program that a goal may take from when this event reaches it."""
    day = event.time.astimezone(program.zone).date()
    for goal in program.goals:
        for budget in program.budgets.get(goal.asset, ()):
            yield _key(event.program_id, budget, day), goal.reward


def amount_of(versions: Versions[LedgerProgram], key: BudgetKey) -> int:
    """The amount of a budget: that of the newest version that has it, so that it can be raised while it lasts."""
    _, name, bucket = key
    for version in reversed(versions.all):
        for (budget, terms), amount in version.rules.amounts.items():
            if budget == name and (bucket == terms or bucket.startswith(f"{terms}:")):
                return amount
    raise AssertionError(f"no version has the budget {name} {bucket}")


def _key(program_id: str, budget: Budget, day: date) -> BudgetKey:
    return program_id, budget.name, budget.bucket(day)


def _most(rule: Rule, data: Any, program: LedgerProgram) -> int:
    """About the most that a rule gives for this event."""
    if not isinstance(data, OrderPaid) or not rule.per_minor:
        return ceil(rule.rate)
    currency = data.currency or program.currency
    try:
        return ceil(minor_units(data.total, currency) * (rule.rate_in(currency) or 0))
    except ServiceError:
        return 0  # it will be refused
