"""Reads rows of an import: JSON lines, CSV with the same names as columns, or a JSON document.

A table has no place for a list of things with columns of their own. So the lines of an order are rows of `kind` `line`
below it: `order-1001` of 80.00, then its line `1` of 25.00 and its line `2` of 55.00.

What a newcomer would get wrong: a row that cannot be read stops nothing. Its fault is told with its line, and so are
those of all other rows, so that a file is corrected once and not fault by fault.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from services.ledger.actions.imports import Entry, Fault
from services.ledger.schemas.imports import ROW

CSV = "text/csv"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/ndjson")
NUMBERS = ("points", "times", "uses", "used", "per_member")
LISTS = ("products", "segments", "members")
LIST_SEPARATOR = "|"
"""Between the names in a cell of a list."""
ORDER, LINE = "order", "line"
SAID_BY_ORDER = ("kind", "row", "member_id", "order_id")
"""What a line of an order need not say again, and may not say otherwise; its `row` is its own affair."""

Read = tuple[int, Any, Sequence[int]]
"""The line of a row, what was read there, and the lines of its lines, where it is an order of a table."""


def entries_of(lines: Iterable[str], *, is_csv: bool) -> Iterator[Entry | Fault]:
    """Each row of a file, by its lines, or what is wrong with it."""
    for line, raw, lines_at in _with_lines(_csv_rows(lines)) if is_csv else _json_rows(lines):
        yield raw if isinstance(raw, Fault) else entry_of(line, raw, lines_at)


def entry_of(line: int, raw: Any, lines_at: Sequence[int] = ()) -> Entry | Fault:
    """A row as it was read, or its first fault; that of a line of an order is told where this line stands."""
    try:
        row = ROW.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"][1:]]
        if lines_at and place[:1] == ["lines"] and len(place) > 1:
            line, place = lines_at[int(place[1])], place[2:]
        return Fault(line, ".".join(place), first["msg"].removeprefix("Value error, "))
    said = row.model_dump(mode="json", exclude_defaults=True)
    return Entry(line, row.member_id, row.kind, {**said, "kind": row.kind}, row.brought())


def _json_rows(lines: Iterable[str]) -> Iterator[Read]:
    for line, content in enumerate(lines, 1):
        if content.strip():
            try:
                yield line, json.loads(content), ()
            except (ValueError, RecursionError):
                yield line, Fault(line, "", "this is not JSON: each line has to be one whole object"), ()


def _with_lines(rows: Iterable[tuple[int, Any]]) -> Iterator[Read]:
    """The rows of a table, the lines of an order as a part of it."""
    order: Read | None = None
    for line, row in rows:
        if isinstance(row, Fault):
            yield line, row, ()
        elif row.get("kind") == LINE:
            fault = _out_of_place(order, row)
            if fault is not None:
                yield line, Fault(line, *fault), ()
            elif order is not None:
                said = {name: value for name, value in row.items() if name not in SAID_BY_ORDER}
                order[1].setdefault("lines", []).append(said)
                order = (*order[:2], [*order[2], line])
        else:
            if order is not None:
                yield order
            order = (line, row, []) if row.get("kind") == ORDER else None
            if order is None:
                yield line, row, ()
    if order is not None:
        yield order


def _out_of_place(order: Read | None, row: dict[str, Any]) -> tuple[str, str] | None:
    """Where a line of an order stands wrong, and why."""
    if order is None:
        return "kind", "a `line` stands below the `order` that it is part of, and before any other row"
    for name in ("member_id", "order_id"):
        if name in row and row[name] != order[1].get(name):
            return name, f"this line is of another order than the one above it, {order[1].get(name)!r}"
    return None


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
