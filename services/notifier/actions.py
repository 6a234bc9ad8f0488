"""Where the doors of the notifier lead: events from Kafka, members' requests, and the sender's steps.

What a newcomer would get wrong: nothing here sends. `claim` takes messages in hand and commits; `sender` then calls
`begin`, sends, and calls `record`, each in a short transaction of its own, so that no row is locked while a mail server
thinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.notifier.addresses import address_hashes, deliverable
from services.notifier.domain.announcing import announcement, unsubscribed
from services.notifier.domain.book import Book
from services.notifier.domain.languages import nearest
from services.notifier.domain.members import EVERY_CHANNEL, Key, Member, Preference, wants
from services.notifier.domain.messages import Kept, Message, Outcome, State, Why
from services.notifier.domain.rules import Rules
from services.notifier.domain.sending import (
    InDoubt,
    LetGo,
    Recipient,
    Send,
    Verdict,
    Wait,
    after_failure,
    judge_email,
)
from services.notifier.domain.telling import digest_ids, settled
from services.notifier.errors import MergedMeanwhile, MessageNotFound
from services.notifier.handlers import news_of, on
from services.notifier.links import Unsubscription
from services.notifier.merging import merge
from services.notifier.smtp import Answer, Result
from services.notifier.store import Store
from shared import outbox
from shared.database import AnyConnection
from shared.errors import ServiceError
from shared.events import Event, MemberMerged
from shared.merges import cut_at_merges
from shared.programs import Programs, unknown
from shared.queries import Queries
from shared.worker.records import Outcome as BatchOutcome


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that a sender has in hand, with all that it needs to write it."""

    message: Message
    member: Member
    address: str
    rules: Rules
    token: UUID


