"""What of one member falls due by itself, soonest first: kept over a batch, however many events settle the member.

Example: a member with 15,000 pending awards gets 500 orders in a batch, and before each of them one award comes due.
The awards are looked through once; then each order costs what is due before it.

What a newcomer would get wrong: nothing is ever taken out of the heap but at its top. A row that was replaced, or taken
back with a refused event, is no longer the one that its table has; its entry is passed over when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from services.ledger.domain.activity import OPEN
from services.ledger.domain.book import Book
from services.ledger.domain.expiring import Expiring, next_told
from services.ledger.domain.issued import Issued
from services.ledger.domain.occasions import Occasion, occasions_of
from services.ledger.domain.records import Award, Hold, Lot, MemberKey
from services.ledger.domain.switching import Switch, next_switch
from shared.rows import Rows

Ripe = Award | Lot | Issued | Hold | Occasion | Expiring | Switch
"""What falls due by itself."""
Due = tuple[datetime, int, str, Ripe]
"""When, whose turn it is among all that is due at one instant (two parts), and what."""

MOVES, ACTIVATES, EXPIRES, TIMES_OUT, COMES, TELLS = -1, 0, 1, 2, 3, 4


class Agenda:
    """The due things of one member that a book has in memory."""

    __slots__ = ("_heap", "_key", "_numbers", "_tables")

    def __init__(self, book: Book, key: MemberKey) -> None:
        self._key = key
        self._numbers = count()
        tables: tuple[Rows[MemberKey, Any, Any], ...]
        tables = (book.awards, book.lots, book.shelf.rewards, book.holds)
        self._tables = [(rows, rows.watch(key)) for rows in tables]
        self._heap = [
            entry
            for rows, _ in self._tables
            for row in rows.of(key)
            for entry in self._entries(book, rows, row)
        ]
        heapify(self._heap)

    def first(self, book: Book) -> Due | None:
        """What is due first; None where nothing ever will be."""
        for rows, changed in self._tables:
            if changed:
                for row in changed:
                    for entry in self._entries(book, rows, row):
                        heappush(self._heap, entry)
                changed.clear()
        heap = self._heap
        while heap:
            at, turn, name, _, what, rows, key, row = heap[0]
            if rows.get(self._key, key) is row:
                return min([(at, turn, name, what), *_of_program(book, self._key)], key=_in_turn)
            heappop(heap)
        return min(_of_program(book, self._key), key=_in_turn, default=None)

    def _entries(self, book: Book, rows: Rows[Any, Any, Any], key: Any) -> Iterator[tuple[Any, ...]]:
        row = rows.get(self._key, key)
        if row is not None:
            for at, turn, name, what in _dues(book, row):
                yield at, turn, name, next(self._numbers), what, rows, key, row


def first_due(book: Book, key: MemberKey) -> Due | None:
    """What of the member in memory falls due first; None where nothing ever will."""
    agenda = book.agendas.get(key)
    if agenda is None:
        agenda = book.agendas[key] = Agenda(book, key)
    return agenda.first(book)


def _in_turn(due: Due) -> tuple[datetime, int, str]:
    return due[:3]


def _of_program(book: Book, key: MemberKey) -> Iterator[Due]:
    for occasion in occasions_of(book, key):
        yield occasion.at, COMES, occasion.trigger, occasion
    for switch in next_switch(book, key):
        yield switch.at, MOVES, str(switch.version), switch


def _dues(book: Book, row: Award | Lot | Issued | Hold) -> Iterator[Due]:
    """What is due because of this row as it is now."""
    match row:
        case Award():
            if row.due_at is not None:
                yield row.due_at, ACTIVATES, row.award_id, row
        case Lot():
            at = row.expires_at
            if at is not None and row.remaining:
                yield max(at, row.opened_at), EXPIRES, f"{row.asset}:{row.lot_no:020}", row
                told = next_told(book, row)
                if told is not None:
                    yield told.at, TELLS, f"{row.asset}:{at.isoformat()}:{told.days:04}", told
        case Issued():
            if row.due_at is not None:
                yield row.due_at, EXPIRES, f"reward:{row.reward_id}", row
        case Hold():
            if row.state == OPEN:
                yield row.held_until, TIMES_OUT, row.hold_id, row
