"""Where the three doors of the ledger lead: load, decide, save, inside one transaction.

What a newcomer would get wrong: a command over HTTP is a batch of one. It loads, settles what is due up to now,
decides with the same pure functions and saves in the same way as a thousand events do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from services.ledger.domain.aliases import led_home
from services.ledger.domain.book import Book
from services.ledger.domain.guests import Secret
from services.ledger.domain.issued import ShelfNeeds
from services.ledger.domain.needs import Needs, needs_of
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey
from services.ledger.domain.settling import settle
from services.ledger.errors import MemberErased, UnknownMember, merged_into
from services.ledger.handlers import on
from services.ledger.store import Store, budgets
from services.ledger.store.guests import Found, load_guests
from shared import outbox
from shared.database import AnyConnection
from shared.events import Event
from shared.programs import Programs, Versions
from shared.queries import Queries
from shared.worker.records import Outcome

HOMES_REMEMBERED = 100_000  # some 20 MB; whoever is forgotten is asked of the database again
MEMBERS_AT_ONCE = 500  # a batch of due members holds their rows for well under a second


@dataclass(slots=True)
class Actions:
    """Everything that the ledger does, on the connection of an open transaction."""

    sql: Queries
    machinery: Queries
    store: Store
    programs: Programs[LedgerProgram]
    random: Random
    secret: Secret
    """The key of the hashes of guests' addresses."""
    homes: dict[MemberKey, MemberKey] = field(default_factory=dict)
    """Who was merged into whom, as far as events have asked; what was read once holds, since no merge is undone."""

    async def handle(self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime) -> Outcome:
        """Events from Kafka, many members at once; `now` is not looked at: an event is handled by its own time."""
        del now
        programs = await self.programs.of(connection, {event.program_id for event in events})
        guests = await load_guests(connection, self.sql, events, programs, self.secret)
        concerned = events if guests is None else [*events, *guests.further]
        events, needs = led_home(events, self.homes), needs_of(led_home(concerned, self.homes), programs)
        book = await self._book_for(connection, needs, programs, guests)
        while found := self._new_homes(book):  # their rows are locked only now, for the first time
            events, needs = led_home(events, found), needs_of(led_home(concerned, self.homes), programs)
            book = await self._book_for(connection, needs, programs, guests, at_once=True)
        refused = on.run(events, book)
        if book.short and (more := budgets.more_wanted(book)):
            needs.budgets |= more
            book = await self._book_for(connection, needs, programs, guests)
            refused = on.run(events, book)
        await self.store.save(connection, book)
        return Outcome(refused, list(book.outgoing))

    async def _book_for(
        self,
        connection: AnyConnection,
        needs: Needs,
        programs: Mapping[str, Versions[LedgerProgram]],
        guests: Found | None,
        *,
        at_once: bool = False,
    ) -> Book:
        """The book of a batch of events; who has an address is in it, too. `at_once`: some rows are locked already."""
        for key, since in guests.holders if guests is not None else ():
            needs.member(self.homes.get(key, key), since)
        book = await self.store.load(connection, needs, programs, at_once=at_once)
        if guests is not None:
            guests.put_into(book, self.homes | book.homes)
        return book

    def _new_homes(self, book: Book) -> Mapping[MemberKey, MemberKey]:
        """Who of the book was merged into others, as far as that was not known; it is from now on."""
        found = {key: home for key, home in book.homes.items() if self.homes.get(key) != home}
        if found:
            known = self.homes if len(self.homes) < HOMES_REMEMBERED else {}
            self.homes = {key: found.get(home, home) for key, home in known.items()} | found
        return found

    async def settle_due(self, connection: AnyConnection, now: datetime) -> int:
        """Do what has fallen due, for some hundred members; how many there were."""
        keys = await self.store.due_members(connection, now, MEMBERS_AT_ONCE)
        if keys:
            programs = await self.programs.of(connection, {program_id for program_id, _ in keys})
            needs = Needs(members=dict.fromkeys(keys, now))
            book = await self.settled(connection, needs, programs)
            await self.finish(connection, book)
        return len(keys)

    @asynccontextmanager
    async def command(
        self,
        connection: AnyConnection,
        key: MemberKey,
        now: datetime,
        *,
        orders: Iterable[str] = (),
        holds: Iterable[str] = (),
        shelf: ShelfNeeds | None = None,
        others: Iterable[MemberKey] = (),
        pools: Iterable[str] | None = None,
        returning: Iterable[MemberKey] = (),
    ) -> AsyncIterator[Book]:
        """The book of one member, settled up to now; saved with its announcements when the block ends.

        `orders`, `holds` and `shelf` name what else than the member's open awards, lots, holds and rewards it touches,
        `others` further members, whom the ledger knows, `pools` (where it is about pools at all) further ones than
        the member's own, `returning` who gives back what is others'.
        """
        members = dict.fromkeys([key, *others], now)
        needs = Needs(
            members=members,
            detailed=set(members),
            orders={(key, order_id) for order_id in orders},
            holds={(key, hold_id) for hold_id in holds},
            shelf=shelf or ShelfNeeds(),
            persons={key} if shelf is not None else set(),
            pools={(key[0], pool_id) for pool_id in pools or ()},
            pooling={key} if pools is not None else set(),
            returning=set(returning),
        )
        yield (book := await self._book_of(connection, key, needs))
        await self.finish(connection, book)

    async def look(
        self, connection: AnyConnection, key: MemberKey, now: datetime, *, person: bool = False
    ) -> Book:
        """The book of one member as it is now, settled in memory; nothing is locked or written.

        `person`: with what is known of the person, such as the segments.
        """
        needs = Needs(members={key: now}, detailed={key}, persons={key} if person else set())
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await self._book_of(connection, key, needs, locking=False)

    async def _book_of(
        self, connection: AnyConnection, key: MemberKey, needs: Needs, *, locking: bool = True
    ) -> Book:
        """The book of a member that the ledger knows, settled.

        Raises:
            UnknownMember, MemberErased, MemberMerged: see there.
        """
        if not await connection.fetchval(self.sql.member_exists, *key):
            raise UnknownMember(f"the ledger has never heard of member {key[1]!r}")
        programs = {key[0]: await self.programs.one(connection, key[0])}
        book = await self.settled(connection, needs, programs, locking=locking)
        if book.member(key).erased_at is not None:
            raise MemberErased(f"member {key[1]!r} asked to be forgotten")
        if (home := book.homes.get(key)) is not None:
            raise merged_into(key, home)
        return book

    async def settled(
        self,
        connection: AnyConnection,
        needs: Needs,
        programs: Mapping[str, Versions[LedgerProgram]],
        *,
        locking: bool = True,
    ) -> Book:
        """The book with everybody settled; where a budget was short that nobody else has, settled again with it."""
        book = await self.store.load(connection, needs, programs, locking=locking)
        _settle_all(book, needs)
        if book.short and (more := budgets.more_wanted(book)):
            needs.budgets |= more
            book = await self.store.load(connection, needs, programs, locking=locking)
            _settle_all(book, needs)
        return book

    async def finish(self, connection: AnyConnection, book: Book) -> None:
        """Write the book and what is to be announced."""
        await self.store.save(connection, book)
        await outbox.write_bundle(
            connection, self.machinery, [outbox.message_of(event) for event in book.outgoing]
        )


def _settle_all(book: Book, needs: Needs) -> None:
    for key, until in needs.members.items():
        settle(book, key, until)
