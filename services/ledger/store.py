"""The only room of the ledger that sees rows: brings a batch's book, and writes it back, in sets.

What a newcomer would get wrong: keys go to Postgres sorted, as arrays of scalars, and every table is asked for through
`LATERAL`. New rows go in by binary COPY, changed ones by `unnest`; no statement is run once per row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import asyncpg
import msgspec

from services.ledger.domain.book import (
    MEMBER_ACCOUNTS,
    Award,
    Balance,
    Book,
    Draw,
    Hold,
    Level,
    Lot,
    Member,
    MemberKey,
    Purchase,
    Transfer,
    Usage,
)
from services.ledger.domain.needs import Needs
from services.ledger.domain.orders import award_id_of
from services.ledger.domain.program import LedgerProgram
from shared.database import AnyConnection
from shared.events import OrderPaid, OrderRefunded
from shared.programs import Versions
from shared.queries import Queries

Row = asyncpg.Record

_json = msgspec.json.Encoder()
_paid = msgspec.json.Decoder(OrderPaid)
_refunds = msgspec.json.Decoder(tuple[OrderRefunded, ...])

TRANSFER_COLUMNS = (
    "program_id", "member_id", "asset", "version", "kind", "from_account", "to_account", "amount",
    "award_id", "order_id", "hold_id", "cause", "happened_at", "pending", "available", "held",
)  # fmt: skip
PURCHASE_COLUMNS = (
    "program_id", "member_id", "order_id", "paid_at", "program_version", "paid", "fulfilled_at", "cancelled_at",
    "refunds", "removed_lines",
)  # fmt: skip
AWARD_COLUMNS = (
    "program_id", "member_id", "award_id", "asset", "kind", "order_id", "cause", "happened_at", "program_version",
    "points", "state", "breakdown", "reversed", "written_off", "due_at",
)  # fmt: skip
LOT_COLUMNS = (
    "program_id", "member_id", "asset", "lot_no", "award_id", "order_id", "opened_at", "expires_at", "amount",
    "remaining", "expired",
)  # fmt: skip
HOLD_COLUMNS = (
    "program_id", "member_id", "hold_id", "asset", "points", "state", "held_at", "held_until", "draws", "captured",
    "order_id",
)  # fmt: skip


class Store:
    """Loads and saves books."""

    def __init__(self, sql: Queries) -> None:
        self._sql = sql

    async def load(
        self, connection: AnyConnection, needs: Needs, programs: Mapping[str, Versions[LedgerProgram]]
    ) -> Book:
        """The book of a batch, its members locked in key order."""
        book = Book(programs)
        if not needs.members:
            return book
        keys = sorted(needs.members)
        await self._load_members(connection, book, keys)
        needs.detailed.update(
            key for key in keys if (due := book.stored_due[key]) is not None and due <= needs.members[key]
        )
        await self._load_balances(connection, book, keys)
        await self._load_orders(connection, book, needs)
        await self._load_usage(connection, book, needs)
        if needs.detailed:
            await self._load_details(connection, book, sorted(needs.detailed))
        return book

    async def save(self, connection: AnyConnection, book: Book) -> None:
        """Write everything that the batch changed."""
        await self._save_members(connection, book)
        await self._save_orders(connection, book)
        await self._save_lots(connection, book)
        if len(book.transfers):
            await _copy(
                connection, "transfer", TRANSFER_COLUMNS, [_transfer_row(each) for each in book.transfers]
            )
            await self._save_movements(connection, book.transfers)

    async def due_members(self, connection: AnyConnection, until: datetime, limit: int) -> list[MemberKey]:
        """Members with something due, longest first."""
        return [tuple(row) for row in await connection.fetch(self._sql.due_members, until, limit)]

    async def awards_of_cause(self, connection: AnyConnection, key: MemberKey, cause: str) -> list[Award]:
        """What an event earned, one award for each asset."""
        return [_award(row) for row in await connection.fetch(self._sql.awards_of_cause, *key, cause)]

    async def purchase(self, connection: AnyConnection, key: MemberKey, order_id: str) -> Purchase | None:
        """What is known of an order."""
        row = await connection.fetchrow(self._sql.load_purchases, [key[0]], [key[1]], [order_id])
        return None if row is None else _purchase(row)

    async def _load_members(self, connection: AnyConnection, book: Book, keys: Sequence[MemberKey]) -> None:
        columns = _columns(keys, 2)
        await connection.execute(self._sql.insert_members, *columns)
        for row in await connection.fetch(self._sql.lock_members, *columns):
            member = Member(
                row["program_id"],
                row["member_id"],
                row["joined_at"],
                _levels(row["levels"]),
                row["next_due"],
                row["erased_at"],
            )
            key = (member.program_id, member.member_id)
            book.members.load(key, "", member)
            book.stored_due[key] = member.next_due

    async def _load_balances(self, connection: AnyConnection, book: Book, keys: Sequence[MemberKey]) -> None:
        for row in await connection.fetch(self._sql.load_balances, *_columns(keys, 2)):
            balance = Balance(*row)
            book.balances.load((balance.program_id, balance.member_id), balance.asset, balance)

    async def _load_orders(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        awards = set(needs.awards)
        if needs.orders:
            keys = sorted((*key, order_id) for key, order_id in needs.orders)
            for row in await connection.fetch(self._sql.load_purchases, *_columns(keys, 3)):
                key = _load_purchase(book, row)
                assets = {each for version in book.programs[key[0]].all for each in version.rules.assets}
                awards.update((key, award_id_of(row["order_id"], asset)) for asset in assets)
        if needs.shoppers:
            for row in await connection.fetch(
                self._sql.load_all_purchases, *_columns(sorted(needs.shoppers), 2)
            ):
                _load_purchase(book, row)
        if needs.counted:
            for row in await connection.fetch(self._sql.count_orders, *_columns(sorted(needs.counted), 2)):
                book.order_counts[(row["program_id"], row["member_id"])] = row["paid"]
        if awards:
            keys = sorted((*key, award_id) for key, award_id in awards)
            for row in await connection.fetch(self._sql.load_awards, *_columns(keys, 3)):
                _load_award(book, row)

    async def _load_usage(self, connection: AnyConnection, book: Book, needs: Needs) -> None:
        if not needs.usage:
            return
        keys = sorted((*key, rule, bucket) for key, rule, bucket in needs.usage)
        for row in await connection.fetch(self._sql.load_usage, *_columns(keys, 4)):
            program_id, member_id, rule, bucket, times, points = row
            usage = Usage(program_id, member_id, rule, bucket, times, Fraction(points))
            book.usage.load((program_id, member_id), (rule, bucket), usage)

    async def _load_details(self, connection: AnyConnection, book: Book, keys: Sequence[MemberKey]) -> None:
        columns = _columns(keys, 2)
        for row in await connection.fetch(self._sql.load_awards_to_come, *columns):
            _load_award(book, row)
        for row in await connection.fetch(self._sql.load_lots, *columns):
            lot = Lot(*row)
            book.lots.load((lot.program_id, lot.member_id), (lot.asset, lot.lot_no), lot)
        for row in await connection.fetch(self._sql.load_holds, *columns):
            values = dict(row)
            draws = tuple(Draw(*each) for each in json.loads(values.pop("draws")))
            hold = Hold(**values, draws=draws)
            book.holds.load((hold.program_id, hold.member_id), hold.hold_id, hold)
        book.detailed.update(keys)

    async def _save_members(self, connection: AnyConnection, book: Book) -> None:
        members = book.members.updated()
        if members:
            await connection.execute(
                self._sql.update_members, *_columns([_member_row(m) for m in members], 6)
            )
        balances = sorted(book.balances.changed(), key=lambda b: (b.program_id, b.member_id, b.asset))
        if balances:
            await connection.execute(
                self._sql.save_balances, *_columns([_balance_row(b) for b in balances], 7)
            )
        used = sorted(book.usage.changed(), key=lambda u: (u.program_id, u.member_id, u.rule, u.bucket))
        if used:
            await connection.execute(self._sql.save_usage, *_columns([_usage_row(u) for u in used], 6))

    async def _save_orders(self, connection: AnyConnection, book: Book) -> None:
        await _write(
            connection,
            "purchase",
            PURCHASE_COLUMNS,
            _purchase_row,
            book.purchases.new(),
            (self._sql.update_purchases, PURCHASE_COLUMNS, book.purchases.updated()),
        )
        changing = (
            "program_id",
            "member_id",
            "award_id",
            "points",
            "state",
            "breakdown",
            "reversed",
            "written_off",
            "due_at",
        )
        await _write(
            connection,
            "award",
            AWARD_COLUMNS,
            _award_row,
            book.awards.new(),
            (self._sql.update_awards, changing, book.awards.updated()),
        )

    async def _save_lots(self, connection: AnyConnection, book: Book) -> None:
        changing = ("program_id", "member_id", "asset", "lot_no", "remaining", "expired")
        await _write(
            connection,
            "lot",
            LOT_COLUMNS,
            _plain_row(LOT_COLUMNS),
            book.lots.new(),
            (self._sql.update_lots, changing, book.lots.updated()),
        )
        changing = ("program_id", "member_id", "hold_id", "state", "captured", "order_id")
        await _write(
            connection,
            "hold",
            HOLD_COLUMNS,
            _hold_row,
            book.holds.new(),
            (self._sql.update_holds, changing, book.holds.updated()),
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
            await connection.execute(self._sql.insert_movements, *_columns(rows, 4))


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
        places = [columns.index(name) for name in changing]
        rows = [tuple(row[place] for place in places) for row in map(row_of, updated)]
        await connection.execute(query, *_columns(rows, len(places)))


async def _copy(
    connection: AnyConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(table, schema_name="ledger", columns=columns, records=rows)


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into one array per column, as `unnest` wants them."""
    return [[row[i] for row in rows] for i in range(width)]


