"""What all caps and budgets together leave of what an event would earn: those of its rules, and those of the program.

Example: a rule gives 80 points, its cap of 500 a month leaves 20 of them. The award is 45.7 with what other rules give,
so 45 whole points; the program's cap of 40 a day leaves 40. Both rooms are stored with the award.

What a newcomer would get wrong: caps of rules count exact points of each rule's own contribution, before the rounding;
the program's count whole points, after it. All hold, so the smallest room does.
"""

from __future__ import annotations

from services.ledger.domain.book import Book
from services.ledger.domain.budgets import Budget, room_in, take
from services.ledger.domain.caps import Cut, Usages, bucket_of, room_of, said
from services.ledger.domain.conditions import Facts
from services.ledger.domain.earned import PROGRAM, Earned, per
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import MemberKey, Usage
from services.ledger.domain.rules import Cap, Rule
from shared.orders import Share
from shared.rows import replace


def usages_of(book: Book, key: MemberKey, program: LedgerProgram, facts: Facts) -> Usages:
    """Who is asked for the room of an event under this program: the member's usage alone, where that is all."""
    if program.bounded or program.has_budgets:
        return Allowances(book, key, program, facts)
    return Usages(book, key, facts)


def whole_bucket(asset: str, cap: Cap, facts: Facts) -> str:
    """The bucket of a cap of the program, such as `stamps|points:month=2026-11`."""
    return f"{asset}|{bucket_of(cap, facts)}"


class Allowances(Usages):
    """The member's usage, and what everybody's budgets leave."""

    __slots__ = ("_program", "_whole")

    def __init__(self, book: Book, key: MemberKey, program: LedgerProgram, facts: Facts) -> None:
        super().__init__(book, key, facts)
        self._program = program
        self._whole: set[str] = set()

    def room_for(self, rule: Rule, wanted: Share) -> Share | None:
        """What the caps of a rule and its budget leave; of a budget never more than is wanted now."""
        room = super().room_for(rule, wanted)
        if rule.budget is None:
            return room
        asked = wanted if room is None else min(room, wanted)
        return self._of_budget(rule.name, rule.asset, rule.budget, asked)

    def whole_room(self, asset: str, points: int) -> int | None:
        """What the program's caps and budgets leave of so many whole points of an asset; None for no bound."""
        self._whole.add(asset)
        room: Share | None = None
        for cap in self._program.caps.get(asset, ()):
            used = self._book.usage.get(self._key, (PROGRAM, whole_bucket(asset, cap, self._facts)))
            found = room_of(cap, used, points)
            assert found is not None, "a cap of the program counts points"
            if found < points:
                self.cuts.append(
                    Cut(PROGRAM, asset, said(cap), str(used.points if used else 0), points, found)
                )
            room = found if room is None else min(room, found)
        for budget in self._program.budgets.get(asset, ()):
            room = self._of_budget(PROGRAM, asset, budget, points if room is None else min(points, room))
        return None if room is None else int(room)

    def count(self, earned: Earned) -> None:
        """Count what was given against everything that was asked: nothing, where the program left no room at all."""
        if earned.room.get(PROGRAM) == 0:
            return
        super().count(earned)
        day, program_id = self._facts.at.date(), self._key[0]
        given = {answer.rule: answer for answer in earned.answers if answer.points}
        for rule in self._program.capped.get(self._facts.trigger, ()):
            if rule.budget is not None and rule.name in given and rule.name in self._met:
                answer = given[rule.name]
                take(self._book, program_id, rule.budget, day, per(answer.points, answer.unit))
        if earned.points and earned.asset in self._whole:
            self.count_whole(earned.asset, earned.points)

    def count_whole(self, asset: str, points: int) -> None:
        """Count what was given against the caps and budgets of the program."""
        self.count_caps(asset, points)
        for budget in self._program.budgets.get(asset, ()):
            take(self._book, self._key[0], budget, self._facts.at.date(), points)

    def count_caps(self, asset: str, points: int) -> None:
        """Count what was given against the caps of the program alone."""
        for cap in self._program.caps.get(asset, ()):
            bucket = whole_bucket(asset, cap, self._facts)
            used = self._book.usage.get(self._key, (PROGRAM, bucket)) or Usage(*self._key, PROGRAM, bucket)
            more = replace(used, times=used.times + 1, points=used.points + points)
            self._book.usage.put(self._key, (PROGRAM, bucket), more)

    def _of_budget(self, rule: str, asset: str, budget: Budget, wanted: Share) -> Share:
        room = room_in(self._book, self._key[0], budget, self._facts.at.date(), wanted)
        if room < wanted:
            self.cuts.append(Cut(rule, asset, f"a budget of {said_of(budget)}", None, wanted, room))
        return room


def said_of(budget: Budget) -> str:
    """A budget in words: `1000 times`, `100000 per month`."""
    what = f"{budget.amount} times" if budget.times else str(budget.amount)
    return f"{what} per {budget.period}" if budget.period is not None else what
