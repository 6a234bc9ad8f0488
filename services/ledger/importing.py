"""Reads rows of an import: JSON lines, CSV with the same names as columns, or a JSON document.

What a newcomer would get wrong: a row that cannot be read stops nothing. Its fault is told with its line, and so are
those of all other rows, so that a file is corrected once and not fault by fault.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from services.ledger.actions.imports import Entry, Fault
from services.ledger.schemas.imports import ROW

CSV = "text/csv"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/ndjson")
NUMBERS = ("points", "times", "uses", "used")
LISTS = ("products",)
LIST_SEPARATOR = "|"
"""Between the names in a cell of a list."""


def entries_of(lines: Iterable[str], *, is_csv: bool) -> Iterator[Entry | Fault]:
    """Each row of a file, by its lines, or what is wrong with it."""
    for line, raw in _csv_rows(lines) if is_csv else _json_rows(lines):
        yield raw if isinstance(raw, Fault) else entry_of(line, raw)


def entry_of(line: int, raw: Any) -> Entry | Fault:
    """A row as it was read, or its first fault."""
    try:
        row = ROW.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return Fault(line, place, first["msg"].removeprefix("Value error, "))
    said = row.model_dump(mode="json", exclude_defaults=True)
    return Entry(line, row.member_id, row.kind, {**said, "kind": row.kind}, row.brought())


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for line, content in enumerate(lines, 1):
        if content.strip():
            try:
                yield line, json.loads(content)
            except (ValueError, RecursionError):
                yield line, Fault(line, "", "this is not JSON: each line has to be one whole object")


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(lines)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:  # what follows cannot be told apart into rows
            line = reader.line_num + 1
            yield line, Fault(line, "", f"this is not CSV: {error}")
            return
        if cells is None:
            return
        line = reader.line_num
        if None in cells or None in cells.values():
            asked = len(reader.fieldnames or ())
            yield line, Fault(line, "", f"this row has not as many cells as the heading, which has {asked}")
            continue
        row: dict[str, Any] = {}
        for name, value in cells.items():
            if value.strip():
                _put(row, name.strip(), value.strip())
        yield line, row


def _put(row: dict[str, Any], column: str, text: str) -> None:
    """Write a cell into its place: of `gives.amount` into `amount` of `gives`."""
    name, _, further = column.partition(".")
    if further:
        inner = row.setdefault(name, {})
        if isinstance(inner, dict):
            _put(inner, further, text)
    elif name in LISTS:
        row[name] = [each.strip() for each in text.split(LIST_SEPARATOR)]
    else:
        row[name] = _number(text) if name in NUMBERS else text


def _number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
