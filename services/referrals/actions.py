"""Where the three doors lead: load, decide, save, inside one transaction.

What a newcomer would get wrong: asking for a member's code is a first sight of that member. It is a batch of one, with
the same locks, since somebody may have named the code already and is waiting for its owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.referrals.domain.book import Book
from services.referrals.domain.model import Member, MemberKey
from services.referrals.domain.needs import Needs, needs_of
from services.referrals.domain.program import ReferralProgram
from services.referrals.domain.referring import Moment, review
from services.referrals.errors import MemberErased
from services.referrals.handlers import on
from services.referrals.store import Store
from shared import outbox
from shared.database import AnyConnection
from shared.events import Event
from shared.programs import Programs
from shared.queries import Queries
from shared.worker.records import Outcome

REFERRALS_AT_ONCE = 500  # a batch of due referrals holds its rows for well under a second


@dataclass(slots=True)
class Actions:
    """Everything that referrals does, on the connection of an open transaction."""

    machinery: Queries
    store: Store
    programs: Programs[ReferralProgram]

    async def handle(self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime) -> Outcome:
        """Events from Kafka, many members at once; each is decided by its own time, `now` is only written down."""
        programs = await self.programs.of(connection, {event.program_id for event in events})
        book = await self.store.load(connection, needs_of(events), programs)
        refused = on.run(events, book)
        await self.store.save(connection, book, now)
        return Outcome(refused, list(book.outgoing))

    async def approve_due(self, connection: AnyConnection, now: datetime, quiet: timedelta) -> int:
        """Approve what has fallen due, and void what waited for a fulfilment in vain; how many friends there were.

        A friend about whom something was written less than `quiet` ago is left for the next time: where a history is
        being replayed, a refund from before the due time may be among the next events.
        """
        due = await self.store.due(connection, now, now - quiet, REFERRALS_AT_ONCE)
        if due:
            programs = await self.programs.of(connection, {key[0] for key, _ in due})
            book = await self.store.load(connection, Needs(members=dict.fromkeys(_keys(due), now)), programs)
            for key, due_at in due:
                review(book, key, Moment(due_at, f"due at {due_at.isoformat()}", horizon=now))
            await self._finish(connection, book, now)
        return len(due)

    async def meet(self, connection: AnyConnection, key: MemberKey, now: datetime) -> Member:
        """The member, who from now on has a code if they had none.

        Raises:
            UnknownProgram: nobody applied the program.
            MemberErased: they asked to be forgotten.
        """
        programs = {key[0]: await self.programs.one(connection, key[0])}
        member = await self.store.member(connection, key)
        if member is None:
            book = await self.store.load(connection, Needs(members={key: now}), programs)
            for friend in book.followers(book.member(key)):
                review(book, friend, Moment(now, f"code of {key[1]}"[:200]))
            await self._finish(connection, book, now)
            member = book.member(key)
        if member.erased_at is not None:
            raise MemberErased(f"member {key[1]!r} asked to be forgotten")
        return member

    async def landing(self, connection: AnyConnection, program_id: str, now: datetime) -> str | None:
        """The page of the shop to which links lead now, None where the program names none."""
        versions = await self.programs.one(connection, program_id)
        return versions.at(now).rules.landing

    async def _finish(self, connection: AnyConnection, book: Book, now: datetime) -> None:
        await self.store.save(connection, book, now)
        messages = [outbox.message_of(event) for event in book.outgoing]
        await outbox.write_bundle(connection, self.machinery, messages)


def _keys(due: Sequence[tuple[MemberKey, datetime]]) -> list[MemberKey]:
    return [key for key, _ in due]
