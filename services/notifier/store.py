"""The rows of the notifier, read and written in sets.

What a newcomer would get wrong: `claim_due` and everything after it take no lock on members. A sender passes over what
is locked and never waits, so it can stand in nobody's way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifier.domain.book import Book
from services.notifier.domain.members import Key, Member, Preference
from services.notifier.domain.merging import Digests
from services.notifier.domain.messages import Kept, Message, Outcome, State, Why
from services.notifier.domain.rules import Channel
from shared.database import AnyConnection, columns_of
from shared.queries import Queries

MAX_FAULTS = 100
"""`verify` names so many of each kind; a person will not read more."""


class Store:
    """All statements of the notifier, behind names."""

    def __init__(self, sql: Queries) -> None:
        self._sql = sql

    async def load(
        self, connection: AnyConnection, book: Book, keys: Iterable[Key], digests: Iterable[tuple[Key, UUID]]
    ) -> None:
        """Bring members, locked in key order, their preferences, and digests into the book."""
        programs, members = columns_of(sorted(set(keys)), 2)
        await connection.execute(self._sql.add_members, programs, members)
        for row in await connection.fetch(self._sql.lock_members, programs, members):
            book.load_member(Member(**row))
        for preference in await self._preferences(connection, programs, members):
            book.load_preference(preference)
        wanted = sorted({(*key, id_) for key, id_ in digests})
        if wanted:
            for row in await connection.fetch(self._sql.lock_messages, *columns_of(wanted, 3)):
                book.load_message(_message(row))

    async def save(self, connection: AnyConnection, book: Book) -> None:
        """Write what the batch changed."""
        await self._save_members(connection, book.members.changed())
        await self._save_preferences(connection, book.preferences.changed())
        await self._add_messages(connection, book.messages.new())
        await self._grow_digests(connection, book.messages.updated())
        if book.erased:
            programs, members = columns_of(sorted(set(book.erased)), 2)
            await connection.execute(self._sql.erase_messages, programs, members, book.now)
            await connection.execute(self._sql.forget_preferences, programs, members)
        if book.reached:
            await connection.execute(
                self._sql.wake_messages, *columns_of(sorted(set(book.reached)), 2), book.now
            )

    async def homes(self, connection: AnyConnection, keys: Iterable[Key]) -> dict[Key, Key]:
        """Into whom those of these members were merged that were; nobody there was merged further."""
        rows = await connection.fetch(self._sql.homes_of, *columns_of(sorted(set(keys)), 2))
        return {
            (row["program_id"], row["member_id"]): (row["program_id"], row["merged_into"]) for row in rows
        }

    async def digests(self, connection: AnyConnection, key: Key) -> list[Message]:
        """All digests of a member, locked."""
        return [_message(row) for row in await connection.fetch(self._sql.lock_digests, *key)]

    async def give_messages(
        self, connection: AnyConnection, survivor: Key, other: Key, digests: Digests, now: datetime
    ) -> None:
        """Make all messages of the other one the survivor's; both are locked."""
        ids = [[pair[at] for pair in digests.renamed] for at in (0, 1)]
        folded = [each.message_id for each in digests.folded]
        await self._grow_digests(connection, digests.grown)
        await connection.execute(self._sql.fold_digests, *other, now, folded)
        await connection.execute(self._sql.move_messages, *other, survivor[1], *ids)
        await connection.execute(self._sql.forget_preferences, [other[0]], [other[1]])
        await connection.execute(self._sql.mark_merged, *other, survivor[1])

    async def members(self, connection: AnyConnection, keys: Iterable[Key]) -> dict[Key, Member]:
        """Members by key, without a lock; those unknown are left out."""
        rows = await connection.fetch(self._sql.read_members, *columns_of(sorted(set(keys)), 2))
        return {member.key: member for member in (Member(**row) for row in rows)}

    async def preferences(
        self, connection: AnyConnection, keys: Iterable[Key]
    ) -> dict[Key, list[Preference]]:
        """Preferences by member, without a lock."""
        found: dict[Key, list[Preference]] = {}
        for preference in await self._preferences(connection, *columns_of(sorted(set(keys)), 2)):
            found.setdefault(preference.key, []).append(preference)
        return found

    async def blocked(
        self, connection: AnyConnection, addresses: Iterable[tuple[str, UUID]]
    ) -> set[tuple[str, UUID]]:
        """Which of these addresses (program, hash) must not be written to."""
        rows = await connection.fetch(self._sql.suppressed_addresses, *columns_of(sorted(set(addresses)), 2))
        return {(row["program_id"], row["address_hash"]) for row in rows}

    async def block(
        self, connection: AnyConnection, program_id: str, address: UUID, reason: str, now: datetime
    ) -> None:
        """Never write to this address again."""
        await connection.execute(self._sql.suppress_address, program_id, address, reason, now)

    async def due(self, connection: AnyConnection, now: datetime, limit: int) -> list[Message]:
        """Up to `limit` messages that are due, locked until the transaction ends; those locked already are left out."""
        return [_message(row) for row in await connection.fetch(self._sql.due_messages, now, limit)]

    async def settle_due(self, connection: AnyConnection, messages: Sequence[Message], token: UUID) -> None:
        """Write the verdicts on what was due; those claimed get the token."""
        rows = [
            (*m.key, m.message_id, m.state.value, _word(m.why), m.due_at, m.settled_at,
             token if m.state is State.CLAIMED else None)
            for m in messages
        ]  # fmt: skip
        await connection.execute(self._sql.settle_due, *columns_of(rows, 8))

    async def begin(
        self, connection: AnyConnection, message: Message, token: UUID, deadline: datetime
    ) -> int | None:
        """Mark that sending begins; which attempt it is, or None where the message is no longer ours to send."""
        began: int | None = await connection.fetchval(
            self._sql.begin_sending, *message.key, message.message_id, token, deadline
        )
        return began

    async def record(self, connection: AnyConnection, outcome: Outcome) -> bool:
        """Write what became of a message; False where somebody else decided."""
        m = outcome.message
        row = await connection.fetchrow(
            self._sql.record_outcome, *m.key, m.message_id, outcome.token, m.state.value, _word(m.why), m.due_at,
            m.settled_at, outcome.server_said, outcome.attempts,
        )  # fmt: skip
        return row is not None

    async def give_back(self, connection: AnyConnection, token: UUID, due_at: datetime) -> None:
        """Let others have what was claimed and not begun."""
        await connection.execute(self._sql.give_back, token, due_at)

    async def page(
        self,
        connection: AnyConnection,
        key: Key,
        *,
        after: tuple[datetime, UUID] | None,
        limit: int,
        channel: Channel | None = None,
    ) -> list[Kept]:
        """Messages of a member on all channels, or on one; newest first."""
        rows = await connection.fetch(
            self._sql.messages_page, *key, *(after or (None, None)), channel.value if channel else None, limit
        )
        return [_kept(key, row) for row in rows]

    async def inbox_page(
        self,
        connection: AnyConnection,
        key: Key,
        *,
        after: tuple[datetime, UUID] | None,
        limit: int,
        unread_only: bool,
    ) -> list[Kept]:
        """Entries of a member's inbox, newest first."""
        rows = await connection.fetch(
            self._sql.inbox_page, *key, *(after or (None, None)), unread_only, limit
        )
        return [_kept(key, row) for row in rows]

    async def unread(self, connection: AnyConnection, key: Key) -> int:
        """How many entries of the inbox the member has not read."""
        count: int = await connection.fetchval(self._sql.unread_count, *key)
        return count

    async def mark_read(
        self, connection: AnyConnection, key: Key, message_id: UUID, now: datetime
    ) -> Kept | None:
        """Mark an entry as read; None where there is none of this id."""
        row = await connection.fetchrow(self._sql.mark_read, *key, message_id, now)
        return None if row is None else _kept(key, row)

    async def faults(self, connection: AnyConnection, overdue_since: datetime) -> list[str]:
        """Each place where what is kept breaks a promise, by name."""
        sql, fetch = self._sql, connection.fetch
        return [
            *(
                f"{row['program_id']}: member {row['member_id']} has {row['times']} messages {row['name']} by "
                f"{row['channel']} because of {row['cause']}"
                for row in await fetch(sql.verify_causes, MAX_FAULTS)
            ),
            *(
                f"{_place(row)} is {row['state']}, and should have been settled by {row['due_at'].isoformat()}"
                for row in await fetch(sql.verify_claims, overdue_since, MAX_FAULTS)
            ),
            *(
                f"{row['program_id']}: member {row['member_id']} was erased, but not all of it is gone"
                for row in await fetch(sql.verify_erased, MAX_FAULTS)
            ),
            *(
                f"{row['program_id']}: something is kept of {row['member_id']}, who was merged into another member"
                for row in await fetch(sql.verify_merged, MAX_FAULTS)
            ),
            *(
                f"{_place(row)} counts as sent, but no attempt was made"
                for row in await fetch(sql.verify_sent, MAX_FAULTS)
            ),
        ]

    async def _preferences(
        self, connection: AnyConnection, programs: Sequence[Any], members: Sequence[Any]
    ) -> list[Preference]:
        rows = await connection.fetch(self._sql.read_preferences, programs, members)
        return [Preference(**row) for row in rows]

    async def _save_members(self, connection: AnyConnection, members: Sequence[Member]) -> None:
        rows = [
            (*m.key, m.email, m.phone, m.name, m.language, m.time_zone, m.country, m.changed_at, m.erased_at,
             m.merged_into)
            for m in sorted(members, key=lambda member: member.key)
        ]  # fmt: skip
        if rows:
            await connection.execute(self._sql.save_members, *columns_of(rows, 11))

    async def _save_preferences(self, connection: AnyConnection, preferences: Sequence[Preference]) -> None:
        rows = [(*p.key, p.purpose, p.channel, p.granted, p.since, p.proof) for p in preferences]
        if rows:
            await connection.execute(self._sql.save_preferences, *columns_of(rows, 7))

    async def _add_messages(self, connection: AnyConnection, messages: Sequence[Message]) -> None:
        rows = [
            (*m.key, m.message_id, m.cause, m.name, m.template, m.purpose, m.channel.value, m.language,
             m.state.value, _word(m.why), m.happened_at, m.created_at, m.due_at, m.settled_at, json.dumps(m.facts))
            for m in messages
        ]  # fmt: skip
        if rows:
            await connection.execute(self._sql.add_messages, *columns_of(rows, 16))

    async def _grow_digests(self, connection: AnyConnection, messages: Sequence[Message]) -> None:
        rows = [(*m.key, m.message_id, m.happened_at, json.dumps(m.facts)) for m in messages]
        if rows:
            await connection.execute(self._sql.grow_digests, *columns_of(rows, 5))


def _word(why: Why | None) -> str | None:
    return None if why is None else why.value


def _place(row: Any) -> str:
    return f"{row['program_id']}: message {row['message_id']} to member {row['member_id']}"


def _message(row: Any, key: Key | None = None) -> Message:
    program_id, member_id = key or (row["program_id"], row["member_id"])
    return Message(
        program_id=program_id,
        member_id=member_id,
        message_id=row["message_id"],
        cause=row["cause"],
        name=row["name"],
        template=row["template"],
        purpose=row.get("purpose", ""),
        channel=Channel(row["channel"]),
        language=row["language"],
        state=State(row["state"]),
        why=Why(row["why"]) if row["why"] else None,
        happened_at=row["happened_at"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        settled_at=row["settled_at"],
        attempts=row["attempts"],
        facts=json.loads(row["facts"]) if row["facts"] else {},
    )


def _kept(key: Key, row: Any) -> Kept:
    return Kept(_message(row, key), row["read_at"], is_forgotten=row["facts"] is None)
