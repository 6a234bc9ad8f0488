"""The commands of a service, put together.

    python -m services.ledger --help

What a newcomer would get wrong: the commands are the same functions for every service; which service is meant comes in
the context (`context.obj`), not by import. What one service alone can do, it brings along (`Service.commands`).
"""

from __future__ import annotations

import logging
import sys

import typer

from shared.cli import dead_letters, programs, progress, replaying, upkeep
from shared.cli.session import service_of
from shared.cli.speech import command
from shared.logs import configure_logs
from shared.running import Role, run
from shared.service import Service


def run_service(service: Service) -> None:
    """The command line of a service; what its `__main__.py` calls. Does not return."""
    # A role sets up its own logs. A command says what is wrong itself, once, and its result stands alone on stdout.
    configure_logs(service.name, "command", level="error", log_format="console", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    application(service)(prog_name=f"python -m services.{service.name}")


def application(service: Service) -> typer.Typer:
    """All commands of this service, to be called or tested."""
    about = (service.package.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    app = typer.Typer(
        help=f"{about}\n\nWithout a command it runs as `all`. Everything is set by environment variables, such as "
        f"{service.settings.variables('database_url')}; a command that lacks one names it.",
        epilog="Status: 0 = done, 1 = refused or not well (the reason is on standard error), 2 = wrong usage.",
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"obj": service, "help_option_names": ["-h", "--help"]},
    )
    app.callback()(_run_all_unless_told)
    for name, role_command in (("all", run_all), ("api", run_api), ("worker", run_worker)):
        app.command(name, rich_help_panel="Run")(role_command)
    for function in (upkeep.migrate, upkeep.topics):
        app.command(rich_help_panel="Set up")(function)
    app.add_typer(_programs(), name="program", rich_help_panel="Set up")
    for operation in (progress.lag, upkeep.verify, replaying.replay):
        app.command(rich_help_panel="Look and repair")(operation)
    app.add_typer(_dead_letters(), name="dead-letters", rich_help_panel="Look and repair")
    for own in service.commands:
        app.command(rich_help_panel=f"Of the {service.name} alone")(own)
    return app


@command
def run_all(context: typer.Context) -> None:
    """Run everything in one process: the HTTP door, the worker, the relay and the jobs."""
    run(service_of(context), Role.ALL)


@command
def run_api(context: typer.Context) -> None:
    """Run the HTTP door alone; as many processes as there are requests for."""
    run(service_of(context), Role.API)


@command
def run_worker(context: typer.Context) -> None:
    """Run a worker alone: events, relay and jobs. As many as there are partitions may work side by side.

    Status 75 = it stalled and should be started again; 3 = a person has to look, since it refused too much.
    """
    run(service_of(context), Role.WORKER)


def _run_all_unless_told(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        run_all(context)


def _programs() -> typer.Typer:
    app = typer.Typer(
        help="Show, check and apply program files; print the schema.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
    )
    for function in (programs.show, programs.check, programs.apply, programs.schema):
        app.command()(function)
    return app


def _dead_letters() -> typer.Typer:
    app = typer.Typer(
        help="List, show, replay or discard what was refused for good.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
    )
    app.command("list")(dead_letters.list_letters)
    for function in (dead_letters.show, dead_letters.replay, dead_letters.discard):
        app.command()(function)
    return app
