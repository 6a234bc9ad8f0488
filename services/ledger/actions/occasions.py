"""Brings members up to date with a version of the program that rewards another occasion of the calendar, or lets points
live otherwise.

What a newcomer would get wrong: a version that drops an occasion needs nothing. Whoever is looked at for it finds that
no rule holds at that moment; too early a look is harmless, only one too late would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ledger.actions import Actions
from services.ledger.domain.needs import Needs
from services.ledger.domain.occasions import FIRST_PURCHASE, note_purchase, schedule_occasions
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.switching import switches_of
from services.ledger.store.persons import first_purchases
from shared.database import AnyConnection
from shared.programs import BEGINNING_OF_TIME, Versions

MEMBERS_AT_ONCE = 500  # their rows are locked for well under a second
LEFT_ALONE = timedelta(minutes=1)  # longer than a transaction lasts that began before the version


@dataclass(frozen=True, slots=True)
class Sweep:
    """A program whose members are not all up to date; those up to `swept_to` are."""

    program_id: str
    version: int
    swept_version: int
    swept_to: str


async def sweeps_to_do(actions: Actions, connection: AnyConnection, now: datetime) -> list[Sweep]:
    """The programs whose newest version has to be looked at, since it may reward what no version before it did."""
    rows = await connection.fetch(actions.sql.programs_to_sweep, now - LEFT_ALONE)
    return [
        Sweep(row["program_id"], row["version"], row["swept_version"] or 0, row["swept_to"] or "")
        for row in rows
    ]


async def sweep(actions: Actions, connection: AnyConnection, todo: Sweep) -> Sweep | None:
    """Schedule the next occasion of some hundred members; what is left to do, None at the end."""
    versions = await actions.programs.one(connection, todo.program_id)
    keys = []
    new = _new_occasions(versions, todo)
    moved = [each for each in switches_of(versions) if each.version > todo.swept_version]
    if new or moved:
        rows = await connection.fetch(
            actions.sql.next_members, todo.program_id, todo.swept_to, MEMBERS_AT_ONCE
        )
        keys = [(todo.program_id, row["member_id"]) for row in rows]
    if not keys:
        await connection.execute(actions.sql.note_sweep, todo.program_id, todo.version, todo.version, None)
        return None
    needs = Needs(members=dict.fromkeys(keys, BEGINNING_OF_TIME))  # nothing is settled: that is another job's
    book = await actions.store.load(connection, needs, {todo.program_id: versions})
    if FIRST_PURCHASE in new:
        for key, at in (await first_purchases(connection, actions.sql, keys)).items():
            note_purchase(book, key, at)
    for key in keys:
        schedule_occasions(book, key)
        for switch in moved:
            book.schedule(key, switch.at)
    await actions.store.save(connection, book)
    swept_to = keys[-1][1]
    await connection.execute(
        actions.sql.note_sweep, todo.program_id, todo.swept_version, todo.version, swept_to
    )
    return Sweep(todo.program_id, todo.version, todo.swept_version, swept_to)


def _new_occasions(versions: Versions[LedgerProgram], todo: Sweep) -> set[str]:
    """What versions after the one that was swept last reward, and it did not."""
    before = versions.numbered(todo.swept_version).rules.occasions if todo.swept_version else ()
    later = versions.all[todo.swept_version :]
    return {occasion for version in later for occasion in version.rules.occasions} - set(before)
