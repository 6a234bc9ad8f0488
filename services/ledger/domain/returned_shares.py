"""What each rule gave of an order of which a part came back, and what each has left of it: exactly.

Worked example, continued: of 133 points `base` gave 60, `tea counts double` 23.08, `big basket` 50. The cup comes back:
46 are held, of which `base` gives 23.08 of 46.16 and the doubling as much. So the basket bears its 50, `base` 37 and
the doubling nothing. In the ratio of what they gave it would have been 33, 39 and 15.

What a newcomer would get wrong: a rule may have more left than it gave. Where a dearer rule stood alone on a line and
its threshold is missed now, the plain one gives again; what it took back is below 0, and the sum is right.
"""

from __future__ import annotations

from fractions import Fraction
from zoneinfo import ZoneInfo

from services.ledger.domain.awards import frozen_of
from services.ledger.domain.earning import earn
from services.ledger.domain.keeping import kept_of
from services.ledger.domain.orders import facts_of, of_asset, of_kept
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award, Purchase
from services.ledger.domain.reports import RuleShare
from shared.calendar import Period, day_of, first_day
from shared.orders import order_of
from shared.programs import Versions


def returned_shares(
    purchase: Purchase, award: Award, versions: Versions[LedgerProgram], by: str, zone: ZoneInfo
) -> list[RuleShare]:
    """The part of each rule in what was awarded and in what was taken back, in the period of the award."""
    given = {rule: Fraction(points, unit) for rule, points, unit in award.breakdown["rules"] if points}
    left = _left(purchase, award, versions)
    period = first_day(Period(by), day_of(award.happened_at, zone))
    found = []
    for rule in dict.fromkeys([*given, *left]):
        awarded = award.points * _part(given, rule)
        kept = award.held_points * _part(left, rule)
        found.append(
            RuleShare(period, award.asset, award.kind, rule, int(rule in given), awarded, awarded - kept)
        )
    return found


def joined(shares: list[RuleShare]) -> list[RuleShare]:
    """One share for each period, asset, kind and rule, in this order; what no rule gave comes last."""
    found: dict[tuple[object, ...], RuleShare] = {}
    for each in shares:
        name = (each.period, each.asset, each.kind, each.rule)
        had = found.get(name)
        if had is None:
            found[name] = each
        else:
            awards, awarded = had.awards + each.awards, had.awarded + each.awarded
            taken = had.reversed + each.reversed
            found[name] = RuleShare(each.period, each.asset, each.kind, each.rule, awards, awarded, taken)
    return sorted(
        found.values(),
        key=lambda each: (each.period, each.asset, each.kind, each.rule is None, each.rule or ""),
    )


def _left(purchase: Purchase, award: Award, versions: Versions[LedgerProgram]) -> dict[str, Fraction]:
    """What the stored rules give for what is kept, exactly."""
    assert purchase.paid is not None, "an order that earned was paid"
    program = versions.numbered(purchase.program_version or 1).rules
    order = order_of(purchase.paid, program.currency, purchase.removed_lines)
    kept = kept_of(purchase, order)
    facts = facts_of(program, purchase, order, award.breakdown)
    facts = facts if kept is None else of_kept(facts, kept)
    earned = of_asset(earn(program, facts, frozen_of(award.breakdown)), award.asset)
    return {each.rule: each.exact for each in earned.answers if each.why_not is None and each.points}


def _part(of: dict[str, Fraction], rule: str) -> Fraction:
    whole = sum(of.values())
    return of.get(rule, Fraction(0)) / whole if whole else Fraction(0)
