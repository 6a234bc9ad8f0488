"""A statement as CSV over HTTP: the same entries as in JSON, of any length, and no formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from services.ledger.main import SERVICE
from tests.support.events import MEMBER, NOON, an_order_paid
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield ledger


async def asks(ledger: Running, query: str = "", accept: str = "*/*", status: int = 200) -> str:
    async with ledger.client() as client:
        answer = await client.get(f"/v1/members/{MEMBER}/statement{query}", headers={"Accept": accept})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.content.decode()


def entries(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_a_statement_of_several_pages_is_one_file_with_every_entry_once(ledger: Running) -> None:
    orders = [an_order_paid("1.00", order_id=f"o-{number}") for number in range(2_001)]
    await ledger.receives(*orders)
    found = entries(await asks(ledger, "?format=csv"))
    assert [int(each["version"]) for each in found] == list(range(2_001, 0, -1))
    assert found[0]["available"] == "2001"


async def test_ids_from_outside_are_no_formulas_and_survive_commas_quotes_and_accents(
    ledger: Running,
) -> None:
    names = ['=cmd|" /C calc"!A0', "+1", "-2", "@sum", 'thé, "vert"']
    await ledger.receives(*[an_order_paid("1.00", order_id=name) for name in names])
    found = entries(await asks(ledger, accept="text/csv"))
    assert [each["order_id"] for each in found] == [names[4], *(f"'{name}" for name in reversed(names[:4]))]
    assert {each["amount"] for each in found} == {"1"}


async def test_the_filters_are_those_of_the_json(ledger: Running) -> None:
    await ledger.receives(an_order_paid("7.00"))
    await ledger.receives(an_order_paid("9.00", at=NOON + timedelta(days=1)))
    as_of = f"&as_of={NOON:%Y-%m-%dT%H:%M:%SZ}"
    assert [each["amount"] for each in entries(await asks(ledger, f"?format=csv{as_of}"))] == ["7"]
    assert entries(await asks(ledger, "?format=csv&asset=stamps")) == []
    assert entries(await asks(ledger, "?format=csv&written_by=2020-01-01T00:00:00Z")) == []
    await asks(ledger, "?format=xml", status=422)


async def test_nobodys_statement_is_not_found_before_anything_is_sent(ledger: Running) -> None:
    assert "unknown_member" in await asks(ledger, "?format=csv", status=404)
