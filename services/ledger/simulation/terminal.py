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

from services.ledger.simulation import rows
from services.ledger.simulation.figures import Figures, RuleFigures
from services.ledger.simulation.numbers import amount, noun, percent, whole
from services.ledger.simulation.report import Report, worth_of
from services.ledger.simulation.rows import Row
from services.ledger.simulation.sentences import sentences_of
from shared.cli.speech import cell, table, visible

MOST_RULES = 15  # dearest first; the page has all
BAR = 20  # characters of the longest bar
WIDE = 100  # a terminal of so many columns has room for bars
ROOM = 2  # characters between columns
PROSE = 100  # characters of a line of prose


def show(console: Console, report: Report) -> None:
    """Print the whole report."""
    console.print()
    console.print(Text(visible(report.title), style="bold"))
    console.print(Text(visible(report.facts), style="dim"))
    for heading, content in (
        (_sentence_case(report.noun) or "All in all", _rows(report, rows.summary(report))),
        ("Month by month", _periods(report, with_bars=console.width >= WIDE)),
        ("Rules, dearest first", _rules(report)),
        ("Members, by what was issued to them", _rows(report, rows.members(report))),
        *([("Besides", _others(report))] if report.has_others else []),
        ("Assumed, and left out", _sentences(report)),
    ):
        console.print()
        console.print(Text(heading, style="bold cyan"))
        console.print(Padding(content, (0, 0, 0, 2), expand=False))
    console.print()


def _rows(report: Report, asked: Sequence[Row]) -> Table:
    shown = _table(report, "")
    for row in asked:
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


def _periods(report: Report, *, with_bars: bool) -> Table:
    """The bars come last, so that without them every number stands where it did."""
    shown = _compared(report) if report.is_comparison else _alone(report)
    if not with_bars:
        del shown.columns[-len(report.figures) :]
    return _calm(shown)


def _alone(report: Report) -> Table:
    (figures,) = report.figures
    asset = figures.trial.asset
    columns = ["issued", "spent", "expired", "owed", *(["worth"] if report.needs_worth else [])]
    shown = table("", *columns, numbers=columns)
    shown.add_column("owed", style="cyan")
    longest = max(month.owed for month in figures.months)
    for (month,) in report.periods():
        numbers = [amount(asset, each) for each in (month.issued, month.spent, month.expired, month.owed)]
        worth = [worth_of(figures, month.owed)] if report.needs_worth else []
        shown.add_row(month.label, *numbers, *worth, _bar(month.owed, longest))
    return shown


def _compared(report: Report) -> Table:
    shown = table("")
    for label in report.labels:
        for name in ("issued", "owed"):
            shown.add_column(Text(f"{name}\n{visible(label)}"), justify="right")
    for label in report.labels:
        shown.add_column(Text(f"owed\n{visible(label)}"), style="cyan")
    assets = [figures.trial.asset for figures in report.figures]
    longest = {
        asset: max(
            month.owed for each in report.figures if each.trial.asset == asset for month in each.months
        )
        for asset in assets
    }
    for part in report.periods():
        own = list(zip(assets, part, strict=True))
        numbers = [amount(asset, each) for asset, month in own for each in (month.issued, month.owed)]
        bars = [_bar(month.owed, longest[asset]) for asset, month in own]
        shown.add_row(part[0].label, *numbers, *bars)
    return shown


def _bar(number: int, longest: int) -> str:
    """A bar of eighths of characters."""
    eighths = BAR * 8 * max(0, number) // longest if longest else 0
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def _rules(report: Report) -> Group | Table:
    rules = report.rules()
    shown = table("rule")
    for label in report.labels:
        for name in ("given", "share", "awards", "worth") if not report.is_comparison else ("given", "share"):
            heading = f"{name}\n{visible(label)}" if report.is_comparison else name
            shown.add_column(Text(heading), justify="right")
    for (rule, asset), given in rules[:MOST_RULES]:
        name = rule if asset == report.figures[0].trial.asset else f"{rule} ({noun(asset)})"
        cells: list[Any] = [cell(name)]
        for figures, each in zip(report.figures, given, strict=True):
            cells += _given(figures, each, brief=report.is_comparison)
        shown.add_row(*cells)
    hidden = len(rules) - MOST_RULES
    _calm(shown)
    return Group(shown, Text(f"… and {hidden} more on the page", style="dim")) if hidden > 0 else shown


def _given(figures: Figures, rule: RuleFigures | None, *, brief: bool) -> list[str]:
    if rule is None:
        return ["-"] * (2 if brief else 4)
    told = [amount(rule.asset, rule.amount), percent(rule.share)]
    return told if brief else [*told, whole(rule.times), worth_of(figures, rule.amount, rule.asset)]


def _others(report: Report) -> Table:
    numbers = ["issued", "spent", "expired", "owed at the end"]
    shown = table("", "program", *numbers, numbers=numbers)
    for figures, each in report.others():
        told = [amount(each.asset, number) for number in (each.issued, each.spent, each.expired, each.owed)]
        shown.add_row(cell(noun(each.asset)), cell(figures.trial.label), *told)
    return _calm(shown)


def _sentences(report: Report) -> Table:
    shown = Table.grid(padding=(0, 1))
    shown.add_column()
    shown.add_column(max_width=PROSE)
    for sentence in sentences_of(report):
        shown.add_row("·", cell(sentence))
    return shown


def _sentence_case(words: str) -> str:
    """The first letter large, the others as they are: a currency stays one."""
    return words[:1].upper() + words[1:]
