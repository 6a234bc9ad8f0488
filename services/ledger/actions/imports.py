"""Bringing in rows of another system: all of a request, or none of it, and no row twice; in sets, however many.

What a newcomer would get wrong: the ids of rows are looked up after the rows of their members are locked. So two
requests with the same row never both find it new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.imported_budgets import OldBudget, budget_places
from services.ledger.domain.imported_codes import OldCode
from services.ledger.domain.imported_pools import OldOwner, OldPool
from services.ledger.domain.imported_rewards import OldReward
from services.ledger.domain.imported_usage import OldUsage, places_of
from services.ledger.domain.importing import (
    Brought,
    OfProgram,
    OldEntry,
    OldOrder,
    Opening,
    bring_in,
    bring_to_program,
)
from services.ledger.domain.issued import canonical
from services.ledger.domain.needs import Needs
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.errors import ImportFault, UnknownMember, merged_into
from services.ledger.store import pools
from services.ledger.store.budgets import use_up
from services.ledger.store.imports import (
    CountedBefore,
    GivenBefore,
    ImportedRow,
    add_given,
    add_rows,
    add_usage,
    history,
    known_rows,
    make_code_pools,
)
from shared.database import AnyConnection
from shared.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a file that can be read: its line, its member (of the program: none), what it brings, and what it says
    (to be compared).
    """

    line: int
    member_id: str
    kind: str
    said: Mapping[str, Any]
    brought: Brought | OfProgram


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line, and where in it."""

    line: int
    path: str
    message: str


@dataclass(slots=True)
class Report:
    """What came of an import. Where there are faults, nothing was written."""

    imported: int = 0
    known: int = 0
    faults: list[Fault] = field(default_factory=list)


async def bring_in_rows(
    actions: Actions, connection: AnyConnection, program_id: str, entries: Sequence[Entry], now: datetime
) -> Report:
    """Bring in the rows that are new; where one is at fault, none.

    Raises:
        UnknownProgram: nobody applied it.
    """
    programs = {program_id: await actions.programs.one(connection, program_id)}
    if not entries:
        return Report()
    needs = _needs_of(program_id, programs[program_id].newest.rules, entries, now)
    await _make_what_is_missing(actions, connection, program_id, entries, now)
    book = await actions.settled(connection, needs, programs)
    ids = [(entry.member_id, entry.brought.row) for entry in entries]
    known = await known_rows(connection, actions.sql, program_id, ids)
    report, new = Report(), []
    for entry in entries:
        try:
            row = _brought(book, program_id, entry, known, now)
        except ServiceError as error:
            report.faults.append(Fault(entry.line, "", error.message))
            continue
        if row is None:
            report.known += 1
        else:
            report.imported += 1
            new.append(row)
            known[(entry.member_id, entry.brought.row)] = entry.said
    if not report.faults:
        await actions.finish(connection, book)
        await add_rows(connection, new)
        rules = programs[program_id].newest.rules
        await add_usage(connection, program_id, _counted(rules, entries, new))
        given = _given(rules, entries, new, now)
        await add_given(connection, program_id, given)
        used = [((program_id, each.budget, each.bucket), each.used) for each in given]
        await use_up(connection, actions.sql, programs[program_id], used)
    return report


async def _make_what_is_missing(
    actions: Actions, connection: AnyConnection, program_id: str, entries: Sequence[Entry], now: datetime
) -> None:
    """The pools of the shop's codes, and empty households, which are locked before their members."""
    codes = {entry.brought.pool for entry in entries if isinstance(entry.brought, OldCode)}
    await make_code_pools(
        connection, actions.sql, program_id, {pool for pool in codes if pool is not None}, now
    )
    households = {entry.brought.pool_id for entry in entries if isinstance(entry.brought, OldPool)}
    await pools.make_all(connection, actions.sql, program_id, households, now)


