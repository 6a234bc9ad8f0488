"""What each rule gave of an award: its whole points, split over the rules by their exact shares.

Example: 10.5 exact points, 10 of the rule `base` and 0.5 of `tea`, make an award of 10: `base` gave 10 and `tea`
nothing. Where a cap of the program leaves 5 of the 10, `base` gave 5.

What a newcomer would get wrong: the exact points of rules add up to more than was issued, by what was rounded away and
what the program's caps cut. Split so, they add up to the award.
"""

from __future__ import annotations

from fractions import Fraction

from services.ledger.domain.records import Award
from shared.money import largest_remainder


def given_by_rule(award: Award) -> list[tuple[str, int]]:
    """Each rule with its whole points, in the order of the explanation; an award that names none is of its kind."""
    rules = award.breakdown.get("rules") or [[award.kind, 1, 1]]
    shares = [Fraction(points, unit) for _, points, unit in rules]
    amounts = largest_remainder(award.points, shares)
    return [(rule, amount) for (rule, _, _), amount in zip(rules, amounts, strict=True)]
