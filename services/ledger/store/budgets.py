"""Budgets for everybody, leased in slots: each batch locks some of them, for as long as its transaction lasts.

What a newcomer would get wrong: a lease is a row lock and nothing else. So it ends with the transaction, also when the
process is killed in the middle of it: there is nothing to return, and nobody has to look for what a dead worker had.

Locks are taken budget by budget in the order of their keys, and after those of the members. Only the first slot of a
budget is waited for (where all that hold something are leased elsewhere), so no two batches wait in a circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.budgets import (
    BudgetKey,
    Portion,
    Slot,
    adjusted,
    divided,
    slots_of,
    spread,
)
from services.ledger.domain.imported_budgets import used_before
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
        known, slots = found.get(key, (None, divided(amount, slots_of(key[1]))))
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


async def use_up(
    connection: AnyConnection,
    sql: Queries,
    versions: Versions[LedgerProgram],
    used: Iterable[tuple[BudgetKey, Share]],
) -> None:
    """So much more of these budgets was given, elsewhere; whoever has leased some is waited for."""
    given: dict[BudgetKey, Share] = defaultdict(int)
    for key, points in used:
        given[key] += points
    for key, points in sorted(given.items()):
        amount = amount_of(versions, key)
        await _set_up(connection, sql, key, amount)
        slots = [_slot(row) for row in await connection.fetch(sql.lock_budget, *key)]
        changed = _columns(key, amount, used_before(slots, amount, points))
        await connection.execute(sql.adjust_budget_slots, *changed)


def more_wanted(book: Book) -> dict[BudgetKey, int]:
    """The budgets that were short and not leased, or of which others had something: worth asking for all of it."""
    wanted = {}
    for key in book.short:
        portion = book.portions.get(key[0], (key[1], key[2]))
        if portion is None or portion.elsewhere:
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
    await connection.execute(
        sql.insert_budget_slots, *_columns(key, amount, divided(amount, slots_of(key[1])))
    )
    known, slots = (await _look(connection, sql, [key]))[key]
    if known != amount:
        slots = [_slot(row) for row in await connection.fetch(sql.lock_budget, *key)]
        slots = adjusted(slots, amount)
        await connection.execute(sql.adjust_budget_slots, *_columns(key, amount, slots))
    return slots


async def _lease(
    connection: AnyConnection, sql: Queries, key: BudgetKey, slots: Sequence[Slot], wanted: int
) -> list[Slot]:
    """Lock the fullest free slots that hold about so much; wait for one where none is free.

    Whoever holds a slot of a budget never waits for another one of it. So slots are locked by their numbers, and not by
    what they hold: a row whose lock shows that it is empty would stay locked without being answered.
    """
    fullest = [slot.number for slot in sorted(slots, key=lambda slot: -slot.left) if slot.left]
    count = _count_for(slots, wanted)
    leased = await _lock(connection, sql.lease_budget_slots, key, fullest[:count])
    if sum(slot.left for slot in leased) < wanted and count < len(fullest):
        leased += await _lock(connection, sql.lease_budget_slots, key, fullest[count:])
    if fullest and not leased and wanted < EVERYTHING:  # whoever asks again may have slots of other budgets
        leased = await _lock(connection, sql.await_budget_slots, key, fullest[:1])
    return leased


async def _lock(connection: AnyConnection, query: str, key: BudgetKey, numbers: Sequence[int]) -> list[Slot]:
    rows = await connection.fetch(query, *key, numbers) if numbers else []
    return [_slot(row) for row in rows]


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
    return slot.number, str(slot.left), str(slot.used)


def _columns(key: BudgetKey, amount: int, slots: Sequence[Slot]) -> list[tuple[Any, ...]]:
    rows = [(*key, amount, *_slot_row(slot)) for slot in slots]
    return list(zip(*rows, strict=True))
