"""What a cart would earn a member, or somebody who is none yet: reckoned on a book that nobody saves."""

from __future__ import annotations

from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs, needs_of
from services.ledger.domain.previews import NOBODY, Preview, as_event, book_of_newcomer, preview
from services.ledger.domain.records import MemberKey
from services.ledger.errors import MemberErased
from services.ledger.store import budgets
from shared.database import AnyConnection
from shared.events import OrderPaid


async def preview_cart(
    actions: Actions, connection: AnyConnection, key: MemberKey, *, cart: OrderPaid, at: datetime
) -> tuple[Preview, Book, bool]:
    """What the cart would earn, were it paid `at`; and whether the ledger knows the member.

    Somebody of whom it has not heard earns as a newcomer does. Nothing is locked or written.

    Raises:
        UnknownProgram: nobody applied it. MemberErased: see there.
    """
    event = as_event(cart, key[0], at)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        known = key[1] != NOBODY and bool(await connection.fetchval(actions.sql.member_exists, *key))
        programs = {key[0]: await actions.programs.one(connection, key[0])}
        needs = needs_of([event], programs)
        if known:
            needs.detailed.add(key)
            book = await actions.settled(connection, needs, programs, locking=False)
        else:
            book = await _newcomer(actions, connection, key, needs, Book(programs))
    if book.member(key).erased_at is not None:
        raise MemberErased(f"member {key[1]!r} asked to be forgotten")
    return preview(book, key, event), book, known


async def _newcomer(
    actions: Actions, connection: AnyConnection, key: MemberKey, needs: Needs, book: Book
) -> Book:
    """A book in which nothing is known of this person; of the budgets for everybody, what is left."""
    book.leases = True
    book_of_newcomer(book, key)
    if needs.budgets:
        await budgets.load(connection, actions.sql, book, needs.budgets, book.programs, locking=False)
    return book
