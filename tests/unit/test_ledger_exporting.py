"""Export, in memory: whatever a program has lived, its rows imported into an empty one give the same book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.ledger.actions.imports import Entry
from services.ledger.domain.book import Book
from services.ledger.domain.exporting import rows_of
from services.ledger.domain.exporting_program import pool_row
from services.ledger.domain.households import Pool
from services.ledger.domain.importing import OfProgram, bring_in, bring_to_program
from services.ledger.domain.issued import EXPIRED, ISSUED, Issued
from services.ledger.domain.pools import pool_terms_of
from services.ledger.importing import entry_of
from tests.support.events import PROGRAM
from tests.support.household_model import HouseholdModel
from tests.support.ledger import differences
from tests.support.model import thoroughly
from tests.support.rewards import RewardDesk, shelf_differences


class Exported(HouseholdModel):
    """The model of all that a program lives; in the end it moves as rows."""

    def applies(self, document: dict[str, Any]) -> None:
        """Some time after the last order: by rows, an order is under the version of its moment."""
        self.waits(1)
        super().applies(document)

    def teardown(self) -> None:
        self.desk.reaches(self.desk.now)
        most = pool_terms_of(self.desk.book, PROGRAM, self.desk.now).most_members
        if any(len(pool.members) > most for pool in self.desk.book.pools.of(PROGRAM).values()):
            return  # an import says that it is too large; as a book the program would move
        living = self.living
        rows = list(exported(self.desk.book, living, self.desk.now))
        first, *later = self.desk.book.versions_of(PROGRAM).all
        documents = [(version.since, dict(version.document)) for version in later]
        other = RewardDesk(dict(first.document), members=living, later=documents)
        other.now = self.desk.now
        for row in rows:
            brings(other, row)
        assert differences(other.book) == []
        assert shelf_differences(other.book) == []
        owing = {name for name in living if self.desk.balance(name)[1] < 0}
        for member, hold_id, _ in self.open_holds:
            self.desk.releases(hold_id, member=member)
        there, here = (had(desk.book, living, owing, desk.now) for desk in (other, self.desk))
        assert {name: said for name, said in there.items() if said != here[name]} == {
            name: said for name, said in here.items() if said != there[name]
        }
        assert all(event.replayed for event in other.book.outgoing)


def exported(book: Book, members: list[str], now: datetime) -> Iterator[dict[str, Any]]:
    """The rows of an export, as the command writes them."""
    for member in members:
        yield from rows_of(book, (PROGRAM, member), now)
    for pool in book.pools.of(PROGRAM).values():
        if pool.members:
            yield pool_row(pool)


def brings(desk: RewardDesk, row: dict[str, Any]) -> None:
    """A row of an import comes in."""
    entry = entry_of(1, row)
    assert isinstance(entry, Entry), entry
    if isinstance(entry.brought, OfProgram):
        desk.book.pools.load(PROGRAM, row["pool_id"], Pool(PROGRAM, row["pool_id"], ()))
        bring_to_program(desk.book, PROGRAM, entry.brought, desk.now)
    else:
        bring_in(desk.book, (PROGRAM, entry.member_id), entry.brought, desk.now)


def had(book: Book, members: list[str], owing: set[str], now: datetime) -> dict[str, Any]:
    """What an export promises to carry over, holds being released; of whoever owed, what came back first is open."""
    found: dict[str, Any] = {
        "pools": sorted(
            (pool.pool_id, pool.members) for pool in book.pools.of(PROGRAM).values() if pool.members
        )
    }
    for member in members:
        key = (PROGRAM, member)
        lots: Counter[Any] = Counter()
        for place, lot in book.lots.of(key).items():
            borrowed = book.borrowed.get(key, place)
            owner = borrowed.from_member_id if borrowed is not None else member
            whose = (lot.opened_at, lot.expires_at, owner if owner in members else member)
            lots[lot.asset, *(whose if member not in owing else ())] += lot.remaining
        found[member] = {
            "balances": {
                asset: (each.pending, each.available)
                for asset, each in book.balances.of(key).items()
                if each.pending or each.available
            },
            "lots": +lots,
            "orders": {
                (award.order_id, award.asset): award.held_points
                for award in book.awards.of(key).values()
                if award.order_id is not None and award.held_points
            },
            "rewards": sorted(
                (
                    reward.reward_id,
                    _state_of(reward, now),
                    coupon and (coupon.shown, coupon.uses, coupon.used),
                )
                for reward in book.shelf.rewards.of(key).values()
                if reward.state != "voided"
                for coupon in [book.shelf.coupon_of(reward)]
            ),
            "usage": {
                place: (used.times, used.points)
                for place, used in book.usage.of(key).items()
                if used.times or used.points
            },
            "person": (book.person(key).segments, book.person(key).birthday, book.member(key).levels),
        }
    return found


def _state_of(reward: Issued, now: datetime) -> str:
    """A checkout may keep a reward beyond its end; it does not move along."""
    ended = reward.state == ISSUED and reward.valid_until is not None and reward.valid_until <= now
    return EXPIRED if ended else reward.state


def test_a_program_that_moves_as_rows_has_the_same_book() -> None:
    run_state_machine_as_test(Exported, settings=settings(thoroughly(2_000), phases=[Phase.generate]))
