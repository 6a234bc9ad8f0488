"""Builders for trials of programs: a program, and past orders as a file says them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from services.ledger.program import parse
from services.ledger.simulation.figures import Figures
from services.ledger.simulation.measuring import Tally
from services.ledger.simulation.orders import History, read_orders
from services.ledger.simulation.report import Report
from services.ledger.simulation.running import batches, lived, placed
from services.ledger.simulation.trial import Assumptions, Trial, values_of


def a_trial(document: Mapping[str, Any], label: str = "club", point_value: str | None = None) -> Trial:
    """A program to be tried."""
    rules = parse(document)
    title = document.get("name", "Tea Club")
    return Trial(label, title, document["program"], rules, values_of(rules, point_value))


def a_history(folder: Path, text: str, currency: str = "EUR") -> History:
    """Orders as this text says them; its lines may be indented."""
    file = folder / "orders.csv"
    file.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n", encoding="utf-8")
    return read_orders(file, currency)


def figures_of(trial: Trial, history: History, closing: str, **assumed: Any) -> Figures:
    """What the trial comes to at the end of a day."""
    assumptions = Assumptions(date.fromisoformat(closing), **assumed)
    orders = placed(history.orders, trial, assumptions)
    tally = Tally(trial)
    for part in batches(orders, trial):
        tally.add(lived(trial, part, assumptions))
    return tally.figures(orders, assumptions)


def a_report(history: History, *figures: Figures) -> Report:
    """What is told of them."""
    return Report("orders.csv", history, Assumptions(figures[0].closing_day), figures)
