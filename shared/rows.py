"""Rows in memory: what a batch loaded, changed and will save, with an undo for the event that is refused.

A service's `domain` keeps one `Rows` per table in a book. Rows are frozen; a change puts a new row in the place of
the old one. What a newcomer would get wrong: a key has two parts, the group (the member) and the id within it,
because nearly every question of a rule is about one member.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

import msgspec

replace = msgspec.structs.replace
"""The same row with some values changed."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """Base of the frozen values of a domain: made ten times faster than a frozen dataclass, and of the same kind.

    `gc=False`: a row points to no row that points back, so counting references frees it.
    """


G = TypeVar("G", bound=Hashable)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Journal:
    """Remembers how to take back everything since the last mark, for all tables of one book.

    A step points to its table and the table to the journal: mark at the end too, so that the book is freed at once.
    """

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: list[tuple[Rows, object, object, object] | tuple[Entries]] = []  # type: ignore[type-arg]

    def mark(self) -> None:
        """Keep what was done so far: the next undo goes back to here."""
        self._steps.clear()

    def undo(self) -> None:
        """Take back everything since the last mark, latest first."""
        for step in reversed(self._steps):
            if len(step) == 1:
                step[0]._take_back()
            else:
                rows, group, key, old = step
                rows._restore(group, key, old)
        self._steps.clear()


_ABSENT = object()


class Rows(Generic[G, K, V]):
    """The rows of one table: as loaded, and as the batch leaves them.

    The group that was asked for last stays at hand (`_at`, `_rows`): the next question is mostly about it, too.
    """

    __slots__ = ("_at", "_changed", "_groups", "_loaded", "_noted", "_rows", "_watched")

    def __init__(self, journal: Journal) -> None:
        self._noted = journal._steps.append
        self._groups: dict[G, dict[K, V]] = {}
        self._loaded: dict[tuple[G, K], None] = {}
        self._changed: dict[tuple[G, K], V] = {}
        self._watched: dict[G, dict[K, None]] = {}
        self._at: G | None = None
        self._rows: dict[K, V] | None = None

    def load(self, group: G, key: K, row: V) -> None:
        """Bring in a row as the database has it."""
        rows = self._groups.get(group)
        if rows is None:
            rows = self._groups[group] = {}
            self._at = None
        rows[key] = row
        self._loaded[(group, key)] = None
        if self._watched and group in self._watched:
            self._watched[group][key] = None

    def get(self, group: G, key: K) -> V | None:
        """The row as it is now, or None."""
        if group is not self._at:
            self._at, self._rows = group, self._groups.get(group)
        return None if self._rows is None else self._rows.get(key)

    def of(self, group: G) -> dict[K, V]:
        """All rows of a group that are in memory. Only to read."""
        return self._groups.get(group, {})

    def put(self, group: G, key: K, row: V) -> None:
        """Put a row in its place."""
        if group is not self._at:
            self._at, self._rows = group, self._groups.get(group)
        rows = self._rows
        if rows is None:
            rows = self._rows = self._groups[group] = {}
        self._noted((self, group, key, rows.get(key, _ABSENT)))
        rows[key] = row
        self._changed[(group, key)] = row
        if self._watched and group in self._watched:
            self._watched[group][key] = None

    def watch(self, group: G) -> dict[K, None]:
        """The keys of the group whose rows are loaded, put or taken back from now on; the caller empties it."""
        return self._watched.setdefault(group, {})

    def new(self) -> list[V]:
        """Rows that the database does not have yet, in the order they came up."""
        loaded = self._loaded
        return [row for pair, row in self._changed.items() if pair not in loaded]

    def updated(self) -> list[V]:
        """Rows that the database has and that changed, in the order of their keys, so that all lock alike."""
        changed = self._changed
        # They were mostly loaded in this order, which makes it a quick sort.
        return [changed[pair] for pair in sorted([pair for pair in self._loaded if pair in changed])]

    def changed(self) -> list[V]:
        """Both, new and updated."""
        return list(self._changed.values())

    def _restore(self, group: object, key: object, old: object) -> None:
        rows = self._groups[group]  # type: ignore[index]
        if self._watched and group in self._watched:
            self._watched[group][key] = None  # type: ignore[index]
        if old is _ABSENT:
            del rows[key]  # type: ignore[arg-type]
            del self._changed[(group, key)]  # type: ignore[arg-type]
        else:
            rows[key] = self._changed[(group, key)] = old  # type: ignore[index,assignment]


class Entries(Generic[V]):
    """Rows that are only ever appended: transfers, outgoing events."""

    __slots__ = ("_items", "_noted")

    def __init__(self, journal: Journal) -> None:
        self._noted = journal._steps.append
        self._items: list[V] = []

    def append(self, item: V) -> None:
        """Add one at the end."""
        self._items.append(item)
        self._noted((self,))

    def __iter__(self) -> Iterator[V]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def _take_back(self) -> None:
        self._items.pop()
