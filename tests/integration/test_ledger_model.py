"""The model of the ledger on real Postgres: hundreds of steps, and after each the database says what the memory says.

What a newcomer would get wrong: the memory has all rows of its members, a batch only those that it asked for. A row
that a batch needs and does not load shows here as a difference. And a batch that is lost is lost for good: its
connection is killed by the server when all is written and nothing committed.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import asyncpg
import pytest
import uvloop
from hypothesis import Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from pydantic import BaseModel

from services.ledger.actions import adjustments, checkout, gifts, merging, pools, rewards
from services.ledger.actions.occasions import LEFT_ALONE
from services.ledger.actions.together import Command
from services.ledger.domain.adjusting import PROPOSED, Adjustment
from services.ledger.domain.agenda import first_due
from services.ledger.domain.gifts import Gift
from services.ledger.domain.merging import Merged
from services.ledger.main import SERVICE
from shared.database import NOT_NOW, AnyConnection, PooledConnection
from shared.errors import ServiceError
from shared.events import CustomerDeleted, Event
from shared.rows import Rows
from shared.worker.records import Outcome
from tests.support.events import PROGRAM, a_cancellation, a_record, an_event
from tests.support.household_model_on_postgres import MEMBERS_OF_POOLS, TOGETHER, asked_together
from tests.support.keys import KeyPair
from tests.support.model import thoroughly
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running
from tests.support.whole_model import WholeModel
from tests.support.whole_model_on_postgres import (
    ADDRESSES,
    GUEST_ORDERS,
    CodesOfPostgres,
    make_the_shops_coupon,
)
from tests.support.wider_model_on_postgres import WIDER
from tests.support.wider_model_on_postgres import asked as asked_wider

T = TypeVar("T")
BY_POINTS = {"holds": "hold_id", "pays": "spend_id", "holds_together": "id_", "pays_together": "id_"}
LONG = 60_000  # minutes: a hold that the steps never see time out
TABLES = {
    "transfer": """
        member_id, asset, version, kind, from_account, to_account, amount, award_id, order_id, hold_id, happened_at,
        pending, available, held
    """,
    "balance": "member_id, asset, pending, available, held, version",
    "lot": "member_id, asset, lot_no, opened_at, expires_at, amount, remaining, expired, told_at",
    "hold": "member_id, hold_id, asset, points, state, captured, returned, borne, order_id, held_at, held_until",
    "award": "member_id, award_id, asset, points, reversed, written_off, state, due_at, program_version",
    "usage": "member_id, rule, bucket, times",
    "reward": "member_id, reward_id, state, price, valid_until, order_id",
    "coupon": "member_id, reward_id, state, used, valid_until",
    "pool_lot": "member_id, asset, lot_no, pool_id, from_member_id",
    "partner_credit": "member_id, transaction_id, points, reversed, booked_at",
}
USES = """
SELECT c.member_id, c.reward_id, u.use_id, u.state, u.member_id AS used_by, u.order_id, u.named, u.reserved_until
FROM ledger.coupon_use AS u JOIN ledger.coupon AS c USING (program_id, code)
"""


EMPTY = """
DO $$ BEGIN EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables
    WHERE schemaname = 'ledger' AND tablename NOT LIKE '%migration%'
); END $$
"""


HELD_BY_ORDERS = """
SELECT coalesce(sum(points - reversed), 0)::int FROM ledger.award JOIN ledger.member USING (program_id, member_id)
WHERE order_id IS NOT NULL AND erased_at IS NULL
"""
"""Nothing is booked for who was forgotten, so their orders hold what they held."""


class Nothing(BaseModel):
    """What a command answers with that nobody reads."""


@dataclass(frozen=True)
class House:
    """A database of one's own, and a loop: Hypothesis walks without one."""

    runner: asyncio.Runner
    url: str
    keys: KeyPair

    def does(self, what: Coroutine[Any, Any, T]) -> T:
        """Run it to its end."""
        return self.runner.run(what)


