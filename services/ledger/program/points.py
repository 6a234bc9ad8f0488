"""Reads how points live and die."""

from __future__ import annotations

import re
from calendar import monthrange

from services.ledger.domain.program import PointsPolicy
from services.ledger.program.reading import Reader
from services.ledger.words.kinds import EXPIRY, MONTHS
from services.ledger.words.points import Points
from shared.calendar import Period
from shared.program_file import Path

PERIODS = {"day": Period.DAY, "month": Period.MONTH, "quarter": Period.QUARTER, "year": Period.YEAR}
LEAP_YEAR = 2028


def policy_of(reader: Reader, words: Points, path: Path, said: Points | None = None) -> PointsPolicy:
    """How points live and die, as these words say; `said` are those of the entry itself, where it says less."""
    found = EXPIRY.fullmatch(words.expire)
    parts = found.groupdict() if found else {}
    months = parts.get("months") or parts.get("idle")
    _check(reader, words, path, said or words)
    return PointsPolicy(
        reader.zone,
        int(months) if months else None,
        PERIODS[words.rounded_to],
        words.negative,
        words.rounding,
        by_activity=bool(parts.get("idle")),
        expire_on=_day_of(reader, parts, (*path, "expire")),
        least_days=int(words.least.partition(" ")[0]),
        announce=tuple(sorted({int(each.partition(" ")[0]) for each in words.announce}, reverse=True)),
    )


def _day_of(reader: Reader, parts: dict[str, str | None], path: Path) -> tuple[int, int] | None:
    """Month and day of `every 31 december`."""
    if not parts.get("day"):
        return None
    month, day = MONTHS.index(parts["month"] or "") + 1, int(parts["day"] or 0)
    last = monthrange(LEAP_YEAR, month)[1]
    if not 1 <= day <= last:
        reader.fault(path, f"{parts['month']} has days 1 to {last}, not {day}")
        return None
    return month, day


def _check(reader: Reader, words: Points, path: Path, said: Points) -> None:
    """Words that would change nothing, or end everything at once, are a mistake."""
    if re.match(r"(after )?0+ month", words.expire):
        reader.fault((*path, "expire"), "let them live for at least `1 month`")
    for number, each in enumerate(words.announce):
        if not int(each.partition(" ")[0]):
            reader.fault((*path, "announce", number), "tell members at least `1 day` before")
    on_a_day = words.expire.startswith("every ")
    if "least" in said.model_fields_set and not on_a_day:
        reader.fault(
            (*path, "least"), "it belongs to a day of the calendar, as in `expire: every 31 december`"
        )
    if "rounded_to" in said.model_fields_set and on_a_day:
        reader.fault(
            (*path, "rounded_to"), "points that expire on a day of the calendar are not rounded; leave it out"
        )
