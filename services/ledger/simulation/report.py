"""What is told of one trial, or of two side by side; `rows` and `sentences` put it into words.

What a newcomer would get wrong: two programs may give different things, points here and store credit there. Amounts are
told with their asset, and only what is of one asset is subtracted or drawn on one scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.ledger.simulation.figures import Figures, Month, RuleFigures, Totals, merged
from services.ledger.simulation.numbers import UNKNOWN, counted, day, money, noun
from services.ledger.simulation.orders import History
from services.ledger.simulation.trial import CREDIT, Assumptions

MOST_PERIODS = 24  # rows that a person still reads; a longer time is told by quarter or by year

RuleName = tuple[str, str]
"""A rule and the asset that it gives."""


@dataclass(frozen=True, slots=True)
class Report:
    """One or two trials of the same orders; `source` is the name of the file of orders."""

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
    def noun(self) -> str:
        """What all programs give, in words; empty where they differ."""
        nouns = {noun(figures.trial.asset) for figures in self.figures}
        return nouns.pop() if len(nouns) == 1 else ""

    @property
    def needs_worth(self) -> bool:
        """Whether amounts are no money themselves."""
        return not all(figures.trial.asset.startswith(CREDIT) for figures in self.figures)

    @property
    def has_others(self) -> bool:
        """Whether any program gives something beside what the report is about."""
        return any(figures.others for figures in self.figures)

    @property
    def facts(self) -> str:
        """What the orders are, in one sentence."""
        one = self.figures[0]
        revenue = money(one.revenue_minor, one.trial.rules.currency)
        return (
            f"{counted(one.orders, 'order')} of {counted(one.customers, 'customer')}, {day(one.first_day)} to "
            f"{day(one.last_day)}, for {revenue} ({self.source})"
        )

    def rules(self) -> list[tuple[RuleName, list[RuleFigures | None]]]:
        """Each rule of any program that gave anything, with what it gave in each: by asset, dearest first."""
        found: dict[RuleName, list[RuleFigures | None]] = {}
        for place, figures in enumerate(self.figures):
            for each in figures.rules:
                found.setdefault((each.rule, each.asset), [None] * len(self.figures))[place] = each
        own = [figures.trial.asset for figures in self.figures]
        return sorted(
            found.items(),
            key=lambda rule: (
                rule[0][1] not in own,
                rule[0][1],
                -max(each.amount if each else 0 for each in rule[1]),
            ),
        )

    def periods(self) -> list[tuple[Month, ...]]:
        """The time in no more parts than people read: months, else quarters, else years; one tuple a part."""
        for name in (_month, _quarter, _year):
            labels = list(dict.fromkeys(map(name, self.figures[0].months)))
            if len(labels) <= MOST_PERIODS:
                break
        parts = [_parts(figures.months, name) for figures in self.figures]
        return [tuple(merged(label, part[label]) for part in parts) for label in labels]

    def others(self) -> list[tuple[Figures, Totals]]:
        """What each program gives beside what the report is about."""
        return [(figures, each) for figures in self.figures for each in figures.others]


def worth_of(figures: Figures, amount: int, asset: str | None = None) -> str:
    """What so many of an asset (default: the trial's own) are worth in money."""
    value = figures.trial.values.get(asset or figures.trial.asset)
    return UNKNOWN if value is None else money(value.worth(amount), value.currency)


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
