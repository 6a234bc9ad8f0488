"""When a standing changes: upwards at once, else at due moments (a turn of the year, the midnight after a refund).

Before anything that happened at T is applied to a member, all that was due up to T is settled, so that a history which
is replayed within a minute comes out as if the clock had run. What arrives late is weighed against the present: it may
lift a member, as if it had come in time, and never undoes what was told.

What a newcomer would get wrong: a refund changes no level by itself. It makes the level due for judgement at the
midnight that follows; a purchase in between may save it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from services.tiers.domain.book import Book, EntryReward, Member, MemberKey
from services.tiers.domain.course import Course
from services.tiers.domain.ladder import KeepUntil, Level
from services.tiers.domain.standing import Due, Held, at_turn, due_standing, secured
from shared.events import TierKept, TierLowered, TierRaised, TierWillLower
from shared.money import to_decimal_string

REFUNDED = "What was refunded or changed no longer counts."
TURN = "The year was judged."
LONGER = "Enough was spent to keep the level for longer."


class What(IntEnum):
    """What falls due; at one instant in this order."""

    JUDGEMENT = 1
    TURN = 2
    WARNING = 3


@dataclass(frozen=True, slots=True)
class Trigger:
    """What leads to a change: the id of an event, if one did, and whether it is the past handled again."""

    cause: str | None = None
    replayed: bool = False


CLOCK = Trigger()


def join(book: Book, key: MemberKey, at: datetime, trigger: Trigger) -> None:
    """Give somebody who is first heard of at `at` the base level.

    Of two moments at which a member was first heard of, they joined at the earlier one.
    """
    member, course = book.member(key), book.course(key[0])
    if member.level is None and course.has_ladder:
        joined = min(at, member.joined_at or at)
        base = Held(course.ladder(course.year_of(joined)).base, None)
        joiner = replace(member, joined_at=joined, settled_until=at)
        _tell(book, joiner, TierRaised, base, at, trigger, since=joined)
        weigh(book, key, at, trigger)  # of a program that got its ladder late, orders are known already
        _schedule(book, key)
    elif member.joined_at is None or at < member.joined_at:
        since = at if member.since is not None and member.since == member.joined_at else member.since
        book.put_member(replace(member, joined_at=at, since=since))


def settle(book: Book, key: MemberKey, up_to: datetime, trigger: Trigger = CLOCK) -> None:
    """Do all that is due up to `up_to`, inclusive, each thing at its own moment."""
    member = book.member(key)
    if member.level is None:
        return
    if member.next_due is not None and member.next_due <= up_to:
        course = book.course(key[0])
        while (due := _next_due(course, book.member(key))) is not None and due[0] <= up_to:
            at, what = due
            _DO[what](book, key, at, trigger)
        _schedule(book, key)
        member = book.member(key)
    if member.settled_until is None or member.settled_until < up_to:
        book.put_member(replace(member, settled_until=up_to))


def weigh(book: Book, key: MemberKey, at: datetime, trigger: Trigger) -> None:
    """The spend has changed through something that happened at `at`: up at once, down not before it is judged."""
    member, course = book.member(key), book.course(key[0])
    if member.level is None or member.settled_until is None:
        return
    present = max(at, member.settled_until)
    year, spent = course.year_of(present), book.spent(key)
    due, held = due_standing(course, spent, year), held_in(course, member, year)
    leads_to, stands = (secured(course, each, year, spent.get(year, 0)) for each in (due.held, held))
    if leads_to.is_less_than(stands):
        book.put_member(replace(member, judge_at=course.midnight_after(at)))
        _schedule(book, key)
        settle(book, key, present, trigger)
        return
    if member.judge_at is not None:
        member = replace(member, judge_at=None)
        book.put_member(member)
    if due.held.level.rank > held.level.rank:
        _raise(book, member, due, at, trigger, since_year=course.year_of(at))
    elif stands.is_less_than(leads_to):
        _tell(book, member, TierKept, due.held, at, trigger, reason=LONGER)
    _schedule(book, key)


def take_over(book: Book, key: MemberKey, theirs: Member, at: datetime, trigger: Trigger) -> None:
    """Give somebody who holds no level yet the one that another id of theirs held, as it was told."""
    member, course = book.member(key), book.course(key[0])
    assert theirs.settled_until is not None, "who holds a level was settled once"
    held = held_in(course, theirs, course.year_of(theirs.settled_until))
    heir = replace(
        member,
        settled_until=theirs.settled_until,
        judge_at=theirs.judge_at,
        warned_until=theirs.warned_until,
    )
    _tell(book, heir, TierRaised, held, at, trigger, since=theirs.since)
    _schedule(book, key)


def tell_again(book: Book, key: MemberKey, at: datetime, trigger: Trigger, reason: str) -> None:
    """Say once more which level is held, to whoever may think of a higher one."""
    member, course = book.member(key), book.course(key[0])
    if member.level is not None and member.settled_until is not None:
        held = held_in(course, member, course.year_of(member.settled_until))
        _tell(book, member, TierKept, held, at, trigger, reason=reason)


def held_in(course: Course, member: Member, year: int) -> Held:
    """The level that the member was told, in the ladder of a year in or after that of its last turn."""
    assert member.level is not None and member.settled_until is not None, "nobody holds nothing"  # noqa: PT018
    ladder = course.ladder(course.year_of(member.settled_until))
    level = ladder.named(member.level) or ladder.base
    return Held(course.ladder(year).successor_of(level), member.valid_until)


def missing_to_keep(course: Course, held: Held, year: int, spent_minor: int) -> tuple[Level, int] | None:
    """Where somebody drops at the turn after `year`, and what of spend is missing to keep the level; None if kept."""
    after = at_turn(course, held, year + 1, spent_minor)
    ladder = course.ladder(year + 1)
    level = ladder.successor_of(held.level)
    if after.level.rank >= level.rank:
        return None
    counts = spent_minor if ladder.keep_until is KeepUntil.END_OF_NEXT_YEAR else 0
    return after.level, level.from_minor - counts


def _raise(book: Book, member: Member, due: Due, at: datetime, trigger: Trigger, *, since_year: int) -> None:
    """Rise, with the entry reward of each level that is entered, once a level and window.

    What was given before, and not taken back, is not given again.
    """
    given = Counter(reward.level for reward in member.entry_rewards)
    new: list[EntryReward] = []
    for level, year in due.entries:
        if given[level.name] > 0:
            given[level.name] -= 1
        elif level.on_entry and year >= since_year:
            new.append(EntryReward(level.name, year, level.on_entry))
    member = replace(member, entry_rewards=(*member.entry_rewards, *new))
    rewards = tuple(grant for reward in new for grant in reward.grants)
    _tell(book, member, TierRaised, due.held, at, trigger, rewards=rewards)


def _judge(book: Book, key: MemberKey, at: datetime, trigger: Trigger) -> None:
    """Judge again a level whose ground was refunded: level, end and entry rewards become those without that part.

    At a turn of the year this comes first, and a lower level that it leads to has the turn in it.
    """
    course, member = book.course(key[0]), replace(book.member(key), judge_at=None)
    present = max(at, member.settled_until or at)
    year, spent = course.year_of(present), book.spent(key)
    due, held = due_standing(course, spent, year), held_in(course, member, year)
    leads_to, stands = (secured(course, each, year, spent.get(year, 0)) for each in (due.held, held))
    if not leads_to.is_less_than(stands):
        book.put_member(member)
        return
    member = replace(member, settled_until=present)
    if due.held.level.rank == held.level.rank:
        _tell(book, member, TierKept, due.held, at, trigger, reason=REFUNDED)
        return
    kept, taken = _rewards_left(member, due)
    back = tuple(grant for reward in taken for grant in reward.grants)
    member = replace(member, entry_rewards=kept)
    _tell(book, member, TierLowered, due.held, at, trigger, reason=REFUNDED, rewards_taken_back=back)


def _rewards_left(member: Member, due: Due) -> tuple[tuple[EntryReward, ...], list[EntryReward]]:
    """The entry rewards that stay and those to be taken back, latest first: of each level, as many stay as it was
    entered without what was refunded."""
    room = Counter(entry.level.name for entry in due.entries)
    kept: list[EntryReward] = []
    taken: list[EntryReward] = []
    for reward in member.entry_rewards:
        room[reward.level] -= 1
        (kept if room[reward.level] >= 0 else taken).append(reward)
    return tuple(kept), taken[::-1]


def _turn(book: Book, key: MemberKey, at: datetime, trigger: Trigger) -> None:
    """A year ended: the level is kept, goes on, or drops; under a new ladder it may also rise."""
    course, member = book.course(key[0]), book.member(key)
    assert member.settled_until is not None, "who holds a level was settled once"
    year = course.year_of(member.settled_until) + 1
    before = held_in(course, member, year - 1)
    old, spent = held_in(course, member, year), book.spent(key)
    new = at_turn(course, before, year, spent.get(year - 1, 0))
    member = replace(member, settled_until=at)
    book.put_member(member)
    if new.level.rank > old.level.rank:
        entries = due_standing(course, spent, year).entries
        _raise(book, member, Due(new, entries), at, trigger, since_year=year)
    elif new.level.rank < old.level.rank:
        _tell(book, member, TierLowered, new, at, trigger, reason=TURN)
    elif new.until != before.until or _is_told_anew(before.level, new.level):
        _tell(book, member, TierKept, new, at, trigger, reason=TURN)


def _warn(book: Book, key: MemberKey, at: datetime, trigger: Trigger) -> None:
    """Tell who will drop at the end of the year what would keep them where they are."""
    course, member = book.course(key[0]), book.member(key)
    assert member.valid_until is not None, "only a level that ends is warned of"
    year = course.year_of(at)
    held = held_in(course, member, year)
    member = replace(member, warned_until=member.valid_until, settled_until=at)
    book.put_member(member)
    missing = missing_to_keep(course, held, year, book.spent(key).get(year, 0))
    if missing is None:
        return
    currency = course.program_at(at).currency
    book.announce(
        member,
        TierWillLower,
        at,
        replayed=trigger.replayed,
        cause=trigger.cause,
        level=held.level.name,
        since=member.since,
        valid_until=member.valid_until,
        earn_times=held.level.earn_times,
        next_level=missing[0].name,
        missing=to_decimal_string(missing[1], currency),
        currency=currency,
        days_left=course.ladder(year).warn_days,
    )


_DO = {What.JUDGEMENT: _judge, What.TURN: _turn, What.WARNING: _warn}


def _tell(
    book: Book,
    member: Member,
    data: type[TierRaised | TierKept | TierLowered],
    held: Held,
    at: datetime,
    trigger: Trigger,
    *,
    since: datetime | None = None,
    **more: object,
) -> None:
    """Write a standing into the member's row and announce it; `since` moves with the level only."""
    previous = member.level
    since = member.since if data is TierKept else since or at
    member = replace(member, level=held.level.name, since=since, valid_until=held.until)
    book.announce(
        member,
        data,
        at,
        replayed=trigger.replayed,
        cause=trigger.cause,
        level=held.level.name,
        previous_level=previous,
        since=since,
        valid_until=held.until,
        earn_times=held.level.earn_times,
        **more,
    )


