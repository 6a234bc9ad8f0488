"""A program moves with its whole book: it goes on elsewhere as if it had always been there, whatever it has lived."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop
from hypothesis import Phase, settings
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from services.ledger.actions.books import bring_book
from services.ledger.actions.imports import Report
from services.ledger.books import checked, rows_in
from services.ledger.errors import ProgramNotEmpty
from services.ledger.main import SERVICE
from services.ledger.store.books import TABLES, write_rows
from services.ledger.verify import differences_of
from shared.database import transaction_or_trial
from shared.events import CustomerDeleted, Event
from tests.integration.test_ledger_leaving import types
from tests.integration.test_ledger_model import EMPTY, House, OnPostgres, as_superuser
from tests.support.events import MEMBER, NOON, PROGRAM, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.model import thoroughly
from tests.support.programs import tea_and_cups
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
MACHINERY = {"position", "inbox", "outbox", "dead_letter", "answer", "migration", "movement", "book_brought"}
"""Tables that stay: what is under way in an installation, and how it came to be."""


async def book_of(ledger: Running) -> list[bytes]:
    """The lines of the program's book, over HTTP."""
    async with ledger.client() as client:
        told = await client.get("/v1/export", params={"form": "book"})
    assert told.status_code == 200, told.text
    return told.content.splitlines(keepends=True)


async def brings(ledger: Running, lines: list[bytes], *, dry_run: bool = False) -> Report:
    """Bring the book in, as the command does."""
    book = checked(lines)
    if book.faults:
        return Report(faults=book.faults)
    async with (
        ledger.ports.pool.acquire() as connection,
        transaction_or_trial(connection, dry_run=dry_run) as attempt,
    ):
        verify = partial(differences_of, connection, ledger.ports, PROGRAM)
        actions = ledger.doors.state["actions"]
        found = await bring_book(actions, connection, book, rows_in(lines), verify, ledger.now)
        attempt.undone = dry_run or bool(found.faults)
    return found


