"""What is due is brought, and no more: yet all goes as if everything had been.

What a newcomer would get wrong: two programs with the same words are walked side by side. Of the members of `whole`
everything is loaded in every batch, of those of `lean` what the store takes for enough.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.ledger.actions import Actions
from services.ledger.domain import checkout
from services.ledger.domain.agenda import first_due
from services.ledger.domain.book import Book
from services.ledger.domain.needs import Needs
from services.ledger.domain.records import MemberKey
from services.ledger.errors import InsufficientPoints, UnknownMember
from services.ledger.main import SERVICE
from services.ledger.store import Store
from shared.database import AnyConnection
from shared.events import Event
from shared.rows import replace
from tests.support.events import (
    MEMBER,
    NOON,
    PROGRAM,
    a_fulfilment,
    a_record,
    a_refund,
    a_share,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
LEAN, WHOLE = "lean", "whole"
BEGINNING = NOON - timedelta(days=400)
ENDS = 6  # so many times fifty days at the end: till all has expired
SHARE = a_rule("share", on="content.shared", points="5")
STAMP = a_rule("stamp", gives="1 stamp")
AFTER_PAID = {"order.paid": "14 days after order.paid"}
AFTER_FULFILLED = {"order.paid": "5 days after order.fulfilled"}


def a_version(**ledger: Any) -> dict[str, Any]:
    return a_document(PER_EURO, SHARE, STAMP, **ledger)


PROGRAMS = {
    "by the day": [a_version(points={"expire": "2 months"}, pending=AFTER_PAID)],
    "by the month": [a_version(points={"expire": "1 month", "rounded_to": "month"}, pending=AFTER_PAID)],
    "at once": [a_version(points={"expire": "1 month"})],
    "never": [a_version(pending=AFTER_FULFILLED)],
    "told otherwise": [
        a_version(points={"expire": "2 months", "announce": ["20 days"]}, pending=AFTER_PAID),
        a_version(points={"expire": "2 months", "announce": ["40 days", "2 days"]}, pending=AFTER_PAID),
    ],
    "longer": [
        a_version(points={"expire": "1 month"}, pending=AFTER_PAID),
        a_version(points={"expire": "3 months"}, pending=AFTER_PAID),
    ],
    "by activity": [
        a_version(points={"expire": "1 month"}, pending=AFTER_PAID),
        a_version(points={"expire": "after 2 months without activity"}, pending=AFTER_PAID),
    ],
}
TABLES = {
    "transfer": """
        member_id, asset, version, kind, from_account, to_account, amount, award_id, order_id, hold_id, happened_at,
        pending, available, held
    """,
    "balance": "member_id, asset, pending, available, held, version",
    "lot": "member_id, asset, lot_no, award_id, opened_at, expires_at, amount, remaining, expired, told_at",
    "award": "member_id, award_id, asset, points, reversed, written_off, state, due_at",
    "hold": "member_id, hold_id, state, points, captured, draws",
    "member": "member_id, lots_version",
}


class WholeStore(Store):
    """Loads everything of everybody."""

    async def load(self, connection: AnyConnection, needs: Needs, *args: Any, **words: Any) -> Book:
        needs.detailed |= needs.members.keys()
        return await super().load(connection, needs, *args, **words)


@dataclass
class Walk:
    """The two programs, walked in step."""

    ledger: Running
    stores: dict[str, Store]
    prefix: str
    versions: list[dict[str, Any]]
    now: datetime = NOON
    orders: list[Event[Any]] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def actions(self) -> Actions:
        found: Actions = self.ledger.doors.state["actions"]
        return found

    def key(self, program: str, member: str) -> MemberKey:
        return self.prefix + program, member

    async def applies(self, document: dict[str, Any], since: datetime) -> None:
        for program in self.stores:
            await self.ledger.applies(document | {"program": self.prefix + program}, at=since)

    async def changes(self) -> None:
        """The next version begins, if there is one; a moment later the sweep has been everywhere."""
        if self.versions:
            await self.applies(self.versions.pop(0), self.now)
            self.now += timedelta(hours=1)
            self.ledger.now = self.now
            await self.ledger.runs("sweep_occasions")

    async def receives(self, *events: Event[Any]) -> None:
        """The same batch for either program."""
        for program, store in self.stores.items():
            self.actions.store = store
            self.ledger.now = self.now
            records = []
            for event in events:
                mine = replace(event, id=f"{event.id} {program}", program_id=self.prefix + program)
                records.append(self.ledger._placed(a_record(mine, offset=0)))
            done = await self.ledger.takes(records)
            assert done.refused == 0, await self.ledger.dead_letters()

    async def spends(self, member: str, points: int, minutes: int | None) -> None:
        """At once, or held for so many minutes."""
        name = f"spend-{next(self.names)}"
        for program, store in self.stores.items():
            self.actions.store = store
            key = self.key(program, member)
            words: dict[str, Any] = {"points": points, "now": self.now, "order_id": None, "cart": None}
            async with self.ledger.ports.pool.acquire() as connection:
                with suppress(InsufficientPoints, UnknownMember):
                    async with (
                        connection.transaction(),
                        self.actions.command(connection, key, self.now) as book,
                    ):
                        if minutes is None:
                            checkout.spend_at_once(book, key, spend_id=name, **words)
                        else:
                            checkout.hold_for_checkout(book, key, hold_id=name, minutes=minutes, **words)

    async def waits(self, days: float) -> None:
        """Time goes on, and the clock's job runs for either program."""
        self.now += timedelta(days=days)
        self.ledger.now = self.now
        for program, store in self.stores.items():
            self.actions.store = store
            await self._settles(self.prefix + program)
        await self.agrees()

    async def _settles(self, program: str) -> None:
        query = "SELECT member_id FROM ledger.member WHERE program_id = $1 AND next_due <= $2"
        async with self.ledger.ports.pool.acquire() as connection:
            programs = await self.actions.programs.of(connection, {program})
            while rows := await connection.fetch(query, program, self.now):
                needs = Needs(members={(program, row["member_id"]): self.now for row in rows})
                async with connection.transaction():
                    await self.actions.finish(
                        connection, await self.actions.settled(connection, needs, programs)
                    )

    async def agrees(self) -> None:
        """Both have the same rows, and nothing falls due before a member is looked at."""
        lean, whole = [await self._rows(program) for program in self.stores]
        for table in TABLES:
            assert [each for each in lean[table] if each not in whole[table]] == []
            assert [each for each in whole[table] if each not in lean[table]] == []
        assert lean == whole
        for program in self.stores:
            await self._looks_in_time(program)

    async def told(self) -> list[Counter[str]]:
        """What was announced in either program, without what names it."""
        found = {self.prefix + program: Counter[str]() for program in self.stores}
        for event in await self.ledger.told():
            if event.program_id in found:
                data = replace(event.data, cause="")
                found[event.program_id][f"{event.type} {event.time} {data}"] += 1
        return list(found.values())

    async def _rows(self, program: str) -> dict[str, list[str]]:
        found = {}
        for table, columns in TABLES.items():
            query = f"SELECT {columns} FROM ledger.{table} WHERE program_id = $1"
            rows = await self.ledger.ports.pool.fetch(query, self.prefix + program)
            found[table] = sorted(str(tuple(row)).replace(program, "") for row in rows)
        return found

    async def _looks_in_time(self, program: str) -> None:
        async with self.ledger.ports.pool.acquire() as connection:
            query = "SELECT member_id FROM ledger.member WHERE program_id = $1"
            rows = await connection.fetch(query, self.prefix + program)
            keys = {self.key(program, row["member_id"]): self.now for row in rows}
            if not keys:
                return
            programs = await self.actions.programs.of(connection, {self.prefix + program})
            needs = Needs(members=keys, detailed=set(keys))
            async with connection.transaction(readonly=True):
                book = await self.stores[WHOLE].load(connection, needs, programs, locking=False)
        for key in keys:
            due, next_due = first_due(book, key), book.member(key).next_due
            assert due is None or (next_due is not None and next_due <= due[0]), (key, next_due, due)