def _load_purchase(book: Book, row: Row) -> MemberKey:
    purchase = _purchase(row)
    key = (purchase.program_id, purchase.member_id)
    book.purchases.load(key, purchase.order_id, purchase)
    return key


def _load_award(book: Book, row: Row) -> None:
    award = _award(row)
    book.awards.load((award.program_id, award.member_id), award.award_id, award)


def _purchase(row: Row) -> Purchase:
    return Purchase(
        row["program_id"],
        row["member_id"],
        row["order_id"],
        _paid.decode(row["paid"]) if row["paid"] is not None else None,
        row["paid_at"],
        row["program_version"],
        row["fulfilled_at"],
        row["cancelled_at"],
        _refunds.decode(row["refunds"]),
        tuple(json.loads(row["removed_lines"])),
    )


def _award(row: Row) -> Award:
    values = dict(row)
    return Award(**values | {"breakdown": json.loads(values["breakdown"])})


def _member_row(member: Member) -> tuple[Any, ...]:
    return (
        member.program_id,
        member.member_id,
        member.joined_at,
        _levels_json(member.levels),
        member.next_due,
        member.erased_at,
    )


def _balance_row(balance: Balance) -> tuple[Any, ...]:
    return (
        balance.program_id,
        balance.member_id,
        balance.asset,
        balance.pending,
        balance.available,
        balance.held,
        balance.version,
    )


