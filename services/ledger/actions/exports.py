"""A whole program as the rows that an import reads, a few hundred members at a time.

What a newcomer would get wrong: nothing is locked, and the shop goes on. It is one snapshot, in which what fell due by
then counts as done, although nothing of it is written.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.exporting import ImportRow, entry_row, rows_of, short_row
from services.ledger.domain.exporting_program import budget_rows, code_row, pool_row
from services.ledger.domain.households import Pool
from services.ledger.domain.issued import CouponUse
from services.ledger.domain.needs import Needs
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.domain.settling import settle
from services.ledger.store.owned import load_everything_owned
from services.ledger.store.pools import load_borrowed
from services.ledger.store.rewards import coupon_of_row
from services.ledger.store.rows import award_of
from shared.database import AnyConnection
from shared.orders import exact

MEMBERS_AT_ONCE = 200
CODES_AT_ONCE = 1_000
BUDGETS_AT_ONCE = 500
HOUSEHOLDS_AT_ONCE = 500


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
    while True:
        found = await connection.fetch(actions.sql.next_members, program_id, after, MEMBERS_AT_ONCE)
        if not found:
            break
        keys = [(program_id, row["member_id"]) for row in found]
        after = keys[-1][1]
        needs = Needs(
            members=dict.fromkeys(keys, now), detailed=set(keys), shoppers=set(keys), persons=set(keys)
        )
        book = await actions.store.load(connection, needs, programs, locking=False)
        await _load_awards(actions, connection, book, keys)
        await load_everything_owned(connection, actions.sql, book, keys)
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
    while rows := await connection.fetch(actions.sql.export_codes, program_id, after, now, CODES_AT_ONCE):
        coupons = [coupon_of_row(row) for row in rows]
        after = coupons[-1].code
        uses: dict[str, list[CouponUse]] = defaultdict(list)
        for row in await connection.fetch(
            actions.sql.export_uses, program_id, [each.code for each in coupons]
        ):
            uses[row["code"]].append(CouponUse(**dict(row)))
        for coupon in coupons:
            yield code_row(coupon, uses[coupon.code])


async def _budgets(
    actions: Actions, connection: AnyConnection, program_id: str, program: LedgerProgram
) -> AsyncIterator[ImportRow]:
    """What was given of budgets."""
    after = ("", "")
    while rows := await connection.fetch(actions.sql.budgets_of, program_id, *after, BUDGETS_AT_ONCE):
        after = (rows[-1]["budget"], rows[-1]["bucket"])
        used = [(row["budget"], row["bucket"], sum(map(exact, row["used"]))) for row in rows]
        for told in budget_rows(program, used):
            yield told


async def _households(
    actions: Actions, connection: AnyConnection, program_id: str
) -> AsyncIterator[ImportRow]:
    after = ""
    while rows := await connection.fetch(
        actions.sql.export_households, program_id, after, HOUSEHOLDS_AT_ONCE
    ):
        after = rows[-1]["pool_id"]
        for row in rows:
            yield pool_row(Pool(program_id, row["pool_id"], tuple(row["members"])))


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
