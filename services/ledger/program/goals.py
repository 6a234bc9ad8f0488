"""Reads rules that give something for a spend in a period: `for_spending: each 100.00 EUR per month`."""

from __future__ import annotations

import re
from fractions import Fraction

from services.ledger.domain.goals import Goal
from services.ledger.domain.when import When
from services.ledger.program.conditions import conditions_of
from services.ledger.program.earning import basis_of, validity_of
from services.ledger.program.giving import giving_of
from services.ledger.program.reading import Reader
from services.ledger.words.earning import EarnRule
from shared.calendar import Period
from shared.program_file import Path

SPENDING = re.compile(
    r"(?P<each>each )?(?P<amount>\d{1,12}(\.\d{1,4})? [A-Z]{3}) "
    r"(?:per|a|in a) (?P<period>day|week|month|quarter|year|lifetime)"
)
LIMIT = re.compile(r"(?P<count>[1-9]\d{0,5}) (?:per|a) (?P<period>day|week|month|quarter|year|lifetime)")


def goals_of(reader: Reader) -> tuple[Goal, ...]:
    """The goals in the order of the file."""
    return tuple(
        goal
        for number, words in enumerate(reader.section.earn)
        if words.for_spending is not None
        and (goal := _goal(reader, words, words.for_spending, ("ledger", "earn", number))) is not None
    )


def _goal(reader: Reader, words: EarnRule, spending: str, path: Path) -> Goal | None:
    found = SPENDING.fullmatch(spending)
    if found is None:
        reader.fault(
            (*path, "for_spending"),
            f"write `100.00 EUR per month` or `each 100.00 EUR per month`, not {spending!r}",
        )
        return None
    minor, currency = reader.money(found["amount"], (*path, "for_spending"))
    asset, reward = giving_of(reader, words, path)
    if not minor:
        if not Fraction(found["amount"].split(" ")[0]):
            reader.fault((*path, "for_spending"), "nothing is reached at once; name an amount above 0")
        return None
    if reward.denominator != 1 or not reward:
        reader.fault(path, f"a spend that is reached gives a whole number of {asset}, at least 1")
        return None
    period = None if found["period"] == "lifetime" else Period(found["period"])
    whole, lines = conditions_of(reader, words, path, {})
    if any(isinstance(each, When) and each.reads_value and each.reads_history for each in whole):
        reader.fault(
            (*path, "when"),
            "where something is given `for_spending`, ask about what is kept of the order or about the member and "
            "the number of the order, not about both",
        )
    return Goal(
        name=words.rule,
        asset=asset,
        reward=reward.numerator,
        spend_minor=minor,
        currency=currency,
        period=period,
        repeats=bool(found["each"]),
        most_steps=_most_steps(reader, words, found["period"], path),
        basis=basis_of(words),
        conditions=(*validity_of(reader, words), *whole),
        line_conditions=lines,
    )


def _most_steps(reader: Reader, words: EarnRule, period: str, path: Path) -> int | None:
    if words.limit is None:
        return None
    found = LIMIT.fullmatch(words.limit) if isinstance(words.limit, str) else None
    if found is None or found["period"] != period:
        reader.fault(
            (*path, "limit"), f"what a spend per {period} gives is limited per {period}: `3 per {period}`"
        )
        return None
    return int(found["count"])
