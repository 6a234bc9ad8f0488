"""The command: `python -m services.ledger simulate PROGRAM ORDERS`.

What a newcomer would get wrong: the tables go to standard output, everything else (progress, where the page is) to
standard error, so that a pipe gets the result alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from services.ledger.simulation import terminal
from services.ledger.simulation.export import document_of
from services.ledger.simulation.figures import Figures
from services.ledger.simulation.measuring import Tally
from services.ledger.simulation.orders import History, read_orders
from services.ledger.simulation.report import Report
from services.ledger.simulation.running import batches, lived, placed
from services.ledger.simulation.trial import (
    USUAL_FULFILMENT_DAYS,
    Assumptions,
    Trial,
    require_checkout,
    share_of,
    values_of,
)
from shared.cli.programs import read_checked
from shared.cli.session import service_of
from shared.cli.speech import command, console, warn
from shared.errors import InvalidInput

PAGE = Path(".local/simulate/report.html")

Program = Annotated[Path, typer.Argument(metavar="PROGRAM", help="The program file.")]
Orders = Annotated[
    Path,
    typer.Argument(
        metavar="ORDERS",
        help="Past orders as CSV, with the columns customer_id, date and total (or amount_usd, …); "
        "docs/simulate.md names those that may stand beside them.",
    ),
]
Against = Annotated[Path | None, typer.Option(metavar="PROGRAM", help="Another program, side by side.")]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="The closing day: what falls due until its end is done. Default: the day of the last order.",
    ),
]
Redeem = Annotated[
    str,
    typer.Option(
        metavar="SHARE", help="Members spend this share of their available points at each order, in blocks."
    ),
]
Value = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help='What points are worth, such as "2.00 USD per 100". Default: what they pay at checkout.',
    ),
]
SignUps = Annotated[
    bool, typer.Option("--sign-ups/--no-sign-ups", help="Each customer signs up just before the first order.")
]
Fulfilled = Annotated[
    int,
    typer.Option(
        min=0,
        max=365,
        metavar="DAYS",
        help="Orders are handed over so many days after payment; matters where points wait for it.",
    ),
]
Html = Annotated[Path, typer.Option(metavar="FILE", help="Where the page with the plots goes.")]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Where all figures go as JSON, for scripts.")
]


@command
def simulate(
    context: typer.Context,
    program: Program,
    orders: Orders,
    *,
    against: Against = None,
    until: Until = None,
    redeem: Redeem = "0%",
    point_value: Value = None,
    sign_ups: SignUps = True,
    fulfilled_after: Fulfilled = USUAL_FULFILMENT_DAYS,
    html: Html = PAGE,
    json_file: Json = None,
) -> None:
    """Try a program on past orders: what it would have cost, and whom it would have reached. Needs no server.

    Prints points issued and their cost as a share of revenue, what is owed month by month, what expired, the rules by
    what they gave, and how points are spread over members; the same with plots goes to an HTML page. Every order runs
    through the rules that the workers run.
    """
    trials = _trials(context, [program] if against is None else [program, against], point_value)
    share = share_of(redeem)
    if share:
        require_checkout(trials)
    history = read_orders(orders, trials[0].rules.currency)
    closing = until.date() if until is not None else history.last_day
    assumptions = Assumptions(closing, share, sign_ups, timedelta(days=fulfilled_after))
    figures = tuple(_tried(trial, history, assumptions) for trial in trials)
    report = Report(orders.name, history, assumptions, figures)
    terminal.show(console(), report)
    if json_file is not None:
        _write(json_file, json.dumps(document_of(report), indent=2) + "\n")
    from services.ledger.simulation.page import html_of  # noqa: PLC0415 - a worker needs no template engine

    _write(html, html_of(report))


def _trials(context: typer.Context, files: Sequence[Path], point_value: str | None) -> list[Trial]:
    """The programs to be tried.

    Raises:
        InvalidInput: two of them count in different currencies.
    """
    service = service_of(context)
    trials = []
    for file in files:
        read, program_id = read_checked(service, file)
        rules = service.parse_program(read.document)
        title = str(read.document.get("name") or program_id)
        trials.append(Trial(file.stem, title, program_id, rules, values_of(rules, point_value)))
    currencies = list(dict.fromkeys(trial.rules.currency for trial in trials))
    if len(currencies) > 1:
        raise InvalidInput(
            f"{files[0]} counts in {currencies[0]} and {files[1]} in {currencies[1]}: compare programs of one currency"
        )
    if len({trial.label for trial in trials}) < len(trials):
        trials = [
            Trial(str(file), trial.title, trial.program_id, trial.rules, trial.values)
            for file, trial in zip(files, trials, strict=True)
        ]
    return trials


def _tried(trial: Trial, history: History, assumptions: Assumptions) -> Figures:
    """Run one program over all orders.

    Raises:
        InvalidInput: no order is left until the closing day.
    """
    orders = placed(history.orders, trial, assumptions)
    if not orders:
        raise InvalidInput(f"--until: there is no order up to {assumptions.closing_day}")
    tally = Tally(trial)
    parts = batches(orders, trial)
    for part in track(parts, trial.label, console=Console(stderr=True), transient=True):
        tally.add(lived(trial, part, assumptions))
    return tally.figures(orders, assumptions)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    warn(f"written: {file}")
