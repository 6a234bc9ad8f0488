"""What was assumed, and what the orders cannot tell, in sentences: without these the numbers mean nothing.

What a newcomer would get wrong: a sentence that is true of any trial still belongs here. Whoever reads the page did not
type the command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.ledger.simulation.figures import Figures
from services.ledger.simulation.numbers import day, money, percent, whole
from services.ledger.simulation.report import Report, worth_of

TRIED = frozenset({"order.paid", "customer.signed_up"})
"""The triggers that the orders of a file can pull."""
NEVER_PART_OF_IT = (
    "Refunds are not in the file. Levels and referrals are decided by other services and are not part of this: what "
    "they multiply or give comes on top."
)


def sentences_of(report: Report) -> list[str]:
    """All of them, the most weighty first."""
    found = [
        *_values(report),
        *_behaviour(report),
        *_orders(report),
        *_silent(report),
        NEVER_PART_OF_IT,
    ]
    return list(dict.fromkeys(found))


def _values(report: Report) -> Iterator[str]:
    alike = len({figures.trial.value for figures in report.figures}) == 1
    for figures in report.figures:
        value, where = figures.trial.value, "" if alike else _where(report, figures)
        if value is None:
            yield (
                f"What a point is worth is not known{where}: the program says nothing of points at checkout. "
                "--point-value says it."
            )
        else:
            yield f"100 points are worth {worth_of(figures, 100)}{where}, {value.words}."
            if value.currency != figures.trial.rules.currency:
                yield f"Points are worth {value.currency}, so their share of revenue is not known{where}."


def _behaviour(report: Report) -> Iterator[str]:
    assumed = report.assumptions
    if assumed.redeemed_share:
        yield (
            f"At each order, members spend {percent(assumed.redeemed_share)} of what they have available, in whole "
            "blocks and within the limits of the checkout."
        )
    else:
        yield "Nobody spends points; --redeem 60% has members spend 60 % of what they have at each order."
    if assumed.sign_ups:
        yield "Each customer signs up just before the first order in the file."
    if any(figures.trial.waits_for_fulfilment for figures in report.figures):
        yield f"Orders are handed over {assumed.fulfilled_after.days} days after they were paid."


def _orders(report: Report) -> Iterator[str]:
    one = report.figures[0]
    if not report.history.has_times:
        yield "The file says no times of day: each order counts as paid at noon."
    if one.guest_orders:
        yield f"{whole(one.guest_orders)} orders are of guests: they bring revenue and earn nothing."
    for currency, (count, minor) in sorted(one.other_revenue.items()):
        yield (
            f"{whole(count)} orders for {money(minor, currency)} earn by the rules for {currency}, and are not in the "
            "revenue."
        )
    later = len(report.history.orders) - one.orders
    if later:
        yield f"{whole(later)} orders after {day(one.closing_day)} are left out."
    if report.history.unread:
        yield f"Columns that nobody reads: {', '.join(report.history.unread)}."


def _silent(report: Report) -> Iterator[str]:
    alike = len({figures.silent_rules for figures in report.figures}) == 1
    for figures in report.figures:
        where = "" if alike else _where(report, figures)
        untried = [rule for rule, trigger in figures.silent_rules if trigger not in TRIED]
        silent = [rule for rule, trigger in figures.silent_rules if trigger in TRIED]
        if untried:
            yield f"Orders alone cannot try these rules{where}: {_listed(untried)}."
        if silent:
            yield f"These rules gave nothing{where}: {_listed(silent)}."


def _where(report: Report, figures: Figures) -> str:
    return f" in {figures.trial.label}" if report.is_comparison else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)
