"""Where the doors lead: load, decide, save, in the caller's transaction.

What a newcomer would get wrong: the clock of a program stands still while its past is being replayed. Else the job
would judge years of which the orders are still on their way, and members would be told of drops that never were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.tiers.domain.book import Book, MemberKey, Needs
from services.tiers.domain.course import Course
from services.tiers.domain.judging import settle
from services.tiers.domain.ladder import Ladder, Level, TiersProgram
from services.tiers.domain.progress import Progress, progress_of
from services.tiers.errors import MergedMeanwhile, NoLadder, UnknownMember
from services.tiers.handlers import needs, on, way_home
from services.tiers.settings import Settings
from services.tiers.store import START_OF_DUES, Replays, Store
from shared.database import AnyConnection
from shared.events import Event, MemberMerged
from shared.outbox import message_of, write_bundle
from shared.programs import Programs, Versions, unknown
from shared.service import Ports
from shared.worker.records import Outcome

log = structlog.get_logger(__name__)

PAGE = 1_000  # members settled in one transaction; as many as a batch of events
# An event that is older than this was not just made by a shop: somebody hands in the past.
PAST = timedelta(minutes=10)
# A replay holds the clock no longer than this, or a producer that is always late would hold it for ever.
LONGEST_REPLAY = timedelta(hours=1)
NOTE_EVERY = timedelta(seconds=1)  # a running replay is noted so often, not with each batch


@dataclass(frozen=True, slots=True)
class Entitled:
    """The level that a member holds, and what it entitles to."""

    level: Level
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class LadderView:
    """The ladder that holds now, and the one that will from `changes_at` on, where a newer version says otherwise."""

    currency: str
    ladder: Ladder
    changes_at: datetime | None
    coming: Ladder | None


class Courses:
    """The years of programs, worked out once a version."""

    def __init__(self, programs: Programs[TiersProgram]) -> None:
        self._programs = programs
        self._known: dict[str, tuple[Versions[TiersProgram], Course]] = {}

    async def of(self, connection: AnyConnection, program_ids: Iterable[str]) -> Mapping[str, Course]:
        """The years of these programs; ids without a program are left out."""
        courses = {}
        for program_id, versions in (await self._programs.of(connection, program_ids)).items():
            known = self._known.get(program_id)
            if known is None or known[0] is not versions:
                course = Course([(version.since, version.rules) for version in versions.all])
                known = self._known[program_id] = (versions, course)
            courses[program_id] = known[1]
        return courses


class Actions:
    """What the service can do."""

    def __init__(self, ports: Ports, programs: Programs[TiersProgram], store: Store) -> None:
        self._ports = ports
        self._store = store
        self._courses = Courses(programs)
        self._noted: dict[str, datetime] = {}

    async def handle(self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime) -> Outcome:
        """Take a batch of events in; what is refused and what is announced."""
        courses = await self._courses.of(connection, {event.program_id for event in events})
        concerned = [each for each in events if each.program_id in courses and type(each.data) in on.classes]
        homes = await self._store.homes(connection, _names(concerned))
        wanted = needs(concerned, homes)
        book = await self._store.load(connection, wanted, courses, now)
        _check_homes(book, wanted.members, homes)
        refused = on.run(events, book)
        await self._store.save(connection, book)
        await self._note_replays(connection, concerned, now)
        return Outcome(refused, list(book.outgoing))

    async def settle_due(self) -> int:
        """Judge and warn all members for whom something is due, page by page; how many there were."""
        settings: Settings = self._ports.settings
        up_to = self._ports.clock() - timedelta(seconds=settings.settle_after_seconds)
        done, after = 0, START_OF_DUES
        while True:
            async with self._ports.pool.acquire() as connection, connection.transaction():
                due = await self._store.due(connection, up_to, after, self._replays(), PAGE)
                if due:
                    await self._settle_page(connection, [(each[1], each[2]) for each in due], up_to)
            if due:
                self._ports.wake_relay()
                done, after = done + len(due), due[-1]
            if len(due) < PAGE:
                return done

    async def standing(self, connection: AnyConnection, key: MemberKey) -> Progress:
        """Where a member stands.

        Raises:
            UnknownMember: nobody of this id holds a level here.
        """
        course = await self._course(connection, key[0])
        member = await self._store.member(connection, key)
        if member is not None and member.merged_into is not None:
            key = await self._home(connection, key)
            member = await self._store.member(connection, key)
        if member is None or member.level is None:
            raise UnknownMember(f"no member {key[1]!r} holds a level here")
        spent = await self._store.spent(connection, key)
        return progress_of(course, member, spent, self._ports.clock())

    async def entitlements(self, connection: AnyConnection, key: MemberKey) -> Entitled:
        """What a member may have.

        Raises:
            UnknownMember: nobody of this id holds a level here.
        """
        course = await self._course(connection, key[0])
        row = await self._store.entitled(connection, key)
        if row is None and (home := await self._home(connection, key)) != key:
            row = await self._store.entitled(connection, home)
        if row is None:
            raise UnknownMember(f"no member {key[1]!r} holds a level here")
        ladder = course.ladder(course.year_of(row["settled_until"]))
        return Entitled(ladder.named(row["level"]) or ladder.base, row["valid_until"])

    async def ladder(self, connection: AnyConnection, program_id: str) -> LadderView:
        """The ladder of a program.

        Raises:
            NoLadder: it has none.
        """
        course, now = await self._course(connection, program_id), self._ports.clock()
        year = course.year_of(now)
        ladder, coming = course.ladder(year), course.ladder(year + 1)
        changes = coming != ladder
        return LadderView(
            course.program_at(now).currency,
            ladder,
            course.turn(year + 1) if changes else None,
            coming if changes else None,
        )

    async def _home(self, connection: AnyConnection, key: MemberKey) -> MemberKey:
        return way_home(key, await self._store.homes(connection, [key]))[-1]

    async def _settle_page(self, connection: AnyConnection, keys: list[MemberKey], up_to: datetime) -> None:
        courses = await self._courses.of(connection, {key[0] for key in keys})
        known = sorted(key for key in keys if key[0] in courses)
        book = await self._store.load(connection, Needs(known, []), courses, self._ports.clock())
        for key in known:
            _settle_one(book, key, up_to)
        await self._store.save(connection, book)
        messages = [message_of(event) for event in book.outgoing]
        await write_bundle(connection, self._ports.machinery, messages)

    async def _note_replays(
        self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime
    ) -> None:
        """Remember which programs' past this batch was, at most once in a while."""
        newest: dict[str, datetime] = {}
        for event in events:
            newest[event.program_id] = max(event.time, newest.get(event.program_id, event.time))
        past = [
            program
            for program, time in newest.items()
            if time < now - PAST and now - self._noted.get(program, now - NOTE_EVERY) >= NOTE_EVERY
        ]
        if past:
            self._noted.update(dict.fromkeys(past, now))
            await self._store.note_replay(connection, past, now, self._replays().seen_after)

    def _replays(self) -> Replays:
        now, settings = self._ports.clock(), self._ports.settings
        return Replays(now - timedelta(seconds=settings.replay_quiet_seconds), now - LONGEST_REPLAY)

    async def _course(self, connection: AnyConnection, program_id: str) -> Course:
        course = (await self._courses.of(connection, [program_id])).get(program_id)
        if course is None:
            raise unknown(program_id)
        if not course.has_ladder:
            raise NoLadder(f"the program {program_id!r} has no section `tiers`")
        return course


def _names(events: Iterable[Event[Any]]) -> set[MemberKey]:
    """All ids that these events name."""
    named = {(event.program_id, event.member_id) for event in events if event.member_id is not None}
    return named | {
        (event.program_id, event.data.merged_id) for event in events if isinstance(event.data, MemberMerged)
    }


def _check_homes(book: Book, members: Iterable[MemberKey], homes: Mapping[MemberKey, MemberKey]) -> None:
    """Whether these are whose names they were before their rows were locked.

    Raises:
        MergedMeanwhile: somebody is not.
    """
    for key in members:
        if book.member(key).merged_into is not None and key not in homes:
            raise MergedMeanwhile(f"member {key[1]!r} was merged into another one just now; try again")


def _settle_one(book: Book, key: MemberKey, up_to: datetime) -> None:
    """Settle one member of a page; a bug that one of them meets must not hold up the others."""
    book.journal.mark()
    try:
        settle(book, key, up_to)
    except Exception:
        book.journal.undo()
        log.exception("settle_failed", program=key[0], member=key[1])
