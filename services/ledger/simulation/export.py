"""The figures of a report as JSON, for scripts: points as whole numbers, money as decimal text, shares up to 1.

What a newcomer would get wrong: shares are rounded to six decimals and points are not. Sum points, never shares.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from services.ledger.simulation.figures import Figures, Month
from services.ledger.simulation.report import Report
from services.ledger.simulation.sentences import sentences_of
from shared.money import to_decimal_string

FLOWS = ("issued", "spent", "expired", "taken_back", "pending", "available", "held")


def document_of(report: Report) -> dict[str, Any]:
    """All figures of the report."""
    one = report.figures[0]
    currency = one.trial.rules.currency
    return {
        "orders": {
            "file": report.source,
            "orders": one.orders,
            "guest_orders": one.guest_orders,
            "customers": one.customers,
            "revenue": to_decimal_string(one.revenue_minor, currency),
            "currency": currency,
            "first_day": one.first_day.isoformat(),
            "last_day": one.last_day.isoformat(),
        },
        "closing_day": report.assumptions.closing_day.isoformat(),
        "assumptions": sentences_of(report),
        "programs": [_program(figures) for figures in report.figures],
    }


def _program(figures: Figures) -> dict[str, Any]:
    total, value = figures.total, figures.trial.value
    return {
        "label": figures.trial.label,
        "program": figures.trial.program_id,
        "asset": figures.trial.asset,
        "value": value and {"minor": str(value.minor), "currency": value.currency, "words": value.words},
        "totals": _flows(total),
        "worth": {
            name: _worth(figures, getattr(total, name)) for name in ("issued", "spent", "expired", "owed")
        },
        "cost_share": _number(figures.cost_share),
        "lasting_cost_share": _number(figures.lasting_share),
        "breakage": _number(figures.breakage),
        "months": [{"month": month.label, **_flows(month)} for month in figures.months],
        "rules": [
            {
                "rule": each.rule,
                "asset": each.asset,
                "amount": each.amount,
                "awards": each.times,
                "share": _number(each.share),
            }
            for each in figures.rules
        ],
        "silent_rules": [{"rule": rule, "on": trigger} for rule, trigger in figures.silent_rules],
        "other_assets": [
            {
                "asset": each.asset,
                "issued": each.issued,
                "spent": each.spent,
                "expired": each.expired,
                "taken_back": each.taken_back,
                "owed": each.owed,
            }
            for each in figures.others
        ],
        "members": _members(figures),
    }


def _members(figures: Figures) -> dict[str, Any]:
    members = figures.members
    return {
        "members": members.members,
        "earners": members.earners,
        "reached_block": members.reached_block,
        "median": members.median,
        "p90": members.p90,
        "p99": members.p99,
        "most": members.most,
        "mean": _number(members.mean),
        "gini": _number(members.gini),
        "tenths": [_number(each) for each in members.tenths],
    }


def _flows(month: Month) -> dict[str, int]:
    return {name: getattr(month, name) for name in FLOWS}


def _worth(figures: Figures, amount: int) -> str | None:
    value = figures.trial.value
    return None if value is None else to_decimal_string(value.worth(amount), value.currency)


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(round(value, 6))
