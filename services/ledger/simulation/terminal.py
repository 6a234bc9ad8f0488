"""The report as tables in a terminal.

What a newcomer would get wrong: names of rules and columns come from files, so every cell is `cell`, which takes
nothing for markup and writes out what a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.ledger.simulation.figures import Figures, Month, RuleFigures
from services.ledger.simulation.numbers import percent, whole
from services.ledger.simulation.report import Report, Row, worth_of
from services.ledger.simulation.sentences import sentences_of
from shared.cli.speech import cell, table, visible

MOST_RULES = 15  # dearest first; the page has all
BAR = 24  # characters of the longest bar
ROOM = 2  # characters between columns
PROSE = 100  # characters of a line of prose


def show(console: Console, report: Report) -> None:
    """Print the whole report."""
    console.print()
    console.print(Text(visible(report.title), style="bold"))
    console.print(Text(visible(report.facts), style="dim"))
    for heading, content in (
        ("Points", _rows(report, report.summary())),
        ("Month by month", _periods(report)),
        ("Rules, by points", _rules(report)),
        ("Members, by points issued", _rows(report, report.members())),
        *([("Other than points", _others(report))] if any(each.others for each in report.figures) else []),
        ("Assumed, and left out", _sentences(report)),
    ):
        console.print()
        console.print(Text(heading, style="bold cyan"))
        console.print(Padding(content, (0, 0, 0, 2), expand=False))
    console.print()


def _rows(report: Report, rows: Sequence[Row]) -> Table:
    shown = _table(report, "")
    for row in rows:
        label = Text(f"  {row.label}", style="dim") if row.part else Text(row.label)
        last = [cell(row.difference)] if report.is_comparison else []
        shown.add_row(label, *[cell(answer) for answer in row.answers], *last)
    return shown


def _table(report: Report, *first: str) -> Table:
    """A table with a column for each program, and one for the difference."""
    columns = [*report.labels, "difference"] if report.is_comparison else [""]
    shown = table(*map(visible, first))
    for column in columns:
        shown.add_column(Text(visible(column)), justify="right")
    return _calm(shown, headed=report.is_comparison)


def _calm(shown: Table, *, headed: bool = True) -> Table:
    shown.show_header = headed
    shown.padding = (0, ROOM, 0, 0)
    if not headed:
        shown.box = None
    return shown


def _periods(report: Report) -> Table:
    periods = report.periods()
    longest = max(max(month.owed for month in part) for part in periods)
    columns = ["issued", "spent", "expired", "owed", "worth"]
    shown = table("", *columns, numbers=columns)
    if report.is_comparison:
        shown = table("")
        for label in report.labels:
            for name in ("issued", "owed"):
                shown.add_column(Text(f"{name}\n{visible(label)}"), justify="right")
        for label in report.labels:
            shown.add_column(Text(f"owed\n{visible(label)}"), style="cyan")
    else:
        shown.add_column("owed", style="cyan")
    for part in periods:
        cells = _compared(part) if report.is_comparison else _alone(report.figures[0], part[0])
        shown.add_row(part[0].label, *cells, *[_bar(month.owed, longest) for month in part])
    return _calm(shown)


def _alone(figures: Figures, month: Month) -> list[str]:
    numbers = [whole(number) for number in (month.issued, month.spent, month.expired, month.owed)]
    return [*numbers, worth_of(figures, month.owed)]


def _compared(part: Sequence[Month]) -> list[str]:
    return [whole(number) for month in part for number in (month.issued, month.owed)]


def _bar(number: int, longest: int) -> str:
    """A bar of eighths of characters."""
    eighths = BAR * 8 * max(0, number) // longest if longest else 0
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def _rules(report: Report) -> Group | Table:
    rules = report.rules()
    shown = table("rule")
    for label in report.labels:
        for name in (
            ("points", "share", "awards", "worth") if not report.is_comparison else ("points", "share")
        ):
            heading = f"{name}\n{visible(label)}" if report.is_comparison else name
            shown.add_column(Text(heading), justify="right")
    for rule, given in rules[:MOST_RULES]:
        cells: list[Any] = [cell(rule)]
        for figures, each in zip(report.figures, given, strict=True):
            cells += _given(figures, each, brief=report.is_comparison)
        shown.add_row(*cells)
    hidden = len(rules) - MOST_RULES
    _calm(shown)
    return Group(shown, Text(f"… and {hidden} more on the page", style="dim")) if hidden > 0 else shown


def _given(figures: Figures, rule: RuleFigures | None, *, brief: bool) -> list[str]:
    if rule is None:
        return ["-"] * (2 if brief else 4)
    told = [whole(rule.points), percent(rule.share)]
    return told if brief else [*told, whole(rule.times), worth_of(figures, rule.points)]


def _others(report: Report) -> Table:
    shown = table("asset", "program", "issued", "left at the end", numbers=["issued", "left at the end"])
    for figures in report.figures:
        for each in figures.others:
            shown.add_row(cell(each.asset), cell(figures.trial.label), whole(each.issued), whole(each.left))
    return _calm(shown)


def _sentences(report: Report) -> Table:
    shown = Table.grid(padding=(0, 1))
    shown.add_column()
    shown.add_column(max_width=PROSE)
    for sentence in sentences_of(report):
        shown.add_row("·", cell(sentence))
    return shown
