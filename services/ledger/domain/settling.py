"""What falls due by itself: waits that end, lots and rewards that expire, holds that time out, and the occasions of
the calendar. In this order at one instant.

Example: at midnight an award becomes available and an older lot expires: first the activation, then the expiry. What
expires at T cannot be spent at T, since a command at T settles first.

What a newcomer would get wrong: a due thing is booked at the moment it was due, not at the moment somebody looked. So
an event at T is decided on a member who is settled up to T, and a job that runs late changes nothing but the delay.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from services.ledger.domain.awards import activate, cancel
from services.ledger.domain.book import Award, Book, Hold, Lot, MemberKey
from services.ledger.domain.holds import OPEN, TIMED_OUT, release
from services.ledger.domain.issued import Issued
from services.ledger.domain.lots import expire
from services.ledger.domain.occasions import Occasion, celebrate, occasions_of
from services.ledger.domain.rewards import expire_reward
from shared.rows import replace

Ripe = Award | Lot | Issued | Hold | Occasion
"""What falls due by itself."""
Due = tuple[datetime, int, str, Ripe]
ACTIVATES, EXPIRES, TIMES_OUT, COMES = 0, 1, 2, 3


def settle(book: Book, key: MemberKey, until: datetime) -> None:
    """Do all that falls due for the member up to and including `until`, in order."""
    while (next_due := book.member(key).next_due) is not None and next_due <= until:
        due, later = _all_due(book, key, until)
        if due:
            _do(book, key, min(due))  # no two are alike in their first three parts
        else:
            _look_again_at(book, key, later)


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
        case Occasion():
            celebrate(book, key, what)


def _all_due(book: Book, key: MemberKey, until: datetime) -> tuple[list[Due], datetime | None]:
    """What of the member in memory is due up to `until`, and when the first of the rest will be."""
    due: list[Due] = []
    later: datetime | None = None
    for moment, what in _moments(book, key):
        if moment <= until:
            due.append((moment, *_turn(what), what))
        elif later is None or moment < later:
            later = moment
    return due, later


def _moments(book: Book, key: MemberKey) -> Iterator[tuple[datetime, Ripe]]:
    """Everything of the member in memory that will fall due some day, and when."""
    for award in book.awards.of(key).values():
        if award.due_at is not None:
            yield award.due_at, award
    for lot in book.lots.of(key).values():
        if lot.expires_at is not None and lot.remaining:
            yield max(lot.expires_at, lot.opened_at), lot
    for reward in book.shelf.rewards.of(key).values():
        if reward.due_at is not None:
            yield reward.due_at, reward
    for hold in book.holds.of(key).values():
        if hold.state == OPEN:
            yield hold.held_until, hold
    for occasion in occasions_of(book, key):
        yield occasion.at, occasion


def _turn(what: Ripe) -> tuple[int, str]:
    """Whose turn it is among all that is due at one instant."""
    match what:
        case Award():
            return ACTIVATES, what.award_id
        case Lot():
            return EXPIRES, f"{what.asset}:{what.lot_no:020}"
        case Issued():
            return EXPIRES, f"reward:{what.reward_id}"
        case Hold():
            return TIMES_OUT, what.hold_id
        case Occasion():
            return COMES, what.trigger


def _look_again_at(book: Book, key: MemberKey, in_memory: datetime | None) -> None:
    """Nothing is due now: remember when something will be, also among rows that were not loaded."""
    stored = None if key in book.detailed else book.stored_due.get(key)
    moments = [moment for moment in (in_memory, stored) if moment is not None]
    book.members.put(key, "", replace(book.member(key), next_due=min(moments, default=None)))
