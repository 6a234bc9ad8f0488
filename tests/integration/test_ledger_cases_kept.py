"""The whole table of cases, and members of the second opinion, through the worker and Postgres, event by event.

What a newcomer would get wrong: the numbers are worked out elsewhere, by hand in `tests/unit/test_ledger_cases.py` and
by the second opinion. Here they prove that nothing a rule reads is lost between an event, the tables and the next
batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from services.ledger.main import SERVICE
from shared.events import Event
from shared.rows import replace
from tests.support import second_opinion
from tests.support.events import (
    NOON,
    a_fulfilment,
    a_record,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, at
from tests.support.services import Running, running
from tests.support.shopping import PROGRAMS, Shopper, as_event
from tests.unit.test_ledger_cases import CAPS, DEEDS, EARNING, EDITS, REFUNDS, TURNS, Rules, Story

Database = Callable[[], Awaitable[str]]
TABLES = {"earning": EARNING, "caps": CAPS, "refunds": REFUNDS, "edits": EDITS, "deeds": DEEDS}
MEMBERS, ORDERS = 3, 6
OF_ORDER = "SELECT coalesce(sum(points - reversed), 0)::int FROM ledger.award WHERE program_id = $1 AND order_id = $2"
BALANCE = "SELECT pending, available FROM ledger.balance WHERE program_id = $1"
OF_MEMBER = (
    "SELECT coalesce(sum(pending + available + held), 0)::int FROM ledger.balance WHERE program_id = $1"
)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


@pytest.mark.parametrize("table", TABLES)
async def test_every_case_of_the_table_holds_over_postgres_too(ledger: Running, table: str) -> None:
    wrong = {}
    for number, case in enumerate(TABLES[table]):
        rules, story, holds, words = case.values
        found = await outcome(ledger, f"case-{number}", rules, story, words)
        if found != list(holds):
            wrong[case.id] = (found, holds)
    assert not wrong


async def test_a_second_opinion_of_every_kind_of_condition_and_effect_is_the_same(ledger: Running) -> None:
    for name, document in PROGRAMS.items():
        program = name.replace(" ", "-")
        await ledger.applies(document | {"program": program})
        for number in range(MEMBERS):
            shopper = Shopper(Random(f"over postgres {name} {number}"), document, f"m{number}")
            await agree(ledger, program, document, shopper.life(ORDERS))


async def agree(ledger: Running, program: str, document: dict[str, Any], told: list[dict[str, Any]]) -> None:
    """Tell both the same; what each order holds after the last word, and which words are refused."""
    opinion, member = second_opinion.a_ledger(document), told[0]["member"]
    for each in told:
        event = replace(as_event(each), program_id=program)
        ledger.now = max(ledger.now, event.time)
        done = await ledger.takes([ledger._placed(a_record(event, offset=0))])
        assert second_opinion.hear(opinion, each) is not bool(done.refused), (program, each)
    for _, order_id in opinion["orders"]:
        found = await ledger.ports.pool.fetchval(OF_ORDER, program, order_id)
        assert found == second_opinion.held(opinion, member, order_id), (program, order_id)


async def test_points_turn_at_their_moment_over_postgres_too(ledger: Running) -> None:
    for number, (name, words, story, moment, just_before, then) in enumerate(TURNS):
        program = f"turn-{number}"
        await outcome(ledger, program, [PER_EURO], story, words)
        for now, has in ((at(moment) - timedelta(seconds=1), just_before), (at(moment), then)):
            ledger.now = now
            await ledger.runs("settle_due")
            found = await ledger.ports.pool.fetchrow(BALANCE, program)
            assert tuple(found or (0, 0)) == has, (name, now)


async def test_who_waits_for_fulfilments_and_sees_none_is_told_to_people(ledger: Running) -> None:
    waits: dict[str, Any] = {"pending": {"order.paid": "14 days after order.fulfilled"}}
    first, second = an_order_paid("10.00"), an_order_paid("10.00", program="other")
    for program in ("demo", "other"):
        await ledger.applies(a_document(PER_EURO, **waits) | {"program": program})
    await ledger.receives(first, second)
    assert await ledger.runs("report_unfulfilled") == 0
    ledger.now = NOON + timedelta(days=15)
    assert await ledger.runs("report_unfulfilled") == 2
    await ledger.receives(a_fulfilment(second, at=ledger.now))
    assert await ledger.runs("report_unfulfilled") == 1


async def outcome(
    ledger: Running, program: str, rules: Rules, story: Story, words: dict[str, Any]
) -> Sequence[int | None]:
    """What each event's order holds after it, or the member where it has none; None where the event is refused."""
    await ledger.applies(a_document(*rules, **words) | {"program": program})
    found: list[int | None] = []
    for event in story:
        found.append(await after(ledger, replace(event, program_id=program)))
    return found


async def after(ledger: Running, event: Event[Any]) -> int | None:
    ledger.now = max(NOON, event.time)
    done = await ledger.takes([ledger._placed(a_record(event, offset=0))])
    if done.refused:
        return None
    order = getattr(event.data, "order_id", None)
    if order is not None:
        return int(await ledger.ports.pool.fetchval(OF_ORDER, event.program_id, order))
    return int(await ledger.ports.pool.fetchval(OF_MEMBER, event.program_id))
