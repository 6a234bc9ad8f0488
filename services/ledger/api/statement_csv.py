"""A statement as CSV: page after page, for a spreadsheet.

What a newcomer would get wrong: a cell that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, and ids of
orders and events come from outside. Such text gets an apostrophe in front; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

CSV = "text/csv"
COLUMNS = (
    "version", "asset", "kind", "from_account", "to_account", "amount", "order_id", "cause", "happened_at",
    "written_at", "pending", "available", "held",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
PAGE = 1_000

Rows = Sequence[Mapping[str, Any]]
PageBefore = Callable[[int, int], Awaitable[Rows]]
"""Entries below a version, newest first, at most so many."""


def wants_csv(request: Request, asked: str | None) -> bool:
    """Whether the caller asks for CSV: by `format`, else by what it accepts first."""
    if asked is not None:
        return asked == "csv"
    first = request.headers.get("accept", "").split(",")[0].split(";")[0]
    return first.strip().lower() == CSV


def as_csv(first: Rows, asset: str, page_before: PageBefore) -> StreamingResponse:
    """The answer: the first page, which is read already, and all that come after it."""
    headers = {"Content-Disposition": 'attachment; filename="statement.csv"', "Vary": "Accept"}
    return StreamingResponse(
        _pages(first, asset, page_before), media_type=f"{CSV}; charset=utf-8", headers=headers
    )


def lines_of(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as lines of CSV (RFC 4180), none of whose cells is a formula."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


async def _pages(rows: Rows, asset: str, page_before: PageBefore) -> AsyncIterator[bytes]:
    yield lines_of([COLUMNS]).encode()
    while rows:
        told = [{**row, "asset": asset} for row in rows]
        yield lines_of([row[name] for name in COLUMNS] for row in told).encode()
        if len(rows) < PAGE:
            return
        rows = await page_before(rows[-1]["version"], PAGE)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value
