"""What a merge of two members does to what was said, and to whom it may be said: settle, give the rows away, remember.

What a newcomer would get wrong: a mail that a sender has in hand is not taken from it. What was only claimed is judged
anew, to the survivor's address and by their wishes; what was begun is recorded by whoever began it.
"""

from __future__ import annotations

from datetime import datetime

from services.notifier.domain.announcing import announcement
from services.notifier.domain.book import Book
from services.notifier.domain.members import Key, Member
from services.notifier.domain.merging import join_digests, joined, stricter
from services.notifier.errors import MergedMeanwhile
from services.notifier.store import Store
from shared.database import AnyConnection


async def merge(store: Store, connection: AnyConnection, book: Book, survivor: Key, other: Key) -> None:
    """Join the other member into the survivor, in a book without rows; what is announced is in the book.

    Raises:
        MergedMeanwhile: one of them was merged into somebody just now; try again.
    """
    await store.load(connection, book, [survivor, other], [])
    mine, theirs = book.member(survivor), book.member(other)
    if mine.merged_into is not None or theirs.merged_into is not None:
        raise MergedMeanwhile(f"{survivor[1]!r} or {other[1]!r} was merged just now; try again")
    book.put_member(Member(program_id=other[0], member_id=other[1], merged_into=survivor[1]))
    if mine.erased_at is None:
        _join(book, mine, theirs)
    else:
        book.erased.append(survivor)  # what comes along is forgotten, too
    await _join_messages(store, connection, book, survivor, other, book.now)
    await store.save(connection, book)


def _join(book: Book, mine: Member, theirs: Member) -> None:
    after = joined(mine, theirs)
    book.put_member(after)
    if after.email and mine.email is None:
        book.reached.append(after.key)
    words = (book.recipient(mine.key).preferences, book.recipient(theirs.key).preferences)
    for preference in stricter(mine.key, *map(list, words)):
        book.put_preference(preference)


async def _join_messages(
    store: Store, connection: AnyConnection, book: Book, survivor: Key, other: Key, now: datetime
) -> None:
    theirs = await store.digests(connection, other)
    mine = await store.digests(connection, survivor) if theirs else []
    digests = join_digests(survivor, mine, theirs, now)
    await store.give_messages(connection, survivor, other, digests, now)
    for message in digests.folded:
        told = announcement(message, now)
        if told is not None:
            book.outgoing.append(told)
