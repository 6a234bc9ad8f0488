"""A whole program as the rows that an import reads, a few hundred members at a time.

What a newcomer would get wrong: nothing is locked, and the shop goes on. It is one snapshot, in which what fell due by
then counts as done, although nothing of it is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.exporting import ImportRow, entry_row, rows_of, short_row
from services.ledger.domain.exporting_program import budget_rows, code_row, pool_row
from services.ledger.domain.needs import Needs
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.domain.settling import settle
from services.ledger.store import exports
from services.ledger.store.pools import load_borrowed
from shared.database import AnyConnection


async def export_program(
    actions: Actions, connection: AnyConnection, program_id: str, now: datetime
) -> AsyncIterator[ImportRow]:
    """A whole program as the rows that an import reads, member after member, as it is at one moment.

    What fell due until `now` counts as done; nothing is written. Needs a transaction that sees one snapshot.

    Raises:
        UnknownProgram: nobody applied it.
    """
    programs = {program_id: await actions.programs.one(connection, program_id)}
    rules = programs[program_id].newest.rules
    async for row in _codes(actions, connection, program_id, now):
        yield row
    async for row in _budgets(actions, connection, program_id, rules):
        yield row
    after = ""
    while keys := await exports.next_members(connection, actions.sql, program_id, after):
        after = keys[-1][1]
        needs = Needs(
            members=dict.fromkeys(keys, now), detailed=set(keys), shoppers=set(keys), persons=set(keys)
        )
        book = await actions.store.load(connection, needs, programs, locking=False)
        await exports.load_everything_owned(connection, actions.sql, book, keys)
        await load_borrowed(connection, actions.sql, book, keys)
        history = await _history(actions, connection, keys)
        for key in keys:
            settle(book, key, now)
            for row in [*rows_of(book, key, now), *history[key[1]]]:
                yield row
    async for row in _households(actions, connection, program_id):
        yield row


async def _codes(
    actions: Actions, connection: AnyConnection, program_id: str, now: datetime
) -> AsyncIterator[ImportRow]:
    """Codes of nobody's reward, with their uses."""
    after = ""
    while found := await exports.next_codes(connection, actions.sql, program_id, after, now):
        after = found[-1][0].code
        for coupon, uses in found:
            yield code_row(coupon, uses)


async def _budgets(
    actions: Actions, connection: AnyConnection, program_id: str, program: LedgerProgram
) -> AsyncIterator[ImportRow]:
    """What was given of budgets."""
    after = ("", "")
    while used := await exports.next_budgets(connection, actions.sql, program_id, after):
        after = used[-1][:2]
        for told in budget_rows(program, used):
            yield told


async def _households(
    actions: Actions, connection: AnyConnection, program_id: str
) -> AsyncIterator[ImportRow]:
    after = ""
    while found := await exports.next_households(connection, actions.sql, program_id, after):
        after = found[-1].pool_id
        for pool in found:
            yield pool_row(pool)


async def _history(
    actions: Actions, connection: AnyConnection, keys: Sequence[MemberKey]
) -> dict[str, list[ImportRow]]:
    """What the members' statements say, those of before as well, and of whoever was merged into them."""
    found: dict[str, list[ImportRow]] = defaultdict(list)
    for home, member_id, said in await exports.histories(connection, actions.sql, keys):
        of = "" if member_id == home else f":{member_id}"
        found[home].append({**said, "member_id": home, "row": short_row("before", f"{said['row']}{of}")})
    for home, member_id, asset, version, kind, at, points in await exports.entries(
        connection, actions.sql, keys
    ):
        merged = None if member_id == home else member_id
        found[home].append(entry_row(home, asset, version, points, at, kind, of=merged))
    return found
