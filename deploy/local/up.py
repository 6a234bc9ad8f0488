"""`python -m deploy.local up` and `down`: everything runs and stays, for trying it out and for working on it.

What a newcomer would get wrong: this is no other stack than the demo's or production's. It is real PostgreSQL, real
Kafka and the four services with their own roles and keys; only the intake and the mail sink are for one's own machine.
Data stay over `down` and `up`, and so do ports, passwords and keys.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.downloads import DownloadFailed, exclusive
from deploy.local.prepare import NotReady, apply_program, prepare, until_ready
from deploy.local.process import ServerFailed, write_note
from deploy.local.services import FAULTS, ROOT, STOP_SECONDS, STOP_SIGNAL, ServiceProcess, write_plan
from deploy.local.stack import EmbeddedStack
from deploy.local.wiring import DOORS_OF_HTTP, SERVICES, Wiring, wire

LOCAL = Path(".local")
STARTER = ROOT / "examples" / "programs" / "starter.yaml"
ENV = "env"

Folder = Annotated[Path, typer.Option(help="Where data, keys and logs are.")]


@dataclass(slots=True)
class Home:
    """The places of a local stack below one folder."""

    folder: Path
    supervisor: ServiceProcess = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.supervisor = ServiceProcess("supervisor", self.services, logs=self.logs)

    @property
    def services(self) -> Path:
        """What the supervisor knows: plan, secrets, pids."""
        return self.folder / "services"

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.folder / "logs"

    @property
    def env(self) -> Path:
        """The addresses as KEY=VALUE lines; there as long as the stack is up."""
        return self.folder / ENV

    def stack(self) -> EmbeddedStack:
        """The servers, which outlive us."""
        return EmbeddedStack(self.folder / "stack", detached=True).recall()

    def wire(self, stack: EmbeddedStack) -> Wiring:
        """How everything finds each other."""
        keys = self.folder / "keys"
        return wire(self.services, stack.database_url, stack.kafka_bootstrap, keys=keys)


def up(
    folder: Folder = LOCAL,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Workers of each service.")] = 1,
) -> None:
    """Start everything and leave it running; print the addresses, a token and lines to try."""
    home = Home(folder)
    for place in (home.services, home.logs):
        place.mkdir(parents=True, exist_ok=True)
    with exclusive(home.folder / ".up.lock"):
        running = home.supervisor.pid is not None and home.env.exists() and home.stack().answers()
        if running:
            typer.echo("Habitué is up already.")
        else:
            _start_or_exit(home, workers)
            typer.echo("Habitué is up.")
    typer.echo(_welcome(read_env(home.env), home))


def down(folder: Folder = LOCAL) -> None:
    """Stop everything that `up` started; the data stay."""
    if not folder.exists():
        return
    home = Home(folder)
    with exclusive(home.folder / ".up.lock"):
        _stop(home)
    typer.echo(f"Habitué is down; its data are in {_shown(home.folder)}.")


def read_env(path: Path) -> dict[str, str]:
    """The KEY=VALUE lines of `.local/env`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _start_or_exit(home: Home, workers: int) -> None:
    _stop(home)  # What an interrupted start or a killed supervisor left.
    try:
        _start(home, workers)
    except (NotReady, ServerFailed, DownloadFailed) as error:
        typer.echo(f"{error}\n\nHabitué is not up. The logs are in {_shown(home.logs)}.", err=True)
        _stop(home)
        raise typer.Exit(1) from None
    except BaseException:
        _stop(home)
        raise


def _start(home: Home, workers: int) -> None:
    typer.echo("Starting PostgreSQL and Kafka …")
    stack = home.stack().start()
    wiring = home.wire(stack)
    typer.echo("Migrating, creating topics, starting the services …")
    asyncio.run(prepare(wiring))
    write_plan(home.services, home.logs, wiring.tasks(workers))
    write_note(home.services / FAULTS, "")
    command = [sys.executable, "-m", "deploy.local.services", str(home.services)]
    home.supervisor.start(command, {**os.environ, "PYTHONPATH": str(ROOT)})
    asyncio.run(_open(home, wiring))
    write_note(home.env, "".join(f"{name}={value}\n" for name, value in _env(wiring).items()))


async def _open(home: Home, wiring: Wiring) -> None:
    """Wait for the doors, and give the services their program."""
    await until_ready(wiring, DOORS_OF_HTTP, lambda: _faults(home))
    await apply_program(wiring, STARTER.read_bytes())


def _faults(home: Home) -> list[str]:
    if home.supervisor.exit_status() is not None:
        return [f"the supervisor stopped:\n{home.supervisor.last_lines()}"]
    said = (home.services / FAULTS).read_text(encoding="utf-8")
    return [said] if said else []


def _stop(home: Home) -> None:
    """The services first, while their servers are still there."""
    home.env.unlink(missing_ok=True)
    home.supervisor.stop(STOP_SIGNAL, STOP_SECONDS + 10)
    if (home.folder / "stack").exists():
        home.stack().stop()


def _env(wiring: Wiring) -> dict[str, str]:
    return {
        "DATABASE_URL": wiring.database_url,
        "KAFKA_BOOTSTRAP": wiring.kafka_bootstrap,
        **{f"{name.upper()}_URL": wiring.url(name) for name in SERVICES},
        "GATEWAY_URL": wiring.url("intake"),
        "MAIL_URL": wiring.url("mail"),
        "TOKEN": wiring.token(),
    }


def _welcome(env: dict[str, str], home: Home) -> str:
    """What to open, and what to paste."""
    places = [(name.capitalize(), f"{env[f'{name.upper()}_URL']}/docs") for name in SERVICES]
    places += [("Intake", f"{env['GATEWAY_URL']}/docs"), ("Mails", env["MAIL_URL"])]
    places += [("PostgreSQL", env["DATABASE_URL"]), ("Kafka", env["KAFKA_BOOTSTRAP"])]
    listed = "\n".join(f"  {name:<12}{address}" for name, address in places)
    return f"""
{listed}

Publish an order, and read what it earned:

  TOKEN={env["TOKEN"]}
  curl -sS -w '\\n' {env["GATEWAY_URL"]}/events -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    -d '{{"id": "try-1", "type": "order.paid.v1", "customer_id": "ada", "order_id": "1001", "total": "42.00"}}'
  sleep 1; curl -sS -w '\\n' {env["LEDGER_URL"]}/v1/members/ada/balances -H "Authorization: Bearer $TOKEN"

All of this is in {_shown(home.env)}, the logs are in {_shown(home.logs)}. `make down` stops it; the data stay.
"""


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
