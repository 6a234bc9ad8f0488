"""The figures of a report as rows of text; the terminal and the page only lay them out.

What a newcomer would get wrong: two answers of one row always answer the same question. Where a program cannot answer
it (what it gives has no worth, it has no blocks), the row says so instead of leaving the program out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.ledger.domain.records import POINTS
from services.ledger.simulation.figures import Figures
from services.ledger.simulation.numbers import (
    amount,
    day,
    decimal,
    money,
    percent,
    percent_difference,
    signed,
    whole,
)
from services.ledger.simulation.report import Report, worth_of
from shared.money import rounded

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


def key_figures(report: Report) -> list[Row]:
    """The few that a merchant asks for first."""
    ask = _Asking(report)
    given = f"{report.noun}, to all members together" if report.noun else "to all members together"
    closing = day(report.assumptions.closing_day)
    return [
        ask.share("Cost", lambda each: each.cost_share, detail="of revenue, if all of it is spent"),
        ask.amount("Issued", lambda each: each.total.issued, detail=given),
        ask.amount("Owed", lambda each: each.total.owed, detail=f"at the end of {closing}"),
        ask.share("Breakage", lambda each: each.breakage, detail="of what was issued expired"),
    ]


def summary(report: Report) -> list[Row]:
    """All that happened to what was issued."""
    ask = _Asking(report)
    rows = [
        ask.amount("Issued", lambda each: each.total.issued),
        *ask.worth(lambda each: each.total.issued),
        ask.share("of revenue, if all of it is spent", lambda each: each.cost_share, part=True),
        ask.amount("Spent", lambda each: each.total.spent),
        *ask.worth(lambda each: each.total.spent),
        ask.amount("Expired", lambda each: each.total.expired),
        ask.share("of what was issued (breakage)", lambda each: each.breakage, part=True),
    ]
    if any(each.total.taken_back for each in report.figures):
        rows.append(ask.amount("Taken back", lambda each: each.total.taken_back))
    return [
        *rows,
        ask.amount("Owed at the end", lambda each: each.total.owed),
        ask.amount("still pending", lambda each: each.total.pending, part=True),
        *ask.worth(lambda each: each.total.owed),
        ask.share("of revenue, with what was spent", lambda each: each.lasting_share, part=True),
    ]


def members(report: Report) -> list[Row]:
    """How what was issued is spread over members."""
    ask = _Asking(report)
    rows = [
        ask.count("Members", lambda each: each.members.members),
        ask.count("earned anything", lambda each: each.members.earners, part=True),
        *ask.reached(),
        ask.amount("Median member", lambda each: each.members.median),
        ask.amount("nine in ten have at most (p90)", lambda each: each.members.p90, part=True),
        ask.amount("99 in 100 have at most (p99)", lambda each: each.members.p99, part=True),
        ask.amount("nobody has more than", lambda each: each.members.most, part=True),
        ask.text("mean", _mean, part=True),
    ]
    if all(each.members.tenths for each in report.figures):
        rows.append(ask.share("The tenth that earned most has", lambda each: each.members.tenths[-1]))
    return [*rows, ask.text("Gini (0 all alike, 1 one has all)", lambda each: decimal(each.members.gini))]


class _Asking:
    """Asks every program of a report one question."""

    def __init__(self, report: Report) -> None:
        self._figures = report.figures
        self._needs_worth = report.needs_worth

    def text(self, label: str, answer: Callable[[Figures], str], *, part: bool = False) -> Row:
        return Row(label=label, answers=tuple(map(answer, self._figures)), part=part)

    def count(self, label: str, count: Callable[[Figures], int], *, part: bool = False) -> Row:
        counts = [count(each) for each in self._figures]
        return Row(
            label=label, answers=tuple(map(whole, counts)), difference=_difference(counts, whole), part=part
        )

    def amount(
        self, label: str, count: Callable[[Figures], int], *, detail: str = "", part: bool = False
    ) -> Row:
        assets = [each.trial.asset for each in self._figures]
        counts = [count(each) for each in self._figures]
        answers = tuple(amount(asset, number) for asset, number in zip(assets, counts, strict=True))
        alike = len(set(assets)) == 1
        difference = _difference(counts, lambda number: amount(assets[0], number)) if alike else ""
        return Row(label=label, answers=answers, difference=difference, detail=detail, part=part)

    def share(
        self, label: str, share: Callable[[Figures], Fraction | None], *, detail: str = "", part: bool = False
    ) -> Row:
        shares = [share(each) for each in self._figures]
        difference = percent_difference(*shares) if len(shares) > 1 else ""
        answers = tuple(map(percent, shares))
        return Row(label=label, answers=answers, difference=difference, detail=detail, part=part)

    def worth(self, count: Callable[[Figures], int]) -> list[Row]:
        """What it is worth in money, unless it is money."""
        if not self._needs_worth:
            return []
        answers = tuple(worth_of(each, count(each)) for each in self._figures)
        values = [(each.trial.value, count(each)) for each in self._figures]
        known = [(value.currency, value.worth(number)) for value, number in values if value is not None]
        currencies = {currency for currency, _ in known}
        difference = ""
        if len(known) > 1 and len(currencies) == 1:
            difference = _difference([minor for _, minor in known], lambda minor: money(minor, known[0][0]))
        return [Row(label="worth", answers=answers, difference=difference, part=True)]

    def reached(self) -> list[Row]:
        """Who had enough for one block; where programs differ in its size, each is asked about its own."""
        if all(each.trial.asset != POINTS for each in self._figures):
            return []
        found = [each.members.reached_block for each in self._figures]
        answers = tuple(NO_BLOCKS if count is None else whole(count) for count in found)
        difference = _difference([count for count in found if count is not None], whole)
        return [Row(label="once had enough to pay with", answers=answers, difference=difference, part=True)]


def _difference(numbers: Sequence[int], told: Callable[[int], str]) -> str:
    """By how much the second exceeds the first, where there are two."""
    if len(numbers) < 2:
        return ""
    difference = numbers[1] - numbers[0]
    return signed(told(difference), difference)


def _mean(figures: Figures) -> str:
    mean, asset = figures.members.mean, figures.trial.asset
    return decimal(mean) if asset == POINTS else amount(asset, rounded(mean + Fraction(1, 2)))
