"""What time it is, as an argument.

Nothing in the platform asks the machine for the time on its own: whoever needs "now" is given a `Clock`, so
that a test or a simulation can say what time it is. The one clock that reads the machine is `system_clock`,
and only a service's `main` hands it out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment, always aware and in UTC."""


def system_clock() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)
