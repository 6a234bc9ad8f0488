"""The only room of the ledger that sees rows: brings a batch's book, and writes it back, in sets.

What a newcomer would get wrong: keys go to Postgres sorted, as arrays of scalars, and every table is asked for through
`LATERAL`. New rows go in by binary COPY, changed ones by `unnest`; no statement is run once per row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from random import Random
from typing import Any

import asyncpg
from msgspec.structs import astuple

from services.ledger.domain.book import Book
from services.ledger.domain.goals import Part
from services.ledger.domain.needs import Needs, usage_known_of
from services.ledger.domain.orders import award_id_of
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import (
    MEMBER_ACCOUNTS,
    Award,
    Balance,
    Draw,
    Hold,
    Lot,
    Member,
    MemberKey,
    Purchase,
    Transfer,
    Usage,
)
from services.ledger.store import budgets, erasures, goals
from services.ledger.store.due import load_due
from services.ledger.store.guests import save_guests
from services.ledger.store.levels import levels_of
from services.ledger.store.persons import load_persons, save_persons
from services.ledger.store.pools import check_pools, load_pools, save_pools
from services.ledger.store.rewards import load_shelf, save_shelf
from services.ledger.store.rows import (
    award_of,
    award_row,
    hold_row,
    member_row,
    purchase_of,
    purchase_row,
    usage_row,
)
from shared.database import AnyConnection, columns_of
from shared.orders import exact
from shared.programs import Versions
from shared.queries import Queries
from shared.rows import replace

Row = asyncpg.Record


TRANSFER_COLUMNS = Transfer.__struct_fields__
AWARD_COLUMNS = Award.__struct_fields__
LOT_COLUMNS = Lot.__struct_fields__
HOLD_COLUMNS = Hold.__struct_fields__
PURCHASE_COLUMNS = Purchase.__struct_fields__
"""Columns are called as the fields are: a row is the tuple of its values, and the other way round."""

CHANGING_LOT = ("program_id", "member_id", "asset", "lot_no", "remaining", "expired", "expires_at", "told_at")
CHANGING_HOLD = (
    "program_id", "member_id", "hold_id", "state", "captured", "order_id", "returned", "borne", "draws",
)  # fmt: skip
CHANGING_AWARD = (
    "program_id", "member_id", "award_id", "points", "state", "breakdown", "reversed", "written_off", "due_at",
    "program_version",
)  # fmt: skip


class Store:
    """Loads and saves books."""

    def __init__(self, sql: Queries, random: Random) -> None:
        self._sql = sql
        self._random = random

    async def load(
        self,
        connection: AnyConnection,
        needs: Needs,
        programs: Mapping[str, Versions[LedgerProgram]],
        *,
        locking: bool = True,
        at_once: bool = False,
    ) -> Book:
        """The book of a batch, its members locked in key order; `at_once`: where some are locked already.

        Without `locking` it is only to be looked at: nothing is written, and the shelf of rewards stays empty.
        """
        book = Book(programs)
        book.shelf.draw_number = self._random.randrange
        book.leases = True
        if not needs.members:
            return await self._load_shelf(connection, book, needs)
        if needs.pools or needs.pooling or needs.returning:
            await load_pools(connection, self._sql, book, needs, locking=locking, at_once=at_once)
        keys = sorted(needs.members)
        lock = self._sql.lock_members_at_once if at_once else None
        await self._load_members(connection, book, keys, lock, locking=locking)
        if needs.returning:
            await check_pools(connection, self._sql, book, needs.returning)
        await load_persons(connection, self._sql, book, keys, needs)
        await self._load_balances(connection, book, keys)
        await self._load_orders(connection, book, needs)
        if needs.striving:
            awards = await goals.load(connection, self._sql, book, needs)
            await self._load_awards(connection, book, awards)
        await self._load_usage(connection, book, needs)
        await load_due(connection, self._sql, book, needs)
        if needs.detailed:
            await self._load_details(connection, book, needs)
        if locking:
            await self._load_shelf(connection, book, needs)
        if needs.budgets:  # locked last, and for no longer than the others
            await budgets.load(connection, self._sql, book, needs.budgets, programs, locking=locking)
        return book

    async def _load_shelf(self, connection: AnyConnection, book: Book, needs: Needs) -> Book:
        async def lock_further(keys: Sequence[MemberKey]) -> None:
            await self._load_members(connection, book, keys, self._sql.lock_members_at_once)

        await load_shelf(connection, self._sql, book, needs, lock_further)
        return book

    async def save(self, connection: AnyConnection, book: Book) -> None:
        """Write everything that the batch changed."""
        await self._save_members(connection, book)
        await save_persons(connection, self._sql, book)
        await save_guests(connection, self._sql, book)
        await self._save_orders(connection, book)
        await goals.save(connection, self._sql, book)
        await budgets.save(connection, self._sql, book)
        await self._save_lots(connection, book)
        await save_shelf(connection, self._sql, book)
        await save_pools(connection, self._sql, book)
        await erasures.forget(connection, self._sql, book)
        if len(book.transfers):
            await _copy(connection, "transfer", TRANSFER_COLUMNS, map(astuple, book.transfers))
            await self._save_movements(connection, book.transfers)
        book.journal.mark()

    async def known_members(
        self, connection: AnyConnection, keys: Iterable[MemberKey]
    ) -> dict[MemberKey, MemberKey]:
        """Those of these members that the ledger has heard of, each with who they are now, after a merge."""
        rows = await connection.fetch(self._sql.known_members, *columns_of(sorted(keys), 2))
        return {
            (program_id, member_id): (program_id, merged_into or member_id)
            for program_id, member_id, merged_into in rows
        }

    async def home(self, connection: AnyConnection, key: MemberKey) -> MemberKey:
        """Whom this member was merged into; else the same, known or not."""
        merged_into: str | None = await connection.fetchval(self._sql.member_merged_into, *key)
        return key if merged_into is None else (key[0], merged_into)

    async def due_members(self, connection: AnyConnection, until: datetime, limit: int) -> list[MemberKey]:
        """Members with something due, longest first."""
        return [tuple(row) for row in await connection.fetch(self._sql.due_members, until, limit)]

    async def awards_of_cause(self, connection: AnyConnection, key: MemberKey, cause: str) -> list[Award]:
        """What an event earned, one award for each asset; else what it moved of what another had earned."""
        rows = await connection.fetch(self._sql.awards_of_cause, *key, cause)
        return [
            award_of(row) for row in rows or await connection.fetch(self._sql.awards_moved_by, *key, cause)
        ]

    async def order_of_goals(self, connection: AnyConnection, key: MemberKey, cause: str) -> str | None:
        """The order that an event told of first, where goals were asked about it; else None."""
        found: str | None = await connection.fetchval(self._sql.order_of_goal_cause, *key, cause)
        return found

    async def order_of_hold(self, connection: AnyConnection, key: MemberKey, hold_id: str) -> str | None:
        """The order that a hold was made for; None where it names none, or is not there."""
        found: str | None = await connection.fetchval(self._sql.order_of_hold, *key, hold_id)
        return found

    async def purchase(self, connection: AnyConnection, key: MemberKey, order_id: str) -> Purchase | None:
        """What is known of an order."""
        row = await connection.fetchrow(self._sql.load_purchases, [key[0]], [key[1]], [order_id])
        return None if row is None else purchase_of(row)

    async def load_periods(
        self, connection: AnyConnection, book: Book, periods: Iterable[tuple[str, str, str, str]]
    ) -> None:
        """Bring what orders count in these periods (program, member, rule, period), and the awards of these."""
        await self._load_awards(
            connection, book, await goals.load_periods(connection, self._sql, book, periods)
        )

    async def periods(
        self, connection: AnyConnection, purchase: Purchase, versions: Versions[LedgerProgram]
    ) -> list[Part]:
        """What the orders count in the periods of goals that this order counts in."""
        book = Book({purchase.program_id: versions})
        key = (purchase.program_id, purchase.member_id)
        book.purchases.load(key, purchase.order_id, purchase)
        await goals.load(connection, self._sql, book, Needs(striving={(key, purchase.order_id): set()}))
        return list(book.goal_parts.of(key).values())

    async def _load_members(
        self,
        connection: AnyConnection,
        book: Book,
        keys: Sequence[MemberKey],
        lock: str | None = None,
        *,
        locking: bool = True,
    ) -> None:
        columns = columns_of(keys, 2)
        if locking:
            await connection.execute(self._sql.insert_members, *columns)
        query = (lock or self._sql.lock_members) if locking else self._sql.read_members
        for row in await connection.fetch(query, *columns):
            program_id, member_id, joined_at, levels, *moments = row
            key = (program_id, member_id)
            member = Member(program_id, member_id, joined_at, levels_of(levels), *moments)
            book.members.load(key, "", member)
            book.stored_due[key] = member.next_due
            if member.merged_into is not None:
                book.homes[key] = (program_id, member.merged_into)

    async def _load_balances(self, connection: AnyConnection, book: Book, keys: Sequence[MemberKey]) -> None:
        for row in await connection.fetch(self._sql.load_balances, *columns_of(keys, 2)):
            balance = Balance(*row)
            book.balances.load((balance.program_id, balance.member_id), balance.asset, balance)

    async def _load_orders(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        awards = set(needs.awards)
        if needs.orders:
            for row in await connection.fetch(self._sql.load_purchases, *_columns_of_ids(needs.orders)):
                key = _load_purchase(book, row)
                if (key, row["order_id"]) in needs.stated:
                    needs.detailed.add(key)  # an edit, or refunds that overtook the order, may move points
                assets = {each for version in book.programs[key[0]].all for each in version.rules.assets}
                awards.update((key, award_id_of(row["order_id"], asset)) for asset in assets)
        if needs.shoppers:
            for row in await connection.fetch(
                self._sql.load_all_purchases, *columns_of(sorted(needs.shoppers), 2)
            ):
                _load_purchase(book, row)
        if needs.counted:
            for row in await connection.fetch(self._sql.count_orders, *columns_of(sorted(needs.counted), 2)):
                book.order_counts.load((row["program_id"], row["member_id"]), "", row["paid"])
        if needs.rewarded:
            for row in await connection.fetch(
                self._sql.load_entry_rewards, *columns_of(sorted(needs.rewarded), 2)
            ):
                _load_award(book, row)
        await self._load_awards(connection, book, awards)

    async def _load_awards(
        self, connection: AnyConnection, book: Book, awards: Iterable[tuple[MemberKey, str]]
    ) -> None:
        found = set(awards)
        if found:
            for row in await connection.fetch(self._sql.load_awards, *_columns_of_ids(found)):
                _load_award(book, row)

    async def _load_usage(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        wanted = needs.usage
        if further := usage_known_of(book, needs):
            wanted = wanted | further
        if not wanted:
            return
        for row in await connection.fetch(self._sql.load_usage, *_columns_of_ids(wanted)):
            program_id, member_id, rule, bucket, times, points = row
            usage = Usage(program_id, member_id, rule, bucket, times, exact(points))
            book.usage.load((program_id, member_id), (rule, bucket), usage)

    async def _load_details(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        keys = sorted(needs.detailed)
        columns = columns_of(keys, 2)
        for row in await connection.fetch(self._sql.load_awards_to_come, *columns):
            _load_award(book, row)
        for row in await connection.fetch(self._sql.load_lots, *columns):
            lot = Lot(*row)
            book.lots.load((lot.program_id, lot.member_id), (lot.asset, lot.lot_no), lot)
        await self._load_holds(connection, book, needs)
        book.detailed.update(keys)

    async def _load_holds(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        """The open ones of detailed members, those that are named, and those of the orders at hand."""
        orders = [(key, order_id) for key, order_id in needs.orders if key in needs.detailed]
        found = list(await connection.fetch(self._sql.open_holds, *columns_of(sorted(needs.detailed), 2)))
        for query, named in ((self._sql.holds_named, needs.holds), (self._sql.holds_of_orders, orders)):
            if named:
                keys = sorted((*key, name) for key, name in named)
                found += await connection.fetch(query, *columns_of(keys, 3))
        for row in found:
            draws = tuple(Draw(*each) for each in json.loads(row["draws"]))
            hold = replace(Hold(*row), draws=draws)
            book.holds.load((hold.program_id, hold.member_id), hold.hold_id, hold)

    async def _save_members(self, connection: AnyConnection, book: Book) -> None:
        members = book.members.updated()
        if members:
            await connection.execute(
                self._sql.update_members, *columns_of([member_row(m) for m in members], 8)
            )
        balances = sorted(book.balances.changed(), key=lambda b: (b.program_id, b.member_id, b.asset))
        if balances:
            await connection.execute(self._sql.save_balances, *columns_of(map(astuple, balances), 7))
        used = sorted(book.usage.changed(), key=lambda u: (u.program_id, u.member_id, u.rule, u.bucket))
        if used:
            await connection.execute(self._sql.save_usage, *columns_of([usage_row(u) for u in used], 6))

    async def _save_orders(self, connection: AnyConnection, book: Book) -> None:
        await _write(
            connection,
            "purchase",
            PURCHASE_COLUMNS,
            purchase_row,
            book.purchases.new(),
            (self._sql.update_purchases, PURCHASE_COLUMNS, book.purchases.updated()),
        )
        await _write(
            connection,
            "award",
            AWARD_COLUMNS,
            award_row,
            book.awards.new(),
            (self._sql.update_awards, CHANGING_AWARD, book.awards.updated()),
        )

    async def _save_lots(self, connection: AnyConnection, book: Book) -> None:
        await _write(
            connection,
            "lot",
            LOT_COLUMNS,
            astuple,
            book.lots.new(),
            (self._sql.update_lots, CHANGING_LOT, book.lots.updated()),
        )
        await _write(
            connection,
            "hold",
            HOLD_COLUMNS,
            hold_row,
            book.holds.new(),
            (self._sql.update_holds, CHANGING_HOLD, book.holds.updated()),
        )

    async def _save_movements(self, connection: AnyConnection, transfers: Iterable[Transfer]) -> None:
        """What the batch moved on the program's own accounts: a few rows a batch, none of them hot."""
        moved: Counter[tuple[str, str, str]] = Counter()
        for each in transfers:
            if each.from_account not in MEMBER_ACCOUNTS:
                moved[(each.program_id, each.asset, each.from_account)] -= each.amount
            if each.to_account not in MEMBER_ACCOUNTS:
                moved[(each.program_id, each.asset, each.to_account)] += each.amount
        rows = [(*key, amount) for key, amount in sorted(moved.items()) if amount]
        if rows:
            await connection.execute(self._sql.insert_movements, *columns_of(rows, 4))


