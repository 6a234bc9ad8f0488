"""Recomputes every referral from the papers and compares, naming each difference.

What a newcomer would get wrong: this reads without locks, page by page. Where a worker is busy, a difference that is
gone at the second look was none.
"""

from __future__ import annotations

from services.referrals.domain.attribution import weigh, winner
from services.referrals.domain.book import Book
from services.referrals.domain.model import MemberKey, State
from services.referrals.domain.program import ReferralProgram
from services.referrals.domain.purchases import purchases_of
from services.referrals.domain.referring import Moment, review
from services.referrals.store import Store
from shared.programs import Programs
from shared.service import Ports

FRIENDS_AT_ONCE = 500
MAX_DIFFERENCES = 100  # more of them need no counting but a person


async def differences(ports: Ports, store: Store, programs: Programs[ReferralProgram]) -> list[str]:
    """Each place where what is kept is not what follows from the papers; empty where all is well."""
    found = await _by_rows(ports)
    after: MemberKey = ("", "")
    while len(found) < MAX_DIFFERENCES:
        async with ports.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            rows = await connection.fetch(ports.sql.friends_after, *after, FRIENDS_AT_ONCE)
            friends = [(row["program_id"], row["member_id"]) for row in rows]
            if not friends:
                break
            known = await programs.of(connection, {key[0] for key in friends})
            book = await store.peek(connection, friends, known)
        for key in friends:
            found += _differences_of(book, key)
        after = friends[-1]
    return found[:MAX_DIFFERENCES]


async def _by_rows(ports: Ports) -> list[str]:
    """What a look at the rows alone can tell."""
    found = []
    for row in await ports.pool.fetch(ports.sql.brought_twice):
        found.append(f"{row['program_id']}: friend {row['member_id']!r} was brought {row['referrals']} times")
    for row in await ports.pool.fetch(ports.sql.sides_that_differ):
        found.append(
            f"{row['program_id']}: referral {row['referral_id']} is {row['with_friend']} with the friend and "
            f"{row['with_advocate']} with the advocate, or names or times differ"
        )
    for row in await ports.pool.fetch(ports.sql.codes_that_differ):
        found.append(
            f"{row['program_id']}: code {row['code']} of {row['member_id']!r} is {row['owner_id']!r}'s"
        )
    for row in await ports.pool.fetch(ports.sql.left_of_erased):
        found.append(
            f"{row['program_id']}: {row['what']} of {row['member_id']!r} remain, who was erased or merged"
        )
    return found


def _differences_of(book: Book, key: MemberKey) -> list[str]:
    before = dict(book.referrals.of(key))
    review(book, key, Moment(book.member(key).first_seen_at, "verify"))
    found = []
    for referral_id, after in book.referrals.of(key).items():
        kept = before.get(referral_id)
        if kept is None:
            found.append(f"{key[0]}: referral of friend {key[1]!r} by code {after.code} is missing")
        elif (kept.state, kept.order_id, kept.approved_at) != (
            after.state,
            after.order_id,
            after.approved_at,
        ):
            found.append(
                f"{key[0]}: referral {referral_id} is {kept.state.value} by order {kept.order_id!r}, "
                f"its papers say {after.state.value} by {after.order_id!r}"
            )
    return found + _approved_without_order(book, key)


def _approved_without_order(book: Book, key: MemberKey) -> list[str]:
    purchases = purchases_of(book.papers.of(key).values())
    won = winner(weigh(book, key, purchases))
    orders = {purchase.order_id for purchase in purchases}
    return [
        f"{key[0]}: referral {referral.referral_id} is approved, but order {referral.order_id!r} is not known"
        for referral in book.referrals.of(key).values()
        if referral.state is State.APPROVED and (won is None or referral.order_id not in orders)
    ]
