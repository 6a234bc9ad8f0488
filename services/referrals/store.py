"""The only room that sees rows: loads what a batch needs under locks, and saves what became of it.

What a newcomer would get wrong: a referral concerns two members, and whose code was named is only known after a look at
the codes. So relations are read first without locks, then everybody is locked in one sorted order (codes before
members), then the relations are read again; where somebody else has changed them in between, the batch is tried anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.referrals.domain.book import Book, CodeKey
from services.referrals.domain.hashes import Secret
from services.referrals.domain.model import Member, MemberKey
from services.referrals.domain.needs import Needs
from services.referrals.domain.program import ReferralProgram
from services.referrals.errors import RelationsMoved
from services.referrals.rows import (
    advocacy_row,
    paper_of,
    paper_row,
    reasons_text,
    referral_of,
    referral_row,
    signal_of,
    touch_of,
    touch_row,
)
from shared.database import AnyConnection, columns_of
from shared.programs import Versions
from shared.queries import Queries

SCHEMA = "referrals"
SIGNAL_COLUMNS = ("program_id", "member_id", "kind", "digest", "first_at")
PAPER_COLUMNS = ("program_id", "member_id", "order_id", "paper_id", "happened_at", "kind", "data")
TOUCH_COLUMNS = (
    "program_id",
    "member_id",
    "touch_id",
    "happened_at",
    "via",
    "code",
    "order_id",
    "reasons",
    "open",
)
CODE_ATTEMPTS = 8  # of 2**50 codes; a second attempt is already as rare as a lottery win


@dataclass(frozen=True, slots=True)
class _Relations:
    """Who is concerned by a batch: codes given to new members, friends to be judged, everybody to be locked."""

    new: dict[MemberKey, str]
    listened: list[CodeKey]
    friends: list[MemberKey]
    everybody: list[MemberKey]


@dataclass(frozen=True, slots=True)
class Store:
    """Rows in, rows out; for many members at once."""

    sql: Queries
    secret: Secret

    async def load(
        self, connection: AnyConnection, needs: Needs, programs: Mapping[str, Versions[ReferralProgram]]
    ) -> Book:
        """The book of a batch, everybody in it locked until the transaction ends.

        Members of `needs` that are not known yet are written down now, with their code.

        Raises:
            RelationsMoved: another transaction changed who is concerned; try again.
        """
        book = Book(programs, self.secret)
        members = {key: at for key, at in needs.members.items() if key[0] in programs}
        relations = await self._relate(connection, book, members, needs)
        await self._lock(connection, book, members, relations)
        await self._read_rows(connection, book, relations)
        await self._check(connection, book, relations)
        if any(book.member(key).merged_into is not None for key in members.keys() - needs.names):
            raise RelationsMoved
        return book

    async def homes(self, connection: AnyConnection, keys: Iterable[MemberKey]) -> dict[MemberKey, MemberKey]:
        """Into whom those of these members were merged that were; nobody there was merged further."""
        rows = await connection.fetch(self.sql.homes_of, *columns_of(sorted(keys), 2))
        return {_key(row): (row["program_id"], row["merged_into"]) for row in rows}

    async def codes(self, connection: AnyConnection, keys: Iterable[MemberKey]) -> set[CodeKey]:
        """All codes that these members have by now."""
        rows = await connection.fetch(self.sql.codes_of, *columns_of(sorted(keys), 2))
        return {(row["program_id"], row["code"]) for row in rows}

    async def give_rows(self, connection: AnyConnection, survivor: MemberKey, other: MemberKey) -> None:
        """Make everything of the other one the survivor's; both are locked, with all whom they brought."""
        sql = self.sql
        for query in (sql.move_signals, sql.move_papers, sql.move_touches, sql.name_friend, sql.move_referrals,
                      sql.name_advocate, sql.move_advocacies, sql.move_codes, sql.mark_merged):  # fmt: skip
            await connection.execute(query, *other, survivor[1])

    async def peek(
        self, connection: AnyConnection, friends: Sequence[MemberKey], programs: Mapping[str, Any]
    ) -> Book:
        """The book of these friends, only to read: nothing is locked and nobody is written down."""
        book = Book(programs, self.secret)
        everybody = sorted({*friends, *await self._keys(connection, self.sql.advocates_of, friends)})
        _take_members(book, await connection.fetch(self.sql.read_members, *columns_of(everybody, 2)))
        await self._read_rows(connection, book, _Relations({}, [], list(friends), everybody))
        for (program_id, code), owner in list(book.owners.items()):
            if owner is not None and book.members.get((program_id, owner), "") is None:
                book.owners[program_id, code] = None  # a difference by itself, which is named elsewhere
        return book

    async def save(self, connection: AnyConnection, book: Book, now: datetime) -> None:
        """Write what the batch changed; last, forget who was erased.

        The advocate's copy of a referral (`advocacy`) follows from the friend's row, in the same transaction.
        """
        members = [
            (m.program_id, m.member_id, m.first_seen_at, m.signed_up_at, m.erased_at)
            for m in book.members.updated()
        ]
        await _execute(connection, self.sql.update_members, members)
        await self._save_facts(connection, book)
        changed = sorted(book.referrals.changed(), key=lambda r: (r.program_id, r.member_id, r.referral_id))
        await _execute(connection, self.sql.upsert_referrals, [referral_row(r) for r in changed], now)
        sides = [advocacy_row(r) for r in changed if r.advocate_id is not None]
        await _execute(connection, self.sql.upsert_advocacies, sorted(sides, key=lambda row: tuple(row[:3])))
        nameless = [advocacy_row(r) for r in changed if r.advocate_id is None]
        await _execute(connection, self.sql.update_advocacies, nameless)
        await self._forget(connection, sorted(set(book.erased)))

    async def due(
        self, connection: AnyConnection, now: datetime, quiet_since: datetime, limit: int
    ) -> list[tuple[MemberKey, datetime]]:
        """Friends whose referral is due, and when; the longest due first, left alone since `quiet_since`."""
        rows = await connection.fetch(self.sql.due_friends, now, quiet_since, limit)
        return [(_key(row), row["due_at"]) for row in rows]

    async def member(self, connection: AnyConnection, key: MemberKey) -> Member | None:
        """The member as last written, or None."""
        row = await connection.fetchrow(self.sql.member, *key)
        return None if row is None else Member(**dict(row))

    async def _relate(
        self, connection: AnyConnection, book: Book, members: Mapping[MemberKey, datetime], needs: Needs
    ) -> _Relations:
        rows = await connection.fetch(self.sql.known_members, *columns_of(sorted(members), 2))
        known = {_key(row): row for row in rows}
        unseen = sorted(key for key in members if key not in known)
        named = {code for code in needs.codes if code[0] in book.programs}
        new = await self._claim_codes(connection, book, unseen, named)
        heard = {
            key for key, row in known.items() if key in needs.told or members[key] < row["first_seen_at"]
        }
        own = {(key[0], known[key]["code"]) for key in heard} | {(k[0], c) for k, c in new.items()}
        listened = sorted(own | await self._further_codes(connection, book, heard))
        followers = await self._keys(connection, self.sql.open_followers, listened)
        friends = sorted({*members, *followers})
        advocates = await self._keys(connection, self.sql.advocates_of, friends)
        owners = {(program, owner) for (program, _), owner in book.owners.items() if owner is not None}
        return _Relations(new, listened, friends, sorted({*friends, *advocates, *owners}))

    async def _further_codes(
        self, connection: AnyConnection, book: Book, heard: set[MemberKey]
    ) -> set[CodeKey]:
        """The codes of whoever was merged into these members."""
        found: set[CodeKey] = set()
        for row in await connection.fetch(self.sql.codes_of, *columns_of(sorted(heard), 2)) if heard else ():
            found.add((row["program_id"], row["code"]))
            book.further_codes.setdefault(_key(row), set()).add(row["code"])
        return found

    async def _claim_codes(
        self, connection: AnyConnection, book: Book, unseen: Sequence[MemberKey], named: Iterable[CodeKey]
    ) -> dict[MemberKey, str]:
        """Give each unseen member a code that is nobody else's, and find out whose the named ones are."""
        given: dict[MemberKey, str] = {}
        todo, asked = list(unseen), set(named)
        for attempt in range(CODE_ATTEMPTS):
            wanted = {key: self.secret.code(*key, attempt) for key in todo}
            await self._lock_codes(connection, book, asked | {(k[0], code) for k, code in wanted.items()})
            for key, code in wanted.items():
                if book.owners[key[0], code] in (None, key[1]):
                    book.owners[key[0], code] = key[1]
                    given[key] = code
            todo, asked = [key for key in todo if key not in given], set()
            if not todo:
                break
        assert not todo, "so many collisions of codes mean that the hash is broken"
        rows = sorted((key[0], code, key[1]) for key, code in given.items())
        if rows:
            await connection.execute(self.sql.own_codes, *columns_of(rows, 3))
        return given

    async def _lock_codes(self, connection: AnyConnection, book: Book, codes: set[CodeKey]) -> None:
        if codes:
            columns = columns_of(sorted(codes), 2)
            await connection.execute(self.sql.insert_codes, *columns)
            for row in await connection.fetch(self.sql.lock_codes, *columns):
                book.owners[row["program_id"], row["code"]] = row["member_id"]

    async def _lock(
        self,
        connection: AnyConnection,
        book: Book,
        members: Mapping[MemberKey, datetime],
        relations: _Relations,
    ) -> None:
        rows = [(*key, code, members[key]) for key, code in sorted(relations.new.items())]
        if rows:
            await connection.execute(self.sql.insert_members, *columns_of(rows, 4))
            book.newcomers.update(relations.new)
        _take_members(
            book, await connection.fetch(self.sql.lock_members, *columns_of(relations.everybody, 2))
        )

    async def _read_rows(self, connection: AnyConnection, book: Book, relations: _Relations) -> None:
        for row in await connection.fetch(self.sql.signals_of, *columns_of(relations.everybody, 2)):
            book.signals.load(_key(row), (row["kind"], row["digest"]), signal_of(row))
        for row in await connection.fetch(self.sql.touches_of, *columns_of(relations.friends, 2)):
            book.load_touch(touch_of(row))
            if row["code"] is not None:
                book.owners.setdefault((row["program_id"], row["code"]), row["owner_id"])
        book.friends.update(relations.friends)
        for row in await connection.fetch(self.sql.referrals_of, *columns_of(relations.friends, 2)):
            book.referrals.load(_key(row), row["referral_id"], referral_of(row))
        for row in await connection.fetch(self.sql.papers_of, *columns_of(relations.friends, 2)):
            book.papers.load(_key(row), (row["order_id"], row["paper_id"]), paper_of(row))

    async def _check(self, connection: AnyConnection, book: Book, relations: _Relations) -> None:
        """See to it that nobody became concerned between the first look and the locks."""
        locked = set(relations.everybody)
        owners = {(program, owner) for (program, _), owner in book.owners.items() if owner is not None}
        followers = await self._keys(connection, self.sql.open_followers, relations.listened)
        if not (owners | set(followers)) <= locked:
            raise RelationsMoved

    async def _save_facts(self, connection: AnyConnection, book: Book) -> None:
        signals = [(s.program_id, s.member_id, s.kind, s.digest, s.first_at) for s in book.signals.new()]
        await _copy(connection, "signal", SIGNAL_COLUMNS, signals)
        await _copy(connection, "paper", PAPER_COLUMNS, [paper_row(paper) for paper in book.papers.new()])
        await _copy(connection, "touch", TOUCH_COLUMNS, [touch_row(touch) for touch in book.touches.new()])
        changed = [
            (t.program_id, t.member_id, t.touch_id, reasons_text(t.reasons), t.open)
            for t in book.touches.updated()
        ]
        await _execute(connection, self.sql.update_touches, changed)

    async def _forget(self, connection: AnyConnection, erased: Sequence[MemberKey]) -> None:
        for query in (
            self.sql.forget_signals,
            self.sql.forget_touches,
            self.sql.forget_papers,
            self.sql.forget_advocates,
            self.sql.forget_friends,
            self.sql.forget_referrals,
        ):
            await _execute(connection, query, erased)

    async def _keys(
        self, connection: AnyConnection, query: str, keys: Sequence[tuple[str, str]]
    ) -> list[MemberKey]:
        if not keys:
            return []
        return [_key(row) for row in await connection.fetch(query, *columns_of(keys, 2))]


def _take_members(book: Book, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        member = Member(**dict(row))
        book.members.load(member.key, "", member)
        if member.merged_into is None:  # else it is whose the row of the code says
            book.owners[member.program_id, member.code] = member.member_id


def _key(row: asyncpg.Record) -> MemberKey:
    return row["program_id"], row["member_id"]


async def _execute(
    connection: AnyConnection, query: str, rows: Sequence[Sequence[Any]], *further: Any
) -> None:
    if rows:
        await connection.execute(query, *(list(column) for column in zip(*rows, strict=True)), *further)


async def _copy(
    connection: AnyConnection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=columns, schema_name=SCHEMA)
