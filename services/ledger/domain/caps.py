"""Caps: how often and how much a rule may give one member.

Example: `limit: 1 per product` on reviews: the second review of a product finds no room. `at_most: 500 per month`: a
member with 480 exact points of this rule in May gets 20 more in May.

What a newcomer would get wrong: the room that was found is stored with the award and bounds it ever after. A refund
gives no room back, and a later evaluation does not look at the usage again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from services.ledger.domain.book import Book
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import Earned, per
from services.ledger.domain.records import MemberKey, Usage
from services.ledger.domain.rules import SUBJECTS, Cap, Rule
from shared.orders import Share
from shared.rows import Row, replace

FOREVER = "ever"
DAYS_REMEMBERED = 4_096  # ten years of one cap, about half a megabyte


def bucket_of(cap: Cap, facts: Facts) -> str:
    """The bucket of the cap that this event falls into, such as `times:product=42` or `points:month=2026-11`."""
    if cap.by_subject:
        return _bucket(cap.measure, [f"{name}={_value(name, facts)}" for name in cap.by])
    return _bucket_of_day(cap.measure, cap.by, facts.at.date() if cap.by else None)


class Cut(Row, frozen=True, gc=False):
    """A rule (or the program, where it is empty) wanted so much, and a cap or budget left only `room`.

    `used` is what the member had used of a cap; of a budget only the room is known.
    """

    rule: str
    asset: str
    by: str
    used: str | None
    wanted: Share
    room: Share


class Usages:
    """What a member has used of the caps that an event meets: asked while it is decided, counted afterwards."""

    __slots__ = ("_book", "_facts", "_key", "_met", "cuts")

    def __init__(self, book: Book, key: MemberKey, facts: Facts) -> None:
        self._book = book
        self._key = key
        self._facts = facts
        self._met: dict[str, list[str]] = {}
        self.cuts: list[Cut] = []
        """What was wanted and not given, in the order of asking."""

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:
        """What all caps of a rule leave where it wants to give so many exact points; None for no bound."""
        least: Share | None = None
        buckets = self._met[rule.name] = []
        for cap in rule.caps:
            bucket = bucket_of(cap, self._facts)
            buckets.append(bucket)
            room = room_of(cap, self._book.usage.get(self._key, (rule.name, bucket)), wanted)
            if room is not None and (least is None or room < least):
                least = room
        if least is not None and least < wanted:
            self._note(rule, wanted, least)
        return least

    def whole_room(self, asset: str, points: int) -> int | None:  # noqa: ARG002 - `Allowances` know of more
        """What the program leaves of so many whole points of an asset; None for no bound."""
        return None

    def _note(self, rule: Rule, wanted: Share, room: Share) -> None:
        """Which cap cut what, with the numbers: for the explanation of the decision."""
        for cap in rule.caps:
            usage = self._book.usage.get(self._key, (rule.name, bucket_of(cap, self._facts)))
            if room_of(cap, usage, wanted) == room:
                used = (usage.times if cap.points is None else usage.points) if usage is not None else 0
                self.cuts.append(Cut(rule.name, rule.asset, said(cap), str(used), wanted, room))
                return

    def room_left(self, rules: Sequence[Rule], earned: Earned) -> dict[str, Share]:
        """The room of every capped rule, also of those that gave nothing now: an edit of the order may wake them."""
        rooms = dict(earned.room)
        for rule in rules:
            if rule.asset == earned.asset and rule.name not in self._met:
                room = self.room_for(rule, 0)
                if room is not None:
                    rooms[rule.name] = room
        return rooms

    def count(self, earned: Earned) -> None:
        """Count what was given against the caps that were asked."""
        for answer in earned.answers if self._met else ():
            for bucket in self._met.get(answer.rule, ()) if answer.points else ():
                self._add(answer.rule, bucket, per(answer.points, answer.unit))

    def _add(self, rule: str, bucket: str, points: Share) -> None:
        used = self._book.usage.get(self._key, (rule, bucket))
        times, before = (used.times, used.points) if used is not None else (0, 0)
        counted = Usage(*self._key, rule, bucket, times + 1, before + points)
        self._book.usage.put(self._key, (rule, bucket), counted)


def free(book: Book, key: MemberKey, rule: str, bucket: str, points: Share) -> None:
    """Give one time and its points back: the exception for a removed review, which frees its product."""
    usage = book.usage.get(key, (rule, bucket))
    if usage is not None and usage.times:
        left = max(0, usage.points - points)
        book.usage.put(key, (rule, bucket), replace(usage, times=usage.times - 1, points=left))


def said(cap: Cap) -> str:
    """A cap in words: `1 per product`, `500 per month`, `1 per network and day`."""
    count = cap.points if cap.points is not None else cap.times
    return f"{count} per {' and '.join(cap.by) or 'lifetime'}"


def room_of(cap: Cap, usage: Usage | None, wanted: Share) -> Share | None:
    """What one cap leaves of what is wanted, where so much of it is used; None for no bound."""
    room = left_of(cap, usage)
    return 0 if room is not None and cap.rejects and room < wanted else room


def left_of(cap: Cap, usage: Usage | None) -> Share | None:
    """What is left of a cap of which so much is used; None for no bound."""
    if cap.times is not None:
        return None if (usage.times if usage is not None else 0) < cap.times else 0
    assert cap.points is not None, "a cap counts times or points"
    return cap.points if usage is None else max(0, cap.points - usage.points)


@lru_cache(maxsize=DAYS_REMEMBERED)
def _bucket_of_day(measure: str, by: tuple[str, ...], day: date | None) -> str:
    """The bucket of a cap by periods alone: the same for all events of a day."""
    return _bucket(measure, [f"{name}={_period(name, day)}" for name in by if day is not None])


def _bucket(measure: str, parts: Sequence[str]) -> str:
    return f"{measure}:{','.join(parts) or FOREVER}"


def _value(name: str, facts: Facts) -> str:
    if name in SUBJECTS:
        return {"product": facts.product_id, "network": facts.network, "subject": facts.subject}[name] or ""
    return _period(name, facts.at.date())


def _period(name: str, day: date) -> str:
    if name == "day":
        return f"{day}"
    if name == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    if name == "month":
        return f"{day.year}-{day.month:02}"
    assert name == "year", f"{name} is no period"
    return str(day.year)
