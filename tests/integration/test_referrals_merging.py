"""Two members of the referrals service are one person: codes, attributions and rewards follow, in any order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.referrals.errors import RelationsMoved
from services.referrals.main import SERVICE
from shared.database import NOT_NOW
from shared.events import CustomerDeleted, Event, MemberMerged
from tests.integration.test_referrals_service import (
    ANNA,
    BEN,
    DAY,
    DOCUMENT,
    DUE,
    KEY,
    START,
    code_of,
    rows,
    state_of,
    told,
)
from tests.support.events import a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.services import Running, running

OLD, OLDER = "old-7", "older"


@pytest.fixture
async def referrals(fresh_database: Callable[[], Awaitable[str]], keys: KeyPair) -> AsyncIterator[Running]:
    settings = {"hash_key": KEY, "public_url": "https://refer.example/"}
    async with running(SERVICE, await fresh_database(), keys, **settings) as found:
        found.now = START
        await found.applies(DOCUMENT)
        yield found
        assert await found.differences() == []


def merged(old: str = OLD, into: str = ANNA) -> Event[Any]:
    return an_event(MemberMerged(member_id=into, merged_id=old), at=START + DAY, event_id=f"merge:{old}")


def joins(member: str, code: str | None = None, **more: Any) -> Event[Any]:
    return a_sign_up(member, email=f"{member}@shop.example", referral_code=code, **({"at": START} | more))


def orders(member: str, order_id: str = "b-1", **more: Any) -> Event[Any]:
    return an_order_paid("42.00", order_id=order_id, member=member, **({"at": START} | more))


async def approved(referrals: Running) -> list[tuple[str, int]]:
    """Who was paid what, once all is due."""
    referrals.now = DUE + DAY
    await referrals.runs("approve-due")
    return [
        (member, points) for kind, member, points in await told(referrals) if kind == "referral.approved.v1"
    ]


async def test_the_old_code_works_for_the_survivor_before_and_after_the_merge(referrals: Running) -> None:
    known = [joins(ANNA, at=START - 9 * DAY), joins(OLD, at=START - 9 * DAY)]
    await referrals.receives(*known, joins(BEN, code_of(OLD)), orders(BEN))
    await referrals.receives(merged())
    assert (await referrals.receives(merged())).duplicates == 1
    await referrals.receives(joins("cleo", code_of(OLD)), orders("cleo", "c-1"))
    assert sorted(await approved(referrals)) == [(ANNA, 500), (ANNA, 500), (BEN, 100), ("cleo", 100)]
    async with referrals.client() as shop:
        mine = (await shop.get(f"/v1/members/{ANNA}/referrals")).json()
        same = (await shop.get(f"/v1/members/{OLD}/referrals")).json()
    assert (mine["code"], same["code"], mine["counts"]) == (code_of(ANNA), code_of(ANNA), {"approved": 2})
    assert same["brought"] == mine["brought"]
    async with referrals.client(member=OLD) as herself:
        answer = await herself.get(f"/v1/referrals/{mine['brought'][0]['referral_id']}")
    assert answer.json()["role"] == "advocate"


async def test_nobody_brings_themselves_across_the_pair(referrals: Running) -> None:
    await referrals.receives(joins(ANNA, at=START - DAY), joins(OLD, code_of(ANNA)), orders(OLD))
    assert await state_of(referrals, OLD) == ["pending"]
    await referrals.receives(merged())
    assert await state_of(referrals, ANNA) == ["voided"]
    assert await approved(referrals) == []
    await referrals.receives(orders(ANNA, "b-2", at=START + 2 * DAY, referral_code=code_of(OLD)))
    assert await state_of(referrals, ANNA) == ["voided"]


async def test_whom_somebody_brought_as_the_old_one_is_brought_as_the_survivor(referrals: Running) -> None:
    order = orders(OLD)
    await referrals.receives(joins(BEN, at=START - DAY), joins(OLD, code_of(BEN)), order, merged())
    await referrals.receives(an_event(CustomerDeleted(customer_id=OLD), at=START + DAY))
    assert await state_of(referrals, ANNA) == ["pending"]
    assert sorted(await approved(referrals)) == [(ANNA, 100), (BEN, 500)]
    await referrals.receives(a_refund(order, at=DUE - DAY, amount="42.00"))
    assert sorted((await told(referrals))[-2:]) == [
        ("referral.voided.v1", ANNA, 100),
        ("referral.voided.v1", BEN, 500),
    ]


async def test_in_any_order_and_any_batches_a_chain_ends_alike(referrals: Running) -> None:
    for number, places in enumerate(itertools.islice(itertools.permutations(range(5)), 0, 120, 11)):
        anna, old, older, ben = (f"{name}{number}" for name in (ANNA, OLD, OLDER, BEN))
        events = [
            joins(older, at=START - DAY),
            joins(ben, code_of(older)),
            orders(ben, f"o-{number}"),
            merged(older, old),
            merged(old, anna),
        ]
        order = [events[place] for place in places]
        for batch in [order] if number % 2 else [[each] for each in order]:
            await referrals.receives(*batch)
        found = await rows(
            referrals, f"SELECT advocate_id, state FROM referrals.referral WHERE member_id = '{ben}'"
        )
        assert found == [(anna, "pending")]
        owners = await rows(
            referrals, f"SELECT DISTINCT member_id FROM referrals.code WHERE code = '{code_of(older)}'"
        )
        assert owners == [(anna,)]


async def test_a_person_is_brought_once(referrals: Running) -> None:
    await referrals.receives(joins(BEN, at=START - DAY), joins("cleo", at=START - DAY))
    await referrals.receives(joins(OLD, code_of(BEN)), orders(OLD, at=START))
    await referrals.receives(joins(ANNA, code_of("cleo"), at=START), orders(ANNA, "a-1", at=START))
    assert await state_of(referrals, ANNA) == await state_of(referrals, OLD) == ["pending"]
    await referrals.receives(merged())
    assert sorted(await state_of(referrals, ANNA)) == ["pending", "voided"]
    assert sum(points == 100 for _, points in await approved(referrals)) == 1


async def test_a_forgotten_survivor_takes_the_other_one_with_them(referrals: Running) -> None:
    await referrals.receives(joins(OLD, code_of(BEN)), joins(BEN, at=START - DAY), orders(OLD))
    await referrals.receives(joins(ANNA), an_event(CustomerDeleted(customer_id=ANNA), at=START))
    await referrals.receives(merged(), orders(OLD, "b-2", at=START + DAY))
    assert await rows(referrals, "SELECT DISTINCT member_id FROM referrals.paper") == []
    assert await approved(referrals) == []


async def test_a_deletion_that_overtakes_the_merge_costs_the_survivor_nothing(referrals: Running) -> None:
    known = [joins(ANNA, at=START - 9 * DAY), joins(OLD, at=START - 9 * DAY)]
    await referrals.receives(*known, joins(BEN, code_of(ANNA)), orders(BEN))
    await referrals.receives(an_event(CustomerDeleted(customer_id=OLD), at=START + DAY), merged())
    await referrals.receives(joins("cleo", code_of(OLD)), orders("cleo", "c-1"))
    assert sorted(await approved(referrals)) == [(ANNA, 500), (ANNA, 500), (BEN, 100), ("cleo", 100)]


async def test_batches_about_either_beside_the_merge_lose_nothing(referrals: Running) -> None:
    await referrals.receives(joins(ANNA, at=START - DAY), joins(OLD, at=START - DAY))

    async def handled(*events: Event[Any]) -> None:
        while True:
            with contextlib.suppress(RelationsMoved, *NOT_NOW):
                async with referrals.ports.pool.acquire() as connection, connection.transaction():
                    await referrals.doors.handle(connection, events, referrals.now)
                return
            await asyncio.sleep(0)

    friends = [f"f-{number}" for number in range(12)]
    await asyncio.gather(
        *(handled(joins(friend, code_of((ANNA, OLD)[n % 2]))) for n, friend in enumerate(friends)),
        handled(merged()),
        *(handled(orders(friend, friend)) for friend in friends),
    )
    found = await rows(referrals, "SELECT advocate_id, state, count(*) FROM referrals.referral GROUP BY 1, 2")
    assert found == [(ANNA, "pending", 12)]