class OnPostgres(WholeModel):
    """Each step is done twice: in memory, and by the service on Postgres."""

    house: ClassVar[House]

    def opens(self, document: dict[str, Any]) -> None:
        super().opens(document)
        self.stack, self.codes = AsyncExitStack(), CodesOfPostgres()
        self.ledger = self.house.does(self._running(document))

    def teardown(self) -> None:
        """Two of the members turn out to be one, and more befalls them."""
        if hasattr(self, "stack"):
            try:
                self.house.does(self._compare_what_was_told())
                self.house.does(self._go_on_as_one())
            finally:
                self.house.does(self.stack.aclose())

    def receives(self, *events: Event[Any], lost: bool = False) -> None:
        super().receives(*events, lost=lost)
        self.house.does(self._deliver(events, lost=lost))

    def asks(self, what: str, **words: Any) -> str | None:
        refused = super().asks(what, **words)
        assert self.house.does(self._ask(what, words)) == refused
        return refused

    def asks_in_bulk(self, asked: list[tuple[str, dict[str, Any]]]) -> list[str | None]:
        refused = super().asks_in_bulk(asked)
        assert self.house.does(self._ask_in_bulk(asked)) == refused
        return refused

    def waits(self, hours: int) -> None:
        super().waits(hours)
        self.house.does(self._settle())
        for job in ("send_home", "forget_guests"):
            self.house.does(self.ledger.runs(job))

    def applies(self, document: dict[str, Any]) -> None:
        """Everybody follows at once: in memory as the clock's job does, on Postgres after a later minute's sweep."""
        super().applies(document)
        self.desk.reaches(self.desk.now)
        self.house.does(self._apply(document))

    @invariant()
    def postgres_says_the_same(self) -> None:
        assert self.house.does(self._rows()) == {table: self._rows_of(table) for table in TABLES}

    @invariant()
    def nothing_falls_due_before_postgres_says(self) -> None:
        book = self.desk.book
        for member, next_due in self.house.does(self._next_dues()).items():
            due = first_due(book, (PROGRAM, member))
            assert due is None or (next_due is not None and next_due <= due[0]), (member, next_due, due)

    @invariant()
    def the_same_members_are_in_the_same_pools(self) -> None:
        rows = self.house.does(self.ledger.ports.pool.fetch(MEMBERS_OF_POOLS))
        assert [tuple(row) for row in rows] == [
            (pool.pool_id, member)
            for pool in sorted(self._pools(), key=lambda pool: pool.pool_id)
            for member in pool.members
        ]

    @invariant()
    def codes_were_used_by_the_same_orders(self) -> None:
        """A code is drawn by chance, so a use is told by the reward behind it."""
        shelf = self.desk.book.shelf
        uses = [
            (
                coupon.member_id, coupon.reward_id, use.use_id, use.state, use.member_id, use.order_id, use.named,
                use.reserved_until,
            )
            for coupon in shelf.coupons.of(PROGRAM).values()
            for use in shelf.uses.of((PROGRAM, coupon.code)).values()
        ]  # fmt: skip
        assert self.house.does(self._said(USES)) == sorted(uses, key=repr)

    @invariant()
    def the_same_orders_of_guests_are_kept_and_the_same_addresses_known(self) -> None:
        kept = [
            (each.order_id, each.address, each.member_id, each.cause, each.forget_at)
            for each in self._guest_orders()
        ]
        assert self.house.does(self._said(GUEST_ORDERS)) == sorted(kept, key=repr)
        known = [(each.address, each.member_id, each.since) for each in self._addresses()]
        assert self.house.does(self._said(ADDRESSES)) == sorted(known, key=repr)

    @invariant()
    def verify_finds_nothing(self) -> None:
        assert self.house.does(self.ledger.differences()) == []

    async def _apply(self, document: dict[str, Any]) -> None:
        await self.ledger.applies(document, at=self.desk.now)
        self.ledger.now = self.desk.now + LEFT_ALONE
        await self.ledger.runs("sweep_occasions")
        await self._settle()

    async def _running(self, document: dict[str, Any]) -> Running:
        ledger = await self.stack.enter_async_context(running(SERVICE, self.house.url, self.house.keys))
        await as_superuser(self.house.url, EMPTY)
        await ledger.applies(document)
        async with ledger.ports.pool.acquire() as connection:
            await make_the_shops_coupon(ledger.doors.state["actions"], connection)
        return ledger

    async def _deliver(self, events: Sequence[Event[Any]], *, lost: bool) -> None:
        self.ledger.now = self.desk.now
        await self._learn_codes(events)
        told = [self.codes.told_to_postgres(event) for event in events]
        records = [self.ledger._placed(a_record(event, offset=0)) for event in told]
        if lost:
            usual = self.ledger.processor.handle
            self.ledger.processor.handle = self._killed
            with pytest.raises(NOT_NOW):
                await self.ledger.takes(records)
            self.ledger.processor.handle = usual
        done = await self.ledger.takes(records)
        assert done.refused == 0, await self.ledger.dead_letters()

    async def _learn_codes(self, events: Iterable[Event[Any]]) -> None:
        async with self.ledger.ports.pool.acquire() as connection:
            for event in events:
                for code in getattr(event.data, "coupon_codes", ()):
                    await self.codes.learn(connection, self.desk.book.shelf, code)

    async def _killed(self, connection: AnyConnection, events: Sequence[Event[Any]], now: Any) -> Outcome:
        """All is written; then the server ends the connection."""
        await self.ledger.doors.state["actions"].handle(connection, events, now)
        await as_superuser(
            self.house.url, f"SELECT pg_terminate_backend({connection.get_server_pid()}, 5000)"
        )
        await connection.execute("SELECT 1")
        raise AssertionError("the connection outlived its end")

    async def _ask(self, what: str, words: dict[str, Any]) -> str | None:
        self.ledger.now = self.desk.now
        refused = None
        async with self.ledger.ports.pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await self._asked(connection, what, **words)
            except ServiceError as refusal:
                refused = refusal.code
        if refused:
            await self._settle()
        return refused

    async def _ask_in_bulk(self, asked: list[tuple[str, dict[str, Any]]]) -> list[str | None]:
        self.ledger.now, decide = self.desk.now, self.ledger.doors.decide
        assert decide is not None
        commands = [command_of(what, words["member"], {"minutes": None} | words) for what, words in asked]
        async with self.ledger.ports.pool.acquire() as connection, connection.transaction():
            outcomes = await decide(connection, commands, self.desk.now)
        return [each.code if isinstance(each, ServiceError) else None for each in outcomes]

    async def _asked(
        self, connection: PooledConnection, what: str, *, member: str = "", **words: Any
    ) -> None:
        if what in (*WIDER, *TOGETHER):
            actions, asked = (
                self.ledger.doors.state["actions"],
                asked_wider if what in WIDER else asked_together,
            )
            await asked(actions, connection, what, self.desk.now, member=member, **words)
            return
        key, now, actions = (PROGRAM, member), self.desk.now, self.ledger.doors.state["actions"]
        match what:
            case "holds" | "pays" | "holds_together" | "pays_together":
                await self._together(connection, command_of(what, member, words))
            case "captures":
                known = {"points": words.get("points"), "order_id": words.get("order_id")}
                hold_id = words["hold_id"]
                await checkout.capture(
                    actions, connection, key, hold_id=hold_id, cause="test", now=now, **known
                )
            case "releases":
                await checkout.release(actions, connection, key, cause="test", now=now, **words)
            case "buys":
                named = {"reward": words["name"], "reward_id": words["reward_id"], "charity": None}
                await rewards.redeem(actions, connection, key, now=now, **named)
            case "presents":
                given = {"reward": words["name"], "reward_id": words["reward_id"], "gives": None}
                await rewards.give(actions, connection, key, reason="thank you", now=now, **given)
            case "voids":
                await rewards.void(actions, connection, key, reason=None, now=now, **words)
            case "gives":
                gift = Gift(*key, words["name"], words["to"], "points", words["points"], now)
                await gifts.give_points(actions, connection, gift, message=None)
            case _:
                by_hand = Adjustment(
                    PROGRAM, words["name"], member, "points", words["points"], "test", PROPOSED, "tester", now
                )
                await adjustments.adjust_by_hand(actions, connection, by_hand, now)

    async def _together(self, connection: PooledConnection, command: Command) -> None:
        decide = self.ledger.doors.decide
        assert decide is not None
        (outcome,) = await decide(connection, [command], self.desk.now)
        if isinstance(outcome, ServiceError):
            raise outcome

    async def _compare_what_was_told(self) -> None:
        told, in_memory = _in_short(await self._told()), _in_short(self.desk.book.outgoing)
        assert (told - in_memory, in_memory - told) == (Counter(), Counter())

    async def _told(self) -> list[Event[Any]]:
        return await self.ledger.told()

    async def _go_on_as_one(self) -> None:
        """Two are one person, and go on. Then the third is the same, too; at last they want to be forgotten."""
        survivor, other, *others = self.living
        await self._learn_codes(self.under_way)
        await self._merge(other, survivor)
        for event in self.under_way:
            await self._deliver_soundly(event)
        for member, hold_id, _ in self.open_holds:
            home = survivor if member == other else member
            assert await self._ask("releases", {"member": home, "hold_id": hold_id}) is None
            assert await self.ledger.differences() == []
        self.desk.now += timedelta(days=35)
        await self._settle()
        await self.ledger.runs("send_home")
        await self._deliver_soundly(*[a_cancellation(order, at=self.desk.now) for order in self.orders])
        assert await self.ledger.ports.pool.fetchval(HELD_BY_ORDERS) == 0
        for third in others:
            await self._merge(third, survivor)
        await self._deliver_soundly(an_event(CustomerDeleted(customer_id=survivor), at=self.desk.now))
        assert await self._all_points() == 0

    async def _merge(self, other: str, survivor: str) -> None:
        """What both have is the survivor's."""
        await self._settle()
        had = await self._all_points()
        merged = Merged(PROGRAM, other, survivor, self.desk.now, "tester")
        async with self.ledger.ports.pool.acquire() as connection, connection.transaction():
            await merging.merge_members(self.ledger.doors.state["actions"], connection, merged)
        assert await self._all_points() == had
        assert await self.ledger.differences() == []

    async def _deliver_soundly(self, *events: Event[Any]) -> None:
        await self._deliver(events, lost=False)
        assert await self.ledger.differences() == []

    async def _all_points(self) -> int:
        query = "SELECT sum(pending + available + held)::int FROM ledger.balance WHERE asset = 'points'"
        return int(await self.ledger.ports.pool.fetchval(query))

    async def _settle(self) -> None:
        self.ledger.now = self.desk.now
        await self.ledger.runs("settle_due")

    async def _next_dues(self) -> dict[str, datetime | None]:
        rows = await self.ledger.ports.pool.fetch("SELECT member_id, next_due FROM ledger.member")
        return {row["member_id"]: row["next_due"] for row in rows}

    async def _rows(self) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for table, columns in TABLES.items():
            rows = await self.ledger.ports.pool.fetch(f"SELECT {columns} FROM ledger.{table}")
            found[table] = sorted((tuple(row) for row in rows), key=repr)
        return found

    async def _said(self, query: str) -> list[tuple[Any, ...]]:
        return sorted((tuple(row) for row in await self.ledger.ports.pool.fetch(query)), key=repr)

    def _rows_of(self, table: str) -> list[tuple[Any, ...]]:
        """The same of the book in memory."""
        book = self.desk.book
        of_program: dict[str, Any] = {
            "transfer": book.transfers, "coupon": book.shelf.coupons.of(PROGRAM).values(),
            "partner_credit": self.credits.values(),
        }  # fmt: skip
        rows: Any = list(of_program.get(table, ()))
        if table not in of_program:
            tables: dict[str, Rows[Any, Any, Any]] = {
                "balance": book.balances, "lot": book.lots, "hold": book.holds, "award": book.awards,
                "usage": book.usage, "reward": book.shelf.rewards, "pool_lot": book.borrowed,
            }  # fmt: skip
            rows = [
                row for member in self.desk.members for row in tables[table].of((PROGRAM, member)).values()
            ]
        columns = [column.strip() for column in TABLES[table].split(",")]
        return sorted((tuple(getattr(row, column) for column in columns) for row in rows), key=repr)


