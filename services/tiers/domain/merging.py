"""Two members are one person: the survivor stands on what both spent, and the other id is another name of them.

Example, Regular from 350 and Habitué from 1000: `anna` spent 700 this year and `old-7` 400. The merge raises her to
Habitué at once, with its entry reward. An order of `old-7` that is refunded later shrinks her spend, under either id.

What a newcomer would get wrong: the level is nobody's to add up. It follows from the spend of both, so it can only rise
by a merge; what each was given for entering a level counts as given, and is not given again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.tiers.domain.book import Book, Member, MemberKey
from services.tiers.domain.judging import Trigger, settle, take_over, tell_again, weigh
from services.tiers.domain.purchases import Purchase, joined, kept_spend

NOT_COVERED = "The level of the merged account had lost its ground."


def merge(book: Book, survivor: MemberKey, other: MemberKey, at: datetime, trigger: Trigger) -> None:
    """Join the other member into the survivor; again, or of one and the same, it changes nothing.

    What an erased survivor would get is forgotten with them.
    """
    if survivor == other or book.member(other).merged_into is not None:
        return
    settle(book, survivor, at, trigger)
    settle(book, other, at, trigger)
    theirs = book.member(other)
    book.put_member(Member(program_id=other[0], member_id=other[1], merged_into=survivor[1]))
    book.moved.append(other)
    if book.member(survivor).erased_at is not None:
        return
    for purchase in list(book.purchases.of(other).values()):
        _adopt(book, survivor, purchase)
    _join_members(book, survivor, theirs, at, trigger)
    weigh(book, survivor, at, trigger)
    if theirs.judge_at is not None:
        tell_again(book, survivor, at, trigger, NOT_COVERED)


def _adopt(book: Book, survivor: MemberKey, purchase: Purchase) -> None:
    """The order is the survivor's. Two of one id are one order, unless both were told of as paid."""
    mine = book.purchases.get(survivor, purchase.order_id)
    theirs = replace(purchase, member_id=survivor[1])
    if mine is not None and mine.paid is not None and theirs.paid is not None:
        theirs, mine = replace(theirs, order_id=f"{purchase.order_id}@{purchase.member_id}"), None
    after = theirs if mine is None else joined(mine, theirs)
    if after.paid_at is not None:
        course = book.course(survivor[0])
        minor = kept_spend(after, course.program_at(after.paid_at).currency)
        after = replace(after, year=course.year_of(after.paid_at), kept_minor=minor)
    if mine is not None and mine.year is not None:
        book.add_spend(survivor, mine.year, -mine.kept_minor)
    if after.year is not None:
        book.add_spend(survivor, after.year, after.kept_minor)
    book.purchases.put(survivor, after.order_id, after)


def _join_members(book: Book, survivor: MemberKey, theirs: Member, at: datetime, trigger: Trigger) -> None:
    """A member since the earlier time, with what either was given for entering levels."""
    mine = book.member(survivor)
    rewards = sorted((*mine.entry_rewards, *theirs.entry_rewards), key=lambda each: each.year)
    since = min((each for each in (mine.joined_at, theirs.joined_at) if each is not None), default=None)
    is_base_since = mine.since is not None and mine.since == mine.joined_at
    book.put_member(
        replace(
            mine,
            entry_rewards=tuple(rewards),
            joined_at=since,
            since=since if is_base_since else mine.since,
        )
    )
    if mine.level is None and theirs.level is not None:
        take_over(book, survivor, theirs, at, trigger)
