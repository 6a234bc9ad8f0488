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

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Protocol

from services.ledger.domain.conditions import Facts
from services.ledger.domain.program import LARGEST_MULTIPLIER, Effect, LedgerProgram, Rule
from shared.money import Rounding, largest_remainder, rounded
from shared.orders import Order, Share, basis_by_line, quantities
from shared.orders.paid import plain
from shared.rows import Row

PROGRAM = ""  # in the place of a rule's name: what bounds all rules together
LEVEL = "level"  # how the level's own multiplier is called in explanations
Factor = tuple[int, int]
"""A multiplier as numerator and denominator."""
Covering = tuple[Rule, list[bool]]
"""A rule that holds, and which lines it covers."""


class Frozen(Row, frozen=True, gc=False):
    """What was true for person and history when the event was decided, and stays so for refunds.

    `room` is what the caps of a rule left at that time, in exact points; a rule that is not in it had no bound.
    """

    earn_times: Fraction = Fraction(1)
    room: Mapping[str, Share] = {}

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:  # noqa: ARG002 - the room was found for good
        """What the caps of the rule left; None for no bound."""
        return self.room.get(rule.name)

    def whole_room(self, asset: str, points: int) -> int | None:  # noqa: ARG002 - as above
        """What the program's own caps left, in whole points; None for no bound."""
        room = self.room.get(PROGRAM)
        return None if room is None else int(room)


class Caps(Protocol):
    """Who is asked how much a rule with a cap may give: when an event is decided, the member's usage."""

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:
        """The exact points that it may give where it wants to give so many; None for no bound."""

    def whole_room(self, asset: str, points: int) -> int | None:
        """The whole points of an asset that all rules together may give; None for no bound."""


class Answer(Row, frozen=True, gc=False):
    """What one rule said: `points / unit` exact points (for a multiplier what it added), or why it does not match."""

    rule: str
    points: Share = 0
    unit: int = 1
    why_not: str | None = None

    @property
    def exact(self) -> Fraction:
        """The exact points."""
        return Fraction(self.points) / self.unit


class Earned(Row, frozen=True, gc=False):
    """The points of one asset: the whole award, its split over lines and bonus, and the answers of the rules.

    `room` is what the caps of rules left, where they left a bound.
    """

    asset: str
    points: int
    by_line: tuple[int, ...]
    bonus: int
    answers: tuple[Answer, ...]
    room: Mapping[str, Share] = {}


NOT_FROZEN = Frozen()


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
    rules = program.rules_by_asset(facts.trigger)
    return tuple(
        [
            _Reckoning(program, facts, frozen, caps or frozen, explain).run(asset, rules[asset])
            for asset in rules
        ]
    )


