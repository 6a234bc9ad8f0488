"""The rows of orders: what was bought, what it earned, how many there are.

What a newcomer would get wrong: an order that is named brings its awards of every asset that any version of the program
knows, since an edit is decided under the version of the first payment.
"""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.orders import award_id_of
from services.ledger.domain.records import Award, MemberKey, Purchase
from services.ledger.store.rows import award_of, award_row, purchase_of, purchase_row
from services.ledger.store.writing import Changed, columns_of_ids, write
from shared.database import AnyConnection, columns_of
from shared.queries import Queries

AWARD_COLUMNS = Award.__struct_fields__
PURCHASE_COLUMNS = Purchase.__struct_fields__
CHANGING_AWARD = (
    "program_id", "member_id", "award_id", "points", "state", "breakdown", "reversed", "written_off", "due_at",
    "program_version",
)  # fmt: skip


async def load_orders(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> None:
    """Bring the orders that are named, those of shoppers, their awards, and how many orders were paid."""
    awards = set(needs.awards)
    if needs.orders:
        for row in await connection.fetch(sql.load_purchases, *columns_of_ids(needs.orders)):
            key = _load_purchase(book, row)
            if (key, row["order_id"]) in needs.stated:
                needs.detailed.add(key)  # an edit, or refunds that overtook the order, may move points
            assets = {each for version in book.programs[key[0]].all for each in version.rules.assets}
            awards.update((key, award_id_of(row["order_id"], asset)) for asset in assets)
    if needs.shoppers:
        for row in await connection.fetch(sql.load_all_purchases, *columns_of(sorted(needs.shoppers), 2)):
            _load_purchase(book, row)
    if needs.counted:
        for row in await connection.fetch(sql.count_orders, *columns_of(sorted(needs.counted), 2)):
            book.order_counts.load((row["program_id"], row["member_id"]), "", row["paid"])
    if needs.rewarded:
        for row in await connection.fetch(sql.load_entry_rewards, *columns_of(sorted(needs.rewarded), 2)):
            load_award(book, row)
    await load_awards(connection, sql, book, awards)


async def load_awards(
    connection: AnyConnection, sql: Queries, book: Book, awards: Iterable[tuple[MemberKey, str]]
) -> None:
    """Bring these awards."""
    found = set(awards)
    if found:
        for row in await connection.fetch(sql.load_awards, *columns_of_ids(found)):
            load_award(book, row)


async def save_orders(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write the orders and awards that the batch made or changed."""
    bought, earned = book.purchases, book.awards
    changed: Changed = (sql.update_purchases, PURCHASE_COLUMNS, bought.updated())
    await write(connection, "purchase", PURCHASE_COLUMNS, purchase_row, bought.new(), changed)
    changed = (sql.update_awards, CHANGING_AWARD, earned.updated())
    await write(connection, "award", AWARD_COLUMNS, award_row, earned.new(), changed)


def load_award(book: Book, row: asyncpg.Record) -> None:
    """Put the award of a row into the book."""
    award = award_of(row)
    book.awards.load((award.program_id, award.member_id), award.award_id, award)


def _load_purchase(book: Book, row: asyncpg.Record) -> MemberKey:
    purchase = purchase_of(row)
    key = (purchase.program_id, purchase.member_id)
    book.purchases.load(key, purchase.order_id, purchase)
    return key
