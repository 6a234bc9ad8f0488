"""Batches on real Postgres: each event takes effect once, what cannot is kept, and nobody writes out of turn."""

from __future__ import annotations

import itertools
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.cloudevents import encode
from shared.database import AnyConnection
from shared.errors import InvalidInput
from shared.events import Event, MemberUnsubscribed, topic_of
from shared.outbox import Message, read_bundle
from shared.service import processor_of
from shared.worker import positions
from shared.worker.batch import BatchProcessor, Done
from shared.worker.dead_letters import Limits, TooManyDeadLetters
from shared.worker.positions import Fenced
from shared.worker.records import HandleBatch, Header, Outcome, Partition, Record
from tests.support.events import (
    MEMBER,
    NOON,
    a_refund,
    a_review,
    a_review_removed,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.programs import TEA_AND_CUPS, tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
ORDERS = Partition("shop.orders", 0)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield ledger
        assert await ledger.differences() == []


def bytes_at(
    offset: int, value: bytes | None, *, headers: tuple[Header, ...] = (), key: bytes | None = b"demo:x"
) -> Record:
    """A record of any bytes in the first partition of the orders."""
    return Record("shop.orders", 0, offset, NOON, key, value, headers)


def events_at(offset: int, *events: Event[Any]) -> list[Record]:
    """Events one behind the other, in the first partitions of their topics."""
    return [
        Record(topic_of(type(event.data)), 0, offset + number, NOON, event.key.encode(), encode(event))
        for number, event in enumerate(events)
    ]


async def available(ledger: Running, member: str = MEMBER, program: str = "demo") -> int:
    found = await ledger.ports.pool.fetchval(
        "SELECT available FROM ledger.balance WHERE program_id = $1 AND member_id = $2 AND asset = 'points'",
        program,
        member,
    )
    return int(found or 0)


async def codes(ledger: Running) -> list[str]:
    return [code for code, _ in await ledger.dead_letters()]


async def count(ledger: Running, table: str) -> int:
    return int(await ledger.ports.pool.fetchval(f"SELECT count(*) FROM ledger.{table}"))


def a_processor(ledger: Running, handle: HandleBatch | None = None, **limits: Any) -> BatchProcessor:
    """A further processor of the ledger, as another worker would have."""
    made = processor_of(SERVICE, ledger.settings, ledger.ports, ledger.doors)
    made.clock = ledger.ports.clock
    made.handle = handle or made.handle
    made.limits = Limits(**limits)
    return made


async def position(ledger: Running) -> int | None:
    found: int | None = await ledger.ports.pool.fetchval(
        "SELECT next_offset FROM ledger.position WHERE topic = 'shop.orders' AND partition = 0"
    )
    return found


async def claimed(ledger: Running) -> dict[Partition, int]:
    async with ledger.ports.pool.acquire() as connection:
        return await positions.claim(connection, ledger.ports.machinery, {ORDERS: 0})


# Once


async def test_an_event_takes_effect_once_in_one_batch_in_two_and_after_a_restart(ledger: Running) -> None:
    order, other = an_order_paid("42.00"), an_order_paid("1.00")
    assert await ledger.receives(order, other, order, order) == Done({ORDERS: 4}, 2, 2, 0)
    assert await ledger.receives(order) == Done({ORDERS: 5}, 0, 1, 0)
    ledger.processor = a_processor(ledger)
    assert await ledger.receives(other, order) == Done({ORDERS: 7}, 0, 2, 0)
    assert await available(ledger) == 43
    assert len(await ledger.told()) == 2


async def test_the_same_event_in_two_partitions_takes_effect_once(ledger: Running) -> None:
    order = an_order_paid("42.00")
    again = Record("shop.orders", 5, 0, NOON, b"demo:other", encode(order))
    await ledger.takes([*events_at(0, order), again])
    assert await available(ledger) == 42


@pytest.mark.parametrize("together", [True, False])
async def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stands(
    ledger: Running, together: bool
) -> None:
    first, other = (an_order_paid(total, event_id="same", order_id="o") for total in ("42.00", "99.00"))
    if together:
        await ledger.receives(first, other, first)
    else:
        await ledger.receives(first)
        await ledger.receives(other, an_order_paid("1.00", member="else"))
    assert await available(ledger) == 42
    ((code, message),) = await ledger.dead_letters()
    assert code == "event_conflict"
    assert "'same' of source 'test-shop'" in message


async def test_the_same_id_of_another_source_or_program_is_another_event(ledger: Running) -> None:
    await ledger.applies(TEA_AND_CUPS | {"program": "second"})
    order = an_order_paid("42.00", event_id="e")
    elsewhere = an_order_paid("10.00", event_id="e", program="second")
    bare = json.dumps(
        {"id": "e", "type": "order.paid.v1", "customer_id": MEMBER, "order_id": "b", "total": "5.00"}
    )
    await ledger.takes([*events_at(0, order, elsewhere), bytes_at(2, bare.encode())])
    assert (await available(ledger), await available(ledger, program="second")) == (47, 10)


# Never

STRUCTURED = {"specversion": "1.0", "id": "x", "source": "s", "type": "order.paid.v1", "programid": "demo"}
LARGE = b'{"' + b"x" * (10 * 2**20) + b'"}'
BAD = [
    ("undecodable_event", b"\xff\xfe no JSON"),
    ("undecodable_event", b""),
    ("undecodable_event", None),
    ("undecodable_event", b'{"id": "cut off'),
    ("undecodable_event", b'{"data":' * 100_000),
    ("not_a_cloud_event", b"[]"),
    ("not_a_cloud_event", b'{"id": 5, "type": "order.paid.v1"}'),
    ("not_a_cloud_event", json.dumps(STRUCTURED | {"specversion": "0.3"}).encode()),
    ("unknown_event_type", json.dumps(STRUCTURED | {"type": "order.dreamt.v1", "data": {}}).encode()),
    ("invalid_event_data", json.dumps(STRUCTURED | {"data": {"order_id": "o", "total": "many"}}).encode()),
    ("event_too_large", LARGE),
]


async def test_what_cannot_be_read_is_kept_with_its_bytes_and_the_rest_takes_effect(ledger: Running) -> None:
    headers: tuple[Header, ...] = (("trace", b"\x00\xff"), ("trace", b"twice"))
    bad = [bytes_at(2 * n + 1, value, headers=headers) for n, (_, value) in enumerate(BAD)]
    good = [events_at(2 * n, an_order_paid("1.00"))[0] for n in range(len(BAD) + 1)]
    records = [record for pair in itertools.zip_longest(good, bad) for record in pair if record is not None]
    done = await ledger.takes(records)
    assert (done.applied, done.refused, await available(ledger)) == (len(good), len(bad), len(good))
    rows = await ledger.ports.pool.fetch("SELECT * FROM ledger.dead_letter ORDER BY record_offset")
    assert [(row["code"], row["record_value"]) for row in rows] == BAD
    assert {(row["topic"], row["partition"], row["record_key"]) for row in rows} == {
        ("shop.orders", 0, b"demo:x")
    }
    assert [(name, b64decode(value)) for name, value in json.loads(rows[0]["headers"])] == list(headers)


async def test_a_dead_letter_is_announced_with_its_bytes_and_the_reason(ledger: Running) -> None:
    await ledger.takes([bytes_at(0, b"no JSON", headers=(("trace", b"1"),))])
    (message,) = await bundles(ledger)
    assert (message.topic, message.key, message.value) == ("ledger.dead-letters", b"demo:x", b"no JSON")
    headers = dict(message.headers)
    assert headers.pop("habitue-error").startswith(b"Not JSON in UTF-8")
    assert headers == {
        "trace": b"1",
        "habitue-error-code": b"undecodable_event",
        "habitue-place": b"shop.orders[0]@0",
    }


async def bundles(ledger: Running) -> list[Message]:
    rows = await ledger.ports.pool.fetch("SELECT messages FROM ledger.outbox ORDER BY bundle_id")
    return [message for row in rows for message in read_bundle(row["messages"])]


async def test_a_header_without_a_value_stops_nobody(ledger: Running) -> None:
    headers: Any = (("trace", None),)
    await ledger.takes([bytes_at(0, b"no JSON", headers=headers), *events_at(1, an_order_paid("1.00"))])
    assert (await codes(ledger), await available(ledger)) == (["undecodable_event"], 1)
    assert len(await bundles(ledger)) == 2


async def test_text_that_postgres_cannot_store_is_refused_before_it_gets_there(ledger: Running) -> None:
    nul = json.dumps(
        {"id": "n", "type": "order.paid.v1", "customer_id": MEMBER, "order_id": "a\0b", "total": "5.00"}
    ).encode()
    lone = nul.replace(b"a\\u0000b", b"a\\ud800b")
    await ledger.takes([bytes_at(0, nul), bytes_at(1, lone), *events_at(2, an_order_paid("1.00"))])
    assert await codes(ledger) == ["invalid_event_data", "undecodable_event"]
    assert await available(ledger) == 1


async def test_an_event_of_an_unknown_program_can_be_applied_once_the_program_is_there(
    ledger: Running,
) -> None:
    order = an_order_paid("42.00", program="second")
    await ledger.receives(order, an_order_paid("1.00"))
    assert (await codes(ledger), await available(ledger)) == (["unknown_program"], 1)
    await ledger.applies(TEA_AND_CUPS | {"program": "second"})
    row = await ledger.ports.pool.fetchrow("SELECT * FROM ledger.dead_letter")
    assert row is not None
    letter = bytes_at(2, row["record_value"], key=row["record_key"])
    assert (await ledger.takes([letter])).applied == 1
    assert await available(ledger, program="second") == 42


async def test_a_refused_event_leaves_the_inbox_and_what_it_wrote(ledger: Running) -> None:
    order = an_order_paid("42.00")
    wrong = a_refund(order, amount="1.00", currency="USD")
    await ledger.receives(order, wrong)
    assert (await codes(ledger), await count(ledger, "inbox")) == (["currency_mismatch"], 1)
    await ledger.receives(wrong)
    assert len(await codes(ledger)) == 2, "it was no duplicate"
    assert await ledger.ports.pool.fetchval("SELECT refunds::text FROM ledger.purchase") == "[]"


async def test_a_member_who_does_not_exist_in_the_program_is_created_by_no_refusal(ledger: Running) -> None:
    await ledger.receives(an_order_paid("42.00", program="nowhere"))
    assert await count(ledger, "member") == 0


# What nobody foresaw


class Poisoned:
    """The ledger with a fault: orders of 66.00 make Postgres refuse the transaction, those of 77.00 raise."""

    def __init__(self, ledger: Running) -> None:
        self._handle = ledger.doors.handle
        self.batches: list[int] = []

    async def __call__(
        self, connection: AnyConnection, events: Sequence[Event[Any]], now: datetime
    ) -> Outcome:
        self.batches.append(len(events))
        outcome = await self._handle(connection, events, now)
        totals = {event.data.total for event in events}
        if "66.00" in totals:
            await connection.execute("INSERT INTO ledger.balance VALUES ('demo', 'x', 'points', -1, 0, 0, 1)")
        if "77.00" in totals:
            raise ZeroDivisionError("a bug")
        return outcome


async def test_a_fault_that_nobody_foresaw_is_isolated_by_halving(ledger: Running) -> None:
    handle = Poisoned(ledger)
    ledger.processor = a_processor(ledger, handle)
    totals = ["1.00"] * 5 + ["66.00"] + ["1.00"] * 7 + ["77.00"] + ["1.00"] * 2
    done = await ledger.receives(*(an_order_paid(total) for total in totals))
    assert (done.applied, done.refused, done.positions) == (14, 2, {ORDERS: 16})
    assert await available(ledger) == 14
    assert await position(ledger) == 16
    assert [code for code, _ in await ledger.dead_letters()] == ["internal_fault"] * 2
    assert [message.split(":")[0] for _, message in await ledger.dead_letters()] == [
        "CheckViolationError",
        "ZeroDivisionError",
    ]
    assert len(handle.batches) < 16, "not one by one"
    assert await count(ledger, "inbox") == 14, "a replay after the repair is no duplicate"


async def test_halving_keeps_unreadable_records_and_duplicates_in_their_place(ledger: Running) -> None:
    ledger.processor = a_processor(ledger, Poisoned(ledger))
    order = an_order_paid("5.00")
    records = [
        bytes_at(0, b"?"),
        *events_at(1, order, order, an_order_paid("66.00"), order),
        bytes_at(5, b"?"),
    ]
    done = await ledger.takes(records)
    assert (done.applied, done.duplicates, done.refused) == (1, 2, 3)
    assert await available(ledger) == 5
    rows = await ledger.ports.pool.fetch("SELECT record_offset FROM ledger.dead_letter ORDER BY 1")
    assert [row["record_offset"] for row in rows] == [0, 3, 5]


async def test_not_now_writes_nothing_and_refuses_nothing(ledger: Running) -> None:
    await claimed(ledger)

    async def locked_out(connection: AnyConnection, events: Sequence[Event[Any]], now: datetime) -> Outcome:
        await ledger.doors.handle(connection, events, now)
        raise TimeoutError

    processor = a_processor(ledger, locked_out)
    with pytest.raises(TimeoutError):
        await processor.process(events_at(0, an_order_paid("1.00")), {ORDERS: 0})
    assert (await position(ledger), await count(ledger, "inbox"), await codes(ledger)) == (0, 0, [])


async def test_a_review_may_be_removed_twice_before_it_comes(ledger: Running) -> None:
    review = a_review(text="a long enough text")
    await ledger.receives(a_review_removed(review))
    await ledger.receives(a_review_removed(review))
    assert await codes(ledger) == []


@pytest.mark.parametrize("together", [True, False])
async def test_an_order_whose_points_are_available_can_be_edited_down(
    ledger: Running, together: bool
) -> None:
    order, edit = (an_order_paid(total, order_id="o") for total in ("42.00", "30.00"))
    await (ledger.receives(order, edit) if together else _one_by_one(ledger, order, edit))
    assert (await codes(ledger), await available(ledger)) == ([], 30)


async def _one_by_one(ledger: Running, *events: Event[Any]) -> None:
    for event in events:
        await ledger.receives(event)


async def test_an_order_whose_points_the_program_bore_can_be_edited(
    fresh_database: Database, keys: KeyPair
) -> None:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(points={"negative": "pending_only"}))
        order = an_order_paid("42.00", order_id="o")
        await ledger.receives(order, a_refund(order, amount="42.00"))
        await ledger.receives(an_order_paid("30.00", order_id="o"))
        assert await codes(ledger) == []