def _in_short(events: Iterable[Event[Any]]) -> Counter[str]:
    """Each announcement without its id, the code of a coupon, which nobody can foretell, and what asked for it."""
    told = (f"{event.type} {event.time} {event.data}" for event in events)
    return Counter(re.sub("(code|cause)='[^']*'", "", each) for each in told)


def command_of(what: str, member: str, words: dict[str, Any]) -> Command:
    """A hold or a spend, also with the help of a household, as the door puts it."""
    key = (PROGRAM, member)
    wanted = checkout.Wanted(id=words[BY_POINTS[what]], points=words["points"], order_id=words["order_id"])
    match what:
        case "pays":
            return checkout.spend(key, wanted, answer=nothing)
        case "pays_together":
            return pools.spend(key, wanted, answer=nothing)
        case "holds_together":
            return pools.hold(key, wanted, minutes=LONG, answer=nothing)
        case _:
            return checkout.hold(key, wanted, minutes=words["minutes"], answer=nothing)


def nothing(*_: object) -> Nothing:
    """No answer."""
    return Nothing()


async def as_superuser(url: str, *statements: str) -> None:
    """What the role of the service may not do."""
    connection = await asyncpg.connect(url)
    try:
        for each in statements:
            await connection.execute(each)
    finally:
        await connection.close()


@pytest.fixture
def house(servers: Servers, keys: KeyPair) -> Iterator[House]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(a_database(servers)))
        yield House(runner, url, keys)
        runner.run(stack.aclose())


def test_postgres_and_memory_agree_after_each_step_whatever_happens(house: House) -> None:
    machine = type("Machine", (OnPostgres,), {"house": house})
    run_state_machine_as_test(machine, settings=settings(thoroughly(600), phases=[Phase.generate]))
