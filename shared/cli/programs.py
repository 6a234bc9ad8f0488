"""`program`: the programs of the merchants, as this service reads them.

What a newcomer would get wrong: a program file has a section for each service, and each service keeps the whole file
and checks its own section only. Check and apply it with each of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from pydantic import BaseModel

from shared.cli.session import NotAvailable, database_of, ports_of, service_of, settings_of
from shared.cli.speech import cell, command, console, moment, say, say_json, table, visible, warn
from shared.clock import system_clock
from shared.database import AnyConnection, transaction_or_trial
from shared.program_changes import Change, changes_between
from shared.program_documents import check_program, read_yaml, warnings_in
from shared.program_file import InvalidProgram, ProgramFile
from shared.programs import BEGINNING_OF_TIME, Programs, Version, Versions, unknown
from shared.service import Service

LINE_CHARACTERS = 110

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The program file; `-` reads standard input.")]


@command
async def show(
    context: typer.Context,
    program: Annotated[str | None, typer.Argument(help="Its id; without it, a list of all programs.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="This version instead of the newest.")] = None,
    as_json: Json = False,
) -> None:
    """Show a program as this service has it, as a program file; or list the programs.

    Comments and layout of the file that was applied are not kept.
    """
    service = service_of(context)
    sql = service.load_machinery()
    async with database_of(service, settings_of(service)) as connection:
        if program is None:
            _tell_programs(await connection.fetch(sql.newest_programs), as_json=as_json)
            return
        rows = await connection.fetch(sql.program_documents, program)
    if not rows:
        raise unknown(program)
    numbered = {row["version"]: row for row in rows}
    row = rows[-1] if version is None else numbered.get(version)
    if row is None:
        raise NotAvailable(f"program {program!r} has the versions 1 to {len(rows)}")
    document = json.loads(row["document"])
    if as_json:
        say_json({**_head(row), "document": document})
    else:
        say(f"# version {row['version']}, {_since(row['since'])}, applied {moment(row['applied_at'])} UTC")
        say(as_yaml(document).rstrip())


@command
def check(context: typer.Context, file: File, as_json: Json = False) -> None:
    """Check a program file. Needs no server and no settings.

    Each fault is printed as FILE:LINE: PLACE: what is wrong and what would be right; the status is 1 then. A warning
    names what works and should be thought about again; the status is 0 with it.
    """
    service = service_of(context)
    read, program_id = read_checked(service, file, as_json=as_json)
    warnings = warnings_in(read, service.program_warnings)
    if as_json:
        say_json({"program": program_id, "errors": [], "warnings": warnings})
        return
    _tell(file, warnings, "warning: ")
    say(f"{file}: the program {program_id} is fine for {service.name}")


@command
async def apply(
    context: typer.Context,
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; apply nothing.")
    ] = False,
    expect: Annotated[
        int | None,
        typer.Option(min=0, help="Refuse if another version than this is in force; 0 = none is."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a program file and put it in force for what happens from now on; show what changes.

    The first version holds from the beginning of time, so that a history can be imported. The program in force, applied
    again, adds no version. Running processes see the new version with their next transaction.
    """
    service = service_of(context)
    read, program_id = read_checked(service, file, as_json=as_json)
    before, version, trial = await _apply(service, read, program_id, expect, dry_run=dry_run)
    changes = changes_between(before.document if before else {}, read.document)
    warnings = warnings_in(read, service.program_warnings)
    if as_json:
        head = {"program": program_id, "version": version.number, "dry_run": dry_run}
        told = {**head, "changes": [_change(change) for change in changes], "warnings": warnings}
        say_json(told | ({"trial": trial} if dry_run else {}))
        return
    _tell(file, warnings, "warning: ")
    for change in changes:
        say(visible(_sentence(change)))
    if trial is not None:
        _tell_trial(trial)
    if before is not None and before.number == version.number:
        say(f"{service.name}: version {version.number} of {program_id} is in force already")
    else:
        would = "would be" if dry_run else "is"
        say(
            f"{service.name}: version {version.number} of {program_id} {would} in force {_since(version.since)}"
        )


@command
def schema(context: typer.Context) -> None:
    """Print the JSON Schema of this service's section, for editors that complete and check program files."""
    typer.echo(json.dumps(service_of(context).program_schema(), indent=2, ensure_ascii=False))


def read_checked(service: Service, file: Path, *, as_json: bool = False) -> tuple[ProgramFile, str]:
    """A program file that this service accepts, and its id; a faulty one ends the command, each fault with its line.

    Raises:
        NotAvailable: the file cannot be read.
    """
    try:
        read = _read(file)
        return read, check_program(read, service.parse_program)
    except InvalidProgram as error:
        _refuse(file, error, as_json=as_json)


def as_yaml(document: Any) -> str:
    """A document as a merchant would write it: every scalar without quotes wherever YAML allows it."""
    return yaml.dump(
        document,
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=LINE_CHARACTERS,
    )


