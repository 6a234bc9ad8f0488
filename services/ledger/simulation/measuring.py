"""The transfers of a trial, added up: by month, by rule, by member.

A month's end is the midnight after its last day in the program's zone. What falls due at that midnight (points that
expire at the end of March) belongs to the month that ends, as a member would say it.

What a newcomer would get wrong: nothing is counted twice over. Months come from the transfers alone, so issued less
spent, expired and taken back is what members have at the end, by double entry; what a rule gave comes from the awards,
each award's whole points split over its rules by their exact shares, so that rules add up to what was issued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction

from services.ledger.domain.book import Book
from services.ledger.domain.contributions import given_by_rule
from services.ledger.domain.records import (
    AVAILABLE,
    EXPIRED,
    HELD,
    ISSUED,
    MEMBER_ACCOUNTS,
    PENDING,
    POINTS,
    REDEEMED,
    REVERSED,
    Award,
    Transfer,
)
from services.ledger.simulation.figures import (
    Distribution,
    Figures,
    Month,
    RuleFigures,
    Totals,
    distribution_of,
)
from services.ledger.simulation.running import Placed
from services.ledger.simulation.trial import Assumptions, Trial
from shared.calendar import day_of

FALLS_DUE = frozenset({"activation", "deadline", "expiry"})
"""Transfers that happen at a midnight and belong to the day before."""
_INSTANT = timedelta(microseconds=1)


class Tally:
    """Counts of the books that were added, one by one."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._asset = trial.asset
        checkout = trial.rules.checkout
        self._block = checkout.block_points if checkout is not None and self._asset == POINTS else None
        self._moved: Counter[tuple[str, int, str]] = Counter()
        self._rules: Counter[tuple[str, str]] = Counter()
        self._times: Counter[tuple[str, str]] = Counter()
        self._earned: list[int] = []
        self._reached = 0

    def add(self, book: Book) -> None:
        """Count a book whose members are settled."""
        earned: Counter[str] = Counter({member_id: 0 for _, member_id in book.detailed})
        reached = set()
        for transfer in book.transfers:
            self._move(transfer)
            if transfer.asset == self._asset:
                if transfer.from_account == ISSUED:
                    earned[transfer.member_id] += transfer.amount
                if self._block is not None and transfer.available >= self._block:
                    reached.add(transfer.member_id)
        for award in book.awards.changed():
            self._credit(award)
        self._earned += earned.values()
        self._reached += len(reached)

    def figures(self, orders: Sequence[Placed], assumptions: Assumptions) -> Figures:
        """What all of it comes to."""
        trial = self._trial
        currency = trial.rules.currency
        days = [day_of(moment, trial.rules.zone) for moment, _ in orders]
        own = [order for _, order in orders if order.currency == currency]
        return Figures(
            trial=trial,
            orders=len(orders),
            guest_orders=sum(1 for _, order in orders if order.customer_id is None),
            customers=len(self._earned),
            revenue_minor=sum(order.total_minor for order in own),
            other_revenue=_other_revenue(orders, currency),
            first_day=min(days),
            last_day=max(days),
            closing_day=assumptions.closing_day,
            months=self._months(min(days), assumptions.closing_day),
            rules=self._by_rule(),
            silent_rules=self._silent(),
            others=self._others(),
            members=self._members(),
        )

    def _move(self, transfer: Transfer) -> None:
        moment = transfer.happened_at
        day = day_of(moment - _INSTANT if transfer.kind in FALLS_DUE else moment, self._trial.rules.zone)
        month = day.year * 12 + day.month - 1
        self._moved[transfer.asset, month, transfer.from_account] -= transfer.amount
        self._moved[transfer.asset, month, transfer.to_account] += transfer.amount

    def _credit(self, award: Award) -> None:
        """Split an award over its rules."""
        if not award.points:
            return
        for rule, amount in given_by_rule(award):
            if amount:
                self._rules[award.asset, rule] += amount
                self._times[award.asset, rule] += 1

    def _months(self, first: date, closing: date) -> tuple[Month, ...]:
        found = []
        stands: Counter[str] = Counter()
        for number in range(first.year * 12 + first.month - 1, closing.year * 12 + closing.month):
            moved = {
                account: self._moved[self._asset, number, account]
                for account in (*MEMBER_ACCOUNTS, ISSUED, REDEEMED, EXPIRED, REVERSED)
            }
            stands.update({account: moved[account] for account in MEMBER_ACCOUNTS})
            day = date(number // 12, number % 12 + 1, 1)
            found.append(
                Month(
                    label=f"{day:%Y-%m}",
                    first_day=day,
                    issued=-moved[ISSUED],
                    spent=moved[REDEEMED],
                    expired=moved[EXPIRED],
                    taken_back=moved[REVERSED],
                    pending=stands[PENDING],
                    available=stands[AVAILABLE],
                    held=stands[HELD],
                )
            )
        return tuple(found)

    def _by_rule(self) -> tuple[RuleFigures, ...]:
        whole: Counter[str] = Counter()
        for (asset, _), amount in self._rules.items():
            whole[asset] += amount
        found = [
            RuleFigures(rule, asset, amount, self._times[asset, rule], Fraction(amount, whole[asset]))
            for (asset, rule), amount in self._rules.items()
        ]
        return tuple(
            sorted(found, key=lambda each: (each.asset != self._asset, each.asset, -each.amount, each.rule))
        )

    def _silent(self) -> tuple[tuple[str, str], ...]:
        gave = {rule for _, rule in self._rules}
        return tuple(
            (rule.name, trigger)
            for trigger, rules in self._trial.rules.rules.items()
            for rule in rules
            if rule.name not in gave
        )

    def _others(self) -> tuple[Totals, ...]:
        ends: Counter[tuple[str, str]] = Counter()
        for (asset, _, account), amount in self._moved.items():
            ends[asset, account] += amount
        return tuple(
            Totals(
                asset=asset,
                issued=-ends[asset, ISSUED],
                spent=ends[asset, REDEEMED],
                expired=ends[asset, EXPIRED],
                taken_back=ends[asset, REVERSED],
                owed=sum(ends[asset, account] for account in MEMBER_ACCOUNTS),
            )
            for asset in sorted({asset for asset, _ in ends} - {self._asset})
        )

    def _members(self) -> Distribution:
        return distribution_of(self._earned, self._reached if self._block is not None else None)


def _other_revenue(orders: Iterable[Placed], currency: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for _, order in orders:
        if order.currency != currency:
            count, minor = found.get(order.currency, (0, 0))
            found[order.currency] = (count + 1, minor + order.total_minor)
    return found
