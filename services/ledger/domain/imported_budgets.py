"""What a budget for everybody had given in another system, so that a program that moves does not give it twice.

Example: `budget: 100000 points` on the rule `welcome`, of which 35,400 were given there. A row says so: 64,600 are left
here. What is left follows from the amount in the program's file, and is never said.

What a newcomer would get wrong: it is used up in the slots in which the budget lies (ADR 0022), and kept beside them
(`imported_budget`), since `verify` knows only what awards were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.ledger.domain.budgets import Budget, Slot, adjusted
from services.ledger.domain.imported_usage import rule_named
from services.ledger.domain.program import LedgerProgram
from services.ledger.errors import ImportFault
from shared.orders import Share
from shared.orders.paid import plain
from shared.rows import Row, replace


class OldBudget(Row, frozen=True, gc=False, kw_only=True):
    """What was given of the budget of a rule, of a partner, or (neither) of the program's own on an asset.

    It counts in `bucket`, as an export names it, or else in the period that `at` lies in.
    """

    row: str
    used: Share
    asset: str = "points"
    rule: str | None = None
    partner: str | None = None
    bucket: str | None = None
    at: datetime | None = None


def budget_places(program: LedgerProgram, said: OldBudget, now: datetime) -> tuple[tuple[str, str], ...]:
    """The name and bucket of every budget that it counts in.

    Raises:
        ImportFault: there is no such budget, or it is one of a period and the row does not say which.
    """
    if said.at is not None and said.at > now:
        raise ImportFault("`at` lies in the future")
    budgets = _budgets(program, said)
    if said.bucket is not None:
        places = [(each.name, said.bucket) for each in budgets if is_bucket_of(each, said.bucket)]
        if not places:
            terms = ", ".join(each.terms for each in budgets)
            raise ImportFault(f"the budget has no bucket {said.bucket!r}; it counts {terms}")
        return tuple(places)
    return tuple((each.name, _bucket(program, each, said)) for each in budgets)


def is_bucket_of(budget: Budget, bucket: str) -> bool:
    """Whether a bucket is one of this budget's."""
    if budget.period is None:
        return bucket == budget.terms
    return bucket.startswith(f"{budget.terms}:")


def used_before(slots: Sequence[Slot], amount: int, used: Share) -> list[Slot]:
    """The slots when so much more of the budget was given; what is left is divided anew."""
    first, *others = slots
    return adjusted([replace(first, used=plain(first.used + used)), *others], amount)


def _budgets(program: LedgerProgram, said: OldBudget) -> Sequence[Budget]:
    if said.partner is not None:
        agreement = program.partners.get(said.partner)
        found = None if agreement is None else agreement.budget
        return _one(found, f"partner {said.partner!r}")
    if said.rule is not None:
        rule = rule_named(program, said.rule)
        return _one(None if rule is None else rule.budget, f"rule {said.rule!r}")
    if not (budgets := program.budgets.get(said.asset, ())):
        raise ImportFault(
            f"the program has no budget on {said.asset}; leave the row out, or name a `rule` or a `partner`"
        )
    return budgets


def _one(budget: Budget | None, whose: str) -> Sequence[Budget]:
    if budget is None:
        raise ImportFault(f"{whose} is not there, or has no budget; give it one, or leave the row out")
    return (budget,)


def _bucket(program: LedgerProgram, budget: Budget, said: OldBudget) -> str:
    if budget.period is None:
        return budget.terms
    if said.at is None:
        raise ImportFault(f"{budget.name} is a budget per {budget.period}; say `at`, or the `bucket`")
    return budget.bucket(said.at.astimezone(program.zone).date())