# The fence


async def test_of_two_workers_that_start_at_the_same_position_the_second_writes_nothing(
    ledger: Running,
) -> None:
    start = await claimed(ledger)
    first, second = a_processor(ledger), a_processor(ledger)
    await first.process(events_at(0, an_order_paid("42.00")), start)
    with pytest.raises(Fenced, match="1 of 1 partitions were moved on by another worker"):
        await second.process(events_at(0, an_order_paid("99.00"), an_order_paid("98.00")), start)
    assert await available(ledger) == 42
    assert (await position(ledger), await count(ledger, "inbox"), await count(ledger, "outbox")) == (1, 1, 1)


async def test_one_partition_that_moved_on_holds_back_the_whole_batch(ledger: Running) -> None:
    order, sign_up = an_order_paid("42.00"), a_sign_up()
    records = events_at(0, order) + events_at(0, sign_up)
    start = {ORDERS: 0, Partition("shop.customers", 0): 0}
    async with ledger.ports.pool.acquire() as connection:
        await positions.claim(connection, ledger.ports.machinery, start)
    await a_processor(ledger).process(events_at(0, an_order_paid("7.00")), {ORDERS: 0})
    with pytest.raises(Fenced, match="1 of 2"):
        await a_processor(ledger).process(records, start)
    assert await available(ledger) == 7


