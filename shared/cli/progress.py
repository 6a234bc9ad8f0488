"""`lag`: where a service stands in its topics.

What a newcomer would get wrong: the truth is the position in the service's schema, not the offset that Kafka keeps
for the group. Tools that look at the group see a hint some seconds old, and moving the group's offsets does nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from shared.cli.offsets import Offsets, offsets_of
from shared.cli.session import database_of, service_of, settings_of
from shared.cli.speech import cell, command, console, counted, say, say_json, table, warn
from shared.database import Connection
from shared.queries import Queries
from shared.worker.records import Partition

LOOK_SECONDS = 1.0  # between two looks of a command that waits
DEFAULT_TIMEOUT_SECONDS = 300.0

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the service stands in one partition; offsets count records, `position` is the next one to be read."""

    partition: Partition
    beginning: int
    end: int
    position: int

    @property
    def is_lost(self) -> bool:
        """Kafka does not have what follows on the position; a worker refuses to start from it."""
        return not self.beginning <= self.position <= self.end

    @property
    def waiting(self) -> int:
        """Records that were not handled yet; of a lost position all that are there."""
        return self.end - (self.beginning if self.is_lost else self.position)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "topic": self.partition.topic,
            "partition": self.partition.number,
            "end": self.end,
            "position": self.position,
            "waiting": self.waiting,
            "lost": self.is_lost,
        }


@dataclass(frozen=True, slots=True)
class Lag:
    """What waits to be read, and what waits to be published (bundles of the outbox, and the age of the oldest)."""

    standings: list[Standing]
    outbox_bundles: int
    outbox_age_seconds: float

    @property
    def waiting(self) -> int:
        """Records over all partitions."""
        return sum(standing.waiting for standing in self.standings)

    @property
    def is_caught_up(self) -> bool:
        """Nothing waits on either side, and every position is good."""
        lost = any(standing.is_lost for standing in self.standings)
        return not (self.waiting or self.outbox_bundles or lost)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "partitions": [standing.as_json() for standing in self.standings],
            "waiting": self.waiting,
            "outbox": {"bundles": self.outbox_bundles, "age_seconds": round(self.outbox_age_seconds, 3)},
            "caught_up": self.is_caught_up,
        }

    def summary(self) -> str:
        """In one line."""
        return (
            f"waiting: {counted(self.waiting, 'event')} to be read, "
            f"{counted(self.outbox_bundles, 'bundle')} to be published"
            f"{'; caught up' if self.is_caught_up else ''}"
        )


@command
async def lag(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")] = False,
    until_zero: Annotated[
        bool, typer.Option("--until-zero", help="Wait until this service has caught up; 1 if it does not.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="How long --until-zero waits, in seconds.")
    ] = DEFAULT_TIMEOUT_SECONDS,
    as_json: Json = False,
) -> None:
    """Show how far behind this service is, per partition.

    END is the offset that the next event will get, POSITION the next one to be handled. Caught up means that nothing
    waits to be read and nothing in the outbox waits to be published. LOST marks a position whose events Kafka no longer
    has: the topic was made anew, or its retention passed; see `replay`.
    """
    service = service_of(context)
    settings = settings_of(service, needs_kafka=True)
    async with (
        offsets_of(settings.kafka_bootstrap) as offsets,
        database_of(service, settings) as connection,
    ):
        partitions = await offsets.partitions(service.topics)
        sql = service.load_machinery()
        found = await _follow(
            lambda: _measure(connection, sql, offsets, partitions),
            until=(lambda found: found.is_caught_up) if until_zero else (lambda _: not watch),
            deadline=time.monotonic() + timeout if until_zero else None,
            shown=not as_json,
        )
    say_json(found.as_json()) if as_json else console().print(_lag_table(found))
    if until_zero and not found.is_caught_up:
        warn(f"{service.name} has not caught up within {timeout:.0f} s: {found.summary()}")
        raise typer.Exit(1)


async def _measure(
    connection: Connection, sql: Queries, offsets: Offsets, partitions: list[Partition]
) -> Lag:
    """The positions are read before the ends, so that what is handled in between never makes a negative lag."""
    held = {
        Partition(row["topic"], row["partition"]): row["next_offset"]
        for row in await connection.fetch(sql.all_positions)
    }
    outbox = await connection.fetchrow(sql.outbox_state)
    assert outbox is not None, "an aggregate has one row"
    beginnings, ends = await offsets.beginnings(partitions), await offsets.ends(partitions)
    standings = [
        Standing(key, beginnings[key], ends[key], held.get(key, beginnings[key])) for key in partitions
    ]
    return Lag(standings, outbox["bundles"], outbox["age_seconds"])


async def _follow(
    look: Callable[[], Awaitable[Lag]],
    *,
    until: Callable[[Lag], bool],
    deadline: float | None,
    shown: bool,
) -> Lag:
    """Look again until it is as wanted, or the deadline has passed; the last look."""
    screen = console()
    said = ""
    with Live(console=screen, transient=True, auto_refresh=False) as live:
        while True:
            found = await look()
            if until(found) or (deadline is not None and time.monotonic() > deadline):
                return found
            if shown and screen.is_terminal:
                live.update(_lag_table(found), refresh=True)
            elif shown and found.summary() != said:
                said = found.summary()
                say(said)
            await asyncio.sleep(LOOK_SECONDS)


_NUMBERS = ("partition", "end", "position", "waiting")


def _lag_table(found: Lag) -> Group:
    rows = table("topic", "partition", "end", "position", "waiting", "", numbers=_NUMBERS)
    for standing in found.standings:
        rows.add_row(
            cell(standing.partition.topic),
            cell(standing.partition.number),
            cell(standing.end),
            cell(standing.position),
            cell(standing.waiting),
            Text("LOST", style="bold red") if standing.is_lost else Text(),
        )
    return Group(rows, Text(found.summary()))
