"""`dead-letters`: what the service refused for good, and what an operator does about it.

What a newcomer would get wrong: a replay publishes first and marks the letter after. A crash in between leaves the
letter open, and the next replay publishes the event a second time, which is harmless: the inbox knows it. The other way
round, a crash would leave an event that is marked as replayed and that nobody has.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from shared.cli.session import NotAvailable, database_of, service_of, settings_of
from shared.cli.speech import cell, command, console, counted, moment, say, say_json, table, visible
from shared.cloudevents import decode
from shared.database import Connection
from shared.errors import InvalidInput, ServiceError
from shared.kafka import producer_client, started
from shared.partitioning import partition_of
from shared.queries import Queries
from shared.relay import PUBLISH_SECONDS

AT_ONCE = 500  # letters published and marked together
BYTES_AT_ONCE = 16 * 2**20  # each may hold a message as large as the broker lets it be
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """Which letters a list shows."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    ALL = "all"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Code = Annotated[str | None, typer.Option(help="Only letters with this error code.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Their ids, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that are open now, instead of ids.")]


@command
async def list_letters(
    context: typer.Context,
    state: Annotated[State, typer.Option(help="Which ones.")] = State.OPEN,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most, oldest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was refused for good, oldest first.

    CODE says what is wrong, for all letters of the kind; MESSAGE for this one.
    """
    service = service_of(context)
    sql = service.load_machinery()
    wanted = None if state is State.ALL else state.value
    async with database_of(service, settings_of(service)) as connection:
        rows = await connection.fetch(sql.list_dead_letters, wanted, code, limit + 1)
    if as_json:
        say_json([dict(row) for row in rows[:limit]])
        return
    shown = table("id", "where", "refused at (UTC)", "state", "code", "message", numbers=["id"])
    for row in rows[:limit]:
        shown.add_row(
            cell(row["dead_letter_id"]),
            cell(_place(row)),
            cell(row["refused_at"]),
            cell(row["state"]),
            cell(row["code"]),
            cell(row["message"]),
        )
    if rows:
        console().print(shown)
    more = (
        f"the first {limit}; --limit shows more" if len(rows) > limit else counted(len(rows), "dead letter")
    )
    say(f"{more} ({state.value})")


@command
async def show(
    context: typer.Context,
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="Its id, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show one dead letter: why it was refused, its headers, its key, and its bytes (as text where they are text)."""
    service = service_of(context)
    sql = service.load_machinery()
    async with database_of(service, settings_of(service)) as connection:
        rows = await connection.fetch(sql.dead_letters_by_id, [letter_id])
    if not rows:
        raise NotAvailable(f"there is no dead letter {letter_id}")
    say_json(_for_scripts(rows[0])) if as_json else _tell(rows[0])


@command
async def replay(
    context: typer.Context, ids: Ids = None, everything: All = False, code: Code = None, as_json: Json = False
) -> None:
    """Publish refused events again, byte for byte, to the topic they came from; then mark them as replayed.

    For after the cause is mended: a program was applied, a member signed up, a fault was fixed. An event that is
    refused again becomes a new dead letter. --all takes those open at this moment, and may be narrowed by --code.

    Interrupted, it is safe to repeat: what was published and not yet marked is published twice and takes effect once.
    """
    service = service_of(context)
    settings = settings_of(service, needs_kafka=True)
    sql = service.load_machinery()
    done = 0
    async with database_of(service, settings) as connection:
        chosen = await _choose(connection, sql, ids, everything, code)
        if chosen:
            async with started(producer_client(settings.kafka_bootstrap)) as producer:
                for part in _parts(chosen):
                    letters = await connection.fetch(sql.dead_letters_by_id, part)
                    await _publish(producer, sorted(letters, key=_position))
                    await connection.execute(sql.close_dead_letters, part, State.REPLAYED.value, None)
                    done += len(part)
    say_json({"replayed": done}) if as_json else say(f"{counted(done, 'dead letter')} replayed")


@command
async def discard(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why, in words for whoever asks later; kept with the letter.")],
    ids: Ids = None,
    everything: All = False,
    code: Code = None,
    as_json: Json = False,
) -> None:
    """Settle dead letters without their events.

    Their bytes are kept: a discarded letter can still be shown, and replayed by its id.
    """
    if not reason.strip():
        raise InvalidInput("--reason should say why")
    service = service_of(context)
    sql = service.load_machinery()
    async with database_of(service, settings_of(service)) as connection:
        chosen = await _choose(connection, sql, ids, everything, code)
        letter_ids = [letter_id for letter_id, _ in chosen]
        await connection.execute(sql.close_dead_letters, letter_ids, State.DISCARDED.value, reason.strip())
    count = len(letter_ids)
    say_json({"discarded": count}) if as_json else say(f"{counted(count, 'dead letter')} discarded")


async def _choose(
    connection: Connection, sql: Queries, ids: Sequence[int] | None, everything: bool, code: str | None
) -> list[tuple[int, int]]:
    """Id and size of each letter that is meant; what a replay makes anew is not among them.

    Raises:
        InvalidInput: neither ids nor --all, or both. NotAvailable: an id is unknown, or was replayed before.
    """
    if bool(ids) == everything:
        raise InvalidInput("name dead letters by id, or take --all that are open")
    if not ids:
        rows = await connection.fetch(sql.open_dead_letter_ids, code)
        return [(row["dead_letter_id"], row["bytes"]) for row in rows]
    if code is not None:
        raise InvalidInput("--code narrows --all; ids say already which ones")
    rows = await connection.fetch(sql.dead_letters_named, sorted(set(ids)))
    found = {row["dead_letter_id"]: row for row in rows}
    for letter_id in ids:
        if letter_id not in found:
            raise NotAvailable(f"there is no dead letter {letter_id}; nothing was done")
        if found[letter_id]["state"] == State.REPLAYED.value:
            when = moment(found[letter_id]["settled_at"])
            raise NotAvailable(f"dead letter {letter_id} was replayed already, at {when}; nothing was done")
    return [(row["dead_letter_id"], row["bytes"]) for row in rows]


def _parts(chosen: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    part: list[int] = []
    size = 0
    for letter_id, count in chosen:
        if part and (len(part) == AT_ONCE or size + count > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(letter_id)
        size += count
    yield part


async def _publish(producer: Any, letters: Sequence[Any]) -> None:
    """Send them in order, each to the partition it came from, and wait until the broker has all.

    Not by `shared.relay.publish`, whose messages have no time of their own: an event that says no time is booked by
    that of its record.
    """
    for letter in letters:
        if letter["record_key"] is None and letter["record_value"] is None:
            raise InvalidInput(f"dead letter {letter['dead_letter_id']} is empty; discard it")
    async with asyncio.timeout(PUBLISH_SECONDS):
        futures = []
        for letter in letters:
            numbers = await producer.partitions_for(letter["topic"])
            number = letter["partition"]
            if number not in numbers:
                number = partition_of(letter["record_key"], len(numbers))
            futures.append(
                await producer.send(
                    letter["topic"],
                    letter["record_value"],
                    key=letter["record_key"],
                    partition=number,
                    timestamp_ms=timestamp_of(letter),
                    headers=_headers(letter),
                )
            )
        for future in futures:
            await future


def timestamp_of(letter: Any) -> int | None:
    """The record's own time in milliseconds where the event says none; else None, so that Kafka keeps it for long."""
    at: datetime = letter["record_time"]
    try:
        event = decode(
            letter["record_value"],
            tuple(_headers(letter)),
            topic=letter["topic"],
            key=letter["record_key"],
            timestamp=at,
            default_program="any",
        )
    except ServiceError:
        pass
    else:
        if event.time != at:
            return None
    return (at - EPOCH) // timedelta(milliseconds=1)


def _tell(letter: Any) -> None:
    facts = table("", "")
    facts.show_header = False
    for name, value in (
        ("where", _place(letter)),
        ("published", f"{moment(letter['record_time'])} UTC"),
        ("refused", f"{moment(letter['refused_at'])} UTC"),
        ("code", letter["code"]),
        ("why", letter["message"]),
        ("state", letter["state"]),
        ("settled", letter["settled_at"] and f"{moment(letter['settled_at'])} UTC"),
        ("reason", letter["note"]),
        ("key", _as_text(letter["record_key"])),
        *((f"header {name}", _as_text(value)) for name, value in _headers(letter)),
    ):
        if value is not None:
            facts.add_row(Text(visible(name), style="bold"), cell(value))
    console().print(facts)
    say(visible(_pretty(letter["record_value"])))


def _for_scripts(letter: Any) -> dict[str, Any]:
    raw = {"record_key", "record_value", "headers"}
    value = letter["record_value"]
    return {
        **{name: found for name, found in letter.items() if name not in raw},
        "key": _as_text(letter["record_key"]),
        "headers": [[name, _as_text(found)] for name, found in _headers(letter)],
        "value": _as_text(value),
        "value_base64": None if value is None else b64encode(value).decode(),
    }


def _position(letter: Any) -> tuple[str, int, int]:
    """The order in which the events came; ids of a batch are in another."""
    return letter["topic"], letter["partition"], letter["record_offset"]


def _place(letter: Any) -> str:
    return f"{letter['topic']}[{letter['partition']}]@{letter['record_offset']}"


def _headers(letter: Any) -> list[tuple[str, bytes | None]]:
    return [
        (name, None if value is None else b64decode(value)) for name, value in json.loads(letter["headers"])
    ]


def _as_text(data: bytes | None) -> str | None:
    """The text, or what it is instead."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes that are no text, beginning with {data[:32].hex(' ')})"


def _pretty(value: bytes | None) -> str:
    """JSON with line breaks, other text as it is."""
    try:
        return json.dumps(json.loads(value or b""), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _as_text(value) or "(no value)"