def _usage_row(usage: Usage) -> tuple[Any, ...]:
    return (usage.program_id, usage.member_id, usage.rule, usage.bucket, usage.times, str(usage.points))


def _purchase_row(purchase: Purchase) -> tuple[Any, ...]:
    return (
        purchase.program_id,
        purchase.member_id,
        purchase.order_id,
        purchase.paid_at,
        purchase.program_version,
        _json.encode(purchase.paid).decode() if purchase.paid is not None else None,
        purchase.fulfilled_at,
        purchase.cancelled_at,
        _json.encode(purchase.refunds).decode() if purchase.refunds else "[]",
        json.dumps(purchase.removed_lines) if purchase.removed_lines else "[]",
    )


def _award_row(award: Award) -> tuple[Any, ...]:
    return (
        award.program_id,
        award.member_id,
        award.award_id,
        award.asset,
        award.kind,
        award.order_id,
        award.cause,
        award.happened_at,
        award.program_version,
        award.points,
        award.state,
        _json.encode(award.breakdown).decode(),
        award.reversed,
        award.written_off,
        award.due_at,
    )


def _hold_row(hold: Hold) -> tuple[Any, ...]:
    row = _plain_row(HOLD_COLUMNS)(hold)
    draws = json.dumps([[each.lot_no, each.points] for each in hold.draws])
    place = HOLD_COLUMNS.index("draws")
    return (*row[:place], draws, *row[place + 1 :])


def _transfer_row(transfer: Transfer) -> tuple[Any, ...]:
    return (
        transfer.program_id,
        transfer.member_id,
        transfer.asset,
        transfer.version,
        transfer.kind,
        transfer.from_account,
        transfer.to_account,
        transfer.amount,
        transfer.award_id,
        transfer.order_id,
        transfer.hold_id,
        transfer.cause,
        transfer.happened_at,
        transfer.pending,
        transfer.available,
        transfer.held,
    )


def _plain_row(columns: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda row: tuple(getattr(row, name) for name in columns)


def _levels(text: str) -> tuple[Level, ...]:
    if text == "[]":
        return ()
    return tuple(Level(datetime.fromisoformat(since), name, times) for since, name, times in json.loads(text))


def _levels_json(levels: Sequence[Level]) -> str:
    return json.dumps([[level.since.isoformat(), level.name, level.earn_times] for level in levels])
