"""Commands of many members at once: what the HTTP door gathers, decided like a batch of events.

What a newcomer would get wrong: each command sees what those before it did, also of the same member; one that is
refused leaves no trace, and the others take effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from services.ledger.actions import Actions
from services.ledger.domain.book import Book, MemberKey
from services.ledger.domain.settling import settle
from services.ledger.errors import MemberErased, UnknownMember
from shared.database import AnyConnection
from shared.errors import ServiceError
from shared.http.gathering import Decided


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asks about one member: decided on the book, settled up to now; the shape to answer with."""

    key: MemberKey
    decide: Callable[[Book, datetime], BaseModel]
    status: int = 200


async def decide_together(
    actions: Actions, connection: AnyConnection, commands: Sequence[Command], now: datetime
) -> list[Decided | ServiceError]:
    """Decide the commands in order, in the transaction of the connection; by place the answer or the refusal."""
    known = await actions.known_members(connection, [command.key for command in commands])
    book = await actions.book_of(connection, known, now)
    outcomes: list[Decided | ServiceError] = []
    for command in commands:
        book.journal.mark()
        try:
            outcomes.append(_decide(command, book, known, now))
        except ServiceError as refusal:
            book.journal.undo()
            outcomes.append(refusal)
    await actions.finish(connection, book)
    return outcomes


def _decide(command: Command, book: Book, known: set[MemberKey], now: datetime) -> Decided:
    if command.key not in known:
        raise UnknownMember(f"the ledger has never heard of member {command.key[1]!r}")
    if book.member(command.key).erased_at is not None:
        raise MemberErased(f"member {command.key[1]!r} asked to be forgotten")
    settle(book, command.key, now)
    answer = command.decide(book, now)
    return Decided(command.status, answer.__pydantic_serializer__.to_json(answer))
