"""Whether questions keep their time when the book grows: 10,000 members against a million with 20 million transfers.

They are asked twice: over HTTP, which is what an integrator waits for and what the bound is for; and in the database
alone, to see what the book itself costs. There a member's twenty transfers lie on twenty pages, each of which is some
microseconds of cold memory in the large book: it shows in a question that takes a third of a millisecond.

What a newcomer would get wrong: the members that are asked about are drawn anew for each question, over the whole
book, so that no cache holds them; and both books are asked in turn, so that noise meets both.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg

from services.ledger import views
from services.ledger.domain.needs import Needs
from services.ledger.main import SERVICE
from services.ledger.views import FIRST_LOT
from shared.database import AnyConnection
from shared.service import Doors, Ports, processor_of
from tests.bench.ground import PROGRAM, Bench, fresh, named
from tests.bench.serving import Client, connected, served
from tests.bench.throughput import batches, claimed

SMALL_MEMBERS = 10_000
TRANSFERS_A_MEMBER = 20
QUESTIONS = 400
UNCOUNTED = 20
FILL_SECONDS = 1800
SEED = 11

# Every member got 2,000 points at once, then spent 100 and got them back, nine times, and spent 100 once more. The key
# of transfers is built after they are in.
FILL = (
    "SET maintenance_work_mem = '1GB'",
    "ALTER TABLE ledger.transfer DROP CONSTRAINT transfer_pkey",
    """INSERT INTO ledger.member (program_id, member_id)
       SELECT $1, 'm' || lpad(n::text, 8, '0') FROM generate_series(1, $2::int) AS n
       WHERE $3::int > 0""",
    """INSERT INTO ledger.balance (program_id, member_id, asset, pending, available, held, version)
       SELECT $1, 'm' || lpad(n::text, 8, '0'), 'points', 0, 100 * $3::int - 100, 0, $3
       FROM generate_series(1, $2::int) AS n""",
    """INSERT INTO ledger.lot (program_id, member_id, asset, lot_no, opened_at, amount, remaining)
       SELECT $1, 'm' || lpad(n::text, 8, '0'), 'points', 1, now(), 100 * $3::int, 100 * $3::int - 100
       FROM generate_series(1, $2::int) AS n""",
    """INSERT INTO ledger.transfer (program_id, member_id, asset, version, kind, from_account, to_account, amount,
                                    cause, happened_at, pending, available, held)
       SELECT $1, 'm' || lpad(n::text, 8, '0'), 'points', v,
              CASE WHEN v = 1 THEN 'award' WHEN v % 2 = 0 THEN 'spend' ELSE 'return' END,
              CASE WHEN v = 1 THEN 'issued' WHEN v % 2 = 0 THEN 'available' ELSE 'redeemed' END,
              CASE WHEN v % 2 = 0 THEN 'redeemed' ELSE 'available' END,
              CASE WHEN v = 1 THEN 100 * $3::int ELSE 100 END,
              'cause-' || v, now() - make_interval(days => $3 - v), 0, 100 * $3::int - 100 * (v % 2 = 0)::int, 0
       FROM generate_series(1, $2::int) AS n, generate_series(1, $3::int) AS v""",
    """INSERT INTO ledger.account (program_id, asset, account, amount)
       VALUES ($1, 'points', 'issued', -100::bigint * $2::int * $3::int),
              ($1, 'points', 'redeemed', 100::bigint * $2::int)""",
    "ALTER TABLE ledger.transfer ADD PRIMARY KEY (program_id, member_id, asset, version)",
    "VACUUM (ANALYZE)",
)

REQUESTS = {
    "balances": ("GET", "/v1/members/{}/balances", b""),
    "lots": ("GET", "/v1/members/{}/lots", b""),
    "statement": ("GET", "/v1/members/{}/statement", b""),
    "balances as of": ("GET", "/v1/members/{}/balances?as_of=2099-01-01T00:00:00Z", b""),
    "a spend, tried": ("POST", "/v1/members/{}/spends?dry_run=true", b'{"spend_id": "tried", "points": 1}'),
}
"""What is asked over HTTP, by name: method, path with the member's place, body."""

Question = Callable[[AnyConnection, str], Awaitable[Any]]
Ask = Callable[[str], Awaitable[Any]]
Milliseconds = tuple[list[float], list[float]]
"""Of every question, on the small book and on the large one."""


@dataclass(frozen=True, slots=True)
class Book:
    """A filled book and how many members it has."""

    ports: Ports
    doors: Doors
    members: int


