"""Rewards and coupons of a batch: brought after the members, and written back with them.

What a newcomer would get wrong: rows are locked in one order everywhere, members, then coupons, then stocks, then
codes of a pool (which nobody waits for). A code may belong to a reward of a member whom the batch did not lock: that
member is locked without waiting, and where somebody else has them the batch is tried again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import astuple

from services.ledger.domain.book import Book
from services.ledger.domain.issued import Coupon, CouponUse, Issued
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import Draw, MemberKey
from services.ledger.errors import CodeDrawnTwice
from shared.database import AnyConnection, columns_of
from shared.events import Grant
from shared.queries import Queries
from shared.rows import replace

Code = tuple[str, str]
"""Program and code."""
LockFurther = Callable[[Sequence[MemberKey]], Awaitable[None]]
"""Locks members whom the batch did not name, without waiting, since the order of locks is gone."""

REWARD_COLUMNS = Issued.__struct_fields__
COUPON_COLUMNS = Coupon.__struct_fields__
USE_COLUMNS = CouponUse.__struct_fields__
CHANGING_REWARD = (
    "program_id", "member_id", "reward_id", "state", "code", "valid_until", "due_at", "closed_at", "order_id",
    "changes", "issued_at", "gives", "cause",
)  # fmt: skip
CHANGING_COUPON = (
    "program_id", "code", "state", "gives", "member_id", "reward_id", "anyone", "uses", "used", "valid_from",
    "valid_until",
)  # fmt: skip

Columns = list[tuple[Any, ...]]

_json = msgspec.json.Encoder()
_grant = msgspec.json.Decoder(Grant)


async def load_shelf(
    connection: AnyConnection, sql: Queries, book: Book, needs: Needs, lock_further: LockFurther
) -> None:
    """Bring the rewards, coupons and stocks that the batch touches; the coupons and stocks locked."""
    wanted, found = needs.shelf, []
    if needs.detailed:
        found += await _load_rewards(connection, book, sql.load_open_rewards, needs.detailed, 2)
    if wanted.rewards:
        found += await _load_rewards(connection, book, sql.load_rewards, _flat(wanted.rewards), 3)
    if wanted.named:
        found += await _load_rewards(connection, book, sql.load_rewards_named, _flat(wanted.named), 3)
    codes = {(reward.program_id, reward.code) for reward in found if reward.code is not None}
    codes |= await _codes_of_orders(connection, sql, book, needs)
    if codes:
        await _load_coupons(connection, sql, book, codes, lock_further)
        await _load_uses(connection, sql, book, needs, codes)
    if wanted.stocks or wanted.pools:
        await _load_stocks(connection, sql, book, needs)


async def save_shelf(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write what the batch changed.

    Raises:
        CodeDrawnTwice: a new code is another coupon's; another is drawn with the next try.
    """
    await _save_coupons(connection, sql, book)
    uses = sorted(book.shelf.uses.changed(), key=lambda use: (use.program_id, use.code, use.use_id))
    if uses:
        await connection.execute(sql.save_uses, *columns_of(map(astuple, uses), len(USE_COLUMNS)))
    rewards = book.shelf.rewards
    if rewards.new():
        await connection.copy_records_to_table(
            "reward", schema_name="ledger", columns=REWARD_COLUMNS, records=map(_reward_row, rewards.new())
        )
    if rewards.updated():
        rows = [_picked(_reward_row(each), REWARD_COLUMNS, CHANGING_REWARD) for each in rewards.updated()]
        await connection.execute(sql.update_rewards, *columns_of(rows, len(CHANGING_REWARD)))
    moved: Counter[tuple[str, str]] = Counter()
    for each in book.shelf.stock_changes:
        moved[(each.program_id, each.reward)] += each.change
    if moved:
        changes = [(*key, change) for key, change in sorted(moved.items())]
        await connection.execute(sql.move_stock, *columns_of(changes, 3))


async def read_coupon(connection: AnyConnection, sql: Queries, program_id: str, code: str) -> Coupon | None:
    """A coupon as it is now, without a lock."""
    row = await connection.fetchrow(sql.read_coupon, program_id, code)
    return None if row is None else coupon_of_row(row)


async def read_uses(
    connection: AnyConnection, sql: Queries, coupon: Coupon, *, order_id: str | None, member_id: str | None
) -> list[CouponUse]:
    """What counts against a code now, and what this order and this member had of it, without a lock."""
    of_order = [(coupon.program_id, order_id)] if order_id else []
    of_member = [(coupon.program_id, coupon.code, member_id)] if member_id else []
    rows = await connection.fetch(
        sql.load_uses,
        [coupon.program_id],
        [coupon.code],
        *columns_of(of_order, 2),
        *columns_of(of_member, 3),
        *columns_of([], 3),
    )
    return [CouponUse(**dict(row)) for row in rows if row["code"] == coupon.code]


async def add_coupons(connection: AnyConnection, sql: Queries, made: Iterable[Coupon]) -> set[str]:
    """Write new coupons; the codes of those whose code was free."""
    rows = [_coupon_row(each) for each in sorted(made, key=lambda coupon: (coupon.program_id, coupon.code))]
    written = await connection.fetch(sql.insert_coupons, *columns_of(rows, len(COUPON_COLUMNS)))
    return {row["code"] for row in written}


