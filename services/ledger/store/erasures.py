"""What is forgotten of members who are erased, beside the facts about the person: what was imported, what was written.

What a newcomer would get wrong: the entries of the book, the adjustments and the rewards stay, since what they moved
stays. It is the words beside them that go: a reason is free text and may hold a name or an address.
"""

from __future__ import annotations

from services.ledger.domain.book import Book
from shared.database import AnyConnection
from shared.queries import Queries


async def forget(connection: AnyConnection, sql: Queries, book: Book) -> None:
    """Rows of imports of the members whom the batch erased go, and the reasons that people gave are emptied.

    It comes last in a save, when the rows are as they will stay.
    """
    erased = sorted((m.program_id, m.member_id) for m in book.members.changed() if m.erased_at is not None)
    if erased:
        columns = list(zip(*erased, strict=True))
        await connection.execute(sql.forget_imported_rows, *columns)
        await connection.execute(sql.forget_words, *columns)
