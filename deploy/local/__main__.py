"""The embedded stack from the command line: `python -m deploy.local up|down`, and `start|stop|status|env`.

`up` starts the servers and all services, `start` the servers alone; both outlive the command. A newcomer would look for
a list of what runs: each server's own folder says it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.process import write_note
from deploy.local.stack import EmbeddedStack
from deploy.local.up import down, up

FOLDER = Path(".local/stack")
STATE = "stack.json"

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(up)
app.command()(down)
Folder = Annotated[Path, typer.Option(help="Where the servers keep their data.")]


@app.command()
def start(folder: Folder = FOLDER) -> None:
    """Start PostgreSQL and Kafka, or find them running, and print their addresses."""
    stack = detached(folder)
    stack.start()
    write_state(stack)
    _print_addresses(stack)


@app.command()
def stop(folder: Folder = FOLDER) -> None:
    """Stop them; the data stay."""
    if folder.exists():
        stack = detached(folder)
        stack.stop()
        (stack.folder / STATE).unlink(missing_ok=True)


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Say what runs and answers; exit status 1 unless both do."""
    stack = detached(folder) if folder.exists() else None
    if stack is not None:
        _print_state("PostgreSQL", stack.postgres)
        _print_state("Kafka", stack.kafka)
    if stack is None or not stack.answers():
        typer.echo("The stack is not up.")
        raise typer.Exit(1)


@app.command()
def env(folder: Folder = FOLDER) -> None:
    """Print the addresses as KEY=VALUE lines."""
    _print_addresses(detached(folder))


def detached(folder: Path = FOLDER) -> EmbeddedStack:
    """The stack of `folder`, with the addresses of its last start if it had one."""
    return EmbeddedStack(folder, detached=True).recall()


def write_state(stack: EmbeddedStack) -> None:
    """Write `stack.json` for people and scripts: addresses and pids. It is not what `stop` goes by."""
    state = {
        "database_url": stack.database_url,
        "kafka_bootstrap": stack.kafka_bootstrap,
        "postgres": {"pid": stack.postgres.pid, "port": stack.postgres.port},
        "kafka": {"pid": stack.kafka.pid, "port": stack.kafka.port},
    }
    write_note(stack.folder / STATE, json.dumps(state, indent=2) + "\n")


def _print_state(name: str, server: Postgres | Kafka) -> None:
    where = f"pid {server.pid}, 127.0.0.1:{server.port}, log {server.log}" if server.pid else "stopped"
    typer.echo(f"{name}: {where}")


def _print_addresses(stack: EmbeddedStack) -> None:
    typer.echo(f"DATABASE_URL={stack.database_url}\nKAFKA_BOOTSTRAP={stack.kafka_bootstrap}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app()
