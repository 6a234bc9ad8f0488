"""`make demo`: a real purchase history through all services on a stack of its own, and the books reckoned anew.

    python -m deploy.local.demo [--data FILE] [--keep] [--json]

The exit status is 0 only if everything is accounted for, 1 if not, 2 if the file cannot be replayed. What a newcomer
would get wrong: this does not touch what `make up` runs. The demo has its own servers in `.local/demo`, and leaves
nothing behind; where something went wrong, it leaves the logs.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.downloads import DownloadFailed
from deploy.local.expected import OtherRules, Terms
from deploy.local.history import HistoryInvalid, Row, read_history
from deploy.local.play import Play, Played
from deploy.local.prepare import NotReady
from deploy.local.process import ServerFailed
from deploy.local.report import TerminalSteps, console_of, show, summary
from deploy.local.services import ROOT, Supervisor, stop_left
from deploy.local.settled import NotSettled
from deploy.local.stack import EmbeddedStack
from deploy.local.wiring import wire
from shared.program_file import read_program

CDNOW = ROOT / "examples" / "data" / "cdnow_sample.csv"
STARTER = ROOT / "examples" / "programs" / "starter.yaml"
FOLDER = Path(".local/demo")
FAILED, UNREADABLE = 1, 2
FAULTS = (NotReady, NotSettled, OtherRules, ServerFailed, DownloadFailed, TimeoutError)

app = typer.Typer(add_completion=False)


@app.command(help="Replay a purchase history through all services, and check the books.")
def demo(
    data: Annotated[
        Path, typer.Option(help="A CSV file with the columns customer_id,date,quantity,amount_usd.")
    ] = CDNOW,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the folder with data and logs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the servers of the demo live; it is emptied.")] = FOLDER,
) -> None:
    """See the module."""
    said = console_of(stderr=True)
    try:
        rows = read_history(data)
    except HistoryInvalid as error:
        said.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None
    with _alone(folder.resolve(), said):
        try:
            played = _play(rows, data, folder.resolve(), TerminalSteps(said))
        except FAULTS as error:
            said.print(
                f"\n{error or type(error).__name__}\n\nThe logs are in {folder}.",
                markup=False,
                soft_wrap=True,
            )
            raise typer.Exit(FAILED) from None
        _tell(played, data, as_json=as_json)
        if not played.balances:
            said.print(f"\nThe logs are in {folder}.", markup=False)
            raise typer.Exit(FAILED)
        if not keep:
            _remove(folder)


def _play(rows: list[Row], data: Path, folder: Path, steps: TerminalSteps) -> Played:
    """Everything between the start of the servers and their end."""
    stack = EmbeddedStack(folder / "stack")
    try:
        with steps.step("PostgreSQL and Kafka"):
            stack.start()
        wiring = wire(folder, stack.database_url, stack.kafka_bootstrap, keys=folder / "keys")
        supervisor = Supervisor(folder / "services", folder / "logs", wiring.tasks())
        try:
            play = Play(rows, f"shop/{data.stem}", STARTER.read_bytes(), wiring, supervisor, steps)
            return asyncio.run(play.run())
        finally:
            supervisor.stop()
    finally:
        stack.stop()


def _tell(played: Played, data: Path, *, as_json: bool) -> None:
    document = read_program(STARTER.read_text(encoding="utf-8")).document
    terms = Terms.of(document)
    if as_json:
        typer.echo(json.dumps(summary(played, terms), indent=2))
    else:
        show(played, terms, document["name"], data.name, console_of(stderr=False))


@contextmanager
def _alone(folder: Path, said: Console) -> Iterator[None]:
    """Have the folder for ourselves, and empty."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            said.print(f"Another demo runs in {folder}; give this one another --folder.", markup=False)
            raise typer.Exit(FAILED) from None
        if folder.exists():
            stop_left(folder / "services")
            EmbeddedStack(folder / "stack").recall().stop()
            _remove(folder)
        yield


def _remove(folder: Path) -> None:
    EmbeddedStack(folder / "stack").remove()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    app()
