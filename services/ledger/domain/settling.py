"""What falls due by itself: waits that end, lots and rewards that expire, holds that time out, and the occasions of
the calendar, and news of what will expire. In this order at one instant.

Example: at midnight an award becomes available and an older lot expires: first the activation, then the expiry. What
expires at T cannot be spent at T, since a command at T settles first.

What a newcomer would get wrong: a due thing is booked at the moment it was due, not at the moment somebody looked. So
an event at T is decided on a member who is settled up to T, and a job that runs late changes nothing but the delay.
"""

from __future__ import annotations

from datetime import datetime

from services.ledger.domain.agenda import Due, first_due
from services.ledger.domain.awards import activate, cancel
from services.ledger.domain.book import Book
from services.ledger.domain.expiring import Expiring, tell_of
from services.ledger.domain.holds import TIMED_OUT, release
from services.ledger.domain.issued import Issued
from services.ledger.domain.lots import expire
from services.ledger.domain.occasions import Occasion, celebrate
from services.ledger.domain.records import Award, Hold, Lot, MemberKey
from services.ledger.domain.rewards import expire_reward
from services.ledger.domain.switching import Switch, follow_switch
from shared.rows import replace


def settle(book: Book, key: MemberKey, until: datetime) -> None:
    """Do all that falls due for the member up to and including `until`, in order."""
    while (next_due := book.member(key).next_due) is not None and next_due <= until:
        due = first_due(book, key)
        if due is None or due[0] > until:
            _look_again_at(book, key, None if due is None else due[0])
            return
        _do(book, key, due)


def _do(book: Book, key: MemberKey, due: Due) -> None:
    at, _, _, what = due
    match what:
        case Award(state="pending"):
            program = book.versions_of(key[0]).numbered(what.program_version).rules
            activate(book, what, program)
        case Award():
            cancel(book, what)
        case Lot():
            expire(book, what, at)
        case Issued():
            expire_reward(book, what, at)
        case Hold():
            release(book, key, what.hold_id, cause=what.hold_id, at=at, state=TIMED_OUT)
        case Switch():
            follow_switch(book, key, what)
        case Occasion():
            celebrate(book, key, what)
        case Expiring():
            tell_of(book, key, what)


def _look_again_at(book: Book, key: MemberKey, in_memory: datetime | None) -> None:
    """Nothing is due now: remember when something will be, also among rows that were not loaded."""
    stored = None if key in book.detailed else book.stored_due.get(key)
    moments = [moment for moment in (in_memory, stored) if moment is not None]
    book.members.put(key, "", replace(book.member(key), next_due=min(moments, default=None)))
