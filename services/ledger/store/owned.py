"""Everything that members own and have used up, to be looked at: nothing is locked.

What a newcomer would get wrong: `load_shelf` brings what a batch touches, and locks it. Here it is all rewards of some
members, the closed ones too, with the codes that they were handed over as.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.ledger.domain.book import Book
from services.ledger.domain.records import MemberKey, Usage
from services.ledger.store.rewards import coupon_of_row, reward_of_row
from shared.database import AnyConnection
from shared.orders import exact
from shared.queries import Queries


async def load_everything_owned(
    connection: AnyConnection, sql: Queries, book: Book, keys: Sequence[MemberKey]
) -> None:
    """Bring all rewards of these members with their codes, and what caps have counted."""
    columns = list(zip(*keys, strict=True))
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
