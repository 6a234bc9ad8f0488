"""Turns: requests about one thing stand in line in the process, and not with a connection each at one row.

    async with turns.of((program_id, "member_id", "customer-7")):
        ...  # take a connection, lock the row

Fifty who want the same member's points would take every connection of the pool, and wait with them for one row: whoever
asks about somebody else finds no connection. In line they cost nothing, come in the order in which they asked, and
leave the connections to the others.

What a newcomer would get wrong: this is a courtesy, no lock. Several processes each let some through, and correctness
rests on the row locks alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

AT_ONCE = 2  # one decides, the other waits at the row: nobody is waited for between two commits
# As long as a statement may take: a line that moves so slowly is better left, and the caller told to come back (503).
WAIT_SECONDS = 30.0


@dataclass(slots=True)
class _Line:
    """Those who wait for one thing, and those who have it."""

    places: asyncio.Semaphore
    people: int = 0


@dataclass(slots=True)
class Turns:
    """The lines of a process; a line is there as long as somebody stands in it."""

    wait_seconds: float = WAIT_SECONDS
    _lines: dict[Hashable, _Line] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, thing: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends.

        Raises:
            TimeoutError: it took too long; answered with 503.
        """
        line = self._lines.setdefault(thing, _Line(asyncio.Semaphore(AT_ONCE)))
        line.people += 1
        try:
            await asyncio.wait_for(line.places.acquire(), self.wait_seconds)
            try:
                yield
            finally:
                line.places.release()
        finally:
            line.people -= 1
            if not line.people:
                del self._lines[thing]
