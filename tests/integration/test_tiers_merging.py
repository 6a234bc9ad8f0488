"""Two members of the tiers service are one person: exactly once, in any order, over batches and over HTTP."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.tiers.errors import MergedMeanwhile
from services.tiers.main import SERVICE
from shared.database import NOT_NOW
from shared.events import Event, MemberMerged
from tests.support.keys import KeyPair
from tests.support.services import Running, running
from tests.support.tiers import a_program, an_event, at, deleted, paid, refunded

Database = Callable[[], Awaitable[str]]


@pytest.fixture
async def tiers(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as tiers:
        tiers.now = at("2026-05-04T12:00:00")
        await tiers.applies(a_program(), at=at("2024-01-01"))
        yield tiers
        assert await tiers.differences() == []


def merged(old: str = "old-7", into: str = "anna", time: str = "2026-05-02") -> Event[Any]:
    return an_event(MemberMerged(member_id=into, merged_id=old), time, f"merge:{old}")


async def standing(tiers: Running, member: str = "anna") -> tuple[int, str | None]:
    async with tiers.client() as shop:
        answer = await shop.get(f"/v1/members/{member}/standing")
    if answer.status_code == 404:
        return 0, None
    body = answer.json()
    return round(float(body["progress"]["spent"]["amount"])), body["level"]


async def test_spend_level_and_name_follow_and_a_redelivery_changes_nothing(tiers: Running) -> None:
    await tiers.receives(paid("o-1", "700.00", "2026-05-01"), paid("o-2", "400.00", "2026-05-01", "old-7"))
    await tiers.receives(merged())
    again = await tiers.receives(merged())
    assert again.duplicates == 1
    assert await standing(tiers) == await standing(tiers, "old-7") == (1100, "Habitué")
    async with tiers.client() as shop:
        assert (await shop.get("/v1/members/old-7/entitlements")).json()["level"] == "Habitué"
    await tiers.receives(
        refunded("o-2", "400.00", "2026-05-03", member="old-7"), deleted("2026-05-03", "old-7")
    )
    await tiers.receives(paid("o-3", "5.00", "2026-05-03", "old-7"))
    assert (await standing(tiers))[0] == 705
    assert (
        await tiers.ports.pool.fetchval("SELECT count(*) FROM tiers.purchase WHERE member_id = 'old-7'") == 0
    )


async def test_a_chain_of_merges_and_orders_in_any_order_ends_alike(tiers: Running) -> None:
    for number, places in enumerate(itertools.islice(itertools.permutations(range(5)), 0, 120, 7)):
        a, b, c = (f"{name}{number}" for name in "abc")
        told = [
            paid("o-1", "200.00", "2026-05-01", a),
            paid("o-2", "300.00", "2026-05-01", b),
            merged(a, b),
            merged(b, c),
            refunded("o-1", "50.00", "2026-05-01T10:00:00", member=a),
        ]
        order = [told[place] for place in places]
        if number % 2:
            await tiers.receives(*order)
        else:
            for event in order:
                await tiers.receives(event)
        assert await standing(tiers, a) == await standing(tiers, c) == (450, "Regular")


async def test_batches_about_either_id_beside_the_merge_lose_nothing(tiers: Running) -> None:
    async def handled(*events: Event[Any]) -> None:
        while True:
            try:
                async with tiers.ports.pool.acquire() as connection, connection.transaction():
                    await tiers.doors.handle(connection, events, tiers.now)
                return
            except (MergedMeanwhile, *NOT_NOW):
                await asyncio.sleep(0)

    batches = [
        [paid(f"{who}-{number}", "10.00", "2026-05-01", who) for who in ("old-7", "anna")]
        for number in range(12)
    ]
    await asyncio.gather(
        *(handled(*batch) for batch in batches[:6]), handled(merged()), *(handled(*b) for b in batches[6:])
    )
    assert (await standing(tiers))[0] == 240


async def test_an_unknown_survivor_of_an_unknown_member_is_only_a_name(tiers: Running) -> None:
    await tiers.receives(merged())
    assert await standing(tiers, "old-7") == (0, None)
    await tiers.receives(paid("o-1", "400.00", "2026-05-03", "old-7"))
    assert await standing(tiers) == (400, "Regular")


async def test_a_deletion_that_overtakes_the_merge_forgets_the_old_account_and_nothing_of_the_survivor(
    tiers: Running,
) -> None:
    await tiers.receives(paid("o-1", "300.00", "2026-05-01"), paid("o-2", "400.00", "2026-05-01", "old-7"))
    await tiers.receives(deleted("2026-05-03", "old-7"))
    assert (
        await tiers.ports.pool.fetchval("SELECT count(*) FROM tiers.purchase WHERE member_id = 'old-7'") == 0
    )
    await tiers.receives(merged())
    assert await standing(tiers) == await standing(tiers, "old-7") == (300, "Guest")
    await tiers.receives(paid("o-3", "50.00", "2026-05-04", "old-7"))
    assert await standing(tiers) == (350, "Regular"), "who shops under the old name is the survivor"
