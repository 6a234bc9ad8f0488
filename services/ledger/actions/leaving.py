"""Members and programs that leave: everything told, everything erased."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.erasure import ERASURE, erase
from services.ledger.domain.exporting import ImportRow, entry_row, rows_of, short_row
from services.ledger.domain.holds import OPEN
from services.ledger.domain.issued import ISSUED, ShelfNeeds
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import EXPIRED, MemberKey
from services.ledger.domain.settling import settle
from services.ledger.errors import UnknownMember
from services.ledger.store.merging import aliases_of
from services.ledger.store.owned import load_everything_owned
from services.ledger.store.rows import award_of
from shared.database import AnyConnection

MEMBERS_AT_ONCE = 200
PERSONAL = ("birthday", "time_zone", "first_paid_at", "segments", "celebrated")


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased of a member; `expired` by asset."""

    erased_at: datetime
    expired: dict[str, int]
    holds_released: int
    rewards_voided: int
    awards_cancelled: int
    facts_forgotten: tuple[str, ...]


async def erase_member(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, reason: str, by: str, now: datetime
) -> Erasure:
    """Erase a member, and keep who asked for it and why. From now on nothing is booked for them.

    Raises:
        UnknownMember, MemberErased: see there.
    """
    async with actions.command(connection, key, now, shelf=ShelfNeeds(), returning=[key]) as book:
        found = _what_goes(book, key, now)
        erase(book, key, cause=f"erasure:{by}", at=now)
        found = replace(found, expired=_expired(book, key))
    report = {"expired": found.expired, "holds_released": found.holds_released}
    report |= {"rewards_voided": found.rewards_voided, "awards_cancelled": found.awards_cancelled}
    report["facts_forgotten"] = list(found.facts_forgotten)
    await connection.execute(actions.sql.insert_erasure, *key, reason, by, now, json.dumps(report))
    return found


def _what_goes(book: Book, key: MemberKey, now: datetime) -> Erasure:
    person = book.person(key)
    return Erasure(
        now,
        {},
        sum(hold.state == OPEN for hold in book.holds.of(key).values()),
        sum(reward.state == ISSUED for reward in book.shelf.rewards.of(key).values()),
        sum(award.due_at is not None for award in book.awards.of(key).values()),
        tuple(name for name in PERSONAL if getattr(person, name)),
    )


def _expired(book: Book, key: MemberKey) -> dict[str, int]:
    """What the member had of each asset in the end; below 0 what they owed."""
    found: Counter[str] = Counter()
    for each in book.transfers:
        if each.kind == ERASURE and (each.program_id, each.member_id) == key:
            found[each.asset] += each.amount if each.to_account == EXPIRED else -each.amount
    return {asset: points for asset, points in found.items() if points}


async def everything_about(
    actions: Actions, connection: AnyConnection, key: MemberKey
) -> dict[str, list[dict[str, Any]]]:
    """All rows about a member, and about those who were merged into them, by table.

    Raises:
        UnknownMember: see there.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in [key, *sorted(await aliases_of(connection, actions.sql, key))]:
        for row in await connection.fetch(actions.sql.export_member, *each):
            found[row["part"]].append(json.loads(row["entry"]))
    if not found:
        raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
    return dict(found)


async def export_program(
    actions: Actions, connection: AnyConnection, program_id: str, now: datetime
) -> AsyncIterator[ImportRow]:
    """A whole program as the rows that an import reads, member after member, as it is at one moment.

    What fell due until `now` counts as done; nothing is written. Needs a transaction that sees one snapshot.

    Raises:
        UnknownProgram: nobody applied it.
    """
    programs = {program_id: await actions.programs.one(connection, program_id)}
    after = ""
    while True:
        found = await connection.fetch(actions.sql.next_members, program_id, after, MEMBERS_AT_ONCE)
        if not found:
            return
        keys = [(program_id, row["member_id"]) for row in found]
        after = keys[-1][1]
        needs = Needs(
            members=dict.fromkeys(keys, now), detailed=set(keys), shoppers=set(keys), persons=set(keys)
        )
        book = await actions.store.load(connection, needs, programs, locking=False)
        await _load_awards(actions, connection, book, keys)
        await load_everything_owned(connection, actions.sql, book, keys)
        history = await _history(actions, connection, keys)
        for key in keys:
            settle(book, key, now)
            for row in [*rows_of(book, key), *history[key[1]]]:
                yield row


async def _load_awards(
    actions: Actions, connection: AnyConnection, book: Book, keys: Sequence[MemberKey]
) -> None:
    for row in await connection.fetch(actions.sql.export_awards, *zip(*keys, strict=True)):
        award = award_of(row)
        key = (award.program_id, award.member_id)
        if book.awards.get(key, award.award_id) is None:
            book.awards.load(key, award.award_id, award)


async def _history(
    actions: Actions, connection: AnyConnection, keys: Sequence[MemberKey]
) -> dict[str, list[ImportRow]]:
    """What the members' statements say, those of before as well, and of whoever was merged into them."""
    found: dict[str, list[ImportRow]] = defaultdict(list)
    columns = list(zip(*keys, strict=True))
    for home, member_id, text in await connection.fetch(actions.sql.export_history, *columns):
        said = json.loads(text)
        of = "" if member_id == home else f":{member_id}"
        found[home].append({**said, "member_id": home, "row": short_row("before", f"{said['row']}{of}")})
    for row in await connection.fetch(actions.sql.export_entries, *columns):
        home, member_id, asset, version, kind, at, points = row
        merged = None if member_id == home else member_id
        found[home].append(entry_row(home, asset, version, points, at, kind, of=merged))
    return found
