"""From an event to messages: which rules of the program speak, on which channels, and whether now.

What a newcomer would get wrong: an entry of the inbox is there at once, and a day's digest in it grows as the day goes
on; an e-mail's digest is closed at the program's midnight and then waits for the member's morning. An event that
comes late joins the inbox digest of its own day, but the e-mail digest of today: what was mailed cannot grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier.domain import facts as facts_of
from services.notifier.domain.announcing import announcement
from services.notifier.domain.book import Book
from services.notifier.domain.languages import nearest
from services.notifier.domain.members import Key
from services.notifier.domain.messages import Message, State, Why, digest_cause, message_id
from services.notifier.domain.rules import Channel, MessageRule, Rules, Trigger
from services.notifier.domain.sending import LetGo, Send, Verdict, Wait, judge_email, judge_inbox
from shared.calendar import day_of, midnight_after

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be told: whom, because of what, when it happened, and the facts.

    `cause` is the id of the event, `cause_key` stands for its source and id together. `told_of` is the member whom the
    event names, where that is another name of the member by now: what was told under it is not told again.
    """

    key: Key
    cause: str
    cause_key: str
    trigger: Trigger
    template: str
    happened_at: datetime
    facts: Mapping[str, Any]
    told_of: Key | None = None

    def to(self, home: Key) -> News:
        """The same news, to the member whose name it bears."""
        return self if home == self.key else replace(self, key=home, told_of=self.key)


def tell(book: Book, news: News) -> None:
    """Write down every message that the program has for this news.

    Raises:
        UnknownProgram: the program was never applied.
    """
    rules = book.rules_at(news.key[0], news.happened_at)
    if book.member(news.key).erased_at is not None:
        return
    for rule in rules.on(news.trigger):
        if rule.days_before and news.facts["days_left"] not in rule.days_before:
            continue
        for channel in rule.by:
            _tell_on(channel, book, news, rules, rule)


def digest_ids(news: News, rules: Rules, now: datetime) -> Iterator[UUID]:
    """The ids of the digests that this news may join; the store loads those that exist."""
    for rule in rules.on(news.trigger):
        if rule.daily:
            for channel in rule.by:
                yield from (id_ for _, id_, _ in _digests(news, rules, rule, channel, now))


def settled(message: Message, verdict: Verdict, now: datetime) -> Message:
    """The message after a verdict: sent (for the inbox), on its way, or let go."""
    match verdict:
        case Wait(until, why):
            return replace(message, state=State.WAITING, why=why, due_at=until)
        case LetGo(why):
            return replace(message, state=State.SUPPRESSED, why=why, due_at=None, settled_at=now)
        case Send() if message.channel is Channel.INBOX:
            return replace(message, state=State.SENT, why=None, due_at=None, settled_at=now)
        case Send():
            return replace(message, state=State.WAITING, why=None, due_at=now)


def _tell_on(channel: Channel, book: Book, news: News, rules: Rules, rule: MessageRule) -> None:
    verdict = _judge(channel, book, news, rules, rule)
    if rule.daily and not (channel is Channel.EMAIL and isinstance(verdict, LetGo)):
        _tell_in_digest(channel, book, news, rules, rule, verdict)
    else:
        draft = _draft(channel, book, news, rules, rule)
        _put(book, settled(draft, verdict, book.now))


def _tell_in_digest(
    channel: Channel, book: Book, news: News, rules: Rules, rule: MessageRule, verdict: Verdict
) -> None:
    for cause, id_, due_at in _digests(news, rules, rule, channel, book.now):
        known = book.messages.get(news.key, id_)
        if known is None:
            draft = replace(
                _draft(channel, book, news, rules, rule),
                message_id=id_,
                cause=cause,
                facts={**news.facts, "causes": [news.cause_key]},
            )
            _put(book, settled(draft, verdict if due_at is None else Wait(due_at, Why.DIGEST), book.now))
            return
        if channel is Channel.INBOX or known.state is State.WAITING:
            _grow(book, known, news)
            return
    raise AssertionError("tomorrow's digest is open")


def _grow(book: Book, digest: Message, news: News) -> None:
    is_later = news.happened_at >= digest.happened_at
    facts = facts_of.added(digest.facts, news.facts, news.cause_key, is_later=is_later)
    happened_at = max(digest.happened_at, news.happened_at)
    book.messages.put(digest.key, digest.message_id, replace(digest, facts=facts, happened_at=happened_at))


def _digests(
    news: News, rules: Rules, rule: MessageRule, channel: Channel, now: datetime
) -> Iterator[tuple[str, UUID, datetime | None]]:
    """Cause, id and due time of the digests it may join, in order: one in the inbox; by e-mail today's, and
    tomorrow's where today's has been closed."""
    asset = news.facts["asset"]
    if channel is Channel.INBOX:
        cause = digest_cause(asset, day_of(news.happened_at, rules.zone))
        yield cause, message_id(news.key, cause, rule.name, channel), None
        return
    today = day_of(now, rules.zone)
    for day in (today, today + _DAY):
        cause = digest_cause(asset, day)
        yield cause, message_id(news.key, cause, rule.name, channel), midnight_after(day, rules.zone)


def _judge(channel: Channel, book: Book, news: News, rules: Rules, rule: MessageRule) -> Verdict:
    recipient = book.recipient(news.key)
    if channel is Channel.INBOX:
        return judge_inbox(recipient, rule.purpose)
    return judge_email(recipient, rule.purpose, news.happened_at, rules, book.now)


def _draft(channel: Channel, book: Book, news: News, rules: Rules, rule: MessageRule) -> Message:
    program_id, member_id = news.key
    language = nearest([book.member(news.key).language, *rules.languages], book.languages)
    return Message(
        program_id=program_id,
        member_id=member_id,
        message_id=message_id(news.told_of or news.key, news.cause_key, rule.name, channel),
        cause=news.cause,
        name=rule.name,
        template=news.template,
        purpose=rule.purpose,
        channel=channel,
        language=language,
        state=State.WAITING,
        happened_at=news.happened_at,
        created_at=book.now,
        facts=news.facts,
    )


def _put(book: Book, message: Message) -> None:
    """Write a new message down, and tell the platform, unless it is there already."""
    if book.messages.get(message.key, message.message_id) is not None:
        return
    book.messages.put(message.key, message.message_id, message)
    told = announcement(message, book.now)
    if told is not None:
        book.outgoing.append(told)
