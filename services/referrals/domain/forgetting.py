"""What remains of an erased member: that they were there, and how many they brought.

What a newcomer would get wrong: the member's row stays, with nothing but the id and the code. Without it the next event
about that person would make them a member again.
"""

from __future__ import annotations

from dataclasses import replace

from services.referrals.domain.book import Book
from services.referrals.domain.model import MemberKey, Reason, State
from services.referrals.domain.referring import Moment, end, review


def forget(book: Book, key: MemberKey, moment: Moment) -> None:
    """Erase a member: hashes, touches and papers go; a referral that is not approved yet is voided.

    What was approved stays counted; the store takes the names off it once the last state is written.
    """
    review(book, key, moment)
    for referral in list(book.referrals.of(key).values()):
        if referral.state in (State.STARTED, State.PENDING):
            end(book, referral, (Reason.FRIEND_ERASED,), moment.at, moment)
    book.members.put(key, "", replace(book.member(key), erased_at=moment.at))
    book.erased.append(key)
