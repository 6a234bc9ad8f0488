"""Commands of many members at once: what the HTTP door gathers, decided like a batch of events.

What a newcomer would get wrong: each command sees what those before it did, also of the same member; one that is
refused leaves no trace, and the others take effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import MemberKey
from services.ledger.domain.settling import settle
from services.ledger.errors import MemberErased, UnknownMember, merged_into
from shared.database import AnyConnection
from shared.errors import ServiceError
from shared.http.gathering import Decided


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks about one member: decided on the book, settled up to now, and the shape to answer with.

    The key that it is decided with is the one of the member whom the asked one was merged into, where that was done.

    `orders` and `holds` name what else than the member's open awards, lots and holds it touches; `pooling`: the
    member's household, too.
    """

    key: MemberKey
    decide: Callable[[Book, MemberKey, datetime], BaseModel]
    status: int = 200
    orders: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    pooling: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """Decides commands in sets."""

    actions: Actions

    async def decide(
        self, connection: AnyConnection, commands: Sequence[Command], now: datetime
    ) -> list[Decided | ServiceError]:
        """Decide in order, in the open transaction of the connection; by place the answer or the refusal."""
        known = await self.actions.store.known_members(connection, {command.key for command in commands})
        commands = [replace(command, key=known.get(command.key, command.key)) for command in commands]
        known |= {home: home for home in known.values()}
        programs = await self.actions.programs.of(connection, {program_id for program_id, _ in known})
        needs = _needs_of([command for command in commands if command.key in known], now)
        book = await self.actions.settled(connection, needs, programs)
        outcomes: list[Decided | ServiceError] = []
        for command in commands:
            book.journal.mark()
            try:
                outcomes.append(_decided(command, book, known, now))
            except ServiceError as refusal:
                book.journal.undo()
                outcomes.append(refusal)
        await self.actions.finish(connection, book)
        return outcomes


def _needs_of(commands: Sequence[Command], now: datetime) -> Needs:
    members = {command.key: now for command in commands}
    return Needs(
        members=members,
        detailed=set(members),
        orders={(command.key, order_id) for command in commands for order_id in command.orders},
        holds={(command.key, hold_id) for command in commands for hold_id in command.holds},
        pooling={command.key for command in commands if command.pooling},
    )


def _decided(command: Command, book: Book, known: Mapping[MemberKey, MemberKey], now: datetime) -> Decided:
    member_id = command.key[1]
    if command.key not in known:
        raise UnknownMember(f"the ledger has never heard of member {member_id!r}")
    if book.member(command.key).erased_at is not None:
        raise MemberErased(f"member {member_id!r} asked to be forgotten")
    if (home := book.homes.get(command.key)) is not None:
        raise merged_into(command.key, home)
    settle(book, command.key, now)
    answer = command.decide(book, command.key, now)
    return Decided(command.status, answer.__pydantic_serializer__.to_json(answer))
