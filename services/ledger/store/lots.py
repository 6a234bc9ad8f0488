"""The rows of what a member can spend or has set aside: awards to come, lots, holds.

What a newcomer would get wrong: of holds only the open ones come unasked; a closed one is brought where a command names
it, or where its order is at hand.
"""

from __future__ import annotations

import json

from msgspec.structs import astuple

from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import Draw, Hold, Lot
from services.ledger.store.orders import load_award
from services.ledger.store.rows import hold_row
from services.ledger.store.writing import Changed, write
from shared.database import AnyConnection, columns_of
from shared.queries import Queries
from shared.rows import replace

LOT_COLUMNS = Lot.__struct_fields__
HOLD_COLUMNS = Hold.__struct_fields__
CHANGING_LOT = ("program_id", "member_id", "asset", "lot_no", "remaining", "expired", "expires_at", "told_at")
CHANGING_HOLD = (
    "program_id", "member_id", "hold_id", "state", "captured", "order_id", "returned", "borne", "draws",
)  # fmt: skip


async def load_details(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> None:
    """Bring all that the members in detail have: awards to come, lots, holds."""
    keys = sorted(needs.detailed)
    columns = columns_of(keys, 2)
    for row in await connection.fetch(sql.load_awards_to_come, *columns):
        load_award(book, row)
    for row in await connection.fetch(sql.load_lots, *columns):
        lot = Lot(*row)
        book.lots.load((lot.program_id, lot.member_id), (lot.asset, lot.lot_no), lot)
    await _load_holds(connection, sql, book, needs)
    book.detailed.update(keys)


async def save_lots(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Write the lots and holds that the batch made or changed."""
    changed: Changed = (sql.update_lots, CHANGING_LOT, book.lots.updated())
    await write(connection, "lot", LOT_COLUMNS, astuple, book.lots.new(), changed)
    changed = (sql.update_holds, CHANGING_HOLD, book.holds.updated())
    await write(connection, "hold", HOLD_COLUMNS, hold_row, book.holds.new(), changed)


async def _load_holds(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> None:
    """The open ones of detailed members, those that are named, and those of the orders at hand."""
    orders = [(key, order_id) for key, order_id in needs.orders if key in needs.detailed]
    found = list(await connection.fetch(sql.open_holds, *columns_of(sorted(needs.detailed), 2)))
    for query, named in ((sql.holds_named, needs.holds), (sql.holds_of_orders, orders)):
        if named:
            keys = sorted((*key, name) for key, name in named)
            found += await connection.fetch(query, *columns_of(keys, 3))
    for row in found:
        draws = tuple(Draw(*each) for each in json.loads(row["draws"]))
        hold = replace(Hold(*row), draws=draws)
        book.holds.load((hold.program_id, hold.member_id), hold.hold_id, hold)
