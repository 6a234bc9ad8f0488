"""`replay`: going back in the topics to a time.

What a newcomer would get wrong: nothing is done anew that took effect before, since the inbox knows every such event.
What was refused is in the dead letters, with a replay of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from shared.cli.offsets import offsets_of
from shared.cli.progress import Json, Standing
from shared.cli.session import database_of, service_of, settings_of
from shared.cli.speech import cell, command, console, counted, moment, say, say_json, table
from shared.clock import system_clock
from shared.errors import InvalidInput
from shared.service import Service
from shared.worker.records import Partition

AGO = re.compile(r"(\d{1,6})\s*([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Moves = dict[Partition, tuple[int, int]]
"""Per partition: the position held, and the one it moves to."""


@command
async def replay(
    context: typer.Context,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="`2026-03-01`, `2026-03-01T12:30` (UTC unless it says otherwise), or how long ago: `90m`, `2h`, `7d`.",
        ),
    ],
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move; move nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Have the events since a time read again.

    Moves this service's stored positions back to the first records that were PUBLISHED at TIME or later (an event
    that arrived late counts by its arrival). Positions only ever move back, except that a LOST one is set to what Kafka
    still has.

    It is for a Kafka that was restored or moved, where the old positions mean other records, and for LOST positions.
    A database that was restored from a backup needs none: its positions went back with it.

    Harmless as often as you like: events that took effect are known to the inbox by source and id, and have no second
    effect. Workers may go on running: whoever works on from an old position is fenced (its batch is rolled back), reads
    the stored position and goes back too. A worker to which nothing new comes does so when it is started again.
    """
    service = service_of(context)
    time_from = time_of(start, system_clock())
    settings = settings_of(service, needs_kafka=True)
    async with (
        offsets_of(settings.kafka_bootstrap) as offsets,
        database_of(service, settings) as connection,
    ):
        partitions = await offsets.partitions(_chosen(service, topic))
        beginnings, ends = await offsets.beginnings(partitions), await offsets.ends(partitions)
        wanted = await offsets.at(partitions, time_from)
        sql = service.load_machinery()
        async with connection.transaction():
            rows = await connection.fetch(sql.positions_to_move, sorted({key.topic for key in partitions}))
            held = {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            standings = [
                Standing(key, beginnings[key], ends[key], held[key]) for key in partitions if key in held
            ]
            moves = _plan(standings, wanted)
            for key, (_, target) in ({} if dry_run else moves).items():
                await connection.execute(sql.move_position, *key, target)
    _tell_moves(moves, ends, time_from, dry_run=dry_run, as_json=as_json)


def target_of(standing: Standing, wanted: int | None) -> int:
    """Where a position goes: back to what is wanted (None = behind the last record), and never over unread events."""
    wanted = standing.end if wanted is None else wanted
    if standing.position < standing.beginning:
        return standing.beginning
    if standing.position > standing.end:
        return wanted
    return min(standing.position, wanted)


def time_of(text: str, now: datetime) -> datetime:
    """What `--from` means.

    Raises:
        InvalidInput: neither a time nor a while.
    """
    if ago := AGO.fullmatch(text.strip()):
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(
            f"--from {text!r} is no time; write `2026-03-01T12:30`, or how long ago: `90m`, `2h`, `7d`"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _chosen(service: Service, topics: list[str] | None) -> list[str]:
    for topic in topics or ():
        if topic not in service.topics:
            raise InvalidInput(
                f"{service.name} does not read {topic!r}, but: {', '.join(service.topics)}",
            )
    return sorted(set(topics)) if topics else service.topics


def _plan(standings: list[Standing], wanted: dict[Partition, int | None]) -> Moves:
    targets = {each.partition: (each.position, target_of(each, wanted[each.partition])) for each in standings}
    return {key: (held, target) for key, (held, target) in targets.items() if held != target}


def _tell_moves(
    moves: Moves,
    ends: dict[Partition, int],
    time_from: datetime,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    again = sum(max(0, min(held, ends[key]) - target) for key, (held, target) in moves.items())
    if as_json:
        listed = [
            {"topic": key.topic, "partition": key.number, "position": held, "moved_to": target}
            for key, (held, target) in moves.items()
        ]
        say_json({"from": time_from, "dry_run": dry_run, "moves": listed, "events_again": again})
        return
    if moves:
        rows = table(
            "topic", "partition", "position", "moved to", numbers=("partition", "position", "moved to")
        )
        for key, (held, target) in moves.items():
            rows.add_row(cell(key.topic), cell(key.number), cell(held), cell(target))
        console().print(rows)
    verb = "would be" if dry_run else "will be"
    say(f"{counted(again, 'event')} since {moment(time_from)} UTC {verb} read again")
