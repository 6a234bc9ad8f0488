"""The only room that sees rows: brings in what a batch needs, and writes what it changed, in a few set-based queries.

What a newcomer would get wrong: `load` locks the members' rows, in the order of their keys, before anything else about
them is read; whoever reads without that decides on a state that is about to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import FieldInfo

from services.tiers.domain.book import Book, EntryReward, Member, MemberKey, Needs, YearSpend
from services.tiers.domain.course import Course
from services.tiers.domain.purchases import Purchase
from shared.database import AnyConnection, columns_of
from shared.events import OrderPaid, OrderRefunded
from shared.events.data import Data
from shared.queries import Queries

Due = tuple[datetime, str, str]
"""The key by which the clock's job pages: when due, program, member."""

PURCHASE_COLUMNS = (
    "program_id",
    "member_id",
    "order_id",
    "paid",
    "paid_at",
    "stated_at",
    "removed_lines",
    "refunds",
    "cancelled_at",
    "year",
    "kept_minor",
)

START_OF_DUES: Due = (datetime(1, 1, 1, tzinfo=UTC), "", "")


@dataclass(frozen=True, slots=True)
class Replays:
    """Which replays of the past hold the clock: seen after `seen_after`, begun after `begun_after`."""

    seen_after: datetime
    begun_after: datetime


class Store:
    """Reads and writes the tables of this service, on the connection of the caller's transaction."""

    def __init__(self, sql: Queries) -> None:
        self._sql = sql

    async def load(
        self, connection: AnyConnection, needs: Needs, courses: Mapping[str, Course], now: datetime
    ) -> Book:
        """The book of a batch, with the rows of its members locked until the transaction ends."""
        book = Book(courses, now)
        if needs.members:
            programs, members = columns_of(needs.members, 2)
            await connection.execute(self._sql.insert_members, programs, members)
            _fill_members(book, await connection.fetch(self._sql.lock_members, programs, members))
            _fill_years(book, await connection.fetch(self._sql.read_years, programs, members))
        if needs.whole:
            _fill_purchases(book, await connection.fetch(self._sql.purchases_of, *columns_of(needs.whole, 2)))
        if needs.orders:
            _fill_purchases(
                book, await connection.fetch(self._sql.read_purchases, *columns_of(needs.orders, 3))
            )
        return book

    async def homes(self, connection: AnyConnection, keys: Iterable[MemberKey]) -> dict[MemberKey, MemberKey]:
        """Into whom those of these members were merged that were, and those in turn."""
        rows = await connection.fetch(self._sql.homes_of, *columns_of(sorted(keys), 2))
        return {
            (row["program_id"], row["member_id"]): (row["program_id"], row["merged_into"]) for row in rows
        }

    async def save(self, connection: AnyConnection, book: Book) -> None:
        """Write what the batch changed. Of whoever was erased or merged, all but the fact of it is deleted."""
        members = sorted(book.members.changed(), key=lambda member: member.key)
        erased = sorted({member.key for member in members if member.erased_at is not None} | {*book.moved})
        if members:
            await connection.execute(
                self._sql.save_members, *columns_of([_of_member(m) for m in members], 15)
            )
        await self._save_spend(connection, book, set(erased))
        if erased:
            await connection.execute(self._sql.erase_purchases, *columns_of(erased, 2))
            await connection.execute(self._sql.erase_years, *columns_of(erased, 2))

    async def _save_spend(self, connection: AnyConnection, book: Book, erased: set[MemberKey]) -> None:
        new, updated = (
            [_of_purchase(each) for each in rows if (each.program_id, each.member_id) not in erased]
            for rows in (book.purchases.new(), book.purchases.updated())
        )
        if new:
            await connection.copy_records_to_table(
                "purchase", schema_name="tiers", columns=PURCHASE_COLUMNS, records=new
            )
        if updated:
            await connection.execute(self._sql.update_purchases, *columns_of(updated, 11))
        years = [
            (each.program_id, each.member_id, each.year, each.spend_minor)
            for each in book.years.changed()
            if (each.program_id, each.member_id) not in erased
        ]
        if years:
            await connection.execute(self._sql.save_years, *columns_of(sorted(years), 4))

    async def due(
        self, connection: AnyConnection, up_to: datetime, after: Due, replays: Replays, limit: int
    ) -> list[Due]:
        """A page of members that have something due up to `up_to`, soonest first."""
        rows = await connection.fetch(
            self._sql.due_members, up_to, *after, replays.seen_after, replays.begun_after, limit
        )
        return [(row["next_due"], row["program_id"], row["member_id"]) for row in rows]

    async def note_replay(
        self, connection: AnyConnection, program_ids: Sequence[str], now: datetime, quiet_since: datetime
    ) -> None:
        """Remember that the past of these programs is being handled now."""
        await connection.execute(self._sql.note_replay, sorted(program_ids), now, quiet_since)

    async def member(self, connection: AnyConnection, key: MemberKey) -> Member | None:
        """A member's row, not locked; None if there is none."""
        row = await connection.fetchrow(self._sql.read_member, *key)
        return _member(row) if row else None

    async def spent(self, connection: AnyConnection, key: MemberKey) -> dict[int, int]:
        """What a member's orders count, by year."""
        rows = await connection.fetch(self._sql.read_years, [key[0]], [key[1]])
        return {row["year"]: row["spend_minor"] for row in rows}

    async def entitled(self, connection: AnyConnection, key: MemberKey) -> asyncpg.Record | None:
        """Level, since, valid_until and settled_until of a member, in one look-up."""
        return await connection.fetchrow(self._sql.entitled, *key)

    async def page_of_members(
        self, connection: AnyConnection, after: MemberKey, limit: int
    ) -> list[MemberKey]:
        """The keys of the members that follow `after`."""
        rows = await connection.fetch(self._sql.members_after, *after, limit)
        return [(row["program_id"], row["member_id"]) for row in rows]

    async def read_all(
        self,
        connection: AnyConnection,
        keys: Sequence[MemberKey],
        courses: Mapping[str, Course],
        now: datetime,
    ) -> Book:
        """Everything that is kept of these members, not locked: to be compared, never to be saved."""
        book = Book(courses, now)
        columns = columns_of(keys, 2)
        _fill_members(book, await connection.fetch(self._sql.read_members, *columns))
        _fill_years(book, await connection.fetch(self._sql.read_years, *columns))
        _fill_purchases(book, await connection.fetch(self._sql.purchases_of, *columns))
        return book