async def _write(
    connection: AnyConnection,
    table: str,
    columns: Sequence[str],
    row_of: Callable[[Any], tuple[Any, ...]],
    new: Sequence[Any],
    update: tuple[str, Sequence[str], Sequence[Any]],
) -> None:
    """New rows by COPY, changed ones by an update of the columns that can change."""
    if new:
        await _copy(connection, table, columns, [row_of(each) for each in new])
    query, changing, updated = update
    if updated:
        changed = itemgetter(*[columns.index(name) for name in changing])
        await connection.execute(
            query, *columns_of([changed(row_of(each)) for each in updated], len(changing))
        )


async def _copy(
    connection: AnyConnection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(table, schema_name="ledger", columns=columns, records=rows)


def _columns_of_ids(ids: Iterable[tuple[MemberKey, *tuple[str, ...]]]) -> list[Sequence[str]]:
    """What is named by a member and further ids, members side by side, as one array per column; there must be some.

    It is for reading, which locks nothing: near keys lie on near pages, and that is all the order is for.
    """
    members, *further = zip(*sorted(ids, key=_member_id), strict=True)
    return [*zip(*members, strict=True), *further]


def _member_id(named: tuple[MemberKey, *tuple[str, ...]]) -> str:
    return named[0][1]


def _load_purchase(book: Book, row: Row) -> MemberKey:
    purchase = purchase_of(row)
    key = (purchase.program_id, purchase.member_id)
    book.purchases.load(key, purchase.order_id, purchase)
    return key


def _load_award(book: Book, row: Row) -> None:
    award = award_of(row)
    book.awards.load((award.program_id, award.member_id), award.award_id, award)
