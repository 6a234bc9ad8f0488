"""What a change of the program would do, told by its dry run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.book import Book
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import POINTS
from services.ledger.domain.switching import switches_of
from services.ledger.domain.switching_ahead import Moved, moved_ahead
from services.ledger.domain.told_changes import sentences
from services.ledger.domain.trials import PastOrder, policies_changed, try_orders
from services.ledger.schemas.trials import AssetTried, ExpiryTried, LeftOut, RuleTried, TrialOut
from services.ledger.store import trials
from services.ledger.views import decimal
from shared.database import AnyConnection
from shared.programs import Version, Versions

ORDERS_TRIED = 500  # a fifth of a second; enough to see what a rule does
LOTS_TRIED = 20_000  # as long again


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
        sql, store, program_id = self.actions.sql, self.actions.store, wanted.program_id
        before, after = known.newest.rules, wanted.rules
        await connection.execute(sql.begin_trial, f"{trials.TRIAL_SECONDS}s")
        found_orders = await trials.recent_orders(
            connection, sql, program_id, now=now, limit=ORDERS_TRIED, numbered=_counts_orders(before, after)
        )
        orders = found_orders or []
        versions = Versions((*known.all, wanted))
        book = await trials.book_of_members(connection, store, orders, versions)
        found = try_orders(book, orders, before, after)
        return TrialOut(
            sentences=sentences(known.newest.document, wanted.document),
            orders=found.orders,
            skipped=found.skipped,
            since=orders[-1][0].paid_at if orders else None,
            assets=[AssetTried.model_validate(each) for each in found.assets],
            rules=[
                RuleTried(
                    rule=each.rule, asset=each.asset, before=decimal(each.before), after=decimal(each.after)
                )
                for each in found.rules
            ],
            expiry=await self._expiry(connection, versions, before, after),
            left_out=[LeftOut(what=what, why=why) for what, why in _left_out(before, after, found_orders)],
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


def _counts_orders(*programs: LedgerProgram) -> bool:
    return any(program.counts_orders for program in programs)


def _left_out(
    before: LedgerProgram, after: LedgerProgram, orders: Sequence[PastOrder] | None
) -> Iterator[tuple[str, str]]:
    """What a merchant might look for in the trial, and why it is not there."""
    if orders is None:
        yield (
            "orders",
            "the newest orders could not be found in time; try again, or use `simulate` with a file",
        )
    programs = (before, after)
    if any(program.caps or _has_caps(program) for program in programs):
        yield (
            "caps",
            "what is left of them depends on everything else that each member earned in their periods",
        )
    if any(program.has_budgets for program in programs):
        yield "budgets", "what is left of them depends on everybody"
    if any(program.goals for program in programs):
        yield (
            "goals",
            "they count all orders of a period, and a trial of the newest ones does not know the others",
        )
    yield "refunds", "orders are tried as they were paid, on both sides"


def _has_caps(program: LedgerProgram) -> bool:
    return any(rule.caps for rules in program.rules.values() for rule in rules)
