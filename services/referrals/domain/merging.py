"""Two members are one person: whoever named either's code named the survivor, and both came in once.

Example: Ben named the code of `old-7`, which was merged into Anna. Anna is rewarded when Ben's order is kept long
enough; whoever names that code from now on comes through Anna. Had `old-7` come through Anna, nobody brought anybody:
what is not approved yet is voided, since it is the same member.

What a newcomer would get wrong: the rows of the other one are the survivor's already; the store gives them away. What
is decided here follows from the papers of both: who had ordered under the one id was a customer under the other.
"""

from __future__ import annotations

from dataclasses import replace

from services.referrals.domain.book import Book
from services.referrals.domain.model import Member
from services.referrals.domain.referring import Moment, review


def join(book: Book, survivor: Member, other: Member, moment: Moment) -> None:
    """Judge the survivor's own referral anew, and those of everybody who named a code of either."""
    signed_up = [each for each in (survivor.signed_up_at, other.signed_up_at) if each is not None]
    joined = replace(
        book.member(survivor.key),
        first_seen_at=min(survivor.first_seen_at, other.first_seen_at),
        signed_up_at=min(signed_up, default=None),
    )
    book.members.put(survivor.key, "", joined)
    for friend in dict.fromkeys([survivor.key, *book.followers(joined)]):
        review(book, friend, moment)
