"""The figures of one or two trials as rows of text; the terminal and the page only lay them out.

What a newcomer would get wrong: two numbers of one row always answer the same question. Where a program cannot answer
it (its points have no value, it has no blocks), the row says so instead of leaving the program out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.ledger.domain.book import POINTS
from services.ledger.simulation.figures import Figures, Month, RuleFigures, merged
from services.ledger.simulation.numbers import (
    UNKNOWN,
    day,
    decimal,
    money,
    percent,
    percent_difference,
    signed,
    whole,
)
from services.ledger.simulation.orders import History
from services.ledger.simulation.trial import Assumptions

MOST_PERIODS = 24  # rows that a person still reads; a longer time is told by quarter or by year
NO_BLOCKS = "no blocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question, the answer of each program, and by how much the second differs.

    A `part` belongs to the row above it; `detail` says what the number means where the label is short.
    """

    label: str
    answers: tuple[str, ...]
    difference: str = ""
    detail: str = ""
    part: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of one program, or of two side by side; `source` is the name of the file of orders."""

    source: str
    history: History
    assumptions: Assumptions
    figures: tuple[Figures, ...]

    @property
    def is_comparison(self) -> bool:
        """Whether two programs stand side by side."""
        return len(self.figures) > 1

    @property
    def labels(self) -> tuple[str, ...]:
        """What tells the programs apart."""
        return tuple(figures.trial.label for figures in self.figures)

    @property
    def title(self) -> str:
        """What was tried."""
        if self.is_comparison:
            return " against ".join(self.labels)
        return self.figures[0].trial.title

    @property
    def facts(self) -> str:
        """What the orders are, in one sentence."""
        one = self.figures[0]
        revenue = money(one.revenue_minor, one.trial.rules.currency)
        return (
            f"{whole(one.orders)} orders of {whole(one.customers)} customers, {day(one.first_day)} to "
            f"{day(one.last_day)}, for {revenue} ({self.source})"
        )

    def key_figures(self) -> list[Row]:
        """The few that a merchant asks for first."""
        closing = day(self.assumptions.closing_day)
        return [
            self._shares("Cost", lambda each: each.cost_share, detail="of revenue, if every point is spent"),
            self._counts("Points issued", lambda each: each.total.issued, detail="to all members together"),
            self._counts("Points owed", lambda each: each.total.owed, detail=f"at the end of {closing}"),
            self._shares("Breakage", lambda each: each.breakage, detail="of the issued points expired"),
        ]

    def summary(self) -> list[Row]:
        """All that happened to the points."""
        rows = [
            self._counts("Points issued", lambda each: each.total.issued),
            self._worth(lambda each: each.total.issued),
            self._shares("of revenue, if every point is spent", lambda each: each.cost_share, part=True),
            self._counts("Points spent", lambda each: each.total.spent),
            self._worth(lambda each: each.total.spent),
            self._counts("Points expired", lambda each: each.total.expired),
            self._shares("of issued (breakage)", lambda each: each.breakage, part=True),
        ]
        if any(each.total.taken_back for each in self.figures):
            rows.append(self._counts("Points taken back", lambda each: each.total.taken_back))
        return [
            *rows,
            self._counts("Points owed at the end", lambda each: each.total.owed),
            self._counts("still pending", lambda each: each.total.pending, part=True),
            self._worth(lambda each: each.total.owed),
            self._shares("of revenue, with what was spent", lambda each: each.lasting_share, part=True),
        ]

    def members(self) -> list[Row]:
        """How the issued points are spread over members."""
        rows = [
            self._counts("Members", lambda each: each.members.members),
            self._counts("earned anything", lambda each: each.members.earners, part=True),
            self._reached(),
            self._counts("Median member", lambda each: each.members.median),
            self._counts("nine in ten have at most (p90)", lambda each: each.members.p90, part=True),
            self._counts("99 in 100 have at most (p99)", lambda each: each.members.p99, part=True),
            self._counts("nobody has more than", lambda each: each.members.most, part=True),
            self._texts("mean", lambda each: decimal(each.members.mean), part=True),
        ]
        if all(each.members.tenths for each in self.figures):
            rows.append(self._shares("The tenth that earned most has", lambda each: each.members.tenths[-1]))
        return [
            *rows,
            self._texts("Gini (0 all alike, 1 one has all)", lambda each: decimal(each.members.gini)),
        ]

    def rules(self) -> list[tuple[str, list[RuleFigures | None]]]:
        """Each rule of any program that gave points, dearest first, with what it gave in each."""
        found: dict[str, list[RuleFigures | None]] = {}
        for place, figures in enumerate(self.figures):
            for each in figures.rules:
                if each.asset == POINTS:
                    found.setdefault(each.rule, [None] * len(self.figures))[place] = each
        return sorted(found.items(), key=lambda rule: -max(each.points if each else 0 for each in rule[1]))

    def periods(self) -> list[tuple[Month, ...]]:
        """The time in no more parts than people read: months, else quarters, else years; one tuple a part."""
        for name in (_month, _quarter, _year):
            labels = list(dict.fromkeys(map(name, self.figures[0].months)))
            if len(labels) <= MOST_PERIODS:
                break
        parts = [_parts(figures.months, name) for figures in self.figures]
        return [tuple(merged(label, part[label]) for part in parts) for label in labels]

    def _texts(self, label: str, answer: Callable[[Figures], str], *, part: bool = False) -> Row:
        return Row(label=label, answers=tuple(map(answer, self.figures)), part=part)

    def _counts(
        self, label: str, count: Callable[[Figures], int], *, detail: str = "", part: bool = False
    ) -> Row:
        counts = [count(each) for each in self.figures]
        difference = signed(counts[1] - counts[0]) if self.is_comparison else ""
        answers = tuple(map(whole, counts))
        return Row(label=label, answers=answers, difference=difference, detail=detail, part=part)

    def _shares(
        self, label: str, share: Callable[[Figures], Fraction | None], *, detail: str = "", part: bool = False
    ) -> Row:
        shares = [share(each) for each in self.figures]
        difference = percent_difference(shares[0], shares[1]) if self.is_comparison else ""
        answers = tuple(map(percent, shares))
        return Row(label=label, answers=answers, difference=difference, detail=detail, part=part)

    def _worth(self, points: Callable[[Figures], int]) -> Row:
        answers = tuple(worth_of(each, points(each)) for each in self.figures)
        return Row(label="worth", answers=answers, difference=self._worth_difference(points), part=True)

    def _worth_difference(self, points: Callable[[Figures], int]) -> str:
        worths = [
            (value.currency, value.worth(points(each)))
            for each in self.figures
            if (value := each.trial.value)
        ]
        if len(worths) < 2 or worths[0][0] != worths[1][0]:
            return ""
        minor = worths[1][1] - worths[0][1]
        return f"{'+' if minor > 0 else '' if minor else '±'}{money(minor, worths[0][0])}"

    def _reached(self) -> Row:
        """Who had enough for one block; where programs differ in its size, each is asked about its own."""
        found = [each.members.reached_block for each in self.figures]
        answers = tuple(NO_BLOCKS if count is None else whole(count) for count in found)
        counts = [count for count in found if count is not None]
        difference = signed(counts[1] - counts[0]) if len(counts) > 1 else ""
        return Row(label="once had enough to pay with", answers=answers, difference=difference, part=True)


def worth_of(figures: Figures, points: int) -> str:
    """What so many points are worth in money."""
    value = figures.trial.value
    return UNKNOWN if value is None else money(value.worth(points), value.currency)


def _parts(months: tuple[Month, ...], name: Callable[[Month], str]) -> Mapping[str, list[Month]]:
    parts: dict[str, list[Month]] = {}
    for month in months:
        parts.setdefault(name(month), []).append(month)
    return parts


def _month(month: Month) -> str:
    return month.label


def _quarter(month: Month) -> str:
    return f"{month.first_day.year} Q{(month.first_day.month + 2) // 3}"


def _year(month: Month) -> str:
    return str(month.first_day.year)
