"""The commands `import` and `export` of the ledger: members come from a file, and leave into one.

What a newcomer would get wrong: a file is tried as a whole before a row of it is written. Only where no line is at
fault it is read a second time, a thousand rows a transaction; stopped half way, it can simply be started again. The
book of a program (`export --book`) is one transaction, all of it or nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Annotated

import typer

from services.ledger.actions import Actions
from services.ledger.actions.books import bring_book, export_book
from services.ledger.actions.exports import export_program
from services.ledger.actions.imports import Entry, Fault, Report, bring_in_rows
from services.ledger.actions.leaving import everything_about
from services.ledger.books import checked, is_book, rows_in
from services.ledger.importing import entries_of
from services.ledger.schemas.imports import MOST_ROWS
from services.ledger.verify import differences_of
from shared.cli.session import NotAvailable, ports_of, service_of
from shared.cli.speech import command, say, say_json, visible, warn
from shared.database import AnyConnection, transaction_or_trial
from shared.service import Ports

CLASH = (
    "Each of these lines is right by itself, and clashes with another. The thousand rows around it are not imported; "
    "correct it and give the file again: what is imported is known then."
)
Program = Annotated[str, typer.Option(metavar="ID", help="The program that it is about.")]
Out = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Where it goes; without it, standard output.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@command
async def import_rows(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, or CSV where it ends in .csv.")],
    *,
    program: Program,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell every fault; import nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Bring members in from another system: balances, lots, old orders, statements; or a whole book (`export --book`).

    The whole file is tried first; where a line is at fault, each is told and nothing is imported. Rows that were
    imported before change nothing, so a file may be given twice.
    """
    async with _opened(context) as (ports, actions):
        through = _book_through if _is_book(file) else _through
        tried = dry_run or through is _through
        report = await through(ports, actions, file, program, dry_run=tried)
        if through is _through and not report.faults and not dry_run:
            report, tried = await _through(ports, actions, file, program, dry_run=False), False
    told = {"imported": report.imported, "known": report.known, "dry_run": tried}
    if as_json:
        faults = [{"line": each.line, "path": each.path, "message": each.message} for each in report.faults]
        say_json({**told, "faults": faults})
    else:
        for fault in report.faults:
            place = f"{fault.path}: " if fault.path else ""
            warn(visible(f"{file}:{fault.line}: {place}{fault.message}"))
        would = "would be imported" if tried else "imported"
        say(f"{report.imported} rows {would}, {report.known} were there, {len(report.faults)} are at fault")
        if report.faults and report.imported and not tried:
            warn(CLASH)
    if report.faults:
        raise typer.Exit(1)


@command
async def export(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where it goes; without it, standard output.")
    ] = None,
    *,
    program: Program,
    member: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Everything about this member alone, as one JSON document."),
    ] = None,
    book: Annotated[
        bool, typer.Option("--book", help="The book itself, entry by entry, for another installation.")
    ] = False,
) -> None:
    """Write a whole program as JSON lines that `import` reads, or everything that is kept about one member.

    A program is exported as it is at one moment, beside live traffic. As rows, each can be read and changed, and goes
    into any program; erased members are left out. As a book, it goes on elsewhere as if it had always been there.
    """
    async with _opened(context) as (ports, actions):
        now = ports.clock()
        with _written(file) as out:
            async with (
                ports.pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(ports.sql.no_time_limit)
                if member is not None:
                    found = await everything_about(actions, connection, (program, member))
                    out.write(json.dumps({"member_id": member, "tables": found}, indent=2) + "\n")
                    return
                if book:
                    async for line in export_book(actions, connection, program, now):
                        out.write(line.decode())
                    return
                async for row in export_program(actions, connection, program, now):
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")


@asynccontextmanager
async def _opened(context: typer.Context) -> AsyncIterator[tuple[Ports, Actions]]:
    service = service_of(context)
    async with ports_of(service) as ports:
        yield ports, service.build(ports).state["actions"]


async def _through(ports: Ports, actions: Actions, file: Path, program: str, *, dry_run: bool) -> Report:
    """Go through the file, a thousand rows a transaction."""
    whole = Report()
    with _read(file) as lines:
        rows = entries_of(lines, is_csv=file.suffix.lower() == ".csv")
        while part := list(islice(rows, MOST_ROWS)):
            async with ports.pool.acquire() as connection:
                found = await _part(actions, connection, program, part, ports, dry_run=dry_run)
            if dry_run or not found.faults:  # else all of this part was undone
                whole.imported += found.imported
            whole.known += found.known
            whole.faults += found.faults
    return whole


async def _part(
    actions: Actions,
    connection: AnyConnection,
    program: str,
    part: list[Entry | Fault],
    ports: Ports,
    *,
    dry_run: bool,
) -> Report:
    async with transaction_or_trial(connection, dry_run=dry_run) as attempt:
        entries = [each for each in part if isinstance(each, Entry)]
        found = await bring_in_rows(actions, connection, program, entries, ports.clock())
        found.faults += [each for each in part if isinstance(each, Fault)]
        found.faults.sort(key=lambda fault: fault.line)
        attempt.undone = dry_run or bool(found.faults)
    return found


async def _book_through(ports: Ports, actions: Actions, file: Path, program: str, *, dry_run: bool) -> Report:
    """Read the file, to see whether it is whole; then write all of it in one transaction, and verify it."""
    with _bytes_of(file) as lines:
        book = checked(lines)
    if book.head is not None and book.head.program_id != program:
        why = f"the book is of program {book.head.program_id!r}, not of {program!r}"
        return Report(faults=[Fault(1, "program_id", why)])
    if book.faults:
        return Report(faults=book.faults)
    with _bytes_of(file) as lines:
        async with (
            ports.pool.acquire() as connection,
            transaction_or_trial(connection, dry_run=dry_run) as attempt,
        ):
            await connection.execute(ports.sql.no_time_limit)
            verify = partial(differences_of, connection, ports, program)
            found = await bring_book(actions, connection, book, rows_in(lines), verify, ports.clock())
            attempt.undone = dry_run or bool(found.faults)
    return found


def _is_book(file: Path) -> bool:
    with _bytes_of(file) as lines:
        return is_book(lines.readline())


def _bytes_of(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise NotAvailable(f"{file} cannot be read: {error.strerror}") from None


def _read(file: Path) -> IO[str]:
    try:
        return file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise NotAvailable(f"{file} cannot be read: {error.strerror}") from None


@contextmanager
def _written(file: Path | None) -> Iterator[IO[str]]:
    if file is None:
        yield sys.stdout
        return
    try:
        with file.open("w", encoding="utf-8") as out:
            yield out
    except OSError as error:
        raise NotAvailable(f"{file} cannot be written: {error.strerror}") from None


import_rows.__name__ = "import"  # what it is called on the command line; no function can be
