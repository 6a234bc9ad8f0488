"""What was assumed, and what the orders cannot tell, in sentences: without these the numbers mean nothing.

What a newcomer would get wrong: a sentence that is true of any trial still belongs here. Whoever reads the page did not
type the command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.ledger.domain.records import POINTS
from services.ledger.simulation.figures import Figures
from services.ledger.simulation.numbers import counted, day, money, noun, percent
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
    alike = len({figures.trial.values.get(POINTS) for figures in report.figures}) == 1
    for figures in report.figures:
        value, where = figures.trial.values.get(POINTS), "" if alike else _where(report, figures)
        given = [each.asset for each in figures.totals if each.issued]
        if POINTS in given and value is None:
            yield (
                f"What a point is worth is not known{where}: the program says nothing of points at checkout. "
                "--point-value says it."
            )
        elif POINTS in given and value is not None:
            yield f"100 points are worth {worth_of(figures, 100, POINTS)}{where}, {value.words}."
        unpriced = [asset for asset in given if not figures.is_priced(asset)]
        left_out = [noun(asset) for asset in unpriced if asset in figures.trial.values or asset != POINTS]
        if left_out:
            currency, named = figures.trial.rules.currency, ", ".join(left_out)
            yield f"The cost{_where(report, figures)} leaves out what has no worth in {currency}: {named}."


def _behaviour(report: Report) -> Iterator[str]:
    assumed = report.assumptions
    if assumed.redeemed_share:
        yield (
            f"At each order, members spend {percent(assumed.redeemed_share)} of the points they have available, in "
            "whole blocks and within the limits of the checkout."
        )
        for figures in report.figures:
            if figures.trial.rules.checkout is None:
                yield f"Nobody spends anything{_where(report, figures)}: it says nothing of points at checkout."
    else:
        yield "Nobody spends anything; --redeem 60% has members spend 60 % of their points at each order."
    if assumed.sign_ups:
        yield "Each customer signs up just before the first order in the file."
    if any(figures.trial.waits_for_fulfilment for figures in report.figures):
        yield f"Orders are handed over {counted(assumed.fulfilled_after.days, 'day')} after they were paid."


def _orders(report: Report) -> Iterator[str]:
    one = report.figures[0]
    if not report.history.has_times:
        yield "The file says no times of day: each order counts as paid at noon."
    if one.guest_orders:
        yield f"{counted(one.guest_orders, 'order')} of guests: in the revenue, and earning nothing."
    for currency, (count, minor) in sorted(one.other_revenue.items()):
        yield (
            f"{counted(count, 'order')} for {money(minor, currency)}: earning by the rules for {currency}, and not in "
            "the revenue."
        )
    later = len(report.history.orders) - one.orders
    if later:
        yield f"{counted(later, 'order')} after {day(one.closing_day)}: left out."
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