@pytest.fixture
async def old(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as old:
        await old.applies(tea_and_cups())
        yield old


@pytest.fixture
async def new(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as new:
        yield new
        assert await new.differences() == []


async def rows_of(ledger: Running) -> list[bytes]:
    """Its book without the lines that tell when it was written."""
    return (await book_of(ledger))[1:-1]


ORDER = an_order_paid("80.00", order_id="o-1", at=NOON)


async def test_a_program_moves_with_all_its_entries_and_goes_on(old: Running, new: Running) -> None:
    await old.receives(a_sign_up(MEMBER), ORDER)
    old.now += timedelta(days=1)
    await old.applies(tea_and_cups(earn=[]))
    lines = await book_of(old)
    dry = await brings(new, lines, dry_run=True)
    assert (dry.imported, dry.faults) == (len(lines) - 2, [])
    assert await rows_of_nothing(new) == []
    assert await brings(new, lines) == dry
    assert await brings(new, lines) == Report(known=dry.imported), "again, it writes nothing"
    assert await rows_of(new) == await rows_of(old)
    assert await new.told() == [], "nobody is told anything"
    back = a_refund(ORDER, amount="30.00", at=old.now)
    for ledger in (old, new):
        await ledger.receives(back)
    assert await new.ports.pool.fetch(BALANCES) == await old.ports.pool.fetch(BALANCES)


BALANCES = "SELECT member_id, asset, pending, available, held, version FROM ledger.balance ORDER BY 1, 2"


async def rows_of_nothing(ledger: Running) -> list[Any]:
    return await ledger.ports.pool.fetch(ledger.ports.sql.book_here, PROGRAM)


async def test_who_was_forgotten_stays_forgotten(old: Running, new: Running) -> None:
    gone = an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + timedelta(hours=1))
    await old.receives(ORDER, gone)
    await brings(new, await book_of(old))
    await new.receives(an_order_paid("50.00", order_id="o-2", at=NOON + timedelta(days=1)))
    assert await new.ports.pool.fetchval("SELECT sum(available) FROM ledger.balance") == 0


async def test_a_book_comes_only_where_there_is_nothing_of_its_program(old: Running, new: Running) -> None:
    await old.receives(ORDER)
    await new.applies(tea_and_cups())
    with pytest.raises(ProgramNotEmpty, match=r"here already \(program\)"):
        await brings(new, await book_of(old))


def changed(lines: list[bytes], table: str, **columns: Any) -> list[bytes]:
    """The first row of a table with other columns, in a file whose digest is right again."""
    place = next(number for number, line in enumerate(lines) if line.startswith(b'["%s"' % table.encode()))
    row = json.loads(lines[place])
    row[1] |= columns
    return sealed([*lines[:place], json.dumps(row).encode() + b"\n", *lines[place + 1 : -1]])


def sealed(lines: list[bytes]) -> list[bytes]:
    digest = sha256(b"".join(lines)).hexdigest()
    return [*lines, json.dumps({"end": len(lines) - 1, "digest": digest}).encode() + b"\n"]


@pytest.mark.parametrize(
    ("table", "columns", "path", "why"),
    [
        ("lot", {"remaining": -1}, "lot", "lot_check"),
        ("lot", {"remaining": "many"}, "lot", "invalid input syntax"),
        ("lot", {"colour": "red"}, "lot.colour", "has not the columns"),
        ("lot", {"program_id": "other"}, "lot.program_id", "of program 'demo'"),
        ("balance", {"available": 10_000}, "", "sum to 9870, not 0"),
    ],
)
async def test_a_book_that_cannot_be_is_refused_by_its_line_and_nothing_is_kept(
    old: Running, new: Running, table: str, columns: dict[str, Any], path: str, why: str
) -> None:
    await old.receives(ORDER)
    lines = changed(await book_of(old), table, **columns)
    found = await brings(new, lines)
    assert found.faults[0].path == path
    assert why in found.faults[0].message
    if path:
        assert lines[found.faults[0].line - 1].startswith(b'["lot"')
    assert await rows_of_nothing(new) == []


async def test_no_difference_is_overlooked_because_another_program_has_hundreds(
    old: Running, new: Running
) -> None:
    await new.applies(tea_and_cups() | {"program": "a"})
    await new.receives(*(an_order_paid("5.00", member=f"m{n}", program="a") for n in range(101)))
    await new.ports.pool.execute("UPDATE ledger.lot SET remaining = remaining - 1")
    await old.receives(ORDER)
    found = await brings(new, changed(await book_of(old), "lot", remaining=1))
    assert "lots" in found.faults[0].message
    await new.ports.pool.execute("UPDATE ledger.lot SET remaining = remaining + 1")


async def test_a_file_that_is_not_whole_is_known_before_anything_is_written(old: Running) -> None:
    await old.receives(ORDER)
    lines = await book_of(old)
    assert "ends in the middle" in checked(lines[:-1]).faults[0].message
    assert "rows were written" in checked([*lines[:3], *lines[4:]]).faults[0].message
    other = [line.replace(b"o-1", b"o-2") for line in lines]
    assert "was changed" in checked(other).faults[0].message
    assert "no row" in checked([lines[0], b"{\n", *lines[1:]]).faults[0].message
    assert "behind the last line" in checked([*lines, lines[1]]).faults[0].message


async def test_a_book_of_another_version_of_the_ledger_is_refused_at_its_first_line(
    old: Running, new: Running
) -> None:
    lines = await book_of(old)
    head = json.loads(lines[0])
    head["columns"]["lot"].append("shade")
    found = await brings(new, sealed([json.dumps(head).encode() + b"\n", *lines[1:-1]]))
    assert [(fault.line, fault.path) for fault in found.faults] == [(1, "columns.lot")]
    assert "shade" in found.faults[0].message


async def test_the_command_line_moves_a_program_once_and_tells_what_is_wrong(
    old: Running, new: Running, tmp_path: Path
) -> None:
    await old.receives(a_sign_up(MEMBER), ORDER)
    file, broken = tmp_path / "demo.book", tmp_path / "broken.book"
    await types(old, "export", str(file), "--program", PROGRAM, "--book")
    lines = file.read_bytes().splitlines(keepends=True)
    broken.write_bytes(b"".join(changed(lines, "lot", remaining=-1)))
    refused = await types(new, "import", str(broken), "--program", PROGRAM, status=1)
    assert "broken.book:" in refused.output
    assert "lot_check" in refused.output
    other = await types(new, "import", str(file), "--program", "other", status=1)
    assert "the book is of program 'demo', not of 'other'" in " ".join(other.output.split())
    for words, imported, known in ((["--dry-run"], 1, 0), ([], 1, 0), ([], 0, 1)):
        said = await types(new, "import", str(file), "--program", PROGRAM, "--json", *words)
        told = json.loads(said.stdout)
        rows = len(lines) - 2
        assert (told["imported"], told["known"], told["faults"]) == (imported * rows, known * rows, [])
    assert await rows_of(new) == await rows_of(old)


async def test_every_table_goes_along_or_is_named_here(old: Running) -> None:
    rows = await old.ports.pool.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert {row["relname"] for row in rows} == {*TABLES, *MACHINERY}
    for table in TABLES:  # the role of the service may write all of them
        await write_rows(old.ports.pool, old.ports.sql, table, [])  # type: ignore[arg-type]


async def test_of_one_book_that_comes_twice_at_once_one_is_written(old: Running, new: Running) -> None:
    await old.receives(ORDER)
    lines = await book_of(old)
    found = await asyncio.gather(brings(new, lines), brings(new, lines))
    assert sorted((each.imported > 0, each.known > 0) for each in found) == [(False, True), (True, False)]


class Moving(OnPostgres):
    """The model of all that a program lives, which moves to another installation now and then."""

    there: ClassVar[str]

    def opens(self, document: dict[str, Any]) -> None:
        self.at, self.told_before = self.house.url, list[Event[Any]]()
        super().opens(document)

    @precondition(lambda self: self.desk.book.transfers)
    @rule()
    def move(self) -> None:
        self.house.does(self._move())

    async def _move(self) -> None:
        self.at = self.there if self.at == self.house.url else self.house.url
        new = await self.stack.enter_async_context(running(SERVICE, self.at, self.house.keys))
        await as_superuser(self.at, EMPTY)
        new.now = self.ledger.now = self.desk.now
        assert (await brings(new, await book_of(self.ledger))).faults == []
        self.told_before += await self.ledger.told()
        self.ledger = new

    async def _told(self) -> list[Event[Any]]:
        return [*self.told_before, *await super()._told()]


@pytest.fixture
def house(servers: Servers, keys: KeyPair) -> Iterator[House]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        here, there = (runner.run(stack.enter_async_context(a_database(servers))) for _ in range(2))
        yield type("Houses", (House,), {"there": there})(runner, here, keys)
        runner.run(stack.aclose())


def test_a_program_that_moves_lives_on_as_one_that_stayed(house: House) -> None:
    """Whatever it has lived, and whatever comes: later refunds, released holds, households, merges."""
    machine = type("Machine", (Moving,), {"house": house, "there": house.there})  # type: ignore[attr-defined]
    run_state_machine_as_test(machine, settings=settings(thoroughly(200), phases=[Phase.generate]))