def _needs_of(program_id: str, program: LedgerProgram, entries: Sequence[Entry], now: datetime) -> Needs:
    """The members, also those of households and whose lots others have, and what they may have already."""
    needs = Needs()
    for entry in entries:
        if not isinstance(entry.brought, OfProgram):
            _add_member(needs, (program_id, entry.member_id), now)
    for entry in entries:
        key = (program_id, entry.member_id)
        match entry.brought:
            case OldOrder() as said:
                needs.orders.add((key, said.stated.order_id))
            case Opening(owner=OldOwner() as owner):
                _add_member(needs, (program_id, owner.member_id), now)
            case OldPool() as said:
                needs.pools.add((program_id, said.pool_id))
                for name in said.members:
                    _add_member(needs, (program_id, name), now)
                    needs.pooling.add((program_id, name))
            case OldCode() as said:
                needs.shelf.codes.add((program_id, canonical(said.code), "", ""))
            case OldReward() as said:
                needs.shelf.rewards.add((key, said.reward_id))
                if said.code is not None:
                    needs.shelf.codes.add((program_id, canonical(said.code), "", ""))
            case OldUsage() as said:
                with suppress(ImportFault):  # told when its turn comes
                    needs.usage.update((key, *place) for place in places_of(program, said))
    return needs


def _add_member(needs: Needs, key: MemberKey, now: datetime) -> None:
    needs.members[key] = now
    needs.detailed.add(key)
    needs.persons.add(key)


def _counted(
    program: LedgerProgram, entries: Sequence[Entry], new: Sequence[ImportedRow]
) -> list[CountedBefore]:
    """What the new rows of usage counted, cap by cap: `verify` counts anew, and knows of awards alone."""
    ids = {(row.member_id, row.row_id) for row in new}
    found = {}
    for entry in entries:
        said = entry.brought
        if isinstance(said, OldUsage) and (entry.member_id, said.row) in ids:
            for rule, bucket in places_of(program, said):
                place = (entry.member_id, said.row, rule, bucket)
                found[place] = CountedBefore(*place, said.times, said.points)
    return list(found.values())


def _given(
    program: LedgerProgram, entries: Sequence[Entry], new: Sequence[ImportedRow], now: datetime
) -> list[GivenBefore]:
    """What the new rows of budgets say that these had given, budget by budget."""
    ids = {row.row_id for row in new if not row.member_id}
    found = {}
    for entry in entries:
        said = entry.brought
        if isinstance(said, OldBudget) and said.row in ids:
            for name, bucket in budget_places(program, said, now):
                found[said.row, name, bucket] = GivenBefore(said.row, name, bucket, said.used)
    return list(found.values())


async def history_of(
    actions: Actions,
    connection: AnyConnection,
    key: MemberKey,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """Entries of the old statement before this one, newest first.

    Raises:
        UnknownMember: see there.
    """
    rows = await history(connection, actions.sql, key, before=before, limit=limit)
    if not rows and not await connection.fetchval(actions.sql.member_exists, *key):
        raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    return rows


def _brought(
    book: Book,
    program_id: str,
    entry: Entry,
    known: Mapping[tuple[str, str], Mapping[str, Any]],
    now: datetime,
) -> ImportedRow | None:
    """The row to keep; None where it was taken before."""
    key, said = (program_id, entry.member_id), entry.brought
    before = known.get((entry.member_id, said.row))
    if before is not None:
        if before != entry.said:
            raise ImportFault(f"row {said.row!r} of this member was imported before, with other content")
        return None
    if isinstance(said, OfProgram):
        bring_to_program(book, program_id, said, now)
        return ImportedRow(*key, said.row, entry.kind, entry.said)
    if (home := book.homes.get(key)) is not None:
        raise merged_into(key, home)
    bring_in(book, key, said, now)
    happened_at = said.at if isinstance(said, OldEntry) else None
    return ImportedRow(*key, said.row, entry.kind, entry.said, happened_at, *_moved(said))


def _moved(said: Brought) -> tuple[str | None, int]:
    match said:
        case OldOrder(available_at=None, waits_until=None):
            return said.asset, 0  # its points lie in the opening balance
        case OldOrder() | Opening() | OldEntry() | OldReward():
            return said.asset, said.points
        case _:
            return None, 0