members = st.sampled_from(["anna", "ben"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), members, st.integers(1, 90), st.integers(0, 30)),
        st.tuples(st.just("orders"), members, st.integers(1, 20), st.just(0)),
        st.tuples(st.just("share"), members, st.integers(0, 40), st.just(0)),
        st.tuples(st.just("fulfilment"), members, st.integers(0, 99), st.just(0)),
        st.tuples(st.just("refund"), members, st.integers(0, 99), st.integers(1, 60)),
        st.tuples(st.just("spend"), members, st.integers(1, 60), st.sampled_from([None, 10, 5_000, 40_000])),
        st.tuples(st.just("wait"), members, st.sampled_from([0.5, 1, 3, 8, 15, 31]), st.just(0)),
        st.tuples(st.just("change"), members, st.just(0), st.just(0)),
        st.tuples(st.just("pass"), members, st.sampled_from([0.5, 1, 3, 8, 15, 31]), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)
"""What happens, to whom, and how much of it. Late are some orders and shares; `pass`: the clock's job is late, too."""


async def takes(walk: Walk, what: str, member: str, much: Any, more: Any) -> None:
    """One step."""
    orders = [each for each in walk.orders if each.data.customer_id == member]
    match what:
        case "order":
            walk.orders.append(an_order_paid(f"{much}.00", member=member, at=walk.now - timedelta(days=more)))
            await walk.receives(walk.orders[-1])
        case "orders":
            begin = walk.now
            walk.now += timedelta(days=much)
            new = [
                an_order_paid("7.00", member=member, at=begin + timedelta(days=day)) for day in range(much)
            ]
            walk.orders += new
            await walk.receives(*new)
        case "share":
            await walk.receives(a_share(member, at=walk.now - timedelta(days=much)))
        case "fulfilment" if orders:
            await walk.receives(a_fulfilment(orders[much % len(orders)], at=walk.now))
        case "refund" if orders:
            await walk.receives(a_refund(orders[much % len(orders)], amount=f"{more}.00", at=walk.now))
        case "spend":
            await walk.spends(member, much, more)
        case "wait":
            await walk.waits(much)
        case "change":
            await walk.changes()
        case "pass":
            walk.now += timedelta(days=much)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


