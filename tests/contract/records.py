"""Recorded Kafka records: what producers really sent, kept as files that must stay readable for good.

A newcomer would edit a file that no longer parses. Never: a recorded event is a promise to whoever still sends it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.cloudevents import decode
from shared.events import Event

FOLDER = Path(__file__).parent / "recorded"
AT = datetime(2026, 11, 5, 10, 0, tzinfo=UTC)
"""When the records of the tests were written to Kafka."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One record and what it must be read as."""

    name: str
    topic: str
    key: str | None
    headers: dict[str, str]
    value: Any
    reads_as: dict[str, Any]

    def event(self) -> Event[Any]:
        """The record as a worker reads it today."""
        return decode(
            json.dumps(self.value).encode(),
            [(name, text.encode()) for name, text in self.headers.items()],
            topic=self.topic,
            key=None if self.key is None else self.key.encode(),
            timestamp=AT,
        )


def recorded() -> list[Recorded]:
    """Every recorded event."""
    return [
        Recorded(name=path.stem, **json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob("*.json"))
    ]
