"""Two members of the notifier are one person: inbox, contact and wishes follow, and nothing is told or mailed twice."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.notifier.main import SERVICE
from services.notifier.smtp import Answer, Result
from shared.events import Consent, CustomerDeleted, CustomerUpdated, Event, MemberMerged
from tests.integration.test_notifier_events import PROGRAM, a_rise, an_approval, log, points_earned
from tests.support.events import MEMBER, NOON, a_sign_up, an_event
from tests.support.keys import KeyPair
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
OLD, OLDER = "old-7", "older"
LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def notifier(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys, link_keys="a key of sixteen bytes") as notifier:
        await notifier.applies(PROGRAM)
        yield notifier
        assert await notifier.differences() == []


def merged(old: str = OLD, into: str = MEMBER) -> Event[Any]:
    return an_event(MemberMerged(member_id=into, merged_id=old), at=LATER, event_id=f"merge:{old}")


def says(granted: bool, at: datetime, *, member: str = MEMBER, channel: str | None = None) -> Event[Any]:
    consent = Consent(purpose="marketing", channel=channel, granted=granted)
    return an_event(CustomerUpdated(customer_id=member, consents=(consent,)), at=at)


async def wishes(notifier: Running, member: str = MEMBER) -> dict[str, bool]:
    rows = await notifier.ports.pool.fetch(
        "SELECT channel, granted FROM notifier.preference WHERE member_id = $1 ORDER BY 1", member
    )
    return {row["channel"]: row["granted"] for row in rows}


async def contact(notifier: Running, member: str = MEMBER) -> tuple[Any, ...]:
    row = await notifier.ports.pool.fetchrow(
        "SELECT email, phone, name, language FROM notifier.member WHERE member_id = $1", member
    )
    assert row is not None
    return tuple(row)


async def test_the_inbox_of_both_is_one_under_either_name(notifier: Running) -> None:
    await notifier.receives(a_rise(), a_rise("Collector", member=OLD), an_approval(member=OLD))
    await notifier.receives(merged())
    assert (await notifier.receives(merged())).duplicates == 1
    await notifier.receives(an_approval(member=OLD))
    async with notifier.client() as shop:
        mine = (await shop.get(f"/v1/members/{MEMBER}/inbox")).json()
        same = (await shop.get(f"/v1/members/{OLD}/inbox")).json()
        entry = same["items"][0]["message_id"]
        assert (await shop.post(f"/v1/members/{OLD}/inbox/{entry}/read")).status_code == 200
        assert (await shop.get(f"/v1/members/{MEMBER}/inbox")).json()["unread"] == 3
    assert mine == same
    assert sorted(item["name"] for item in mine["items"]) == ["referral.approved"] * 2 + ["tier.raised"] * 2
    assert await log(notifier, OLD) == []


async def test_a_cause_that_was_told_under_the_old_id_is_not_told_again(notifier: Running) -> None:
    rise, points = a_rise(member=OLD), points_earned(member=OLD)
    await notifier.receives(rise, points)
    await notifier.receives(merged())
    before = await log(notifier)
    await notifier.ports.pool.execute("DELETE FROM notifier.inbox")
    await notifier.receives(rise, points)
    assert await log(notifier) == before


async def test_digests_of_one_day_become_one(notifier: Running) -> None:
    await notifier.receives(points_earned(10), points_earned(5, member=OLD, at=LATER))
    await notifier.receives(points_earned(3, member=OLD, at=NOON + timedelta(days=1)))
    await notifier.receives(merged(), points_earned(2, member=OLD, at=NOON + timedelta(days=1)))
    async with notifier.client() as shop:
        items = (await shop.get(f"/v1/members/{MEMBER}/inbox")).json()["items"]
    assert [(each["facts"]["points"], each["facts"]["times"]) for each in items] == [(5, 2), (15, 2)]
    assert [(state, why) for _, _, state, why in await log(notifier)].count(("suppressed", "merged")) == 1


async def test_contact_fills_gaps_and_mail_that_waited_for_an_address_goes_to_it(notifier: Running) -> None:
    await notifier.receives(a_rise(), a_sign_up(member=OLD, email="old@shop.example", phone="+33100"))
    await notifier.receives(an_event(CustomerUpdated(customer_id=MEMBER, name="Zoë")))
    assert (await log(notifier))[0][3] == "no_address"
    await notifier.receives(merged())
    assert await contact(notifier) == ("old@shop.example", "+33100", "Zoë", None)
    assert await contact(notifier, OLD) == (None, None, None, None)
    told = CustomerUpdated(customer_id=OLD, email="gone@shop.example", name="", language="fr")
    await notifier.receives(an_event(told, at=LATER + timedelta(hours=1)))
    assert await contact(notifier) == ("old@shop.example", "+33100", "Zoë", "fr")
    due = await notifier.ports.pool.fetchval("SELECT due_at FROM notifier.message WHERE channel = 'email'")
    assert due <= notifier.now


@pytest.mark.parametrize(
    ("mine", "theirs", "after"),
    [
        ([(True, None)], [(False, None)], {"*": False}),
        ([(True, None)], [(False, "email")], {"*": True, "email": False}),
        ([(True, "email")], [(False, None)], {"email": False}),
        ([(True, None)], [(True, None)], {"*": True}),
        ([(True, None)], [], {"*": True}),
        ([], [(True, None)], {}),
        ([(False, None)], [(True, None)], {"*": False}),
    ],
)
async def test_a_no_of_either_counts_and_a_yes_is_given_for_one_address(
    notifier: Running,
    mine: list[tuple[bool, str | None]],
    theirs: list[tuple[bool, str | None]],
    after: dict[str, bool],
) -> None:
    for granted, channel in mine:
        await notifier.receives(says(granted, NOON, channel=channel))
    for granted, channel in theirs:
        await notifier.receives(says(granted, NOON - timedelta(days=1), channel=channel, member=OLD))
    await notifier.receives(merged())
    found = await wishes(notifier)
    assert {channel: granted for channel, granted in found.items() if channel in after} == after
    assert all(not granted for channel, granted in found.items() if channel not in after)
    assert await wishes(notifier, OLD) == {}
    await notifier.receives(says(False, LATER + timedelta(hours=1), member=OLD))
    await notifier.receives(says(True, LATER + timedelta(hours=2), member=OLD))
    assert (await wishes(notifier))["*"] is False
    await notifier.receives(says(True, LATER + timedelta(hours=3)))
    assert (await wishes(notifier))["*"] is True


async def test_the_deletion_of_the_old_account_forgets_nobody_and_that_of_the_survivor_both(
    notifier: Running,
) -> None:
    await notifier.receives(a_sign_up(email="zoe@shop.example"), a_rise(member=OLD), merged())
    await notifier.receives(an_event(CustomerDeleted(customer_id=OLD), at=LATER))
    assert (await contact(notifier))[0] == "zoe@shop.example"
    await notifier.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=LATER))
    await notifier.receives(a_rise("Curator", member=OLD), a_sign_up(member=OLD, email="old@shop.example"))
    assert await contact(notifier) == await contact(notifier, OLD) == (None, None, None, None)
    assert {(state, why) for _, _, state, why in await log(notifier)} == {
        ("suppressed", "erased"),
        ("sent", None),
    }


async def test_a_deletion_that_overtakes_the_merge_leaves_the_survivor_their_address_and_wishes(
    notifier: Running,
) -> None:
    await notifier.receives(a_sign_up(email="zoe@shop.example"), says(True, LATER))
    await notifier.receives(a_sign_up(member=OLD, email="old@shop.example"), a_rise(member=OLD))
    await notifier.receives(an_event(CustomerDeleted(customer_id=OLD), at=LATER), merged())
    assert ((await contact(notifier))[0], (await wishes(notifier))["*"]) == ("zoe@shop.example", True)
    assert await contact(notifier, OLD) == (None, None, None, None)
    kept = await notifier.ports.pool.fetchval("SELECT count(*) FROM notifier.message WHERE facts IS NOT NULL")
    assert kept == 0, "what was told of the old account is gone"
    await notifier.receives(a_rise("Collector", member=OLD))
    async with notifier.client() as shop:
        inbox = (await shop.get(f"/v1/members/{MEMBER}/inbox")).json()
    assert [item["name"] for item in inbox["items"]] == ["tier.raised"]


async def test_what_comes_along_with_a_forgotten_survivor_is_forgotten(notifier: Running) -> None:
    await notifier.receives(a_sign_up(member=OLD, email="old@shop.example"), a_rise(member=OLD))
    await notifier.receives(an_event(CustomerDeleted(customer_id=MEMBER)), merged())
    kept = await notifier.ports.pool.fetchval("SELECT count(*) FROM notifier.message WHERE facts IS NOT NULL")
    assert (kept, await contact(notifier, OLD)) == (0, (None, None, None, None))


async def test_in_any_order_and_any_batches_a_chain_ends_alike(notifier: Running) -> None:
    for number, places in enumerate(itertools.islice(itertools.permutations(range(4)), 0, 24, 3)):
        zoe, old, older = (f"{name}{number}" for name in (MEMBER, OLD, OLDER))
        events = [a_rise(member=older), points_earned(member=older), merged(older, old), merged(old, zoe)]
        order = [events[place] for place in places]
        for batch in [order] if number % 2 else [[each] for each in order]:
            await notifier.receives(*batch)
        assert [name for name, channel, _, _ in await log(notifier, zoe) if channel == "inbox"] == [
            "points.earned",
            "tier.raised",
        ]


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_mail_in_a_senders_hand_goes_out_once(notifier: Running, has_begun: bool) -> None:
    await notifier.receives(
        a_sign_up(email="zoe@shop.example"), a_sign_up(member=OLD, email="old@shop.example")
    )
    await notifier.receives(a_rise(member=OLD))
    actions, lease = notifier.doors.state["actions"], timedelta(minutes=5)
    async with notifier.ports.pool.acquire() as connection:
        (claimed,), _ = await actions.claim(connection, now=notifier.now, limit=9, lease=lease)
        if has_begun:
            assert await actions.begin(connection, claimed, notifier.now + lease) == 1
        await notifier.receives(merged())
        if has_begun:
            answer = Answer(Result.SENT, "taken")
            await actions.record(connection, claimed, answer, attempt=1, now=notifier.now, jitter=0.5)
        else:
            assert await actions.begin(connection, claimed, notifier.now + lease) is None
        again, _ = await actions.claim(connection, now=notifier.now + lease, limit=9, lease=lease)
    assert [each.address for each in again] == ([] if has_begun else ["zoe@shop.example"])
