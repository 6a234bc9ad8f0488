"""A program leaves with its whole book, and comes with it into an installation that has nothing of it yet.

What a newcomer would get wrong: nothing is decided here. All rows are written as they are, in one transaction, and then
`verify` recomputes the program from its entries. Where it finds a difference, nothing of the book is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby, islice

from services.ledger.actions import Actions
from services.ledger.actions.imports import Fault, Report
from services.ledger.books import MOST_FAULTS, Book, Head, Line, lines_of
from services.ledger.errors import ProgramNotEmpty
from services.ledger.store.books import (
    NOT_A_ROW,
    ROWS_AT_ONCE,
    TABLES,
    book_columns,
    book_rows,
    keep_book,
    known_book,
    tables_in_use,
    write_rows,
)
from shared.database import AnyConnection

Verify = Callable[[], Awaitable[Sequence[str]]]
"""What `verify` finds of the program, in the same transaction."""


async def export_book(
    actions: Actions, connection: AnyConnection, program_id: str, now: datetime
) -> AsyncIterator[bytes]:
    """The lines of a program's book, as it is at one moment. Needs a transaction that sees one snapshot.

    Raises:
        UnknownProgram: nobody applied it.
    """
    await actions.programs.one(connection, program_id)
    columns = await book_columns(connection, actions.sql)
    async for line in lines_of(program_id, now, columns, book_rows(connection, actions.sql, program_id)):
        yield line


async def bring_book(
    actions: Actions,
    connection: AnyConnection,
    book: Book,
    lines: Iterable[Line],
    verify: Verify,
    now: datetime,
) -> Report:
    """Write a sound book, with its rows in this order; where there is a fault, whoever asked undoes all of it.

    Nobody is told anything. The same book again writes nothing.

    Raises:
        ProgramNotEmpty: there is something of the program here already.
    """
    assert book.head is not None and book.end is not None and not book.faults, "read it first"  # noqa: PT018
    program_id, digest, rows = book.head.program_id, book.end.digest, book.end.end
    if await known_book(connection, actions.sql, program_id, digest):
        return Report(known=rows)
    if found := await tables_in_use(connection, actions.sql, program_id):
        raise ProgramNotEmpty(
            f"there is something of program {program_id!r} here already ({', '.join(found)}); a book brings its "
            "program with all versions, and comes only where there is nothing of it"
        )
    faults = _strange_columns(book.head, await book_columns(connection, actions.sql))
    if not faults:
        faults = await _write(actions, connection, lines)
    if not faults:
        faults = [Fault(rows + 2, "", found) for found in await verify()]
    if not faults:
        await keep_book(connection, actions.sql, program_id, digest, rows, now)
    return Report(imported=rows if not faults else 0, faults=faults)


def _strange_columns(head: Head, here: dict[str, list[str]]) -> list[Fault]:
    """Where the book has other tables or columns than this installation."""
    faults = []
    for table in sorted({*head.columns, *TABLES}):
        said, known = set(head.columns.get(table, ())), set(here.get(table, ()))
        if said != known:
            names = ", ".join(sorted(said ^ known))
            faults.append(
                Fault(
                    1,
                    f"columns.{table}",
                    f"this installation has other columns ({names}): bring both to one version of the ledger, and "
                    "export it again",
                )
            )
    return faults


async def _write(actions: Actions, connection: AnyConnection, lines: Iterable[Line]) -> list[Fault]:
    faults: list[Fault] = []
    for table, of_table in groupby(lines, key=lambda line: line.table):
        while part := list(islice(of_table, ROWS_AT_ONCE)):
            if len(faults) < MOST_FAULTS:
                faults += await _write_part(actions, connection, table, part)
    return faults[:MOST_FAULTS]


async def _write_part(
    actions: Actions, connection: AnyConnection, table: str, lines: Sequence[Line]
) -> list[Fault]:
    """Write some rows of a table; those that cannot be one are found by halving."""
    try:
        async with connection.transaction():
            await write_rows(connection, actions.sql, table, [line.row for line in lines])
    except NOT_A_ROW as error:
        if len(lines) == 1:
            return [Fault(lines[0].number, table, error.message)]
        half = len(lines) // 2
        first = await _write_part(actions, connection, table, lines[:half])
        return [*first, *await _write_part(actions, connection, table, lines[half:])]
    return []
