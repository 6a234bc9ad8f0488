"""What a change of the program would do, told by its dry run.

What a newcomer would get wrong: whatever cannot be found in time is missing on both sides alike, and is said. Nothing
here locks a row, and between some orders and the next whoever shares the process is served.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.left_out import Seen, left_out
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import POINTS, Award, MemberKey, Purchase
from services.ledger.domain.replaying import BudgetOfDays, Start, budgets_met
from services.ledger.domain.switching import switches_of
from services.ledger.domain.switching_ahead import Moved, moved_ahead
from services.ledger.domain.told_changes import sentences
from services.ledger.domain.trial_start import counts_from, used_before
from services.ledger.domain.trials import Trial, policies_changed, trying
from services.ledger.schemas.trials import (
    AssetTried,
    AtMost,
    ExpiryTried,
    LeftOut,
    RuleTried,
    TrialOut,
)
from services.ledger.store import trials
from shared.database import AnyConnection
from shared.orders import Share
from shared.programs import Version, Versions

ORDERS_TRIED = 500  # a third of a second; enough to see what a rule does
EARLIER_ORDERS = 2_000  # a second; four of each member, where every order is somebody else's
EARLIER_OF_EACH = 200  # a goal looks at all orders of its period with each of them, so many take long
OTHER_AWARDS = 5_000  # what else caps have counted
STEPS_AT_ONCE = 20  # some milliseconds
LOTS_TRIED = 20_000  # a fifth of a second


@dataclass(frozen=True, slots=True)
class Trials:
    """Tries versions that are not in force."""

    actions: Actions

    async def __call__(
        self,
        connection: AnyConnection,
        known: Versions[LedgerProgram],
        wanted: Version[LedgerProgram],
        now: datetime,
    ) -> TrialOut:
        """What the newest orders would earn under the newest version and the wanted one, and what would live longer.

        The programs are given, and never asked for here: the wanted version must not be remembered.
        """
        sql, program_id = self.actions.sql, wanted.program_id
        before, after = known.newest.rules, wanted.rules
        await connection.execute(sql.begin_trial, f"{trials.TRIAL_SECONDS}s")
        found = await trials.recent_orders(connection, sql, program_id, now=now, limit=ORDERS_TRIED)
        orders = found or []
        book, start, seen = Book({}), Start(), Seen(times=None if found is None else ())
        if orders:
            looking = _Looking(self.actions, connection, known, (before, after), orders, now)
            book, start, seen = await looking.look()
        tried = await _in_turns(trying(book, orders, before, after, until=now, start=start))
        return TrialOut(
            sentences=sentences(known.newest.document, wanted.document),
            orders=tried.orders,
            earlier_orders=len(start.earlier),
            skipped=tried.skipped,
            since=orders[-1].paid_at if orders else None,
            assets=[AssetTried.model_validate(each) for each in tried.assets],
            rules=[RuleTried.model_validate(each) for each in tried.rules],
            expiry=await self._expiry(connection, Versions((*known.all, wanted)), before, after),
            left_out=[LeftOut(what=what, why=why) for what, why in left_out(before, after, seen)],
            limits=[AtMost(what=what, at_most=number) for what, number in _limits()],
        )

    async def _expiry(
        self,
        connection: AnyConnection,
        versions: Versions[LedgerProgram],
        before: LedgerProgram,
        after: LedgerProgram,
    ) -> list[ExpiryTried]:
        names = sorted({*before.assets, *after.assets, *before.policies, *after.policies, POINTS})
        changed = policies_changed(before, after, names)
        if not changed:
            return []
        program_id = versions.newest.program_id
        lots = await trials.open_lots(connection, self.actions.sql, program_id)
        sample = await trials.sample_of_lots(
            connection, self.actions.sql, program_id, changed, limit=LOTS_TRIED
        )
        book = Book({program_id: versions})
        moved = moved_ahead(book, sample, switches_of(versions), versions.newest.number)
        return [_expiry_of(asset, lots, moved.get(asset) or Moved(asset)) for asset in changed]


@dataclass(frozen=True, slots=True)
class _Looking:
    """Looks up what was there before the orders that are tried; each look may come to nothing in time."""

    actions: Actions
    connection: AnyConnection
    known: Versions[LedgerProgram]
    both: tuple[LedgerProgram, LedgerProgram]
    orders: Sequence[Purchase]
    """Newest first, at least one."""
    now: datetime

    async def look(self) -> tuple[Book, Start, Seen]:
        """The members, where the replay begins, and what could be looked at."""
        since = self.orders[-1].paid_at
        assert since is not None, "it was paid"
        counted_from = counts_from(self.both, since)
        earlier = [] if counted_from is None else await self._earlier(counted_from)
        played = [*(earlier or ()), *self.orders]
        counts = await self._counts(played)
        others = await self._others(counted_from or since)
        goals = [award for award in others or () if award.happened_at >= since and "goal" in award.breakdown]
        book, used = await self._budgets(played, goals)
        start = Start(
            earlier=tuple(earlier or ()),
            order_counts=counts or {},
            otherwise=tuple([award for award in others or () if "goal" not in award.breakdown]),
            used=used or {},
        )
        seen = Seen(
            times=self._times,
            earlier=None if earlier is None else len(earlier),
            earlier_cut=_is_cut(earlier or ()),
            otherwise=others is not None and len(others) < OTHER_AWARDS,
            counted=counts is not None,
            used=None if used is None else frozenset(used),
        )
        return book, start, seen

    @property
    def _times(self) -> tuple[datetime, ...]:
        return tuple([order.paid_at for order in self.orders if order.paid_at is not None])

    async def _earlier(self, since: datetime) -> list[Purchase] | None:
        """The orders that caps and goals of these count, too."""
        return await trials.earlier_orders(
            self.connection,
            self.actions.sql,
            self.orders,
            since,
            limit=EARLIER_ORDERS,
            limit_each=EARLIER_OF_EACH,
        )

    async def _counts(self, played: Iterable[Purchase]) -> dict[MemberKey, int] | None:
        """How many orders came before those that are played, where a rule asks for it."""
        if not any(program.counts_orders for program in self.both):
            return {}
        return await trials.counts_before(self.connection, self.actions.sql, played)

    async def _others(self, since: datetime) -> list[Award] | None:
        """What the caps of a program count beside orders, and what goals took from budgets."""
        if not any(program.bounded for program in self.both):
            return []
        return await trials.earned_otherwise(
            self.connection, self.actions.sql, self.orders, since, self.now, limit=OTHER_AWARDS
        )

    async def _budgets(
        self, played: Iterable[Purchase], goals: Iterable[Award]
    ) -> tuple[Book, Mapping[BudgetOfDays, Share] | None]:
        """The members, and what of the budgets was given out before these orders."""
        wanted = [bucket for program in self.both for bucket in budgets_met(program, self._times)]
        used = await trials.budgets_used(
            self.connection, self.actions.sql, self.known.newest.program_id, dict.fromkeys(wanted)
        )
        awarded = self.orders if used else ()
        book = await trials.book_of_members(
            self.connection, self.actions.store, played, self.known, awarded=awarded
        )
        if not used:
            return book, used
        keys = dict.fromkeys((order.program_id, order.member_id) for order in self.orders)
        awards = [award for key in keys for award in book.awards.of(key).values()]
        return book, used_before(used, [*awards, *goals], self.known)


def _is_cut(earlier: Sequence[Purchase]) -> bool:
    """Whether there may be more earlier orders than were brought."""
    most = max(Counter(order.member_id for order in earlier).values(), default=0)
    return len(earlier) >= EARLIER_ORDERS or most >= EARLIER_OF_EACH


def _limits() -> list[tuple[str, int]]:
    """What bounds the work of a trial."""
    return [
        ("orders", ORDERS_TRIED),
        ("earlier orders", EARLIER_ORDERS),
        ("earlier orders of a member", EARLIER_OF_EACH),
        ("other earnings", OTHER_AWARDS),
        ("lots", LOTS_TRIED),
        ("seconds for each question to the database", ceil(trials.TRIAL_SECONDS)),
    ]


async def _in_turns(trial: Generator[None, None, Trial]) -> Trial:
    """Go through a trial step by step, and let others be served meanwhile.

    Not in a thread: a program remembers what its rules were asked last, and is asked by one thread alone.
    """
    steps = 0
    while True:
        try:
            next(trial)
        except StopIteration as done:
            found: Trial = done.value
            return found
        steps += 1
        if steps % STEPS_AT_ONCE == 0:
            await asyncio.sleep(0)


def _expiry_of(asset: str, lots: Mapping[str, tuple[int, int]] | None, moved: Moved) -> ExpiryTried:
    count, points = (None, None) if lots is None else lots.get(asset, (0, 0))
    return ExpiryTried(
        asset=asset,
        open_lots=count,
        points=points,
        looked_at=moved.longer_lots + moved.same_lots + moved.shorter_lots,
        longer_lots=moved.longer_lots,
        longer_points=moved.longer_points,
        same_lots=moved.same_lots,
        same_points=moved.same_points,
        shorter_lots=moved.shorter_lots,
        shorter_points=moved.shorter_points,
    )