def _is_told_anew(before: Level, after: Level) -> bool:
    """Whether a new ladder changed what others must know of a level that is kept."""
    return (before.name, before.earn_times) != (after.name, after.earn_times)


def _next_due(course: Course, member: Member) -> tuple[datetime, What] | None:
    """What falls due next, and when; None for nobody's level."""
    if member.level is None or member.settled_until is None or not course.has_ladder:
        return None
    year = course.year_of(member.settled_until)
    dues = [(course.turn(year + 1), What.TURN)]
    if member.judge_at is not None:
        dues.append((member.judge_at, What.JUDGEMENT))
    warn_at = _warn_at(course, member, year)
    if warn_at is not None:
        dues.append((warn_at, What.WARNING))
    return min(dues)


def _warn_at(course: Course, member: Member, year: int) -> datetime | None:
    """When the member is to be warned of the end of the level; None if that is done, over, or pointless.

    Somebody who rose within the days of warning has just been told until when.
    """
    until, days = member.valid_until, course.ladder(year).warn_days
    if until is None or until == member.warned_until or days == 0:
        return None
    at = course.days_before(until, days)
    return at if member.settled_until is not None and at >= member.settled_until else None


def _schedule(book: Book, key: MemberKey) -> None:
    """Keep the moment by which the clock's job finds the member."""
    member = book.member(key)
    due = _next_due(book.course(key[0]), member)
    next_due = due[0] if due else None
    if next_due != member.next_due:
        book.put_member(replace(member, next_due=next_due))
