"""Lists in pages, with cursors that callers pass back unread.

    LOTS = Cursors("lots", tuple[datetime, str])
    rows = await store.lots(after=LOTS.read(cursor), limit=limit + 1)
    items, after = LOTS.cut(rows, limit, key=lambda row: (row["expires_at"], row["lot_id"]))
    return Page(items=[...], next=after)

What a newcomer would get wrong: a cursor is the key of the last row seen, not a number of rows to skip, so a page costs
the same wherever it lies and nothing is shown twice when rows are added. Ask for `limit + 1` rows: the extra one only
says that there is more.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from shared.errors import ServiceError

T = TypeVar("T")
K = TypeVar("K", bound=tuple[Any, ...])
Row = TypeVar("Row")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
# Our own cursors are far shorter; a longer one is not worth decoding.
MAX_CURSOR_CHARACTERS = 1024
_VERSION = 1

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items a page holds at most.")]
CursorText = Annotated[
    str | None,
    Query(
        alias="cursor",
        max_length=MAX_CURSOR_CHARACTERS,
        description="`next` of the page before; without it, the first page.",
    ),
]


class CursorInvalid(ServiceError):
    """The cursor is not one that this list gave out."""

    code = "cursor_invalid"


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(
        default=None, description="Pass it as `cursor` for the next page; null on the last."
    )


class Cursors(Generic[K]):
    """The cursors of one list: its name keeps another list's cursor from being read here."""

    def __init__(self, name: str, shape: type[K]) -> None:
        self._name = name
        self._decoder = msgspec.msgpack.Decoder(tuple[int, str, shape])  # type: ignore[valid-type]

    def read(self, cursor: str | None) -> K | None:
        """The key that the page begins after; None for the first page.

        Raises:
            CursorInvalid: not a cursor of this list.
        """
        if cursor is None:
            return None
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            version, name, key = self._decoder.decode(base64.b64decode(padded, b"-_", validate=True))
        except (ValueError, RecursionError):
            raise CursorInvalid("Pass `next` of the page before exactly as it was given.") from None
        if (version, name) != (_VERSION, self._name):
            raise CursorInvalid("The cursor belongs to another list.")
        return key

    def write(self, key: K) -> str:
        """The cursor of the page that begins after `key`."""
        packed = msgspec.msgpack.encode((_VERSION, self._name, key))
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def cut(
        self, rows: Sequence[Row], limit: int, key: Callable[[Row], K]
    ) -> tuple[Sequence[Row], str | None]:
        """The rows of this page and the cursor of the next one, from up to `limit + 1` rows."""
        page = rows[:limit]
        return page, self.write(key(page[-1])) if len(rows) > limit else None
