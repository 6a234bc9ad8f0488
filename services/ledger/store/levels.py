"""The levels of a member, as their row keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from services.ledger.domain.records import Level


def levels_of(text: str) -> tuple[Level, ...]:
    """The levels as they are kept: `[[since, name, times], ...]`, oldest first."""
    if text == "[]":
        return ()
    return tuple(Level(datetime.fromisoformat(since), name, times) for since, name, times in json.loads(text))


def text_of(levels: Sequence[Level]) -> str:
    """The levels as they are kept."""
    return json.dumps([[level.since.isoformat(), level.name, level.earn_times] for level in levels])
