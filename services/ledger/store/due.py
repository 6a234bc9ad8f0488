"""Brings what falls due of members of whom no more is asked for: so a batch costs what happens in it, however much the
member has.

What a newcomer would get wrong: of what stays in the database, `stored_due` of the book says from when on something is
due. So it is set here once more, by what was brought.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from services.ledger.domain.book import Book
from services.ledger.domain.coming import Group, OpenLots, coming_of, horizon_of, moves_all_lots
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import Lot, MemberKey
from services.ledger.store.rows import award_of
from shared.database import AnyConnection
from shared.queries import Queries

Until = dict[MemberKey, datetime]


async def load_due(connection: AnyConnection, sql: Queries, book: Book, needs: Needs) -> None:
    """Bring what is due of the members up to the moment to which each is settled.

    Whoever needs everything for it is added to the detailed ones, who are not looked at here.
    """
    due = {
        key: until
        for key, until in needs.members.items()
        if key not in needs.detailed and (at := book.stored_due[key]) is not None and at <= until
    }
    whole = {key for key, until in due.items() if moves_all_lots(book, key, until)}
    due = {key: due[key] for key in sorted(due.keys() - whole)}
    others = await _next_due(connection, sql, due)
    lean = {key: until for key, until in due.items() if key in others}
    needs.detailed |= whole | (due.keys() - lean.keys())
    if lean:
        await _load_awards(connection, sql, book, lean)
        await _load_lots(connection, sql, book, lean, others)


async def _next_due(connection: AnyConnection, sql: Queries, due: Until) -> dict[MemberKey, datetime | None]:
    """When the next hold, reward or award is due that is not loaded; without those who have to be loaded wholly."""
    if not due:
        return {}
    found: dict[MemberKey, datetime | None] = {}
    for program_id, member_id, hold, reward, award in await connection.fetch(sql.next_due, *_columns(due)):
        key = (program_id, member_id)
        if not any(at is not None and at <= due[key] for at in (hold, reward)):
            found[key] = _soonest(hold, reward, award)
    return found


async def _load_awards(connection: AnyConnection, sql: Queries, book: Book, lean: Until) -> None:
    for row in await connection.fetch(sql.load_awards_due, *_columns(lean)):
        award = award_of(row)
        book.awards.load((award.program_id, award.member_id), award.award_id, award)


async def _load_lots(
    connection: AnyConnection,
    sql: Queries,
    book: Book,
    lean: Until,
    others: Mapping[MemberKey, datetime | None],
) -> None:
    """The groups of lots of which something is due; when the rest is due goes into the book."""
    groups = await _open_groups(connection, sql, book, lean)
    told: list[tuple[MemberKey, Group]] = []
    expiring: list[tuple[MemberKey, Group]] = []
    for key, until in lean.items():
        coming = coming_of(book, key, until, groups[key])
        told += [(key, group) for group in coming.told]
        expiring += [(key, group) for group in coming.expiring]
        book.stored_due[key] = _soonest(others[key], coming.next_due)
    for query, wanted in ((sql.load_lots_told, told), (sql.load_lots_expiring, expiring)):
        if wanted:
            rows = sorted((*key, *group) for key, group in wanted)
            for row in await connection.fetch(query, *zip(*rows, strict=True)):
                lot = Lot(*row)
                book.lots.load((lot.program_id, lot.member_id), (lot.asset, lot.lot_no), lot)


async def _open_groups(
    connection: AnyConnection, sql: Queries, book: Book, lean: Until
) -> Mapping[MemberKey, Iterable[OpenLots]]:
    """What is left in lots, by member; only an asset of which something is available has any."""
    asked = [
        (*key, balance.asset, horizon_of(book, key, balance.asset, until))
        for key, until in lean.items()
        for balance in book.balances.of(key).values()
        if balance.available > 0
    ]
    found: defaultdict[MemberKey, list[OpenLots]] = defaultdict(list)
    if asked:
        for row in await connection.fetch(sql.open_lot_groups, *zip(*sorted(asked), strict=True)):
            program_id, member_id, *group = row
            found[(program_id, member_id)].append(OpenLots(*group))
    return found


def _soonest(*moments: datetime | None) -> datetime | None:
    return min([at for at in moments if at is not None], default=None)


def _columns(lean: Until) -> list[tuple[object, ...]]:
    return list(zip(*[(*key, until) for key, until in lean.items()], strict=True))
