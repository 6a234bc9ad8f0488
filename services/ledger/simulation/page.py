"""The report as one HTML page that needs nothing else: no network, no script, no font from elsewhere.

What a newcomer would get wrong: names in it come from files. Everything is escaped by the template engine; nothing is
put into the page as markup.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from services.ledger.simulation import numbers, plots, rows
from services.ledger.simulation.report import Report, worth_of
from services.ledger.simulation.sentences import sentences_of


def html_of(report: Report) -> str:
    """The page."""
    return _template().render(
        report=report,
        owed=plots.owed(report.figures),
        flows=plots.flows(report.figures),
        tenths=plots.tenths(report.figures),
        sentences=sentences_of(report),
        most=_most(report),
        key_figures=rows.key_figures(report),
        summary=rows.summary(report),
        members=rows.members(report),
        worth_of=worth_of,
        width=plots.WIDTH,
        height=plots.HEIGHT,
    )


def _most(report: Report) -> dict[str, int]:
    """By asset, what the rule gave that gave most: the longest bar."""
    most: dict[str, int] = {}
    for figures in report.figures:
        for each in figures.rules:
            most[each.asset] = max(most.get(each.asset, 0), each.amount)
    return most


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("services.ledger.simulation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        whole=numbers.whole, percent=numbers.percent, day=numbers.day, noun=numbers.noun
    )
    environment.globals["amount"] = numbers.amount
    return environment.get_template("report.html")