class _Reckoning:
    """One event under one program. Points are counted in `1 / unit`: whole numbers as long as nothing is divided."""

    def __init__(
        self, program: LedgerProgram, facts: Facts, frozen: Frozen, caps: Caps, explain: bool
    ) -> None:
        self._program = program
        self._unit = program.scale
        self._facts = facts
        self._frozen = frozen
        self._caps = caps
        self._explain = explain
        self._answers: dict[str, Answer] = {}
        self._room: dict[str, Share] = {}
        self._amounts: dict[str, Sequence[Share]] = {}
        lines = facts.order.lines if facts.order is not None else ()
        self._count = len(lines) or 1
        self._all_lines = [True] * self._count
        self._naming = [program.naming(line.item) for line in lines]
        self._named = frozenset().union(*self._naming)

    def run(self, asset: str, rules: Sequence[Rule]) -> Earned:
        base: list[Covering] = []
        multipliers: list[Covering] = []
        bonuses: list[Covering] = []
        for rule in rules:
            if rule.line_conditions and rule.name not in self._named and not self._explain:
                continue  # it asks for lines that the order does not have
            lines = self._lines_of(rule)
            if lines is not None:
                kind = base if rule.is_base else multipliers if rule.effect is Effect.TIMES else bonuses
                kind.append((rule, lines))
        numbers = self._base(base)
        factors = [(1, 1)] * self._count
        if multipliers or self._frozen.earn_times != 1:
            factors = self._factors(multipliers, numbers)
        bonus = self._bonuses(bonuses)
        return self._rounded(asset, numbers, factors, bonus)

    def _lines_of(self, rule: Rule) -> list[bool] | None:
        """Which lines a rule covers; None where it does not hold."""
        facts = self._facts
        for condition in rule.conditions:
            if not condition.holds(facts):
                if self._explain:
                    self._refuse(rule, condition.reason(facts))
                return None
        return self._all_lines if not rule.line_conditions else self._covered(rule)

    def _covered(self, rule: Rule) -> list[bool] | None:
        covered = [rule.name in naming for naming in self._naming]
        if self._facts.kept is not None:  # what came back wholly is no longer there
            covered = [ok and share > 0 for ok, share in zip(covered, self._facts.kept.shares, strict=True)]
        if True in covered:
            return covered
        if self._explain:
            wanted = " and ".join([condition.wanted() for condition in rule.line_conditions])
            self._refuse(rule, f"no line has {wanted}")
        return None

    def _base(self, rules: Sequence[Covering]) -> list[Share]:
        """Base points per line."""
        sums: list[Share] = [0] * self._count
        for rule, lines in _standing(rules):
            numbers = self._numbers(rule, lines)
            if numbers is not None:
                self._answer(rule.name, sum(numbers))
                sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        return sums

    def _numbers(self, rule: Rule, lines: list[bool]) -> list[Share] | None:
        """What a rule by amount or item gives on each line; None where it has no unit for the currency."""
        order = self._facts.order
        assert order is not None, f"{rule.name} counts lines, but {self._facts.trigger} has none"
        factor = self._program.number_of(rule, order.currency)
        if factor is None:
            self._refuse(rule, f"it has no unit for {order.currency}")
            return None
        amounts = self._amounts_for(rule, order)
        numbers = [amount * factor if ok else 0 for amount, ok in zip(amounts, lines, strict=True)]
        if rule.whole_units or rule.bounded:
            return self._bounded(rule, numbers)
        return numbers

    def _amounts_for(self, rule: Rule, order: Order) -> Sequence[Share]:
        amounts = self._amounts.get(rule.measure)
        if amounts is None:
            kept = self._facts.kept
            by_item = rule.effect is Effect.PER_ITEM
            amounts = quantities(order, kept) if by_item else basis_by_line(order, rule.basis, kept)
            self._amounts[rule.measure] = amounts
        return amounts

    def _bounded(self, rule: Rule, numbers: list[Share]) -> list[Share]:
        """Whole units over all lines of the rule together, then the room of its cap: both shrink in proportion."""
        given = bound = per(sum(numbers), self._unit)
        if rule.whole_units:
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

    def _factors(self, rules: Sequence[Covering], base: Sequence[Share]) -> list[Factor]:
        """The product of the multipliers on each line, at most ten; the level's comes last."""
        factors: list[Factor] = [(1, 1)] * self._count
        for rule, lines in _standing(rules):
            self._answer(rule.name, *self._multiply(factors, rule.rate, lines, base))
        if self._frozen.earn_times != 1:
            self._answer(LEVEL, *self._multiply(factors, self._frozen.earn_times, self._all_lines, base))
        return factors

    def _multiply(
        self, factors: list[Factor], times: Fraction, lines: list[bool], base: Sequence[Share]
    ) -> tuple[Share, int]:
        """Multiply the factors of these lines; what that adds to the base, as points and their unit."""
        added: Share = 0
        unit = 1
        for i, (numerator, denominator) in enumerate(factors):
            if lines[i]:
                above, below = factors[i] = _product(numerator, denominator, times)
                step = base[i] * (above * denominator - numerator * below)
                added, unit = added * below * denominator + step * unit, unit * below * denominator
        return added, self._unit * unit

    def _bonuses(self, rules: Sequence[Covering]) -> Share:
        total: Share = 0
        for rule, lines in rules:
            if rule.effect is Effect.BONUS_PER_AMOUNT:
                numbers = self._numbers(rule, lines)
                if numbers is None:
                    continue
                points: Share = sum(numbers)
            else:
                points = self._program.number_of(rule, "") or 0
                if rule.bounded:
                    points = plain(self._allowed(rule, plain(rule.rate)) * self._unit)
            self._answer(rule.name, points)
            total += points
        return total

    def _rounded(
        self, asset: str, numbers: Sequence[Share], factors: Sequence[Factor], bonus: Share
    ) -> Earned:
        common = lcm(*[denominator for _, denominator in factors])
        shares = [
            number * (numerator * (common // denominator))
            for number, (numerator, denominator) in zip(numbers, factors, strict=True)
        ]
        shares.append(bonus * common)
        total, unit, rounding = sum(shares), self._unit * common, self._program.policy_for(asset).rounding
        points = (
            int(total // unit) if rounding is Rounding.DOWN else rounded(Fraction(total) / unit, rounding)
        )
        if asset in self._program.bounded:
            points = self._of_program(asset, points)
        split = largest_remainder(points, shares) if points else [0] * len(shares)
        answers = tuple(self._answers.values())
        return Earned(asset, points, tuple(split[:-1]), split[-1], answers, self._room)

    def _of_program(self, asset: str, points: int) -> int:
        """What the program's own caps leave of whole points."""
        room = self._caps.whole_room(asset, points)
        if room is None:
            return points
        self._room[PROGRAM] = room
        return min(points, room)

    def _answer(self, name: str, number: Share, unit: int | None = None) -> None:
        self._answers[name] = Answer(name, number, unit or self._unit)

    def _refuse(self, rule: Rule, why_not: str) -> None:
        if self._explain:
            self._answers[rule.name] = Answer(rule.name, why_not=why_not)


def per(points: Share, unit: int) -> Share:
    """Exactly `points / unit`."""
    whole, rest = divmod(points, unit)
    return Fraction(points) / unit if rest else int(whole)


def giving(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Which of the rules that hold on a line give there.

    A non-stackable one of the highest priority stands alone (at a tie the earlier in the file); one of lower
    priority gives nothing.
    """
    top = max([rule.priority for rule in rules], default=0)
    alone = next((rule for rule in rules if not rule.stackable and rule.priority == top), None)
    return [alone] if alone is not None else [rule for rule in rules if rule.stackable]


def _standing(rules: Sequence[Covering]) -> Sequence[Covering]:
    """The same rules, with the lines on which each gives beside the others."""
    if not [rule for rule, _ in rules if not rule.stackable]:
        return rules
    count = len(rules[0][1])
    here = [giving([rule for rule, lines in rules if lines[i]]) for i in range(count)]
    return [(rule, [rule in here[i] for i in range(count)]) for rule, _ in rules]


def _product(numerator: int, denominator: int, times: Fraction) -> Factor:
    numerator, denominator = numerator * times.numerator, denominator * times.denominator
    return (
        (LARGEST_MULTIPLIER, 1) if numerator > LARGEST_MULTIPLIER * denominator else (numerator, denominator)
    )