def _fill_members(book: Book, rows: Sequence[asyncpg.Record]) -> None:
    for row in rows:
        member = _member(row)
        book.members.load(member.key, "", member)


def _fill_years(book: Book, rows: Sequence[asyncpg.Record]) -> None:
    for row in rows:
        year = YearSpend(*row)
        book.years.load((year.program_id, year.member_id), year.year, year)


def _fill_purchases(book: Book, rows: Sequence[asyncpg.Record]) -> None:
    for row in rows:
        purchase = _purchase(row)
        book.purchases.load((purchase.program_id, purchase.member_id), purchase.order_id, purchase)


def _member(row: asyncpg.Record) -> Member:
    rewards = row["entry_rewards"]
    return Member(
        program_id=row["program_id"],
        member_id=row["member_id"],
        joined_at=row["joined_at"],
        level=row["level"],
        since=row["since"],
        valid_until=row["valid_until"],
        settled_until=row["settled_until"],
        judge_at=row["judge_at"],
        warned_until=row["warned_until"],
        next_due=row["next_due"],
        entry_rewards=() if rewards == "[]" else _rewards.decode(rewards),
        changes=row["changes"],
        told_at=row["told_at"],
        erased_at=row["erased_at"],
        merged_into=row["merged_into"],
    )


def _of_member(member: Member) -> tuple[Any, ...]:
    rewards = "[]" if not member.entry_rewards else _compact(member.entry_rewards)
    return (
        member.program_id,
        member.member_id,
        member.joined_at,
        member.level,
        member.since,
        member.valid_until,
        member.settled_until,
        member.judge_at,
        member.warned_until,
        member.next_due,
        rewards,
        member.changes,
        member.told_at,
        member.erased_at,
        member.merged_into,
    )


def _purchase(row: asyncpg.Record) -> Purchase:
    values = dict(row) | {
        "paid": None if row["paid"] is None else _paid.decode(row["paid"]),
        "removed_lines": () if row["removed_lines"] == "[]" else _names.decode(row["removed_lines"]),
        "refunds": () if row["refunds"] == "[]" else _refunds.decode(row["refunds"]),
    }
    return Purchase(**values)


def _of_purchase(purchase: Purchase) -> tuple[Any, ...]:
    return (
        purchase.program_id,
        purchase.member_id,
        purchase.order_id,
        None if purchase.paid is None else _compact(purchase.paid),
        purchase.paid_at,
        purchase.stated_at,
        "[]" if not purchase.removed_lines else _compact(purchase.removed_lines),
        "[]" if not purchase.refunds else _compact(purchase.refunds),
        purchase.cancelled_at,
        purchase.year,
        purchase.kept_minor,
    )


def _compact(value: object) -> str:
    """JSON without the fields that hold their default: most of an order is that."""
    return msgspec.json.encode(_slim(value)).decode()


def _slim(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_slim(each) for each in value]
    if isinstance(value, Data):
        return {
            each.name: _slim(held)
            for each in _fields_of(type(value))
            if (held := getattr(value, each.name)) != each.default
        }
    if is_dataclass(value):
        return {each.name: _slim(getattr(value, each.name)) for each in fields(value)}
    return value


@cache
def _fields_of(kind: type[Data]) -> tuple[FieldInfo, ...]:
    return msgspec.structs.fields(kind)


_paid = msgspec.json.Decoder(OrderPaid)
_refunds = msgspec.json.Decoder(tuple[OrderRefunded, ...])
_names = msgspec.json.Decoder(tuple[str, ...])
_rewards = msgspec.json.Decoder(tuple[EntryReward, ...])
