"""Budgets: what a rule, or all earning rules of an asset, may give all members together.

Example: `budget: 100000 points`. It lies in slots of 6,250 points each. A batch leases the slots that it may need and
gives out of these; what it does not use is back when it is done. A batch that leased 6,250 and meets an order of 7,000
asks for more slots, and gives as much as all of those hold that nobody else has at that moment.

What a newcomer would get wrong: what was taken from a budget is stored with the award as its room. A refund gives
nothing back, and an edit of the order can take nothing more: a budget is never exceeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from shared.calendar import Period, first_day
from shared.orders import Share
from shared.orders.paid import plain
from shared.rows import Row, replace

if TYPE_CHECKING:
    from services.ledger.domain.book import Book

FOREVER = "ever"
SLOTS = 16  # more than lanes that meet in one moment; fewer than would make each of them poor

OF_PARTNER = "partner:"
"""How the name of a partner's budget begins."""

BudgetKey = tuple[str, str, str]
"""Program, budget, bucket."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many points (or, where `times`, contributions) for everybody, in one period or for ever.

    `name` is `rule:<rule>`, `asset:<asset>` or `partner:<partner>`; `rejects` refuses a contribution for which
    there is not enough.
    """

    name: str
    amount: int
    times: bool = False
    period: Period | None = None
    rejects: bool = False
    terms: str = field(init=False)
    """What makes it the same budget in another version of the program, with another amount."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", f"{'times' if self.times else 'points'}:{self.period or FOREVER}")

    def bucket(self, day: date) -> str:
        """The bucket that a day of the program's zone falls into, such as `points:month:2026-05-01`."""
        return f"{self.terms}:{first_day(self.period, day)}" if self.period is not None else self.terms


class Slot(Row, frozen=True, gc=False):
    """A part of a budget: what can still be given out of it, and what was; both exact."""

    number: int
    left: Share
    used: Share = 0


class Portion(Row, frozen=True, gc=False):
    """What a batch leased of a budget, and has taken of it. `elsewhere` is what slots had that it did not get."""

    program_id: str
    name: str
    bucket: str
    slots: tuple[Slot, ...]
    taken: Share = 0
    elsewhere: Share = 0

    @property
    def left(self) -> Share:
        """What the batch can still give."""
        return sum(slot.left for slot in self.slots) - self.taken


def portion_of(book: Book, program_id: str, budget: Budget, day: date) -> Portion:
    """What this batch has of a budget. A book without a store has all of it.

    What a batch did not foresee (the calendar earns in the middle of a history that is replayed) was not leased: the
    batch has nothing of it, and is decided again.
    """
    bucket = budget.bucket(day)
    found = book.portions.get(program_id, (budget.name, bucket))
    if found is None:
        slots = () if book.leases else (Slot(0, budget.amount),)
        found = Portion(program_id, budget.name, bucket, slots)
    return found


def room_in(book: Book, program_id: str, budget: Budget, day: date, wanted: Share) -> Share:
    """How much of `wanted` the budget gives: as much as the batch has of it. Where that is short, the book says so."""
    portion = portion_of(book, program_id, budget, day)
    asked = min(1, wanted) if budget.times else wanted
    if asked > portion.left:
        book.short.add((program_id, budget.name, portion.bucket))
        if budget.times or budget.rejects:
            return 0
        return max(0, portion.left)
    return wanted


def take(book: Book, program_id: str, budget: Budget, day: date, points: Share) -> None:
    """Take what was given out of the budget."""
    portion = portion_of(book, program_id, budget, day)
    taken = portion.taken + (1 if budget.times else points)
    book.portions.put(program_id, (budget.name, portion.bucket), replace(portion, taken=taken))


def spread(portion: Portion) -> list[Slot]:
    """The slots that change when what was taken is taken out of them, one after the other."""
    changed, left = [], portion.taken
    for slot in portion.slots:
        part = min(slot.left, left)
        if part:
            changed.append(replace(slot, left=plain(slot.left - part), used=plain(slot.used + part)))
            left -= part
    assert not left, f"{portion.name} gave {left} more than it had"
    return changed


def slots_of(name: str) -> int:
    """How many slots a budget of this name has. That of a partner has one, which whoever credits waits for: a partner
    sends some requests a second, and should be refused only where nothing is left."""
    return 1 if name.startswith(OF_PARTNER) else SLOTS


def divided(amount: int, slots: int = SLOTS) -> list[Slot]:
    """A new budget in slots that differ by one at most; a small one has no empty slots."""
    slots = max(1, min(slots, amount))
    share, rest = divmod(amount, slots)
    return [Slot(number, share + (number < rest)) for number in range(slots)]


def adjusted(slots: Sequence[Slot], amount: int) -> list[Slot]:
    """The slots of a budget whose amount was changed: what is used stays used, what is left is divided anew.

    A budget that is lowered below what is used has nothing left.
    """
    left = max(0, amount - sum(slot.used for slot in slots))
    share, rest = divmod(int(left), len(slots))
    fraction = plain(left - int(left))
    return [
        replace(slot, left=share + (place < rest) + (fraction if place == 0 else 0))
        for place, slot in enumerate(slots)
    ]
