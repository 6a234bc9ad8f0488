"""Where the replay of past orders has to begin, so that caps, budgets and goals know what came before them.

Example: the oldest of the orders was paid on 14 May. For `500 per month` the orders of its members since 1 May are
played before it; for `1 per lifetime` all that they ever paid. Of `budget: 100000 points`, 40,000 are used today, 300
of them by these orders: it begins with 39,700 used.

What a newcomer would get wrong: a cap and a goal are one member's, so their orders tell all of it, also under a program
that never was. A budget is everybody's. What others took of it is known only of a budget that was in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from services.ledger.domain.awards import AWARD
from services.ledger.domain.budgets import Budget
from services.ledger.domain.counted import counted_of
from services.ledger.domain.earned import PROGRAM
from services.ledger.domain.orders import PAID
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award
from services.ledger.domain.replaying import BudgetOfDays
from services.ledger.domain.rules import Cap
from shared.calendar import Period, day_of, start_of
from shared.orders import Share
from shared.programs import BEGINNING_OF_TIME, Versions

PERIODS = frozenset(Period)


def counts_from(programs: Iterable[LedgerProgram], since: datetime) -> datetime | None:
    """From when on orders count for a cap or a goal that an order of `since` meets; None where there is neither."""
    found = [
        BEGINNING_OF_TIME if period is None else start_of(period, since, program.zone)
        for program in programs
        for period in _periods(program)
    ]
    return min(found, default=None)


def used_before(
    used: Mapping[BudgetOfDays, Share], awards: Iterable[Award], versions: Versions[LedgerProgram]
) -> dict[BudgetOfDays, Share]:
    """What was given out of budgets without these awards; `used` is what was given out of them until now.

    An award took of the budgets of each version that it was decided under.
    """
    left = dict(used)
    for award in awards:
        if award.kind != AWARD:  # what was imported never took of a budget
            continue
        for each in counted_of(award, versions.numbered(award.program_version).rules):
            program = versions.numbered(each.version).rules
            day = day_of(award.asked_at, program.zone)
            for budget in _budgets(program, each.rule, award.asset) if each.given else ():
                bucket = (budget.name, budget.bucket(day))
                if bucket in left:
                    left[bucket] = max(0, left[bucket] - (1 if budget.times else each.given))
    return left


def _periods(program: LedgerProgram) -> Iterator[Period | None]:
    """What caps and goals count in; None for a lifetime."""
    yield from (_period_of(cap) for rule in program.capped.get(PAID, ()) for cap in rule.caps)
    yield from (_period_of(cap) for caps in program.caps.values() for cap in caps)
    yield from (goal.period for goal in program.goals)


def _period_of(cap: Cap) -> Period | None:
    """The shortest period of a cap: what happened before it is in another bucket."""
    named = [Period(name) for name in cap.by if name in PERIODS]
    return min(named, key=list(Period).index, default=None)


def _budgets(program: LedgerProgram, rule: str, asset: str) -> Iterable[Budget]:
    if rule == PROGRAM:
        return program.budgets.get(asset, ())
    return [each.budget for each in program.capped.get(PAID, ()) if each.name == rule and each.budget]
