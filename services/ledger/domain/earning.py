"""What the rules of a program make of an event: the exact points of every rule, rounded once, split for the books.

Per asset: on each line the base rules sum (a non-stackable one of the highest priority stands alone), then the
multipliers multiply (at most ten times), then bonuses come on top; one rounding at the end; the award is split over
lines and bonus by largest remainder of the exact shares.

Worked example. 1 point per 1.00 EUR; category tea counts double; 50 points from 60.00 EUR. Tea 23.08 and cup 36.92
after the discount: base 60, tea's doubling + 23.08, bonus + 50 = 133.08, so 133 points: cup 37, tea 46, bonus 50.

What a newcomer would get wrong: the same function serves award and refund. A refund asks it again with what is kept,
and with the frozen part (`Frozen`): what concerned person, time and history does not change afterwards.

All sums are whole numbers over a common denominator (`unit`) as long as nothing has to be divided: as exact as
fractions and ten times faster, and this runs for every order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import LEVEL, NOT_FROZEN, ONCE, PROGRAM, Answer, Caps, Earned, Frozen, per
from services.ledger.domain.prepared import OfAsset, Prepared, ReadyRule
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.rules import Rule
from shared.money import largest_remainder, rounded
from shared.orders import Order, Share, basis_by_line, quantities
from shared.orders.paid import plain

LARGEST_MULTIPLIER = 10  # the product of all multipliers on a line
Factor = tuple[int, int]
"""A multiplier as numerator and denominator."""
Places = Sequence[int]
"""Lines, by their place in the order."""


def earn(
    program: LedgerProgram,
    facts: Facts,
    frozen: Frozen = NOT_FROZEN,
    *,
    caps: Caps | None = None,
    explain: bool = False,
) -> tuple[Earned, ...]:
    """What the event earns under these rules, per asset; empty where no rule has this trigger.

    `caps` are asked for the room of each capped rule that holds (default: what is frozen). The answers are those of
    the rules that match; with `explain` also why the others do not.
    """
    prepared = program.prepared(facts.trigger)
    if prepared is None:
        return ()
    reckoning = _Reckoning(prepared, facts, frozen, caps or frozen, explain)
    return tuple([reckoning.of_asset(rules) for rules in prepared.assets])


class _Reckoning:
    """One event under one program. Points are counted in `1 / unit`: whole numbers as long as nothing is divided.

    `_lines` says of each line which rules it leaves over, `_holding` which hold: sets of rules as in `prepared`.
    """

    __slots__ = (
        "_amounts", "_answers", "_caps", "_everywhere", "_explain", "_facts", "_holding", "_level", "_lines",
        "_prepared", "_room", "_unit",
    )  # fmt: skip

    def __init__(self, prepared: Prepared, facts: Facts, frozen: Frozen, caps: Caps, explain: bool) -> None:
        self._prepared = prepared
        self._unit = prepared.scale
        self._facts = facts
        self._level = _factor_of(frozen)
        self._caps = caps
        self._explain = explain
        self._amounts: dict[str, Sequence[Share]] = {}
        self._lines = _lines_of(prepared, facts)
        self._everywhere: Places = range(len(self._lines))
        some_line = 0
        for bits in self._lines:
            some_line |= bits
        self._holding = prepared.holding(facts, some_line)

    def of_asset(self, rules: OfAsset) -> Earned:
        self._answers: dict[str, Answer] = {}
        self._room: dict[str, Share] = {}
        if self._explain:
            self._refuse_others(rules)
        base = self._base(rules.base.among(self._holding))
        multipliers = rules.multipliers.among(self._holding)
        factors = None
        if multipliers or (self._level is not None and rules.levelled):
            factors = self._factors(multipliers, base)
        bonus = self._bonuses(rules.bonuses.among(self._holding))
        return self._rounded(rules, base, factors, bonus)

    def _places(self, rule: ReadyRule) -> Places:
        """The lines that a rule covers."""
        if not rule.lined:
            return self._everywhere
        bit = rule.bit
        return [place for place, bits in enumerate(self._lines) if bits & bit]

    def _standing(self, rules: Sequence[ReadyRule]) -> list[tuple[ReadyRule, Places]]:
        """The same rules, with the lines on which each gives beside the others."""
        everywhere = self._everywhere
        covering = [(rule, self._places(rule) if rule.lined else everywhere) for rule in rules]
        if not self._prepared.loners & self._holding:
            return covering
        here = [giving(self._rules_at(place, covering)) for place in everywhere]
        return [(rule, [i for i in places if rule.rule in here[i]]) for rule, places in covering]

    def _rules_at(self, place: int, covering: Sequence[tuple[ReadyRule, Places]]) -> list[Rule]:
        """The rules that hold on a line: one without a unit for the currency does not, and stands before nobody."""
        currency = self._facts.order.currency if self._facts.order is not None else ""
        return [
            rule.rule
            for rule, places in covering
            if place in places and not (rule.counts and rule.number_in(currency) is None)
        ]

    def _base(self, rules: Sequence[ReadyRule]) -> list[Share]:
        """Base points per line."""
        sums: list[Share] = [0] * len(self._lines)
        for rule, places in self._standing(rules):
            numbers = self._numbers(rule, places)
            if numbers is not None:
                given: Share = 0
                for place, number in zip(places, numbers, strict=True):
                    sums[place] += number
                    given += number
                self._answers[rule.name] = Answer(rule.name, given, self._unit)
        return sums

    def _numbers(self, ready: ReadyRule, places: Places) -> list[Share] | None:
        """What a rule by amount or item gives on these lines; None where it has no unit for the currency."""
        order = self._facts.order
        assert order is not None, f"{ready.name} counts lines, but {self._facts.trigger} has none"
        factor = ready.number_in(order.currency)
        if factor is None:
            self._refuse(ready, f"it has no unit for {order.currency}")
            return None
        amounts = self._amounts.get(ready.rule.measure) or self._amounts_for(ready, order)
        numbers = [amounts[place] * factor for place in places]
        return self._bounded(ready.rule, numbers) if ready.bounded else numbers

    def _amounts_for(self, ready: ReadyRule, order: Order) -> Sequence[Share]:
        rule, kept = ready.rule, self._facts.kept
        amounts = (
            quantities(order, kept, rule.basis) if ready.by_item else basis_by_line(order, rule.basis, kept)
        )
        self._amounts[rule.measure] = amounts
        return amounts

    def _bounded(self, rule: Rule, numbers: list[Share]) -> list[Share]:
        """Whole units over all lines of the rule together, then the room of its cap: both shrink in proportion."""
        given = bound = per(sum(numbers), self._unit)
        if rule.whole_units and rule.rate:
            bound = given // rule.rate * rule.rate
        bound = self._allowed(rule, bound)
        return numbers if bound == given else [number * Fraction(bound) / given for number in numbers]

    def _allowed(self, rule: Rule, wanted: Share) -> Share:
        """What the caps of a rule leave of what it wants to give."""
        if not (rule.bounded and wanted):
            return wanted
        room = self._caps.room_for(rule, wanted)
        if room is None:
            return wanted
        self._room[rule.name] = room
        return min(wanted, room)

    def _factors(self, rules: Sequence[ReadyRule], base: Sequence[Share]) -> list[Factor]:
        """The product of the multipliers on each line, at most ten; the level's is stackable and comes last."""
        factors: list[Factor] = [(1, 1)] * len(base)
        standing = self._standing(rules)
        for rule, places in standing:
            self._answers[rule.name] = Answer(rule.name, *self._multiply(factors, rule.times, places, base))
        if self._level is not None:
            alone = {place for rule, places in standing if not rule.rule.stackable for place in places}
            places = (
                [place for place in self._everywhere if place not in alone] if alone else self._everywhere
            )
            self._answers[LEVEL] = Answer(LEVEL, *self._multiply(factors, self._level, places, base))
        return factors

    def _multiply(
        self, factors: list[Factor], times: Factor, places: Places, base: Sequence[Share]
    ) -> tuple[Share, int]:
        """Multiply the factors of these lines; what that adds to the base, as points and their unit."""
        added: Share = 0
        unit = 1
        for place in places:
            numerator, denominator = factors[place]
            above, below = factors[place] = _product(numerator, denominator, times)
            step = base[place] * (above * denominator - numerator * below)
            added, unit = added * below * denominator + step * unit, unit * below * denominator
        return added, self._unit * unit

    def _bonuses(self, rules: Sequence[ReadyRule]) -> Share:
        total: Share = 0
        for ready in rules:
            if ready.counts:
                numbers = self._numbers(ready, self._places(ready))
                if numbers is None:
                    continue
                points: Share = sum(numbers)
            elif ready.bounded:
                points = plain(self._allowed(ready.rule, plain(ready.rule.rate)) * self._unit)
            else:
                points = ready.number
            self._answers[ready.name] = Answer(ready.name, points, self._unit)
            total += points
        return total

    def _rounded(
        self, rules: OfAsset, base: Sequence[Share], factors: Sequence[Factor] | None, bonus: Share
    ) -> Earned:
        """One rounding at the end, and the split of what it leaves."""
        shares, common = _multiplied(base, factors)
        shares.append(bonus * common)
        total, unit = sum(shares), self._unit * common
        points = int(total // unit) if rules.rounds_down else rounded(Fraction(total) / unit, rules.rounding)
        if rules.bounded:
            points = self._of_program(rules.asset, points)
        split = largest_remainder(points, shares) if points else [0] * len(shares)
        of_bonus = split.pop()
        return Earned(rules.asset, points, tuple(split), of_bonus, tuple(self._answers.values()), self._room)

    def _of_program(self, asset: str, points: int) -> int:
        """What the program's own caps leave of whole points."""
        room = self._caps.whole_room(asset, points)
        if room is None:
            return points
        self._room[PROGRAM] = room
        return min(points, room)

    def _refuse(self, ready: ReadyRule, why_not: str) -> None:
        if self._explain:
            self._answers[ready.name] = Answer(ready.name, why_not=why_not)

    def _refuse_others(self, rules: OfAsset) -> None:
        """Why the rules that do not hold do not."""
        for ready in rules.rules:
            why_not = self._why_not(ready)
            if why_not is not None:
                self._refuse(ready, why_not)

    def _why_not(self, ready: ReadyRule) -> str | None:
        for condition in ready.rule.conditions:
            if not condition.holds(self._facts):
                return condition.reason(self._facts)
        if not self._places(ready):
            wanted = " and ".join([condition.wanted() for condition in ready.rule.line_conditions])
            return f"no line has {wanted}"
        return None


def _lines_of(prepared: Prepared, facts: Facts) -> list[int]:
    """The rules that each line leaves over; an event without lines counts as one that no rule on lines covers."""
    order, kept = facts.order, facts.kept
    if order is None:
        return [prepared.unlined]
    lines = [prepared.by_labels(line.item) for line in order.lines]
    if kept is not None:  # what came back wholly is no longer there
        lines = [
            bits if share > 0 else bits & prepared.unlined
            for bits, share in zip(lines, kept.shares, strict=True)
        ]
    return lines


def _factor_of(frozen: Frozen) -> Factor | None:
    times = frozen.earn_times
    return None if times is ONCE or times == 1 else (times.numerator, times.denominator)


def _multiplied(base: Sequence[Share], factors: Sequence[Factor] | None) -> tuple[list[Share], int]:
    """The base points of each line times its factor, over a common denominator."""
    if factors is None:
        return [*base], 1
    common = lcm(*[denominator for _, denominator in factors])
    shares = [
        number * (numerator * (common // denominator))
        for number, (numerator, denominator) in zip(base, factors, strict=True)
    ]
    return shares, common


def giving(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Which of the rules that hold on a line give there.

    A non-stackable one of the highest priority stands alone (at a tie the earlier in the file); one of lower
    priority gives nothing.
    """
    top = max([rule.priority for rule in rules], default=0)
    alone = next((rule for rule in rules if not rule.stackable and rule.priority == top), None)
    return [alone] if alone is not None else [rule for rule in rules if rule.stackable]


def _product(numerator: int, denominator: int, times: Factor) -> Factor:
    numerator, denominator = numerator * times[0], denominator * times[1]
    return (
        (LARGEST_MULTIPLIER, 1) if numerator > LARGEST_MULTIPLIER * denominator else (numerator, denominator)
    )
