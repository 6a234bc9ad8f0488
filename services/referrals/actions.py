"""Where the three doors lead: load, decide, save, inside one transaction.

What a newcomer would get wrong: asking for a member's code is a first sight of that member. It is a batch of one, with
the same locks, since somebody may have named the code already and is waiting for its owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.referrals.domain.book import Book
from services.referrals.domain.forgetting import forget
from services.referrals.domain.merging import join
from services.referrals.domain.model import Member, MemberKey
from services.referrals.domain.needs import Needs, needs_of
from services.referrals.domain.program import ReferralProgram
from services.referrals.domain.referring import Moment, review
from services.referrals.errors import MemberErased
from services.referrals.handlers import on
from services.referrals.store import Store
from shared import outbox
from shared.database import AnyConnection
from shared.errors import ServiceError
from shared.events import CustomerDeleted, Event, MemberMerged
from shared.merges import about, cut_at_merges
from shared.programs import Programs, Versions, unknown
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
        refused: dict[int, ServiceError] = {}
        told: list[Event[Any]] = []
        for start, part in cut_at_merges(events):
            if isinstance(part[0].data, MemberMerged):
                outcome = await self._merge(connection, part[0], programs, now)
            else:
                outcome = await self._handle(connection, part, programs, now)
            refused |= {start + place: error for place, error in outcome.refused.items()}
            told += outcome.outgoing
        return Outcome(refused, told)

    async def _handle(
        self,
        connection: AnyConnection,
        events: Sequence[Event[Any]],
        programs: Mapping[str, Versions[ReferralProgram]],
        now: datetime,
    ) -> Outcome:
        concerned = [each for each in events if type(each.data) in on.classes]
        if not concerned:
            return Outcome({}, [])
        named = {(each.program_id, each.member_id) for each in concerned if each.member_id is not None}
        homes = await self.store.homes(connection, named)
        needs = needs_of([_led_home(each, homes) for each in concerned])
        needs.names = needs.members.keys() & homes.keys()
        book = await self.store.load(connection, needs, programs)
        refused = on.run([_led_home(each, homes) for each in events], book)
        await self.store.save(connection, book, now)
        return Outcome(refused, list(book.outgoing))

    async def _merge(
        self,
        connection: AnyConnection,
        event: Event[MemberMerged],
        programs: Mapping[str, Versions[ReferralProgram]],
        now: datetime,
    ) -> Outcome:
        """Two members are one person; again, or of one and the same, it changes nothing."""
        if event.program_id not in programs:
            return Outcome({0: unknown(event.program_id)}, [])
        survivor, other = ((event.program_id, each) for each in (event.data.member_id, event.data.merged_id))
        homes = await self.store.homes(connection, {survivor, other})
        survivor = homes.get(survivor, survivor)
        if other in homes or survivor == other:
            return Outcome({}, [])
        moment = Moment(event.time, event.id, replayed=event.replayed)
        before = await self._load_whole(connection, [survivor, other], programs, event.time)
        mine, theirs = before.member(survivor), before.member(other)
        if mine.erased_at is not None and theirs.erased_at is None:
            forget(before, other, moment)
        await self.store.save(connection, before, now)
        await self.store.give_rows(connection, survivor, other)
        book = await self._load_whole(connection, [survivor], programs, event.time)
        join(book, mine, theirs, moment)
        await self.store.save(connection, book, now)
        return Outcome({}, [*before.outgoing, *book.outgoing])

    async def _load_whole(
        self,
        connection: AnyConnection,
        keys: Sequence[MemberKey],
        programs: Mapping[str, Versions[ReferralProgram]],
        at: datetime,
    ) -> Book:
        """These members with everybody who named a code of theirs, all locked."""
        codes = await self.store.codes(connection, keys)
        needs = Needs(members=dict.fromkeys(keys, at), codes=codes, told=set(keys))
        return await self.store.load(connection, needs, programs)

    async def home(self, connection: AnyConnection, key: MemberKey) -> MemberKey:
        """The member whose name this id is: itself, unless it was merged into another one."""
        return (await self.store.homes(connection, [key])).get(key, key)

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
        """The member whose name this id is, who from now on has a code if they had none.

        Raises:
            UnknownProgram: nobody applied the program.
            MemberErased: they asked to be forgotten.
        """
        programs = {key[0]: await self.programs.one(connection, key[0])}
        key = await self.home(connection, key)
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


def _led_home(event: Event[Any], homes: Mapping[MemberKey, MemberKey]) -> Event[Any]:
    """The event of the member whose it is now. Shops delete what they merged away: that forgets nobody."""
    home = homes.get((event.program_id, event.member_id or ""))
    return event if home is None or isinstance(event.data, CustomerDeleted) else about(event, home[1])


def _keys(due: Sequence[tuple[MemberKey, datetime]]) -> list[MemberKey]:
    return [key for key, _ in due]
