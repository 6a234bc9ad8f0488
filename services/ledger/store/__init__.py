"""The only room of the ledger that sees rows: brings a batch's book, and writes it back, in sets.

What a newcomer would get wrong: keys go to Postgres sorted, as arrays of scalars, and every table is asked for through
`LATERAL`. New rows go in by binary COPY, changed ones by `unnest`; no statement is run once per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from random import Random

from msgspec.structs import astuple

from services.ledger.domain.book import Book
from services.ledger.domain.goals import Part
from services.ledger.domain.needs import Needs, usage_known_of
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import (
    MEMBER_ACCOUNTS,
    Award,
    Balance,
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
from services.ledger.store.lots import load_details, save_lots
from services.ledger.store.orders import load_awards, load_orders, save_orders
from services.ledger.store.persons import load_persons, save_persons
from services.ledger.store.pools import check_pools, load_pools, save_pools
from services.ledger.store.rewards import load_shelf, save_shelf
from services.ledger.store.rows import (
    award_of,
    member_row,
    purchase_of,
    usage_row,
)
from services.ledger.store.writing import columns_of_ids, copy
from shared.database import AnyConnection, columns_of
from shared.orders import exact
from shared.programs import Versions
from shared.queries import Queries

TRANSFER_COLUMNS = Transfer.__struct_fields__
"""Columns are called as the fields are: a row is the tuple of its values, and the other way round."""


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
        await load_orders(connection, self._sql, book, needs)
        if needs.striving:
            awards = await goals.load(connection, self._sql, book, needs)
            await load_awards(connection, self._sql, book, awards)
        await self._load_usage(connection, book, needs)
        await load_due(connection, self._sql, book, needs)
        if needs.detailed:
            await load_details(connection, self._sql, book, needs)
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
        await save_orders(connection, self._sql, book)
        await goals.save(connection, self._sql, book)
        await budgets.save(connection, self._sql, book)
        await save_lots(connection, self._sql, book)
        await save_shelf(connection, self._sql, book)
        await save_pools(connection, self._sql, book)
        await erasures.forget(connection, self._sql, book)
        if len(book.transfers):
            await copy(connection, "transfer", TRANSFER_COLUMNS, map(astuple, book.transfers))
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
        awards = await goals.load_periods(connection, self._sql, book, periods)
        await load_awards(connection, self._sql, book, awards)

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

    async def _load_usage(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        wanted = needs.usage
        if further := usage_known_of(book, needs):
            wanted = wanted | further
        if not wanted:
            return
        for row in await connection.fetch(self._sql.load_usage, *columns_of_ids(wanted)):
            program_id, member_id, rule, bucket, times, points = row
            usage = Usage(program_id, member_id, rule, bucket, times, exact(points))
            book.usage.load((program_id, member_id), (rule, bucket), usage)

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
