"""How rows go in, as sets: new ones by binary COPY, changed ones by one update of arrays.

What a newcomer would get wrong: no statement is run once per row, and keys go to Postgres as arrays of scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from services.ledger.domain.records import MemberKey
from shared.database import AnyConnection, columns_of

Changed = tuple[str, Sequence[str], Sequence[Any]]
"""What changed: the query that updates it, the columns it takes, and the rows."""


async def write(
    connection: AnyConnection,
    table: str,
    columns: Sequence[str],
    row_of: Callable[[Any], tuple[Any, ...]],
    new: Sequence[Any],
    changed: Changed,
) -> None:
    """New rows by COPY, changed ones by an update of the columns that can change."""
    if new:
        await copy(connection, table, columns, [row_of(each) for each in new])
    query, changing, updated = changed
    if updated:
        values_of = itemgetter(*[columns.index(name) for name in changing])
        await connection.execute(
            query, *columns_of([values_of(row_of(each)) for each in updated], len(changing))
        )


async def copy(
    connection: AnyConnection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Rows into a table of the ledger."""
    await connection.copy_records_to_table(table, schema_name="ledger", columns=columns, records=rows)


def columns_of_ids(ids: Iterable[tuple[MemberKey, *tuple[str, ...]]]) -> list[Sequence[str]]:
    """What is named by a member and further ids, members side by side, as one array per column; there must be some.

    It is for reading, which locks nothing: near keys lie on near pages, and that is all the order is for.
    """
    members, *further = zip(*sorted(ids, key=_member_id), strict=True)
    return [*zip(*members, strict=True), *further]


def _member_id(named: tuple[MemberKey, *tuple[str, ...]]) -> str:
    return named[0][1]