class _Writer(yaml.BaseDumper):
    """Writes scalars as the text they are; there are no other types in a program file."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - no `&name`: our reader refuses them
        return True

    def _text(self, value: Any) -> yaml.ScalarNode:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        style = (
            None if text.isprintable() else '"'
        )  # YAML folds some letters that are line breaks to it alone
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def _entries(self, value: Any) -> yaml.MappingNode:
        return self.represent_mapping("tag:yaml.org,2002:map", value)

    def _items(self, value: Any) -> yaml.SequenceNode:
        return self.represent_sequence("tag:yaml.org,2002:seq", value)


for _kind in (str, int, float, bool):
    _Writer.add_representer(_kind, _Writer._text)
_Writer.add_representer(dict, _Writer._entries)
_Writer.add_representer(list, _Writer._items)


async def _apply(
    service: Service, read: ProgramFile, program_id: str, expect: int | None, *, dry_run: bool
) -> tuple[Version[Any] | None, Version[Any], dict[str, Any] | None]:
    """The version in force before, the one after, and what a dry run tells of it where the service tries programs."""
    trial = None
    programs = Programs(service.load_machinery(), service.parse_program)
    async with (
        database_of(service, settings_of(service)) as connection,
        transaction_or_trial(connection, dry_run=dry_run),
    ):
        known = (await programs.of(connection, [program_id])).get(program_id)
        version = await programs.apply(
            connection, program_id, read.document, now=system_clock(), expected_version=expect
        )
        if dry_run and known is not None and version.number != known.newest.number:
            trial = await _tried(service, connection, known, version)
    return (known.newest if known else None), version, trial


async def _tried(
    service: Service, connection: AnyConnection, known: Versions[Any], wanted: Version[Any]
) -> dict[str, Any] | None:
    """What the service says of a version that is not in force; None where it tries none."""
    async with ports_of(service) as ports:
        trial = service.build(ports).state.get("try_program")
        if trial is None:
            return None
        found: BaseModel = await trial(connection, known, wanted, system_clock())
        return found.model_dump(mode="json")


def _tell_trial(trial: dict[str, Any]) -> None:
    """Whatever a service says of a trial: sentences as they are, lists of rows as tables, the rest by its name."""
    for name, said in trial.items():
        if not isinstance(said, list):
            say(visible(f"{name}: {said}"))
        elif said and isinstance(said[0], dict):
            numbers = [word for word, value in said[0].items() if _is_number(value)]
            shown = table(*said[0], numbers=numbers)
            for row in said:
                shown.add_row(*[cell(value) for value in row.values()])
            say(f"{name.replace('_', ' ')}:")
            console().print(shown)
        else:
            for sentence in said:
                say(visible(f"* {sentence}"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value.replace(".", "", 1).isdecimal())


def _read(file: Path) -> ProgramFile:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return read_yaml(data.decode())
    except UnicodeDecodeError:
        raise InvalidProgram("the file is not text in UTF-8") from None
    except OSError as error:
        raise NotAvailable(f"{file} cannot be read: {error.strerror}") from None


def _refuse(file: Path, error: InvalidProgram, *, as_json: bool) -> NoReturn:
    faults: Any = error.extra.get("errors") or [{"path": "", "message": error.message}]
    if as_json:
        say_json({"errors": faults})
    else:
        _tell(file, faults)
    raise typer.Exit(1)


def _tell(file: Path, faults: Any, kind: str = "") -> None:
    for fault in faults:
        place = f"{file}:{fault['line']}" if "line" in fault else str(file)
        path = f"{fault['path']}: " if fault["path"] else ""
        warn(visible(f"{place}: {kind}{path}{fault['message']}"))


def _tell_programs(rows: list[Any], *, as_json: bool) -> None:
    if as_json:
        say_json([_head(row) for row in rows])
        return
    if not rows:
        say("there is no program yet; `program apply FILE` adds one")
        return
    shown = table("program", "version", "in force", "applied at (UTC)", numbers=["version"])
    for row in rows:
        shown.add_row(
            cell(row["program_id"]), cell(row["version"]), cell(_since(row["since"])), cell(row["applied_at"])
        )
    console().print(shown)


def _head(row: Any) -> dict[str, Any]:
    since = None if row["since"] == BEGINNING_OF_TIME else row["since"]
    return {
        "program": row["program_id"],
        "version": row["version"],
        "since": since,
        "applied_at": row["applied_at"],
    }


def _since(since: Any) -> str:
    return "from the beginning" if since == BEGINNING_OF_TIME else f"since {moment(since)} UTC"


def _change(change: Change) -> dict[str, Any]:
    return {"kind": change.kind, "path": change.path, "before": change.before, "after": change.after}


def _sentence(change: Change) -> str:
    if change.kind == "added":
        return f"+ {change.path}: {_short(change.after)}"
    if change.kind == "removed":
        return f"- {change.path}: {_short(change.before)}"
    return f"~ {change.path}: {_short(change.before)} -> {_short(change.after)}"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