async def test_a_batch_that_is_handled_a_second_time_from_its_old_position_is_fenced(ledger: Running) -> None:
    records = events_at(0, an_order_paid("42.00"))
    await ledger.takes(records)
    with pytest.raises(Fenced):
        await ledger.processor.process(records, {ORDERS: 0})


async def test_positions_that_are_set_back_change_nothing(ledger: Running) -> None:
    order = an_order_paid("42.00")
    records = events_at(0, order, a_refund(order, amount="10.00"), an_order_paid("5.00"))
    await ledger.takes(records)
    before = (await available(ledger), len(await ledger.told()))
    await ledger.ports.pool.execute("UPDATE ledger.position SET next_offset = 0")
    done = await ledger.takes(records)
    assert (done.applied, done.duplicates) == (0, 3)
    assert (await available(ledger), len(await ledger.told())) == before


# Limits


async def test_so_many_refused_in_a_row_stop_the_worker_before_anything_of_it_is_written(
    ledger: Running,
) -> None:
    start = await claimed(ledger)
    processor = a_processor(ledger, in_a_row=3)
    await processor.process([bytes_at(n, b"?") for n in range(2)], start)
    rubbish = [bytes_at(n, b"?") for n in range(2, 5)]
    with pytest.raises(
        TooManyDeadLetters, match=r"3 events in a row, at shop.orders\[0\]@3; the last one: undec"
    ):
        await processor.process(rubbish, {ORDERS: 2})
    assert (await position(ledger), len(await codes(ledger))) == (2, 2)


