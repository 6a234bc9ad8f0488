"""What a trial of a program does not reckon, each with the reason in words that a merchant understands.

What a newcomer would get wrong: what is reckoned is not named here, and what differs and is not reckoned always is. So
a trial with nothing left out can be taken at its word, for the orders that it looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.ledger.domain.budgets import Budget
from services.ledger.domain.orders import PAID
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.replaying import BudgetOfDays, budgets_met
from shared.rows import Row

Said = tuple[str, str]
"""What is left out, and why."""


class Seen(Row, frozen=True, gc=False):
    """What the trial could look at.

    `times` are the payments of its orders, None where these could not be found in time. `earlier` says up to which
    number of earlier orders were played, None that none could be found in time; `earlier_cut` that there are more.
    `otherwise` says whether what was earned for other things is known, `counted` whether it is known which order of its
    member each was, `used` which budgets the ledger knows of; None where that could not be found in time.
    """

    times: tuple[datetime, ...] | None
    earlier: int | None = 0
    earlier_cut: bool = False
    otherwise: bool = True
    counted: bool = True
    used: frozenset[BudgetOfDays] | None = frozenset()


def left_out(before: LedgerProgram, after: LedgerProgram, seen: Seen) -> list[Said]:
    """What a merchant might look for in the trial, and why it is not there."""
    found: list[Said] = []
    if seen.times is None:
        why = "the newest orders could not be found in time; try again, or use `simulate` with a file"
        found.append(("orders", why))
    if not seen.counted:
        why = "how many orders members had paid before could not be counted in time: everybody begins with the first"
        found.append(("order numbers", why))
    found += _of_earlier(seen)
    found += _of_budgets(before, after, seen)
    found += _of_others(before, after)
    return found


def _of_earlier(seen: Seen) -> Iterator[Said]:
    if seen.earlier is None:
        yield (
            "earlier orders",
            "those that caps and goals count, too, could not be found in time: on both sides every member begins with "
            "empty caps and nothing spent towards a goal",
        )
    elif seen.earlier_cut:
        yield (
            "earlier orders",
            f"caps and goals also count orders from before these; the newest {seen.earlier} were looked at, and there "
            "are more: on both sides some members have more room, and are less far, than in truth",
        )
    if not seen.otherwise:
        yield (
            "other earnings",
            "the caps of the program also count what members earned for other things than orders; not all of that "
            "could be looked at: on both sides some members have more room than in truth",
        )


def _of_budgets(before: LedgerProgram, after: LedgerProgram, seen: Seen) -> Iterator[Said]:
    times = seen.times or ()
    if seen.used is None:
        yield (
            "budgets",
            "what was given out of them could not be found in time: on both sides they begin whole",
        )
        return
    old, new = (budgets_met(program, times) for program in (before, after))
    unknown = dict.fromkeys(
        _named(budget) for bucket, budget in new.items() if bucket not in old and bucket not in seen.used
    )
    if unknown:
        yield (
            "budgets",
            f"{' and '.join(unknown)} would be new, or count otherwise: such a budget begins whole at the oldest of "
            "these orders, and only these take from it, since nobody knows what all others would have taken",
        )


def _of_others(before: LedgerProgram, after: LedgerProgram) -> Iterator[Said]:
    """What differs between the two and is about something else than paid orders."""
    triggers = dict.fromkeys([*before.rules, *after.rules])
    other = [each for each in triggers if each != PAID and before.rules_for(each) != after.rules_for(each)]
    if other:
        yield (
            "other events",
            f"only orders are tried, so not what the rules on {', '.join(f'`{each}`' for each in other)} would give",
        )
    if (before.spending, before.catalogue) != (after.spending, after.catalogue):
        yield "spending", "nobody knows what members would spend otherwise, so only what they earn is tried"
    if before.guest_days != after.guest_days:
        yield "guests", "orders of guests are tried only once they belong to a member"
    if before.partners != after.partners:
        yield "partners", "what partners would credit otherwise is not known; only orders are tried"


def _named(budget: Budget) -> str:
    kind, _, name = budget.name.partition(":")
    return f"the budget of {'rule' if kind == 'rule' else 'all rules for'} `{name}`"
