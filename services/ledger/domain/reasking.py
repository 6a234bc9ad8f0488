"""The caps as an edit of an order meets them: what it adds finds room and is counted, what it had is its own.

Example: 100 points a month. An order of 60 found room for 100 and took 60, another takes 40. Now the first is edited to
90: of 100, the other has 40, so 60 is all it may have. Had there been no other, it would be 90, and 10 left for the
next.

What a newcomer would get wrong: what was found first bounds the order ever after, also where the caps have more room
by now. And nothing is given back: an edit to less leaves counted what was counted. Of a budget there is never more than
was taken at first, since it is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from services.ledger.domain.allowances import Allowances, whole_bucket
from services.ledger.domain.book import Book
from services.ledger.domain.budgets import Budget, take
from services.ledger.domain.caps import Cut, bucket_of, left_of, said
from services.ledger.domain.conditions import Facts
from services.ledger.domain.counted import Counted, as_stored, counted_of, more, sums
from services.ledger.domain.earned import PROGRAM, Earned, per
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Award, MemberKey, Usage
from services.ledger.domain.rules import Cap, Rule
from shared.orders import Share
from shared.orders.paid import plain
from shared.rows import replace

Bucket = tuple[Cap, tuple[str, str]]
"""A cap, and where its usage is counted."""


class Reasked(Allowances):
    """What caps and budgets leave of an order that they have been asked about before.

    `facts.at` is the moment at which they were asked first: that decides in which day or month it counts. `version` is
    that of the program by which it is decided now.
    """

    __slots__ = ("_counted", "_first", "_sums", "_version")

    def __init__(
        self, book: Book, key: MemberKey, program: LedgerProgram, version: int, facts: Facts, award: Award
    ) -> None:
        super().__init__(book, key, program, facts)
        self._version = version
        self._first = _first_rooms(award)
        before = book.versions_of(award.program_id).numbered(award.program_version).rules
        self._counted = counted_of(award, before)
        self._sums = sums(self._counted)

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:
        """What is left beside what the order has already, and never more than was found first."""
        first, mine = self._first.get(rule.name), self._sums.get(rule.name, 0)
        if first is None and not mine:
            return super().room_for(rule, wanted)  # nothing bounded it, or this version is the first to ask
        room = self._beside(rule.name, rule.asset, self._buckets_of(rule), mine, wanted)
        if first is not None or rule.budget is None:
            return room
        asked = wanted if room is None else min(room, wanted)
        return self._of_budget(rule.name, rule.asset, rule.budget, asked)

    def whole_room(self, asset: str, points: int) -> int | None:
        """The same of the program's own caps."""
        if PROGRAM not in self._first:
            return super().whole_room(asset, points)
        mine = self._sums.get(PROGRAM, 0)
        room = self._beside(PROGRAM, asset, self._whole_buckets(asset), mine, points)
        return None if room is None else int(room)

    def count(self, earned: Earned) -> None:
        """Count what is given beyond what was counted before."""
        if earned.room.get(PROGRAM) == 0:
            return
        rules = {rule.name: rule for rule in self._program.capped.get(self._facts.trigger, ())}
        for answer in earned.answers:
            rule = rules.get(answer.rule)
            if rule is not None and answer.points:
                budget: tuple[Budget, ...] = () if rule.budget is None else (rule.budget,)
                self._count_more(rule.name, self._buckets_of(rule), budget, per(answer.points, answer.unit))
        if earned.points and earned.asset in self._program.bounded:
            budgets = self._program.budgets.get(earned.asset, ())
            self._count_more(PROGRAM, self._whole_buckets(earned.asset), budgets, earned.points)

    def rooms(self, earned: Earned) -> dict[str, Share]:
        """What bounds the order from now on: what was found now, and first for those that gave nothing now."""
        return {**self._first, **earned.room}

    def stored(self, earned: Earned) -> dict[str, Any]:
        """What the next edit has to know: what was found first, and what is counted."""
        first = {**earned.room, **self._first}
        return {"first_room": {rule: str(points) for rule, points in first.items()}} | as_stored(
            self._counted
        )

    def _buckets_of(self, rule: Rule) -> list[Bucket]:
        return [(cap, (rule.name, bucket_of(cap, self._facts))) for cap in rule.caps]

    def _whole_buckets(self, asset: str) -> list[Bucket]:
        caps = self._program.caps.get(asset, ())
        return [(cap, (PROGRAM, whole_bucket(asset, cap, self._facts))) for cap in caps]

    def _beside(
        self, rule: str, asset: str, buckets: Iterable[Bucket], mine: Share, wanted: Share
    ) -> Share | None:
        room = self._first.get(rule)
        cut = Cut(rule, asset, "what the order found first", None, wanted, room or 0)
        rejects = False
        for cap, where in buckets:
            used = _without(self._book.usage.get(self._key, where), mine)
            found = left_of(cap, used)
            rejects = rejects or cap.rejects
            if found is not None and (room is None or found < room):
                room = found
                counted = 0 if used is None else used.times if cap.points is None else used.points
                cut = Cut(rule, asset, said(cap), str(counted), wanted, room)
        if room is None or room >= wanted:
            return room
        room = 0 if rejects else room
        self.cuts.append(replace(cut, room=room))
        return room

    def _count_more(
        self, rule: str, buckets: Iterable[Bucket], budgets: Iterable[Budget], given: Share
    ) -> None:
        """Count what comes on top in the caps of this version; a budget that is asked for the first time gives all."""
        added = Counted(self._version, rule)
        if rule not in self._first:
            for budget in budgets:
                take(self._book, self._key[0], budget, self._facts.at.date(), given)
                added = replace(added, given=given)
        mine = self._sums.get(rule, 0)
        if given > mine:
            added = replace(added, times=0 if mine else 1, points=given - mine)
            for _, (name, bucket) in buckets:
                used = self._book.usage.get(self._key, (name, bucket)) or Usage(*self._key, name, bucket)
                points = plain(used.points + added.points)
                self._book.usage.put(
                    self._key, (name, bucket), replace(used, times=used.times + added.times, points=points)
                )
            self._sums[rule] = given
        if added.points or added.given:
            self._counted = more(self._counted, added)


def _without(used: Usage | None, mine: Share) -> Usage | None:
    """What others used."""
    if used is None or not mine:
        return used
    return replace(used, times=max(0, used.times - 1), points=max(0, used.points - mine))


def _first_rooms(award: Award) -> dict[str, Share]:
    stored = award.breakdown.get("first_room") or award.breakdown.get("room", {})
    return {rule: plain(Fraction(points)) for rule, points in stored.items()}