async def test_a_good_event_ends_the_row_and_another_partition_has_its_own(ledger: Running) -> None:
    processor = a_processor(ledger, in_a_row=2, proportion=1.0)
    other = [Record("shop.orders", 1, n, NOON, None, b"?") for n in range(2)]
    good = events_at(2, an_order_paid("1.00"))
    records = [bytes_at(0, b"?"), bytes_at(1, b"?"), *other, *good, bytes_at(3, b"?"), bytes_at(4, b"?")]
    ledger.processor = processor
    assert (await ledger.takes(records)).refused == 6


async def test_a_restart_is_no_amnesty(ledger: Running) -> None:
    await a_processor(ledger, in_a_row=3).process(
        [bytes_at(n, b"?") for n in range(3)], await claimed(ledger)
    )
    started_again = a_processor(ledger, in_a_row=3)
    async with ledger.ports.pool.acquire() as connection:
        await started_again.limits.resume(connection, ledger.ports.machinery, {ORDERS: 3})
    with pytest.raises(TooManyDeadLetters):
        await started_again.process([bytes_at(3, b"?")], {ORDERS: 3})
    assert await position(ledger) == 3
    await started_again.process(events_at(3, an_order_paid("1.00")), {ORDERS: 3})
    assert await position(ledger) == 4


