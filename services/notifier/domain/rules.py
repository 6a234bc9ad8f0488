"""The notifier's section of a program, as the domain reads it.

What a newcomer would get wrong: a message is *planned* by the version of its event's time, but *sent* by the newest: a
merchant who widens the quiet hours tonight means tonight's mails, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from services.notifier.domain.quiet import QuietHours

# Most people still know what it is about after a weekend; after that, a mail about it looks like a fault.
STALE_AFTER = timedelta(days=3)


class Channel(Enum):
    """A way to a member."""

    EMAIL = "email"
    INBOX = "inbox"


class Trigger(Enum):
    """What can make a program say something."""

    POINTS_EARNED = "points.earned"
    POINTS_EXPIRING = "points.expiring"
    TIER_RAISED = "tier.raised"
    REFERRAL_APPROVED = "referral.approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRule:
    """One entry of `messages`: on what, by which channels, how bundled.

    `days_before` narrows `points.expiring` to these distances; empty = all that are announced.
    """

    name: str
    on: Trigger
    by: tuple[Channel, ...]
    daily: bool = False
    days_before: frozenset[int] = frozenset()
    purpose: str = "loyalty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a program says about messages.

    `languages` begins with the program's default. `sender` and `reply_to` are addresses as a mail shows them; None =
    the service's own.
    """

    program_name: str
    zone: ZoneInfo
    languages: tuple[str, ...] = ("en",)
    quiet: QuietHours | None = None
    stale_after: timedelta = STALE_AFTER
    messages: tuple[MessageRule, ...] = ()
    sender: str | None = None
    reply_to: str | None = None

    def on(self, trigger: Trigger) -> tuple[MessageRule, ...]:
        """The messages that this trigger causes, in the order of the file."""
        return tuple(rule for rule in self.messages if rule.on is trigger)
