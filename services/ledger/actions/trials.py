"""What a change of the program would do, told by its dry run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ledger.actions import Actions
from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import POINTS
from services.ledger.domain.trials import policies_changed, try_orders
from services.ledger.schemas.trials import AssetTried, ExpiryTried, RuleTried, TrialOut
from services.ledger.store import trials
from services.ledger.views import decimal
from shared.database import AnyConnection
from shared.programs import Version, Versions

ORDERS_TRIED = 500  # a fifth of a second; enough to see what a rule does


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
        orders = await trials.recent_orders(connection, sql, program_id, now=now, limit=ORDERS_TRIED)
        versions = Versions((*known.all, wanted))
        book = await trials.book_of_members(connection, store, orders, versions)
        found = try_orders(book, orders, before, after)
        return TrialOut(
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
            expiry=await self._expiry(connection, program_id, before, after),
        )

    async def _expiry(
        self, connection: AnyConnection, program_id: str, before: LedgerProgram, after: LedgerProgram
    ) -> list[ExpiryTried]:
        names = sorted({*before.assets, *after.assets, *before.policies, *after.policies, POINTS})
        changed = policies_changed(before, after, names)
        if not changed:
            return []
        lots = await trials.open_lots(connection, self.actions.sql, program_id)
        return [
            ExpiryTried(
                asset=asset,
                open_lots=None if lots is None else lots.get(asset, (0, 0))[0],
                points=None if lots is None else lots.get(asset, (0, 0))[1],
            )
            for asset in changed
        ]