async def test_a_large_share_of_refused_events_stops_the_worker_even_if_they_are_scattered(
    ledger: Running,
) -> None:
    processor = a_processor(ledger, proportion=0.5, window=20)
    orders = events_at(0, *(an_order_paid("1.00") for _ in range(23)))
    scattered = [bytes_at(n, b"?") if n % 2 else orders[n] for n in range(20)]
    assert (await processor.process(scattered, await claimed(ledger))).refused == 10
    one_more = [bytes_at(20, b"?"), bytes_at(21, b"?"), orders[22]]
    with pytest.raises(TooManyDeadLetters, match="more than 50% of the last 20 events"):
        await processor.process(one_more, {ORDERS: 20})
    assert await position(ledger) == 20


async def test_a_service_may_refuse_by_its_own_rules_and_it_counts_too(ledger: Running) -> None:
    async def refuse(connection: AnyConnection, events: Sequence[Event[Any]], now: datetime) -> Outcome:
        return Outcome({place: InvalidInput("not liked") for place in range(len(events))})

    processor = a_processor(ledger, refuse, in_a_row=1)
    await processor.process(events_at(0, an_order_paid("1.00")), await claimed(ledger))
    with pytest.raises(TooManyDeadLetters, match="the last one: invalid_input: not liked"):
        await processor.process(events_at(1, an_order_paid("1.00")), {ORDERS: 1})


async def test_an_event_that_this_service_does_not_know_what_to_do_with_is_handled(ledger: Running) -> None:
    done = await ledger.receives(an_event(MemberUnsubscribed(member_id=MEMBER)))
    assert (done.applied, done.refused) == (1, 0)