@dataclass(slots=True)
class Actions:
    """Everything that the notifier does, on the connection of an open transaction."""

    machinery: Queries
    store: Store
    programs: Programs[Rules]
    languages: frozenset[str]
    keys: Sequence[bytes]
    when_in_doubt: InDoubt = InDoubt.LEAVE

    async def handle(
        self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime
    ) -> BatchOutcome:
        """Events from Kafka, many members at once."""
        programs = await self.programs.of(connection, {event.program_id for event in events})

        def rules_at(program_id: str, time: datetime) -> Rules:
            if program_id not in programs:
                raise unknown(program_id)
            return programs[program_id].at(time).rules

        refused: dict[int, ServiceError] = {}
        told: list[Event[Any]] = []
        for start, part in cut_at_merges(events):
            book = Book(rules_at, self.languages, now)
            if not isinstance(part[0].data, MemberMerged):
                known = [each for each in part if each.program_id in programs and each.member_id is not None]
                await self._load(connection, book, known)
                found = on.run(part, book)
                await self.store.save(connection, book)
                refused |= {start + place: error for place, error in found.items()}
            elif part[0].program_id in programs:
                await self._merge(connection, book, part[0])
            else:
                refused[start] = unknown(part[0].program_id)
            told += book.outgoing
        return BatchOutcome(refused, told)

    async def _load(self, connection: AnyConnection, book: Book, events: Sequence[Event[Any]]) -> None:
        """Bring whoever these events are about, under the name that they bear and the one that they have now."""
        named = {_key(event) for event in events}
        homes = await self.store.homes(connection, named)
        digests = [
            (led.key, digest)
            for news in map(news_of, events)
            if news is not None
            for led in [news.to(homes.get(news.key, news.key))]
            for digest in digest_ids(led, book.rules_at(led.key[0], led.happened_at), book.now)
        ]
        await self.store.load(connection, book, named | set(homes.values()), digests)
        if any(book.member(key).merged_into is not None for key in named - homes.keys()):
            raise MergedMeanwhile("a member was merged into another one just now; try again")

    async def _merge(self, connection: AnyConnection, book: Book, event: Event[MemberMerged]) -> None:
        """Two members are one person; again, or of one and the same, it changes nothing."""
        survivor, other = ((event.program_id, each) for each in (event.data.member_id, event.data.merged_id))
        homes = await self.store.homes(connection, [survivor, other])
        survivor = homes.get(survivor, survivor)
        if other not in homes and survivor != other:
            await merge(self.store, connection, book, survivor, other)

    async def home(self, connection: AnyConnection, key: Key) -> Key:
        """The member whose name this id is: itself, unless it was merged into another one."""
        return (await self.store.homes(connection, [key])).get(key, key)

    async def claim(
        self, connection: AnyConnection, *, now: datetime, limit: int, lease: timedelta
    ) -> tuple[list[Claimed], int]:
        """Judge up to `limit` messages that are due: take in hand what is to be sent, put off or let go of the rest.

        Answers those in hand, which are ours until `now + lease`, and how many were due.
        """
        due = await self.store.due(connection, now, limit)
        if not due:
            return [], 0
        token = uuid4()
        recipients = await self._recipients(connection, due)
        programs = await self.programs.of(connection, {message.program_id for message in due})
        claimed, after = [], []
        for message in due:
            recipient, rules = recipients[message.key], programs[message.program_id].newest.rules
            judged = self._judged(message, recipient, rules, now)
            if judged.state is State.WAITING and judged.due_at == now:
                judged = replace(judged, state=State.CLAIMED, due_at=now + lease)
                address = deliverable(recipient.member.email or "")
                assert address is not None, "a mail to nowhere was let go"
                claimed.append(Claimed(judged, recipient.member, address, rules, token))
            after.append(judged)
        await self.store.settle_due(connection, after, token)
        await self._announce(connection, after, now)
        return claimed, len(due)

    async def begin(self, connection: AnyConnection, claimed: Claimed, deadline: datetime) -> int | None:
        """Mark that sending begins; which attempt it is, or None where the message is no longer ours."""
        return await self.store.begin(connection, claimed.message, claimed.token, deadline)

    async def record(
        self,
        connection: AnyConnection,
        claimed: Claimed,
        answer: Answer,
        *,
        attempt: int,
        now: datetime,
        jitter: float,
    ) -> Message:
        """Write down what the mail server made of a message, and tell the platform."""
        message = self._after(claimed.message, answer, attempt, now, jitter)
        outcome = Outcome(message, claimed.token, answer.words)
        if await self.store.record(connection, outcome):
            if message.why is Why.ADDRESS_REFUSED:
                address = address_hashes(self.keys, claimed.address)[0]
                await self.store.block(connection, message.program_id, address, "bounce", now)
            await self._announce(connection, [message], now)
        return message

    async def fail(self, connection: AnyConnection, claimed: Claimed, words: str, now: datetime) -> None:
        """Give up a message that cannot be written: trying again would not help."""
        message = _failed(claimed.message, Why.NOT_RENDERABLE, now)
        if await self.store.record(connection, Outcome(message, claimed.token, words[:300], attempts=-1)):
            await self._announce(connection, [message], now)

    async def give_back(self, connection: AnyConnection, token: UUID, due_at: datetime) -> None:
        """Let others have what was claimed and not begun."""
        await self.store.give_back(connection, token, due_at)

    async def unsubscribe(self, connection: AnyConnection, link: Unsubscription, now: datetime) -> None:
        """No more of this purpose on this channel, from now on; a second time changes nothing."""
        key = await self.home(connection, (link.program_id, link.member_id))
        book = Book(_no_rules, self.languages, now)
        await self.store.load(connection, book, [key], [])
        preferences = book.recipient(key).preferences
        if book.member(key).erased_at is not None or not wants(preferences, link.purpose, link.channel):
            return
        book.put_preference(
            Preference(
                program_id=key[0],
                member_id=key[1],
                purpose=link.purpose,
                channel=link.channel,
                granted=False,
                since=now,
                proof="link in a mail",
            )
        )
        await self.store.save(connection, book)
        channel = None if link.channel == EVERY_CHANNEL else link.channel
        told = unsubscribed(*key, link.purpose, channel, now)
        await outbox.write_bundle(connection, self.machinery, [outbox.message_of(told)])

    async def mark_read(self, connection: AnyConnection, key: Key, message_id: UUID, now: datetime) -> Kept:
        """Mark an entry of the inbox as read; the first time counts.

        Raises:
            MessageNotFound: the member's inbox has no such entry.
        """
        kept = await self.store.mark_read(connection, key, message_id, now)
        if kept is None:
            raise MessageNotFound(f"the inbox has no message {message_id}")
        return kept

    def language_of(self, member: Member | None, rules: Rules) -> str:
        """The language that there are texts in and that is nearest to the member's."""
        return nearest([member.language if member else None, *rules.languages], self.languages)

    def _judged(self, message: Message, recipient: Recipient, rules: Rules, now: datetime) -> Message:
        if message.state is State.SENDING and (
            self.when_in_doubt is InDoubt.LEAVE or message.attempts > 1
        ):  # Its sender died, or the line did, between the mail and the answer.
            return _failed(message, Why.OUTCOME_UNKNOWN, now)
        verdict: Verdict = judge_email(recipient, message.purpose, message.happened_at, rules, now)
        if isinstance(verdict, Send) and deliverable(recipient.member.email or "") is None:
            verdict = LetGo(Why.ADDRESS_INVALID)
        language = self.language_of(recipient.member, rules)
        return replace(settled(message, verdict, now), language=language)

    def _after(self, message: Message, answer: Answer, attempt: int, now: datetime, jitter: float) -> Message:
        match answer.result:
            case Result.SENT:
                return replace(message, state=State.SENT, why=None, due_at=None, settled_at=now)
            case Result.REFUSED:
                return _failed(message, Why.REFUSED, now)
            case Result.NO_SUCH_ADDRESS:
                return _failed(message, Why.ADDRESS_REFUSED, now)
            case Result.UNKNOWN if self.when_in_doubt is InDoubt.LEAVE or attempt > 1:
                return _failed(message, Why.OUTCOME_UNKNOWN, now)
            case Result.UNKNOWN | Result.LATER:
                verdict = after_failure(attempt, now, jitter)
                if isinstance(verdict, Wait):
                    return settled(message, verdict, now)
                return _failed(message, Why.ATTEMPTS_EXHAUSTED, now)

    async def _recipients(
        self, connection: AnyConnection, messages: Sequence[Message]
    ) -> dict[Key, Recipient]:
        keys = {message.key for message in messages}
        members = await self.store.members(connection, keys)
        preferences = await self.store.preferences(connection, keys)
        hashes = {
            key: [(key[0], each) for each in address_hashes(self.keys, member.email)]
            for key, member in members.items()
            if member.email
        }
        blocked = await self.store.blocked(connection, [each for all_ in hashes.values() for each in all_])
        return {
            key: Recipient(
                member=members[key],
                preferences=preferences.get(key, ()),
                is_blocked=not blocked.isdisjoint(hashes.get(key, ())),
            )
            for key in keys
        }

    async def _announce(self, connection: AnyConnection, messages: Sequence[Message], now: datetime) -> None:
        told = [each for each in (announcement(message, now) for message in messages) if each is not None]
        await outbox.write_bundle(connection, self.machinery, [outbox.message_of(each) for each in told])


def _key(event: Event[Any]) -> Key:
    member_id = event.member_id
    assert member_id is not None, "all that the notifier listens to is about a member"
    return event.program_id, member_id


def _failed(message: Message, why: Why, now: datetime) -> Message:
    return replace(message, state=State.FAILED, why=why, due_at=None, settled_at=now)


def _no_rules(*_: object) -> Rules:
    raise AssertionError("unsubscribing needs no program")
