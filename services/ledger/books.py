"""The book of a program as a file: every row that the ledger keeps about it, table by table, as it is.

    {"book": 1, "program_id": "demo", "exported_at": "…", "columns": {"member": ["program_id", …], …}}
    ["member", {"program_id": "demo", "member_id": "customer-7", …}]
    {"end": 1, "digest": "…"}

The first line says what it is, the last how many rows there are, with a SHA-256 of all that stands before it. So a file
that was cut off, or changed by hand, is known before anything of it is written.

What a newcomer would get wrong: these are no rows of an import, which bring what members had in another system and let
rules of today apply. A book goes on where it left off: the same entries, versions of the program, orders with the rules
of their time. So it comes only into a program of which there is nothing yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from services.ledger.actions.imports import Fault

FORM = 1
"""Changes where a file of before can be read no more."""
MOST_FAULTS = 100
"""Told of one file: more of them say the same."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: whose book it is, of when, and which columns its tables have."""

    book: int
    program_id: str
    exported_at: datetime
    columns: dict[str, list[str]]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: how many rows there are, and the digest of all lines before."""

    end: int
    digest: str


class Line(msgspec.Struct, frozen=True, gc=False):
    """A row of a table: the number of its line, the table, and the row as it stands there."""

    number: int
    table: str
    row: str


Row = tuple[str, msgspec.Raw]

_head = msgspec.json.Decoder(Head)
_end = msgspec.json.Decoder(End)
_row = msgspec.json.Decoder(Row)
_columns = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Book:
    """What was found in the lines of a file: its head, its end, and what is wrong; its rows are read a second time."""

    __slots__ = ("end", "faults", "head")

    def __init__(self, head: Head | None, end: End | None, faults: list[Fault]) -> None:
        self.head = head
        self.end = end
        self.faults = faults


async def lines_of(
    program_id: str, at: datetime, columns: Mapping[str, Sequence[str]], rows: AsyncIterator[tuple[str, str]]
) -> AsyncIterator[bytes]:
    """The lines of a file, from the rows of the tables."""
    digest, count = sha256(), 0
    named = {table: list(names) for table, names in columns.items()}
    head = Head(book=FORM, program_id=program_id, exported_at=at, columns=named)
    digest.update(line := msgspec.json.encode(head) + b"\n")
    yield line
    async for table, row in rows:
        digest.update(line := b'["%s",%s]\n' % (table.encode(), row.encode()))
        count += 1
        yield line
    yield msgspec.json.encode(End(end=count, digest=digest.hexdigest())) + b"\n"


def is_book(first_line: bytes) -> bool:
    """Whether a file begins as a book does, and not as rows of an import."""
    try:
        _head.decode(first_line)
    except msgspec.DecodeError:
        return False
    return True


def checked(lines: Iterable[bytes]) -> Book:
    """Read a file as a whole, to see whether it is one; nothing of it is kept."""
    digest, count, number = sha256(), 0, 0
    head: Head | None = None
    end: End | None = None
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        if number == 1:
            head, fault = _head_of(line)
        elif end is not None:
            fault = Fault(number, "", "nothing stands behind the last line of a book")
        elif line.startswith(b"{"):
            end, fault = _end_of(line, number, count, digest.hexdigest())
        else:
            count += 1
            fault = _fault_of(line, number, head)
        digest.update(line)
        if fault is not None and len(faults) < MOST_FAULTS:
            faults.append(fault)
    if end is None and not faults:
        faults.append(
            Fault(number, "", "the file ends in the middle: its last line is missing; export it again")
        )
    return Book(head, end, faults)


def rows_in(lines: Iterable[bytes]) -> Iterator[Line]:
    """The rows of a file that was found sound."""
    for number, line in enumerate(lines, 1):
        if line.startswith(b"["):
            table, raw = _row.decode(line)
            yield Line(number, table, bytes(raw).decode())


def _head_of(line: bytes) -> tuple[Head | None, Fault | None]:
    try:
        head = _head.decode(line)
    except msgspec.DecodeError:
        return None, Fault(1, "", "this is no book: its first line says whose it is")
    if head.book != FORM:
        return head, Fault(1, "book", f"it is of form {head.book}, this installation reads {FORM}")
    return head, None


def _end_of(line: bytes, number: int, count: int, digest: str) -> tuple[End | None, Fault | None]:
    try:
        end = _end.decode(line)
    except msgspec.DecodeError as error:
        return None, Fault(number, "", f"this is no row and no last line: {error}")
    if end.end != count:
        return end, Fault(number, "end", f"{end.end} rows were written, {count} are here; export it again")
    if end.digest != digest:
        return end, Fault(number, "digest", "the file was changed since it was written; export it again")
    return end, None


def _fault_of(line: bytes, number: int, head: Head | None) -> Fault | None:
    try:
        table, raw = _row.decode(line)
        row = _columns.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Fault(number, "", f'this is no row: each line has to be ["table", {{…}}] ({error})')
    if head is None:
        return None
    columns = head.columns.get(table)
    if columns is None:
        return Fault(number, "", f"the first line knows no table {table!r}")
    if strange := sorted(row.keys() ^ set(columns)):
        return Fault(number, f"{table}.{strange[0]}", "the row has not the columns that the first line names")
    if _text(row["program_id"]) != head.program_id:
        return Fault(number, f"{table}.program_id", f"the book is of program {head.program_id!r}")
    return None


def _text(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)
