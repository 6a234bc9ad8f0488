"""Budgets for everybody, leased in slots: each batch locks some of them, for as long as its transaction lasts.

What a newcomer would get wrong: a lease is a row lock and nothing else. So it ends with the transaction, also when the
process is killed in the middle of it: there is nothing to return, and nobody has to look for what a dead worker had.

Locks are taken budget by budget in the order of their keys, and after those of the members. Only the first slot of a
budget is waited for (where all that hold something are leased elsewhere), so no two batches wait in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.budgets import BudgetKey, Portion, Slot, adjusted, divided, spread
from services.ledger.domain.leasing import amount_of
from services.ledger.domain.program import LedgerProgram
from shared.database import AnyConnection
from shared.orders import Share, exact
from shared.programs import Versions
from shared.queries import Queries

EVERYTHING = 10**18
"""More than any budget has: whoever wants so much leases all slots that are free."""

Found = Mapping[BudgetKey, tuple[int, Sequence[Slot]]]
"""The amount of each budget as its slots know it, and the slots."""


async def load(
    connection: AnyConnection,
    sql: Queries,
    book: Book,
    wanted: Mapping[BudgetKey, int],
    programs: Mapping[str, Versions[LedgerProgram]],
    *,
    locking: bool = True,
) -> None:
    """Lease slots for about so much of each budget, and put what was got into the book.

    Without `locking` it is only to be looked at: the book has all that lies in the slots.
    """
    keys = sorted(wanted)
    found = await _look(connection, sql, keys)
    for key in keys:
        amount = amount_of(programs[key[0]], key)
        known, slots = found.get(key, (None, divided(amount)))
        if not locking:
            leased = adjusted(slots, amount)
        else:
            if known != amount:
                slots = await _set_up(connection, sql, key, amount)
            leased = await _lease(connection, sql, key, slots, wanted[key])
        elsewhere = sum(slot.left for slot in slots) - sum(slot.left for slot in leased)
        portion = Portion(*key, tuple(leased), elsewhere=max(0, elsewhere))
        book.portions.load(key[0], (portion.name, portion.bucket), portion)


async def save(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Take what was given out of the leased slots."""
    rows = [
        (portion.program_id, portion.name, portion.bucket, *_slot_row(slot))
        for portion in book.portions.changed()
        for slot in spread(portion)
    ]
    if rows:
        await connection.execute(sql.save_budget_slots, *zip(*rows, strict=True))


def more_wanted(book: Book) -> dict[BudgetKey, int]:
    """The budgets that were short while others had something of them: worth asking for all of it."""
    wanted = {}
    for key in book.short:
        portion = book.portions.get(key[0], (key[1], key[2]))
        if portion is not None and portion.elsewhere:
            wanted[key] = EVERYTHING
    return wanted


async def _look(connection: AnyConnection, sql: Queries, keys: Sequence[BudgetKey]) -> Found:
    rows = await connection.fetch(sql.budget_slots, *zip(*keys, strict=True))
    return {
        key: (of_key[0]["amount"], [_slot(row) for row in of_key])
        for key, of_key in ((key, list(group)) for key, group in groupby(rows, key=_key_of))
    }


async def _set_up(connection: AnyConnection, sql: Queries, key: BudgetKey, amount: int) -> Sequence[Slot]:
    """The slots of a budget that is met for the first time, or whose amount the merchant changed."""
    await connection.execute(sql.insert_budget_slots, *_columns(key, amount, divided(amount)))
    rows = await connection.fetch(sql.lock_budget, *key)
    slots = [_slot(row) for row in rows]
    if rows[0]["amount"] != amount:
        slots = adjusted(slots, amount)
        await connection.execute(sql.adjust_budget_slots, *_columns(key, amount, slots))
    return slots


async def _lease(
    connection: AnyConnection, sql: Queries, key: BudgetKey, slots: Sequence[Slot], wanted: int
) -> list[Slot]:
    """Lock the fullest free slots that hold about so much; wait for one where none is free."""
    if not any(slot.left for slot in slots):
        return []
    rows = await connection.fetch(sql.lease_budget_slots, *key, _count_for(slots, wanted))
    leased = [_slot(row) for row in rows]
    if sum(slot.left for slot in leased) < wanted and len(leased) < len(slots):
        rows = await connection.fetch(sql.lease_budget_slots, *key, len(slots))
        leased = [_slot(row) for row in rows]
    if not leased and wanted < EVERYTHING:  # whoever asks again has other slots, and waits for nobody
        leased = [_slot(row) for row in await connection.fetch(sql.await_budget_slot, *key)]
    return leased


def _count_for(slots: Sequence[Slot], wanted: int) -> int:
    """How many of the fullest slots hold so much."""
    held: Share = 0
    for count, left in enumerate(sorted((slot.left for slot in slots), reverse=True), 1):
        held += left
        if held >= wanted:
            return count
    return len(slots)


def _key_of(row: asyncpg.Record) -> BudgetKey:
    return row["program_id"], row["budget"], row["bucket"]


def _slot(row: asyncpg.Record) -> Slot:
    return Slot(row["slot"], exact(row["rest"]), exact(row["used"]))


def _slot_row(slot: Slot) -> tuple[Any, ...]:
    return slot.number, str(slot.left), -(-slot.left // 1), str(slot.used)


def _columns(key: BudgetKey, amount: int, slots: Sequence[Slot]) -> list[tuple[Any, ...]]:
    rows = [(*key, amount, *_slot_row(slot)) for slot in slots]
    return list(zip(*rows, strict=True))
