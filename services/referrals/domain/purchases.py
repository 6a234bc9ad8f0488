"""What the papers of an order come to: when it was paid, what it is worth to a referral, and what is kept of it.

What a newcomer would get wrong: everything here is asked "up to a moment". What happens to an order after the referral
was due no longer concerns the referral, whenever it comes in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.referrals.domain.model import Paper
from services.referrals.domain.program import After, Wait
from shared.calendar import due_in_days
from shared.errors import ServiceError
from shared.events import OrderCancelled, OrderFulfilled, OrderPaid, OrderRefunded
from shared.orders import Order, Refund, items_after_discounts, kept, order_of, refund_of


@dataclass(frozen=True, slots=True)
class Purchase:
    """A paid order with all its papers, oldest first."""

    order_id: str
    paid_at: datetime
    papers: tuple[Paper, ...]

    @property
    def fulfilled_at(self) -> datetime | None:
        """The first fulfilment; it starts what waits for it."""
        return next((paper.at for paper in self.papers if isinstance(paper.data, OrderFulfilled)), None)

    def cancelled_before(self, moment: datetime) -> bool:
        """Whether the order was called off before `moment`."""
        return any(isinstance(paper.data, OrderCancelled) and paper.at < moment for paper in self.papers)

    def best_value(self, currency: str, program_currency: str, moment: datetime) -> int:
        """The most that the order was worth in any version of it paid before `moment`, in minor units of `currency`.

        The first version always counts. An order in another currency is worth 0.
        """
        worth = (
            items_after_discounts(order)
            for order in self._versions(program_currency, moment)
            if order.currency == currency
        )
        return max((int(value) for value in worth), default=0)

    def kept_value(self, currency: str, program_currency: str, moment: datetime) -> int:
        """What is kept of the order as it was edited last before `moment`, after the refunds before it.

        In minor units of `currency`, a fraction rounded down; 0 for an order in another currency.
        """
        order = self._versions(program_currency, moment)[-1]
        if order.currency != currency or self.cancelled_before(moment):
            return 0
        return int(items_after_discounts(order, kept(order, self._refunds(order, moment))))

    def order(self, program_currency: str) -> Order:
        """The order as it was edited last, with the lines that edits took out of it."""
        return self._versions(program_currency, None)[-1]

    def _versions(self, program_currency: str, moment: datetime | None) -> list[Order]:
        versions: list[Order] = []
        removed: set[str] = set()
        for paper in self.papers:
            late = moment is not None and paper.at >= moment and versions
            if isinstance(paper.data, OrderPaid) and not late:
                versions.append(order_of(paper.data, program_currency, removed))
                removed.update(line.id for line in versions[-1].lines)
        return versions

    def _refunds(self, order: Order, moment: datetime) -> list[Refund]:
        refunds: dict[str, Refund] = {}
        for paper in self.papers:
            if isinstance(paper.data, OrderRefunded) and paper.at < moment:
                refund = _readable(paper.data, order)
                if refund is not None:
                    refunds.setdefault(refund.id, refund)
        return list(refunds.values())


def purchases_of(papers: Iterable[Paper]) -> list[Purchase]:
    """The paid orders among these papers, in the order they were paid, without papers that wait for their order."""
    files: dict[str, list[Paper]] = {}
    for paper in sorted(papers, key=lambda paper: (paper.at, paper.paper_id)):
        files.setdefault(paper.order_id, []).append(paper)
    found = []
    for order_id, file in files.items():
        paid_at = next((paper.at for paper in file if isinstance(paper.data, OrderPaid)), None)
        if paid_at is not None:
            found.append(Purchase(order_id, paid_at, tuple(file)))
    return sorted(found, key=lambda purchase: (purchase.paid_at, purchase.order_id))


@dataclass(frozen=True, slots=True)
class Due:
    """When a referral that waits on an order is due, and whether it is approved then (or voided unfulfilled)."""

    at: datetime
    approves: bool


def due_of(purchase: Purchase, wait: Wait, zone: ZoneInfo) -> Due:
    """When the wait for this order ends: at the midnight that follows so many days."""
    if wait.after is After.PAID:
        return Due(due_in_days(wait.days, purchase.paid_at, zone), approves=True)
    deadline = due_in_days(wait.deadline_days, purchase.paid_at, zone)
    fulfilled_at = purchase.fulfilled_at
    if fulfilled_at is None or fulfilled_at >= deadline:
        return Due(deadline, approves=False)
    return Due(due_in_days(wait.days, fulfilled_at, zone), approves=True)


def _readable(refunded: OrderRefunded, order: Order) -> Refund | None:
    """The refund, or None for one that came in before its order and turns out not to fit it: it counts nothing."""
    try:
        return refund_of(refunded, order)
    except ServiceError:
        return None
