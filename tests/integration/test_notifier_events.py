"""The notifier on real Postgres: what events leave behind, and what the HTTP door shows of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.notifier.main import SERVICE
from shared.events import (
    Balance,
    Consent,
    CustomerDeleted,
    CustomerUpdated,
    Event,
    Grant,
    PointsEarned,
    PointsExpiring,
    ReferralApproved,
    TierRaised,
)
from shared.rows import replace
from tests.support.events import MEMBER, NOON, a_sign_up, an_event
from tests.support.keys import KeyPair
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
HOUR = timedelta(hours=1)
PROGRAM: dict[str, Any] = {
    "program": "demo",
    "name": "Tea & Cup Club",
    "time_zone": "Europe/Paris",
    "languages": ["fr", "en"],
    "notifier": {
        "quiet": "21:00 to 08:00",
        "messages": [
            {"on": "points.earned", "by": ["inbox"], "digest": "daily"},
            {"on": "tier.raised", "by": ["email", "inbox"]},
            {"on": "referral.approved", "by": ["email", "inbox"]},
            {"on": "points.expiring", "before": ["30 days", "7 days"], "by": ["inbox"]},
        ],
    },
}


@pytest.fixture
async def notifier(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys, link_keys="a key of sixteen bytes") as notifier:
        await notifier.applies(PROGRAM)
        yield notifier
        assert await notifier.differences() == []


def points_earned(points: int = 10, *, at: datetime = NOON, member: str = MEMBER, **more: Any) -> Event[Any]:
    balance = Balance(available=100 + points)
    return an_event(
        PointsEarned(member_id=member, asset="points", points=points, balance=balance, **more), at=at
    )


def a_rise(level: str = "Regular", *, at: datetime = NOON, member: str = MEMBER, **more: Any) -> Event[Any]:
    return an_event(
        TierRaised(member_id=member, level=level, since=at, **({"previous_level": "Guest"} | more)), at=at
    )


def an_approval(role: Any = "advocate", *, member: str = MEMBER, **more: Any) -> Event[Any]:
    rewards = (Grant(kind="points", asset="points", points=500),)
    return an_event(ReferralApproved(member_id=member, referral_id="r-1", role=role, rewards=rewards, **more))


async def log(notifier: Running, member: str = MEMBER) -> list[tuple[str, str, str, str | None]]:
    """Name, channel, state and reason of the messages to a member, oldest first."""
    rows = await notifier.ports.pool.fetch(
        "SELECT name, channel, state, why FROM notifier.message WHERE member_id = $1 "
        "ORDER BY happened_at, name, channel",
        member,
    )
    return [tuple(row) for row in rows]


async def told(notifier: Running) -> list[tuple[str, str]]:
    return [(event.type, getattr(event.data, "channel", "") or "") for event in await notifier.told()]


async def test_a_rise_is_told_in_the_inbox_at_once_and_waits_to_be_mailed(notifier: Running) -> None:
    await notifier.receives(a_sign_up(email="zoe@shop.example"), a_rise())
    assert await log(notifier) == [
        ("tier.raised", "email", "waiting", None),
        ("tier.raised", "inbox", "sent", None),
    ]
    assert await told(notifier) == [("message.sent.v1", "inbox")]


async def test_the_same_event_tells_once_in_one_batch_in_two_and_under_another_offset(
    notifier: Running,
) -> None:
    rise = a_rise()
    await notifier.receives(rise, rise)
    await notifier.receives(rise)
    assert len(await log(notifier)) == 2


async def test_a_cause_that_the_inbox_table_forgot_still_tells_once(notifier: Running) -> None:
    rise, points = a_rise(), points_earned()
    await notifier.receives(rise, points)
    await notifier.ports.pool.execute("DELETE FROM notifier.inbox")
    await notifier.receives(rise, points)
    assert len(await log(notifier)) == 3
    async with notifier.client() as client:
        inbox = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()
    assert [entry["facts"].get("points") for entry in inbox["items"]].count(10) == 1


async def test_a_replayed_event_teaches_contact_data_and_tells_nobody_anything(notifier: Running) -> None:
    sign_up = replace(a_sign_up(name="Zoë"), replayed=True)
    await notifier.receives(
        sign_up, replace(a_rise(), replayed=True), replace(points_earned(), replayed=True)
    )
    assert await log(notifier) == []
    assert await notifier.ports.pool.fetchval("SELECT name FROM notifier.member") == "Zoë"


async def test_what_an_import_brought_in_is_no_news_nor_is_the_level_that_everybody_has(
    notifier: Running,
) -> None:
    await notifier.receives(
        points_earned(kind="import"), points_earned(0), a_rise("Guest", previous_level=None)
    )
    assert await log(notifier) == []


async def test_a_mail_at_night_is_deferred_to_the_members_morning_and_said_to_be(notifier: Running) -> None:
    notifier.now = NOON.replace(hour=22)
    await notifier.receives(a_sign_up(email="zoe@shop.example"), a_rise(at=notifier.now))
    (deferred,) = [event for event in await notifier.told() if event.type == "message.deferred.v1"]
    assert deferred.data.deferred_until == NOON.replace(day=5, hour=6)
    assert deferred.data.reason == "quiet_hours"


async def test_what_is_long_past_is_in_the_inbox_as_of_then_and_not_mailed(notifier: Running) -> None:
    long_ago = NOON - timedelta(days=400)
    await notifier.receives(a_sign_up(email="zoe@shop.example", at=long_ago), a_rise(at=long_ago))
    assert await log(notifier) == [
        ("tier.raised", "email", "suppressed", "stale"),
        ("tier.raised", "inbox", "sent", None),
    ]
    async with notifier.client() as client:
        (entry,) = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["items"]
    assert datetime.fromisoformat(entry["happened_at"]) == long_ago
    assert sorted(await told(notifier)) == [("message.sent.v1", "inbox"), ("message.suppressed.v1", "email")]


@pytest.mark.parametrize("together", [True, False])
async def test_a_mail_before_the_sign_up_waits_for_the_address(notifier: Running, together: bool) -> None:
    rise, sign_up = a_rise(), a_sign_up(email="zoe@shop.example", at=NOON - HOUR)
    if together:
        await notifier.receives(rise, sign_up)
    else:
        await notifier.receives(rise)
        assert ("tier.raised", "email", "waiting", "no_address") in await log(notifier)
        await notifier.receives(sign_up)
    due = await notifier.ports.pool.fetchval("SELECT due_at FROM notifier.message WHERE channel = 'email'")
    assert due == NOON


async def test_a_no_to_all_messages_stops_both_channels_and_a_no_to_mail_only_that(notifier: Running) -> None:
    no = Consent(granted=False, purpose="loyalty")
    no_mail = Consent(granted=False, purpose="loyalty", channel="email")
    await notifier.receives(
        a_sign_up("m-1", consents=(no,)),
        a_sign_up("m-2", consents=(no_mail,)),
        a_rise(member="m-1"),
        a_rise(member="m-2"),
    )
    assert await log(notifier, "m-1") == [
        ("tier.raised", "email", "suppressed", "unsubscribed"),
        ("tier.raised", "inbox", "suppressed", "unsubscribed"),
    ]
    assert await log(notifier, "m-2") == [
        ("tier.raised", "email", "suppressed", "unsubscribed"),
        ("tier.raised", "inbox", "sent", None),
    ]


async def test_a_days_points_are_one_entry_that_grows_and_is_unread_again(notifier: Running) -> None:
    await notifier.receives(points_earned(10), points_earned(5))
    async with notifier.client() as client:
        (entry,) = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["items"]
        assert (
            entry["text"]
            == "Votre compte a été crédité de 15 points, en 2 fois. Votre solde\u00a0: 105 points."
        )
        await client.post(f"/v1/members/{MEMBER}/inbox/{entry['message_id']}/read")
        await notifier.receives(points_earned(7, at=NOON + HOUR), points_earned(1, at=NOON + 24 * HOUR))
        inbox = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()
    assert inbox["unread"] == 2
    assert [each["facts"]["points"] for each in inbox["items"]] == [1, 22]


async def test_both_sides_of_a_referral_are_told_and_neither_who_the_other_is(notifier: Running) -> None:
    await notifier.receives(
        an_approval("advocate", member="anna", counterpart_id="ben"),
        an_approval("friend", member="ben", counterpart_id="anna"),
    )
    async with notifier.client() as client:
        (to_anna,) = (await client.get("/v1/members/anna/inbox")).json()["items"]
        (to_ben,) = (await client.get("/v1/members/ben/inbox")).json()["items"]
    assert to_anna["title"] == "Merci pour votre parrainage\u00a0: 500 points"
    assert to_ben["title"] == "Votre cadeau de bienvenue\u00a0: 500 points"
    assert "ben" not in str(to_anna).replace("bienvenue", "")
    assert "anna" not in str(to_ben)


async def test_a_reminder_comes_only_at_the_distances_that_the_program_names(notifier: Running) -> None:
    def expiring(days: int) -> Event[Any]:
        return an_event(
            PointsExpiring(
                member_id=MEMBER,
                asset="points",
                points=50,
                expires_at=NOON + timedelta(days=days),
                days_left=days,
                balance=Balance(available=80),
            )
        )

    await notifier.receives(expiring(30), expiring(7), expiring(1))
    assert [name for name, *_ in await log(notifier)] == ["points.expiring", "points.expiring"]


async def test_the_text_follows_the_members_language_of_now(notifier: Running) -> None:
    await notifier.receives(a_sign_up(language="fr-CA"), a_rise("Habitué"))
    async with notifier.client() as client:
        before = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["items"][0]
        await notifier.receives(
            an_event(CustomerUpdated(customer_id=MEMBER, language="en_GB"), at=NOON + HOUR)
        )
        after = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["items"][0]
    assert (before["title"], before["language"]) == ("Vous avez atteint le niveau Habitué", "fr")
    assert (after["title"], after["language"]) == ("You have reached the level Habitué", "en")


async def test_an_erased_member_leaves_no_contact_and_no_text_and_is_told_nothing_more(
    notifier: Running,
) -> None:
    await notifier.receives(a_sign_up(email="zoe@shop.example", name="Zoë Unique"), a_rise("Habitué"))
    await notifier.receives(an_event(CustomerDeleted(customer_id=MEMBER), at=NOON + HOUR))
    await notifier.receives(
        a_sign_up(email="zoe@shop.example", name="Zoë Unique", at=NOON + 2 * HOUR),
        a_rise("Top"),
        points_earned(),
    )
    assert await log(notifier) == [
        ("tier.raised", "email", "suppressed", "erased"),
        ("tier.raised", "inbox", "sent", None),
    ]
    for table in ("member", "message", "preference"):
        rows = await notifier.ports.pool.fetch(f"SELECT row_to_json(t)::text FROM notifier.{table} AS t")
        assert not any(word in str(rows) for word in ("Unique", "shop.example", "Habitué"))
    async with notifier.client() as client:
        assert (await client.get(f"/v1/members/{MEMBER}/inbox")).json() == {
            "items": [],
            "next": None,
            "unread": 0,
        }
        shown = (await client.get(f"/v1/members/{MEMBER}/messages")).json()["items"]
    assert [message["title"] for message in shown] == [None, None]


async def test_an_event_of_an_unknown_program_is_refused_and_the_rest_of_the_batch_stands(
    notifier: Running,
) -> None:
    stranger = replace(a_rise(), program_id="nobody")
    done = await notifier.receives(stranger, a_rise(member="m-2"))
    assert (done.applied, done.refused) == (1, 1)
    assert [code for code, _ in await notifier.dead_letters()] == ["unknown_program"]
    assert len(await log(notifier, "m-2")) == 2


async def test_a_thousand_events_of_many_members_are_one_batch_in_set_based_statements(
    notifier: Running,
) -> None:
    batch = [points_earned(1, member=f"m-{number % 400}") for number in range(1000)]
    done = await notifier.receives(*batch)
    assert done.applied == 1000
    counted = await notifier.ports.pool.fetchrow(
        "SELECT count(*), sum((facts->>'points')::int) FROM notifier.message"
    )
    assert tuple(counted) == (400, 1000)  # type: ignore[arg-type]


async def test_lists_come_in_pages_newest_first(notifier: Running) -> None:
    await notifier.receives(*(a_rise(f"level {n}", at=NOON + n * HOUR) for n in range(5)))
    seen: list[str] = []
    async with notifier.client() as client:
        cursor: str | None = None
        while True:
            query: dict[str, Any] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.get(f"/v1/members/{MEMBER}/inbox", params=query)).json()
            seen += [entry["facts"]["level"] for entry in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        both = (await client.get(f"/v1/members/{MEMBER}/messages")).json()["items"]
        mails = (await client.get(f"/v1/members/{MEMBER}/messages", params={"channel": "email"})).json()[
            "items"
        ]
        strange = await client.get(f"/v1/members/{MEMBER}/messages", params={"cursor": "x"})
    assert seen == [f"level {n}" for n in (4, 3, 2, 1, 0)]
    assert (len(both), len(mails)) == (10, 5)
    assert strange.json()["code"] == "cursor_invalid"


async def test_reading_counts_once_and_only_for_ones_own_entries(notifier: Running) -> None:
    await notifier.receives(a_rise(), a_rise(member="m-2"))
    async with notifier.client(member=MEMBER) as client:
        (entry,) = (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["items"]
        path = f"/v1/members/{MEMBER}/inbox/{entry['message_id']}/read"
        first = (await client.post(path)).json()
        notifier.now += HOUR
        second = (await client.post(path)).json()
        assert first["read_at"] == second["read_at"] == "2026-05-04T12:00:00Z"
        assert (await client.get(f"/v1/members/{MEMBER}/inbox")).json()["unread"] == 0
        unread = (await client.get(f"/v1/members/{MEMBER}/inbox", params={"unread": True})).json()
        assert unread["items"] == []
        assert (await client.get("/v1/members/m-2/inbox")).status_code == 403
        lost = await client.post(f"/v1/members/{MEMBER}/inbox/0c9f5a52-2d0e-5b1d-9a37-6a1f2f8f6f10/read")
        assert (lost.status_code, lost.json()["code"]) == (404, "message_not_found")


async def test_another_programs_token_sees_nothing_and_none_sees_nothing(notifier: Running) -> None:
    await notifier.applies({"program": "other"})
    await notifier.receives(a_rise())
    async with notifier.client(program="other") as client:
        assert (await client.get(f"/v1/members/{MEMBER}/messages")).json()["items"] == []
    async with notifier.client(token=False) as client:
        assert (await client.get(f"/v1/members/{MEMBER}/messages")).status_code == 401
    async with notifier.client(scopes="ledger:read") as client:
        assert (await client.get(f"/v1/members/{MEMBER}/messages")).status_code == 403


async def test_verify_names_what_is_stuck(notifier: Running) -> None:
    await notifier.receives(a_sign_up(email="zoe@shop.example"), a_rise())
    await notifier.ports.pool.execute(
        "UPDATE notifier.message SET state = 'claimed', due_at = $1 WHERE channel = 'email'", NOON - HOUR
    )
    (fault,) = await notifier.differences()
    assert fault.startswith("demo: message ")
    assert fault.endswith("is claimed, and should have been settled by 2026-05-04T11:00:00+00:00")
    await notifier.ports.pool.execute("UPDATE notifier.message SET due_at = $1 WHERE channel = 'email'", NOON)


async def test_the_role_of_the_service_can_delete_no_message_and_unblock_no_address(
    notifier: Running,
) -> None:
    for table in ("message", "member", "suppressed_address"):
        with pytest.raises(Exception, match="permission denied"):
            await notifier.ports.pool.execute(f"DELETE FROM notifier.{table}")