numbers = itertools.count()


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(sorted(PROGRAMS)), steps)
async def test_all_goes_as_if_everything_had_been_brought(
    ledger: Running, words: str, walked: list[tuple[Any, ...]]
) -> None:
    ports = ledger.ports
    stores = {LEAN: Store(ports.sql, Random(7)), WHOLE: WholeStore(ports.sql, Random(7))}
    walk = Walk(ledger, stores, f"{next(numbers)}-", list(PROGRAMS[words]))
    await walk.applies(walk.versions.pop(0), BEGINNING)
    for step in walked:
        await takes(walk, *step)
        await walk.agrees()
    for _ in range(ENDS):
        await walk.waits(50)
    lean, whole = await walk.told()
    assert lean == whole


async def test_of_many_waiting_awards_and_lots_only_what_comes_due_is_brought(ledger: Running) -> None:
    document = a_version(points={"expire": "2 months"}, pending=AFTER_PAID)
    await ledger.applies(document, at=BEGINNING)
    days = [NOON + timedelta(days=day) for day in range(40)]
    await ledger.receives(*[an_order_paid("5.00", order_id=f"{at.date()}", at=at) for at in days])
    await ledger.runs("settle_due")
    key, until = (PROGRAM, MEMBER), ledger.now + timedelta(days=2)
    actions: Actions = ledger.doors.state["actions"]
    async with ledger.ports.pool.acquire() as connection:
        programs = await actions.programs.of(connection, {PROGRAM})
        needs = Needs(members={key: until})
        book = await actions.store.load(connection, needs, programs, locking=False)
    brought = {award.order_id for award in book.awards.of(key).values()}
    assert (brought, len(book.lots.of(key)), book.detailed) == ({"2026-05-29", "2026-05-30"}, 0, set())
    assert book.stored_due[key] == datetime(2026, 6, 14, 22, tzinfo=UTC)
