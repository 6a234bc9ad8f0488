"""Whether questions keep their time when the book grows: 10,000 members against a million with 20 million transfers.

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
from typing import Any

import asyncpg

from services.ledger import views
from services.ledger.domain.needs import Needs
from services.ledger.main import SERVICE
from services.ledger.views import FIRST_LOT
from shared.database import AnyConnection
from shared.service import Doors, Ports, processor_of
from tests.bench.ground import PROGRAM, Bench, fresh, named
from tests.bench.throughput import batches, claimed

SMALL_MEMBERS = 10_000
TRANSFERS_A_MEMBER = 20
QUESTIONS = 400
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

Question = Callable[[AnyConnection, str], Awaitable[Any]]


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
        found = {name: _compared(await _asked_in_turn(name, small, large)) for name in questions(small)}
        seconds, handled = await _verified_beside_traffic(bench, large)
    return {
        "members": members,
        "transfers": members * TRANSFERS_A_MEMBER,
        "questions": found,
        "large_book_ratio": max(each["ratio"] for each in found.values()),
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
    filler = await asyncpg.connect(named(bench.stack.database_url, f"bench_{name}"))
    try:
        for statement in FILL:
            values = (PROGRAM, members, TRANSFERS_A_MEMBER) if "$1" in statement else ()
            await filler.execute(statement, *values, timeout=FILL_SECONDS)
    finally:
        await filler.close()
    return Book(ports, doors, members)


async def _asked_in_turn(name: str, small: Book, large: Book) -> tuple[list[float], list[float]]:
    """Milliseconds of every question on either book; what one round warms, the next finds."""
    rng = random.Random(SEED)
    times: tuple[list[float], list[float]] = ([], [])
    async with small.ports.pool.acquire() as one, large.ports.pool.acquire() as other:
        for _ in range(QUESTIONS):
            for book, connection, taken in ((small, one, times[0]), (large, other, times[1])):
                member = f"m{rng.randint(1, book.members):08}"
                ask = questions(book)[name]
                began = time.perf_counter()
                await ask(connection, member)
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


def _compared(times: tuple[list[float], list[float]]) -> dict[str, float]:
    small, large = (statistics.median(each) for each in times)
    return {"small_ms": round(small, 3), "large_ms": round(large, 3), "ratio": round(large / small, 2)}