async def compare(bench: Bench, members: int) -> dict[str, Any]:
    """Median milliseconds of each question on both books, the ratio, and how long `verify` takes on the large one."""
    async with AsyncExitStack() as open_books:
        small = await _book(open_books, bench, "small_book", SMALL_MEMBERS)
        large = await _book(open_books, bench, "large_book", members)
        over_http = {
            name: _compared(times) for name, times in (await _over_http(bench, small, large)).items()
        }
        in_the_database = {
            name: _compared(await _in_the_database(name, small, large)) for name in questions(small)
        }
        seconds, handled = await _verified_beside_traffic(bench, large)
    return {
        "members": members,
        "transfers": members * TRANSFERS_A_MEMBER,
        "questions": over_http,
        "in_the_database": in_the_database,
        "large_book_ratio": max(each["ratio"] for each in over_http.values()),
        "verify_seconds": round(seconds, 1),
        "events_beside_verify": handled,
    }


def questions(book: Book) -> dict[str, Question]:
    """What is asked about a member, by name."""
    reading: views.Reading = book.doors.state["reading"]
    store = book.doors.state["actions"].store
    programs = book.doors.state["programs"]

    async def command(connection: AnyConnection, member: str) -> None:
        key = (PROGRAM, member)
        needs = Needs(members={key: book.ports.clock()}, detailed={key})
        transaction = connection.transaction()
        await transaction.start()
        await store.load(connection, needs, {PROGRAM: await programs.one(connection, PROGRAM)})
        await transaction.rollback()  # a commit would measure the disk

    return {
        "balances": lambda connection, member: reading.balances(connection, (PROGRAM, member), (None, None)),
        "lots": lambda connection, member: reading.lots(connection, (PROGRAM, member), FIRST_LOT, 50),
        "statement": lambda connection, member: reading.statement(
            connection, (PROGRAM, member), "points", 2**62, (None, None), 50
        ),
        "balances as of": lambda connection, member: reading.balances(
            connection, (PROGRAM, member), (book.ports.clock(), None)
        ),
        "load for a command": command,
    }


async def _book(open_books: AsyncExitStack, bench: Bench, name: str, members: int) -> Book:
    ports, doors = await open_books.enter_async_context(fresh(bench, name))
    await filled(bench, name, members)
    return Book(ports, doors, members)


async def filled(bench: Bench, name: str, members: int) -> None:
    """Fill the book of this name, which is empty, with so many members."""
    filler = await asyncpg.connect(named(bench.stack.database_url, f"bench_{name}"))
    try:
        for statement in FILL:
            values = (PROGRAM, members, TRANSFERS_A_MEMBER) if "$1" in statement else ()
            await filler.execute(statement, *values, timeout=FILL_SECONDS)
    finally:
        await filler.close()


async def _over_http(bench: Bench, small: Book, large: Book) -> dict[str, Milliseconds]:
    """Both books behind a server process each, asked over one kept connection."""
    async with AsyncExitStack() as open_doors:
        clients = []
        for book in (small, large):
            door = await open_doors.enter_async_context(
                served(book.ports.settings.dsn, bench.stack.kafka_bootstrap)
            )
            clients.append(await open_doors.enter_async_context(connected(door)))
        one, other = clients
        return {
            name: await _in_turn(small, large, partial(_ask, one, request), partial(_ask, other, request))
            for name, request in REQUESTS.items()
        }


async def _ask(client: Client, request: tuple[str, str, bytes], member: str) -> None:
    method, path, body = request
    await client.ask(method, path.format(member), body=body)


async def _in_the_database(name: str, small: Book, large: Book) -> Milliseconds:
    async with small.ports.pool.acquire() as one, large.ports.pool.acquire() as other:
        return await _in_turn(
            small, large, partial(questions(small)[name], one), partial(questions(large)[name], other)
        )


async def _in_turn(small: Book, large: Book, ask_small: Ask, ask_large: Ask) -> Milliseconds:
    """What one question warms, the next finds; the first few are not counted, since servers start slowly."""
    rng = random.Random(SEED)
    times: Milliseconds = ([], [])
    for number in range(UNCOUNTED + QUESTIONS):
        for book, ask, taken in ((small, ask_small, times[0]), (large, ask_large, times[1])):
            member = f"m{rng.randint(1, book.members):08}"
            began = time.perf_counter()
            await ask(member)
            if number >= UNCOUNTED:
                taken.append((time.perf_counter() - began) * 1000)
    return times


async def _verified_beside_traffic(bench: Bench, book: Book) -> tuple[float, int]:
    """Seconds that `verify` takes while orders come in, and how many came in meanwhile."""
    began = time.perf_counter()
    verifying = asyncio.create_task(SERVICE.verify(book.ports))
    processor = processor_of(SERVICE, book.ports.settings, book.ports, book.doors)
    start, handled = await claimed(book.ports), 0
    for batch in batches(bench.records):
        if verifying.done():
            break
        done = await processor.process(batch, start)
        start |= done.positions
        handled += done.applied
    wrong = await verifying
    assert not wrong, wrong[:3]
    return time.perf_counter() - began, handled


def _compared(times: Milliseconds) -> dict[str, float]:
    small, large = (statistics.median(each) for each in times)
    return {"small_ms": round(small, 3), "large_ms": round(large, 3), "ratio": round(large / small, 2)}
