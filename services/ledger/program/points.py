"""Reads how points live and die."""

from __future__ import annotations

from services.ledger.domain.program import PointsPolicy
from services.ledger.program.reading import Reader
from services.ledger.words.kinds import EXPIRY
from services.ledger.words.points import Points
from shared.calendar import Period

PERIODS = {"day": Period.DAY, "month": Period.MONTH, "quarter": Period.QUARTER, "year": Period.YEAR}


def policy_of(reader: Reader, words: Points) -> PointsPolicy:
    """How points live and die, as these words say."""
    found = EXPIRY.fullmatch(words.expire)
    months = int(found["months"]) if found and found["months"] else None
    return PointsPolicy(reader.zone, months, PERIODS[words.rounded_to], words.negative, words.rounding)
