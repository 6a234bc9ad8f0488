"""The rows that a batch touches, in memory, with one undo for all of them.

What a newcomer would get wrong: only *digests* that may be open are loaded among the messages. Every other message is
new by its id, and one that the database has already is left as it is when the book is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from services.notifier.domain.members import Key, Member, Preference
from services.notifier.domain.messages import Message
from services.notifier.domain.rules import Rules
from services.notifier.domain.sending import Recipient
from shared.events import Event
from shared.rows import Entries, Journal, Rows

RulesAt = Callable[[str, datetime], Rules]
"""The rules of a program for something that happened at a time.

Raises:
    UnknownProgram: there is none of this id.
"""


class Book:
    """Members with their preferences, messages, and what is to be announced.

    `languages` are those that there are texts in; `now` is the moment of the batch.
    """

    def __init__(self, rules_at: RulesAt, languages: Collection[str], now: datetime) -> None:
        self.rules_at = rules_at
        self.languages = languages
        self.now = now
        self.journal = Journal()
        self.members: Rows[Key, str, Member] = Rows(self.journal)
        self.preferences: Rows[Key, tuple[str, str], Preference] = Rows(self.journal)
        self.messages: Rows[Key, UUID, Message] = Rows(self.journal)
        self.reached: Entries[Key] = Entries(self.journal)
        """Members who have a new address: what waits for one is due now."""
        self.erased: Entries[Key] = Entries(self.journal)
        self.outgoing: Entries[Event[Any]] = Entries(self.journal)

    def load_member(self, member: Member) -> None:
        """Bring in a member as the database has it."""
        self.members.load(member.key, "", member)

    def load_preference(self, preference: Preference) -> None:
        """Bring in a preference as the database has it."""
        self.preferences.load(preference.key, (preference.purpose, preference.channel), preference)

    def load_message(self, message: Message) -> None:
        """Bring in a message as the database has it."""
        self.messages.load(message.key, message.message_id, message)

    def member(self, key: Key) -> Member:
        """The member; every one that the batch names was loaded."""
        member = self.members.get(key, "")
        assert member is not None, "the store loads every member that a batch names"
        return member

    def home(self, key: Key) -> Key:
        """The member whose name this id is: itself, unless it was merged into another one."""
        into = self.member(key).merged_into
        return key if into is None else (key[0], into)

    def put_member(self, member: Member) -> None:
        """Put a member as it is from now on."""
        self.members.put(member.key, "", member)

    def put_preference(self, preference: Preference) -> None:
        """Keep a word of a member, unless a later one about the same is known."""
        key = (preference.purpose, preference.channel)
        known = self.preferences.get(preference.key, key)
        if known is None or known.since <= preference.since:
            self.preferences.put(preference.key, key, preference)

    def recipient(self, key: Key) -> Recipient:
        """What is known of a member as somebody to write to; blocked addresses are looked up when a mail is due."""
        return Recipient(member=self.member(key), preferences=list(self.preferences.of(key).values()))