async def _codes_of_orders(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> set[Code]:
    """The codes that are named, by the batch or by what is known of its orders, and those that its orders use."""
    wanted = needs.shelf
    for key, order_id in needs.stated:
        purchase = book.purchases.get(key, order_id)
        if purchase is not None and purchase.paid is not None and purchase.paid.coupon_codes:
            wanted.add_codes(key, order_id, purchase.paid.coupon_codes)
    codes = {(program_id, code) for program_id, code, _, _ in wanted.codes}
    if wanted.orders:
        rows = await connection.fetch(sql.codes_of_orders, *columns_of(sorted(wanted.orders), 2))
        codes.update((row["program_id"], row["code"]) for row in rows)
    return codes


async def _load_coupons(
    connection: AnyConnection, sql: Queries, book: Book, codes: Iterable[Code], lock_further: LockFurther
) -> None:
    """The coupons, and the rewards behind them, whose members are locked too."""
    behind: set[tuple[MemberKey, str]] = set()
    for row in await connection.fetch(sql.lock_coupons, *columns_of(sorted(codes), 2)):
        coupon = coupon_of_row(row)
        book.shelf.coupons.load(coupon.program_id, coupon.code, coupon)
        if coupon.member_id is not None and coupon.reward_id is not None:
            key = (coupon.program_id, coupon.member_id)
            if book.shelf.rewards.get(key, coupon.reward_id) is None:
                behind.add((key, coupon.reward_id))
    if behind:
        further = sorted({key for key, _ in behind if book.members.get(key, "") is None})
        if further:
            await lock_further(further)
        await _load_rewards(connection, book, sql.load_rewards, _flat(behind), 3)


async def _load_uses(
    connection: AnyConnection, sql: Queries, book: Book, needs: Needs, codes: Iterable[Code]
) -> None:
    wanted = needs.shelf
    orders = wanted.orders | {(program_id, order) for program_id, _, order, _ in wanted.codes if order}
    members = {(program_id, code, member) for program_id, code, _, member in wanted.codes if member}
    rows = await connection.fetch(
        sql.load_uses,
        *columns_of(sorted(codes), 2),
        *columns_of(sorted(orders), 2),
        *columns_of(sorted(members), 3),
        *columns_of(sorted(wanted.uses), 3),
    )
    for row in rows:
        use = CouponUse(**dict(row))
        book.shelf.uses.load((use.program_id, use.code), use.use_id, use)


async def _load_stocks(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> None:
    """What is gone of these rewards, locked until the end; and the next code of each pool."""
    if needs.shelf.stocks:
        columns = columns_of(sorted(needs.shelf.stocks), 2)
        await connection.execute(sql.insert_stock, *columns)
        for row in await connection.fetch(sql.lock_stock, *columns):
            book.shelf.sold.load(*row)
    for program_id, pool in sorted(needs.shelf.pools):
        next_code = await connection.fetchrow(sql.take_from_pool, program_id, pool)
        if next_code is not None:
            coupon = coupon_of_row(next_code)
            book.shelf.coupons.load(coupon.program_id, coupon.code, coupon)


async def _load_rewards(
    connection: AnyConnection, book: Book, query: str, keys: Iterable[tuple[str, ...]], width: int
) -> list[Issued]:
    found = []
    for row in await connection.fetch(query, *columns_of(sorted(keys), width)):
        reward = reward_of_row(row)
        book.shelf.rewards.load((reward.program_id, reward.member_id), reward.reward_id, reward)
        found.append(reward)
    return found


async def _save_coupons(connection: AnyConnection, sql: Queries, book: Book) -> None:
    coupons = book.shelf.coupons
    new = coupons.new()
    if new and len(await add_coupons(connection, sql, new)) < len(new):
        raise CodeDrawnTwice("a new code is another coupon's; another is drawn with the next try")
    if coupons.updated():
        rows = [_picked(_coupon_row(each), COUPON_COLUMNS, CHANGING_COUPON) for each in coupons.updated()]
        await connection.execute(sql.update_coupons, *columns_of(rows, len(CHANGING_COUPON)))


def reward_of_row(row: asyncpg.Record) -> Issued:
    """A reward as its row has it."""
    values = dict(row)
    values["gives"] = _grant.decode(values["gives"])
    values["draws"] = tuple(Draw(*each) for each in json.loads(values["draws"]))
    return Issued(**values)


def coupon_of_row(row: asyncpg.Record) -> Coupon:
    """A coupon as its row has it."""
    values = dict(row)
    if values["gives"] is not None:
        values["gives"] = _grant.decode(values["gives"])
    return Coupon(**values)


def _coupon_row(coupon: Coupon) -> tuple[Any, ...]:
    gives = _json.encode(coupon.gives).decode() if coupon.gives is not None else None
    return astuple(replace(coupon, gives=gives))


def _reward_row(reward: Issued) -> tuple[Any, ...]:
    draws = json.dumps([[each.lot_no, each.points] for each in reward.draws])
    return astuple(replace(reward, gives=_json.encode(reward.gives).decode(), draws=draws))


def _picked(row: Sequence[Any], columns: Sequence[str], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[columns.index(name)] for name in names)


def _flat(keys: Iterable[tuple[MemberKey, str]]) -> list[tuple[str, str, str]]:
    return [(*key, name) for key, name in keys]
