"""What to do with a message that is due: send it, let it wait, or let it go; and when to try again.

What a newcomer would get wrong: this is asked twice, when the message is planned and again whenever it is due. In
between the member may have unsubscribed, moved to another zone, or given an address at last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from services.notifier.domain.members import Member, Preference, wants
from services.notifier.domain.messages import Why
from services.notifier.domain.rules import Channel, Rules
from shared.calendar import UnknownTimeZone, zone

MAX_ATTEMPTS: Final = 6
_FIRST_BACKOFF: Final = timedelta(seconds=30)
_BACKOFF_FACTOR: Final = 4
"""30 s, 2 min, 8 min, 32 min, about 2 h: a busy server and a greylisting one are both outwaited."""


class InDoubt(Enum):
    """What becomes of a mail when the sender or the line died after it was handed over, before the server's yes."""

    LEAVE = "leave"
    """Not sent again: never twice, and now and then not at all. It is listed as failed, `outcome_unknown`."""
    RESEND = "resend"
    """Sent again once, under the same Message-ID, by which most mailboxes know a repetition."""


@dataclass(frozen=True, slots=True)
class Send:
    """Now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until`."""

    until: datetime
    why: Why


@dataclass(frozen=True, slots=True)
class LetGo:
    """Never."""

    why: Why


Verdict = Send | Wait | LetGo


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What is known of whom a message is for. `is_blocked`: the address must not be written to, whatever it says."""

    member: Member
    preferences: Sequence[Preference] = ()
    is_blocked: bool = False


def judge_email(
    recipient: Recipient, purpose: str, happened_at: datetime, rules: Rules, now: datetime
) -> Verdict:
    """What to do, at `now`, with an e-mail of something that happened at `happened_at`."""
    member = recipient.member
    if member.erased_at is not None:
        return LetGo(Why.ERASED)
    if not wants(recipient.preferences, purpose, Channel.EMAIL.value):
        return LetGo(Why.UNSUBSCRIBED)
    if recipient.is_blocked:
        return LetGo(Why.ADDRESS_SUPPRESSED)
    stale_at = happened_at + rules.stale_after
    if now >= stale_at:
        return LetGo(Why.STALE if member.email else Why.NO_ADDRESS)
    if not member.email:
        return Wait(stale_at, Why.NO_ADDRESS)
    return _unless_quiet(member, rules, now)


def _unless_quiet(member: Member, rules: Rules, now: datetime) -> Verdict:
    if rules.quiet is None:
        return Send()
    allowed = rules.quiet.first_moment_from(now, zone_of(member, rules))
    return Send() if allowed <= now else Wait(allowed, Why.QUIET)


def judge_inbox(recipient: Recipient, purpose: str) -> Verdict:
    """An entry in the inbox disturbs nobody at night and does not go stale: it is dated as of its cause."""
    if recipient.member.erased_at is not None:
        return LetGo(Why.ERASED)
    if not wants(recipient.preferences, purpose, Channel.INBOX.value):
        return LetGo(Why.UNSUBSCRIBED)
    return Send()


def zone_of(member: Member, rules: Rules) -> ZoneInfo:
    """The member's own time zone, or the program's where none is known or the name means nothing."""
    if member.time_zone is not None:
        try:
            return zone(member.time_zone)
        except UnknownTimeZone:
            pass
    return rules.zone


def after_failure(attempts: int, now: datetime, jitter: float) -> Verdict:
    """What follows the `attempts`-th failed attempt; `jitter` from 0 to 1 keeps a thousand mails from coming back at
    one moment (it takes up to half of the wait away)."""
    if attempts >= MAX_ATTEMPTS:
        return LetGo(Why.ATTEMPTS_EXHAUSTED)
    wait = _FIRST_BACKOFF * _BACKOFF_FACTOR ** (attempts - 1)
    return Wait(now + wait * (1 - jitter / 2), Why.RETRY)
