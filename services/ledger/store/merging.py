"""The rows of a merge: what was one member's becomes another's, in a few statements, whatever their number.

What a newcomer would get wrong: transfers, gifts and adjustments that were made stay where they were made, since the
book is only ever appended to. And ids are one member's own: where both have an order, an award, a hold or a reward of
the same id, the merged member's gets `@` and that member's id behind it (a digest of it, where that is too long).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.ledger.domain.book import Book
from services.ledger.domain.goals import Reached
from services.ledger.domain.joined_goals import Period
from services.ledger.domain.merging import Merged
from services.ledger.domain.records import Balance, MemberKey, Usage
from services.ledger.store.goals import save_reached
from shared.database import AnyConnection
from shared.orders import exact
from shared.queries import Queries

MOVED = frozenset({
    "adjustment", "award", "coupon", "coupon_use", "goal_part", "goal_reached", "hold", "lot", "partner_credit",
    "pool_lot", "purchase", "reward",
})  # fmt: skip
"""Tables whose rows a merge gives to the survivor."""
JOINED = frozenset({"balance", "member", "person", "pool_member", "usage"})
"""Tables in which the rules join what both have."""
LEFT = frozenset({
    "erasure", "gift", "guest_address", "guest_order", "imported_row", "imported_usage", "merge", "transfer",
})  # fmt: skip
"""Tables whose rows stay with the id that they were written for; who reads them asks whose they are now."""


async def read(connection: AnyConnection, sql: Queries, key: MemberKey) -> Merged | None:
    """How this member was merged into another; None where that was not done."""
    row = await connection.fetchrow(sql.read_merge, *key)
    return None if row is None else _merged(row)


async def into(connection: AnyConnection, sql: Queries, key: MemberKey, limit: int) -> list[Merged]:
    """Who was merged into this member, the latest first."""
    return [_merged(row) for row in await connection.fetch(sql.merges_into, *key, limit)]


async def add(connection: AnyConnection, sql: Queries, made: Merged) -> None:
    """Keep what was done."""
    moved = json.dumps([[b.asset, b.pending, b.available, b.held, b.version] for b in made.moved])
    await connection.execute(
        sql.insert_merge,
        made.program_id,
        made.member_id,
        made.survivor_id,
        made.merged_at,
        made.merged_by,
        made.reason,
        moved,
    )


async def aliases_of(connection: AnyConnection, sql: Queries, key: MemberKey) -> set[MemberKey]:
    """Who was merged into this member before."""
    return {(key[0], row["member_id"]) for row in await connection.fetch(sql.aliases_of, *key)}


async def load_usage(connection: AnyConnection, sql: Queries, book: Book, keys: Sequence[MemberKey]) -> None:
    """Bring all that caps have counted of these members."""
    for row in await connection.fetch(sql.load_all_usage, *zip(*sorted(keys), strict=True)):
        program_id, member_id, rule, bucket, times, points = row
        usage = Usage(program_id, member_id, rule, bucket, times, exact(points))
        book.usage.load((program_id, member_id), (rule, bucket), usage)


async def goal_periods(connection: AnyConnection, sql: Queries, other: MemberKey) -> list[Period]:
    """The periods of goals in which this member's orders count."""
    return [(row["rule"], row["period"]) for row in await connection.fetch(sql.goal_periods_of, *other)]


async def new_names(
    connection: AnyConnection, sql: Queries, survivor: MemberKey, other: MemberKey
) -> dict[str, str]:
    """The new ids of the other one's awards that the survivor has under the same id."""
    alike = await connection.fetch(sql.awards_alike, *other, survivor[1])
    return {row["award_id"]: f"{row['award_id']}@{other[1]}" for row in alike}


async def move_rows(
    connection: AnyConnection,
    sql: Queries,
    survivor: MemberKey,
    other: MemberKey,
    names: Mapping[str, str],
    reached: Iterable[Reached],
) -> None:
    """Give the survivor all rows of the other one, both locked, with these new ids of awards and these goals.

    What refers to rewards goes before them, since whether an id is taken is asked of both members' rows; what refers to
    orders goes after them, and is called as they are.
    """
    both = (*other, survivor[1])
    shifts = {row["asset"]: row["shift"] for row in await connection.fetch(sql.lot_shifts, *both)}
    renamed, shifted = (list(names), list(names.values())), (list(shifts), list(shifts.values()))
    for query in (sql.move_coupons, sql.move_coupon_uses, sql.move_proposals, sql.move_partner_credits):
        await connection.execute(query, *both)
    for query in (sql.move_purchases, sql.move_goal_parts):
        await connection.execute(query, *both)
    await save_reached(connection, sql, reached)
    await connection.execute(sql.empty_goals_reached, *other)
    await connection.execute(sql.move_invitations, *both)
    await connection.execute(sql.move_borrowed, *both, *shifted)
    await connection.execute(sql.forget_borrowed, *other[:1], survivor[1])
    await connection.execute(sql.move_lots, *both, *renamed, *shifted)
    await connection.execute(sql.move_awards, *both, *renamed)
    for query in (sql.move_holds, sql.move_rewards):
        await connection.execute(query, *both, *shifted)


def _merged(row: Any) -> Merged:
    program_id, member_id, survivor_id, merged_at, merged_by, reason, moved = row
    balances = tuple(Balance(program_id, member_id, *each) for each in json.loads(moved))
    return Merged(program_id, member_id, survivor_id, merged_at, merged_by, reason, balances)
