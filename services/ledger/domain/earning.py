"""What the rules of a program make of an event: the exact points of every rule, rounded once, split for the books.

Per asset: on each line the base rules sum (a non-stackable one of the highest priority stands alone), then the
multipliers multiply (at most ten times), then bonuses come on top; one rounding at the end; the award is split over
lines and bonus by largest remainder of the exact shares.

Worked example. 1 point per 1.00 EUR; category tea counts double; 50 points from 60.00 EUR. Tea 23.08 and cup 36.92
after the discount: base 60, tea's doubling + 23.08, bonus + 50 = 133.08, so 133 points: cup 37, tea 46, bonus 50.

What a newcomer would get wrong: the same function serves award and refund. A refund asks it again with what is kept,
and with the frozen part (`Frozen`): what concerned person, time and history does not change afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from services.ledger.domain.conditions import Facts
from services.ledger.domain.program import LARGEST_MULTIPLIER, Effect, LedgerProgram, Rule
from shared.money import largest_remainder, rounded
from shared.orders import Line, Share, basis_by_line, quantities

LEVEL = "level"  # how the level's own multiplier is called in explanations


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was true for person and history when the event was decided, and stays so for refunds.

    `room` is what each capped rule was allowed, in exact points; a rule that is not in it had no cap.
    """

    earn_times: Fraction = Fraction(1)
    room: Mapping[str, Fraction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rule said: exact points (for a multiplier, what it added), or why it does not match."""

    rule: str
    points: Fraction = Fraction(0)
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Earned:
    """The points of one asset: the whole award, its split over lines and bonus, and the answer of every rule."""

    asset: str
    points: int
    by_line: tuple[int, ...]
    bonus: int
    answers: tuple[Answer, ...]


NOT_FROZEN = Frozen()


def earn(program: LedgerProgram, facts: Facts, frozen: Frozen = NOT_FROZEN) -> tuple[Earned, ...]:
    """What the event earns under these rules, per asset; empty where no rule has this trigger."""
    rules = program.rules_for(facts.trigger)
    assets = dict.fromkeys(rule.asset for rule in rules)
    return tuple(
        _Reckoning(program, facts, frozen).run(asset, [rule for rule in rules if rule.asset == asset])
        for asset in assets
    )


def why_not(rule: Rule, facts: Facts) -> str | None:
    """Why the rule does not hold for this event; None where it does."""
    if rule.valid_from is not None and facts.at < rule.valid_from:
        return f"it begins on {rule.valid_from:%Y-%m-%d}"
    if rule.valid_until is not None and facts.at >= rule.valid_until:
        return "it has ended"
    for condition in rule.conditions:
        reason = condition.why_not(facts)
        if reason is not None:
            return reason
    return _line_reason(rule, facts) if rule.line_conditions else None


def _line_reason(rule: Rule, facts: Facts) -> str | None:
    """A line that came back wholly is no longer there."""
    lines = facts.order.lines if facts.order is not None else ()
    kept = facts.kept.shares if facts.kept is not None else (1,) * len(lines)
    if any(share and _covers(rule, line) for line, share in zip(lines, kept, strict=True)):
        return None
    return f"no line has {' and '.join(condition.wanted() for condition in rule.line_conditions)}"


def _covers(rule: Rule, line: Line) -> bool:
    return not rule.line_conditions or all(condition.covers(line.item) for condition in rule.line_conditions)


class _Reckoning:
    """One event under one program: collects exact points per line, and the answer of every rule."""

    def __init__(self, program: LedgerProgram, facts: Facts, frozen: Frozen) -> None:
        self._program = program
        self._facts = facts
        self._frozen = frozen
        self._order = facts.order
        self._lines = len(facts.order.lines) if facts.order is not None else 1
        self._answers: dict[str, Answer] = {}

    def run(self, asset: str, rules: Sequence[Rule]) -> Earned:
        holding = [rule for rule in rules if self._holds(rule)]
        lines = self._base(holding)
        factors = self._factors(holding, lines)
        exact = [share * factor for share, factor in zip(lines, factors, strict=True)]
        bonus = self._bonuses(holding)
        return self._rounded(asset, exact, bonus, rules)

    def _holds(self, rule: Rule) -> bool:
        reason = why_not(rule, self._facts)
        if reason is not None:
            self._answers[rule.name] = Answer(rule.name, why_not=reason)
        return reason is None

    def _base(self, rules: Sequence[Rule]) -> list[Share]:
        """Exact base points per line."""
        base = [rule for rule in rules if rule.is_base]
        shares = {rule.name: self._amounts_of(rule) for rule in base}
        given: dict[str, list[Share]] = {name: [0] * self._lines for name in shares}
        for i in range(self._lines):
            for rule in _giving([rule for rule in base if shares[rule.name][i] is not None]):
                given[rule.name][i] = shares[rule.name][i] or 0
        sums: list[Share] = [0] * self._lines
        for rule in base:
            if rule.name not in self._answers:
                self._finish(rule, given[rule.name])
                sums = [total + share for total, share in zip(sums, given[rule.name], strict=True)]
        return sums

    def _finish(self, rule: Rule, shares: list[Share]) -> None:
        """Whole units, then the room of the rule's cap; the answer is what it gives in the end."""
        if rule.whole_units:
            _shrink(shares, sum(shares) // rule.rate * rule.rate)
        room = self._frozen.room.get(rule.name)
        if room is not None:
            _shrink(shares, min(sum(shares), room))
        self._answers[rule.name] = Answer(rule.name, Fraction(sum(shares)))

    def _amounts_of(self, rule: Rule) -> list[Share | None]:
        """What the rule would give on each line; None where it does not cover the line or has no unit."""
        order = self._order
        assert order is not None, f"{rule.name} counts lines, but {self._facts.trigger} has none"
        rate = rule.rate_in(order.currency)
        if rate is None:
            self._answers[rule.name] = Answer(rule.name, why_not=f"it has no unit for {order.currency}")
            return [None] * self._lines
        amounts = (
            quantities(order, self._facts.kept)
            if rule.effect is Effect.PER_ITEM
            else basis_by_line(order, rule.basis, self._facts.kept)
        )
        return [
            amount * rate if _covers(rule, line) else None
            for amount, line in zip(amounts, order.lines, strict=True)
        ]

    def _factors(self, rules: Sequence[Rule], base: Sequence[Share]) -> list[Fraction | int]:
        """The product of the multipliers on each line, at most ten."""
        times = [rule for rule in rules if rule.effect is Effect.TIMES]
        factors: list[Fraction | int] = [1] * self._lines
        if not times and self._frozen.earn_times == 1:
            return factors
        added = dict.fromkeys((rule.name for rule in times), Fraction(0))
        for i in range(self._lines):
            here = [rule for rule in times if self._order is None or _covers(rule, self._order.lines[i])]
            for rule in _giving(here):
                factor = min(Fraction(factors[i]) * rule.rate, LARGEST_MULTIPLIER)
                added[rule.name] += base[i] * (factor - factors[i])
                factors[i] = factor
            factor = min(Fraction(factors[i]) * self._frozen.earn_times, LARGEST_MULTIPLIER)
            added[LEVEL] = added.get(LEVEL, Fraction(0)) + base[i] * (factor - factors[i])
            factors[i] = factor
        for name, points in added.items():
            if name != LEVEL or points:
                self._answers[name] = Answer(name, Fraction(points))
        return factors

    def _bonuses(self, rules: Sequence[Rule]) -> Fraction | int:
        total: Fraction | int = 0
        for rule in rules:
            if rule.is_base or rule.effect is Effect.TIMES:
                continue
            points = self._bonus_of(rule)
            if points is not None:
                self._answers[rule.name] = Answer(rule.name, Fraction(points))
                total += points
        return total

    def _bonus_of(self, rule: Rule) -> Share | None:
        points: Share = rule.rate
        if rule.effect is Effect.BONUS_PER_AMOUNT:
            points = sum(share or 0 for share in self._amounts_of(rule))
            if rule.name in self._answers:
                return None
            points = points // rule.rate * rule.rate if rule.whole_units else points
        room = self._frozen.room.get(rule.name)
        return points if room is None else min(points, room)

    def _rounded(self, asset: str, lines: Sequence[Share], bonus: Share, rules: Sequence[Rule]) -> Earned:
        shares = [*lines, bonus]
        points = rounded(sum(shares), self._program.points.rounding)
        split = largest_remainder(points, _integers(shares)) if points else [0] * len(shares)
        answers = [self._answers[rule.name] for rule in rules if rule.name in self._answers]
        answers += [self._answers[LEVEL]] if LEVEL in self._answers else []
        return Earned(asset, points, tuple(split[:-1]), split[-1], tuple(answers))


def _giving(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Which of the rules that hold on a line give there.

    A non-stackable one of the highest priority stands alone (at a tie the earlier in the file); one of lower
    priority gives nothing.
    """
    if all(rule.stackable for rule in rules):
        return rules
    top = max(rule.priority for rule in rules)
    alone = next((rule for rule in rules if not rule.stackable and rule.priority == top), None)
    return [alone] if alone is not None else [rule for rule in rules if rule.stackable]


def _shrink(shares: list[Share], to: Share) -> None:
    """Shrink the shares in proportion until they sum to `to`."""
    given = sum(shares)
    if given > to:
        part = Fraction(to) / given
        shares[:] = [share * part for share in shares]


def _integers(shares: Sequence[Share]) -> list[int]:
    """The same proportions as integers."""
    scale = lcm(1, *(share.denominator for share in shares))
    return [share.numerator * (scale // share.denominator) for share in shares]
