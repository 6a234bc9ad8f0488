"""What leaves with a program, to be looked at: portions of it in the order of their keys, and all that members have.

What a newcomer would get wrong: `load_shelf` and the like bring what a batch touches, and lock it. Here nothing is
locked, and the closed comes with the open.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.ledger.domain.book import Book
from services.ledger.domain.households import Pool
from services.ledger.domain.issued import Coupon, CouponUse
from services.ledger.domain.records import MemberKey, Usage
from services.ledger.store.orders import load_award
from services.ledger.store.rewards import coupon_of_row, reward_of_row
from shared.database import AnyConnection, columns_of
from shared.orders import Share, exact
from shared.queries import Queries

MEMBERS_AT_ONCE = 200
CODES_AT_ONCE = 1_000
BUDGETS_AT_ONCE = 500
HOUSEHOLDS_AT_ONCE = 500


async def next_members(
    connection: AnyConnection, sql: Queries, program_id: str, after: str
) -> list[MemberKey]:
    """The next members of a program; those who were forgotten or merged have no place of their own."""
    rows = await connection.fetch(sql.next_members, program_id, after, MEMBERS_AT_ONCE)
    return [(program_id, row["member_id"]) for row in rows]


async def next_codes(
    connection: AnyConnection, sql: Queries, program_id: str, after: str, now: datetime
) -> list[tuple[Coupon, list[CouponUse]]]:
    """The next codes of nobody's reward, with their uses."""
    rows = await connection.fetch(sql.export_codes, program_id, after, now, CODES_AT_ONCE)
    coupons = [coupon_of_row(row) for row in rows]
    if not coupons:
        return []
    uses: dict[str, list[CouponUse]] = defaultdict(list)
    for row in await connection.fetch(sql.export_uses, program_id, [each.code for each in coupons]):
        uses[row["code"]].append(CouponUse(**dict(row)))
    return [(coupon, uses[coupon.code]) for coupon in coupons]


async def next_budgets(
    connection: AnyConnection, sql: Queries, program_id: str, after: tuple[str, str]
) -> list[tuple[str, str, Share]]:
    """The next budgets (by name and bucket), and what was given out of them."""
    rows = await connection.fetch(sql.budgets_of, program_id, *after, BUDGETS_AT_ONCE)
    return [(row["budget"], row["bucket"], sum(map(exact, row["used"]))) for row in rows]


async def next_households(connection: AnyConnection, sql: Queries, program_id: str, after: str) -> list[Pool]:
    """The next households, with their members in the order in which they joined."""
    rows = await connection.fetch(sql.export_households, program_id, after, HOUSEHOLDS_AT_ONCE)
    return [Pool(program_id, row["pool_id"], tuple(row["members"])) for row in rows]


async def load_everything_owned(
    connection: AnyConnection, sql: Queries, book: Book, keys: Sequence[MemberKey]
) -> None:
    """Bring all that awards of these members hold, all rewards with their codes, and what caps have counted."""
    columns = columns_of(keys, 2)
    for row in await connection.fetch(sql.export_awards, *columns):
        if book.awards.get((row["program_id"], row["member_id"]), row["award_id"]) is None:
            load_award(book, row)
    for row in await connection.fetch(sql.export_rewards, *columns):
        reward = reward_of_row(row)
        book.shelf.rewards.load((reward.program_id, reward.member_id), reward.reward_id, reward)
    for row in await connection.fetch(sql.export_coupons, *columns):
        coupon = coupon_of_row(row)
        book.shelf.coupons.load(coupon.program_id, coupon.code, coupon)
    for program_id, member_id, rule, bucket, times, points in await connection.fetch(
        sql.load_all_usage, *columns
    ):
        place = (rule, bucket)
        if book.usage.get((program_id, member_id), place) is None:
            used = Usage(program_id, member_id, rule, bucket, times, exact(points))
            book.usage.load((program_id, member_id), place, used)


async def histories(
    connection: AnyConnection, sql: Queries, keys: Sequence[MemberKey]
) -> list[tuple[str, str, dict[str, Any]]]:
    """Whose it is now, whose it was, and an entry of the statement that came from another system."""
    rows = await connection.fetch(sql.export_history, *columns_of(keys, 2))
    return [(home, member_id, json.loads(said)) for home, member_id, said in rows]


async def entries(
    connection: AnyConnection, sql: Queries, keys: Sequence[MemberKey]
) -> list[tuple[str, str, str, int, str, datetime, int]]:
    """What members gained and lost here: whose it is now, whose it was, asset, version, kind, when and how many."""
    return [tuple(row) for row in await connection.fetch(sql.export_entries, *columns_of(keys, 2))]
