"""Referrals on real Postgres: batches of records in, announcements and answers out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.referrals.domain.hashes import Secret
from services.referrals.domain.model import Member
from services.referrals.main import SERVICE
from shared.events import CustomerDeleted, CustomerUpdated, Event
from shared.settings import SettingsError
from tests.support.events import PROGRAM, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.services import Running, running

KEY = "only for tests, of course"
SECRET = Secret(KEY.encode())
DAY = timedelta(days=1)
START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DUE = datetime(2026, 5, 18, 22, 0, tzinfo=UTC)
ANNA, BEN, CLEO = "anna", "ben", "cleo"
DOCUMENT: dict[str, Any] = {
    "program": PROGRAM,
    "currency": "EUR",
    "time_zone": "Europe/Paris",
    "referrals": {
        "welcome": {"friend": {"coupon": "10 %"}},
        "reward": {"advocate": {"points": 500}, "friend": {"points": 100}},
        "qualifies": {"order_at_least": "30.00 EUR"},
        "landing": "https://shop.example/hello?lang=fr",
    },
}


@pytest.fixture
async def referrals(fresh_database: Callable[[], Awaitable[str]], keys: KeyPair) -> AsyncIterator[Running]:
    """The service with the program applied, at START."""
    settings = {"hash_key": KEY, "public_url": "https://refer.example/"}
    async with running(SERVICE, await fresh_database(), keys, **settings) as found:
        found.now = START
        await found.applies(DOCUMENT)
        yield found


def code_of(member: str) -> str:
    """The code of a member."""
    return SECRET.code(PROGRAM, member)


def ben_comes_through_anna() -> list[Event[Any]]:
    """Anna is a member, Ben signs up with her code and orders enough."""
    return [
        a_sign_up(ANNA, at=START - 30 * DAY, email="anna@shop.example"),
        a_sign_up(BEN, at=START, email="ben@shop.example", referral_code=code_of(ANNA)),
        an_order_paid("42.00", order_id="b-1", member=BEN, at=START, email="ben@shop.example"),
    ]


async def told(referrals: Running) -> list[tuple[str, str, int]]:
    """What was announced: type, member, points."""
    return [
        (event.type, event.data.member_id, sum(grant.points or 0 for grant in event.data.rewards))
        for event in await referrals.told()
    ]


async def rows(referrals: Running, query: str) -> list[tuple[Any, ...]]:
    """What a query finds, as the service's own role sees it."""
    return [tuple(row) for row in await referrals.ports.pool.fetch(query)]


async def state_of(referrals: Running, friend: str = BEN) -> list[str]:
    """The states of a friend's referrals."""
    found = await rows(referrals, f"SELECT state FROM referrals.referral WHERE member_id = '{friend}'")
    return [state for (state,) in found]


async def test_a_referral_runs_from_the_sign_up_to_both_rewards(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna())
    referrals.now = DUE
    assert await referrals.runs("approve-due") == 1
    assert await referrals.runs("approve-due") == 0
    assert await told(referrals) == [
        ("referral.started.v1", BEN, 0),
        ("referral.started.v1", ANNA, 0),
        ("referral.qualified.v1", BEN, 0),
        ("referral.qualified.v1", ANNA, 0),
        ("referral.approved.v1", BEN, 100),
        ("referral.approved.v1", ANNA, 500),
    ]
    assert await referrals.differences() == []


async def test_each_event_in_a_batch_of_its_own_ends_as_in_one_batch(referrals: Running) -> None:
    for event in reversed(ben_comes_through_anna()):
        await referrals.receives(event)
    assert await state_of(referrals) == ["pending"]
    assert await referrals.differences() == []


async def test_a_refund_takes_back_what_was_approved_too_early(referrals: Running) -> None:
    events = ben_comes_through_anna()
    await referrals.receives(*events)
    referrals.now = DUE
    await referrals.runs("approve-due")
    await referrals.receives(a_refund(events[-1], at=DUE - DAY, amount="42.00"))
    assert (await told(referrals))[-2:] == [
        ("referral.voided.v1", BEN, 100),
        ("referral.voided.v1", ANNA, 500),
    ]
    assert await referrals.differences() == []


async def test_what_was_just_written_is_left_to_settle(referrals: Running) -> None:
    referrals.now = DUE + DAY
    await referrals.receives(*ben_comes_through_anna())
    assert await referrals.runs("approve-due") == 0
    referrals.now += timedelta(seconds=6)
    assert await referrals.runs("approve-due") == 1


async def test_the_same_event_twice_counts_once(referrals: Running) -> None:
    events = ben_comes_through_anna()
    done = await referrals.receives(*events, *events)
    again = await referrals.receives(*events)
    assert (done.applied, done.duplicates, again.duplicates) == (3, 3, 3)
    assert len(await told(referrals)) == 4


async def test_no_address_is_kept_in_any_table(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna())
    for table in ("member", "signal", "touch", "paper", "referral", "advocacy"):
        for (row,) in await rows(referrals, f"SELECT t::text FROM referrals.{table} AS t"):
            assert "shop.example" not in row, table


async def test_an_erased_member_leaves_the_count_and_nothing_else(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna())
    referrals.now = DUE
    await referrals.runs("approve-due")
    await referrals.receives(an_event(CustomerDeleted(customer_id=BEN), at=DUE + DAY))
    assert await rows(referrals, "SELECT friend_id, state FROM referrals.advocacy") == [(None, "approved")]
    assert await rows(referrals, f"SELECT * FROM referrals.paper WHERE member_id = '{BEN}'") == []
    assert await rows(referrals, "SELECT member_id FROM referrals.signal") == [(ANNA,)]
    before = len(await told(referrals))
    await referrals.receives(
        an_order_paid("42.00", member=BEN, at=DUE + 2 * DAY, referral_code=code_of(CLEO))
    )
    assert len(await told(referrals)) == before
    assert await rows(referrals, "SELECT * FROM referrals.touch") == []
    assert await referrals.differences() == []


async def test_an_erased_advocate_is_named_to_nobody_any_more(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna())
    await referrals.receives(an_event(CustomerDeleted(customer_id=ANNA), at=START + DAY))
    assert await rows(referrals, "SELECT advocate_id FROM referrals.referral") == [(None,)]
    referrals.now = DUE
    await referrals.runs("approve-due")
    assert (await told(referrals))[-1] == ("referral.approved.v1", BEN, 100)
    assert await state_of(referrals) == ["approved"]
    assert await referrals.differences() == []


async def test_a_friend_and_the_advocate_that_arrive_at_once_find_each_other(referrals: Running) -> None:
    friends = [f"friend-{number}" for number in range(12)]
    advocates = [f"advocate-{number}" for number in range(12)]

    async def arrives(event: Event[Any]) -> None:
        async with referrals.ports.pool.acquire() as connection, connection.transaction():
            outcome = await referrals.doors.handle(connection, [event], START)
            assert not outcome.refused

    events = [
        event
        for friend, advocate in zip(friends, advocates, strict=True)
        for event in (
            a_sign_up(friend, at=START, referral_code=code_of(advocate)),
            a_sign_up(advocate, at=START),
        )
    ]
    await asyncio.gather(*(arrives(event) for event in events))
    assert await rows(referrals, "SELECT DISTINCT state, count(*) FROM referrals.referral GROUP BY 1") == [
        ("started", 12)
    ]
    assert await referrals.differences() == []


async def test_a_code_that_another_member_has_is_not_given_twice(referrals: Running) -> None:
    taken = code_of(BEN)
    async with referrals.ports.pool.acquire() as connection:
        await connection.execute("INSERT INTO referrals.code VALUES ($1, $2, 'somebody')", PROGRAM, taken)
    await referrals.receives(a_sign_up(BEN, at=START))
    assert await rows(referrals, f"SELECT code FROM referrals.member WHERE member_id = '{BEN}'") == [
        (SECRET.code(PROGRAM, BEN, 1),)
    ]


async def test_verify_names_what_does_not_follow_from_the_papers(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna())
    await referrals.ports.pool.execute(
        "UPDATE referrals.referral SET state = 'approved', approved_at = due_at"
    )
    await referrals.ports.pool.execute(
        "UPDATE referrals.code SET member_id = 'cleo' WHERE member_id = 'anna'"
    )
    found = "\n".join(await referrals.differences())
    assert "is approved with the friend and pending with the advocate" in found
    assert "code" in found
    assert "'cleo'" in found


async def test_an_event_of_an_unknown_program_is_refused(referrals: Running) -> None:
    event = an_event(CustomerUpdated(customer_id=BEN), at=START, program="other")
    await referrals.receives(event, a_sign_up(ANNA, at=START))
    assert [code for code, _ in await referrals.dead_letters()] == ["unknown_program"]
    assert await rows(referrals, "SELECT member_id FROM referrals.member") == [(ANNA,)]


async def test_the_service_may_neither_edit_papers_nor_drop_members(referrals: Running) -> None:
    for statement in (
        "UPDATE referrals.paper SET data = '{}'",
        "DELETE FROM referrals.member",
        "DELETE FROM referrals.referral",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await referrals.ports.pool.execute(statement)


async def test_every_named_query_fits_the_schema(referrals: Running) -> None:
    async with referrals.ports.pool.acquire() as connection:
        for name in referrals.ports.sql.names():
            await connection.prepare(getattr(referrals.ports.sql, name))


async def test_a_code_is_given_to_whoever_asks_and_stays(referrals: Running) -> None:
    async with referrals.client() as client:
        first = await client.get(f"/v1/members/{ANNA}/referrals")
        again = await client.get(f"/v1/members/{ANNA}/referrals")
    assert first.status_code == 200, first.text
    assert first.json() == again.json()
    assert first.json() == {
        "member_id": ANNA,
        "code": code_of(ANNA),
        "link": f"https://refer.example/r/{code_of(ANNA)}",
        "counts": {},
        "brought": [],
        "brought_by": [],
        "attempts": [],
        "next": None,
    }


async def test_asking_for_a_code_settles_who_was_waiting_for_it(referrals: Running) -> None:
    await referrals.receives(*ben_comes_through_anna()[1:])
    assert await state_of(referrals) == []
    async with referrals.client() as client:
        answer = await client.get(f"/v1/members/{ANNA}/referrals")
    assert answer.json()["counts"] == {"pending": 1}
    assert [kind for kind, _, _ in await told(referrals)] == [
        "referral.started.v1",
        "referral.started.v1",
        "referral.qualified.v1",
        "referral.qualified.v1",
    ]


async def test_a_member_sees_how_it_stands_but_not_who_the_other_side_is(referrals: Running) -> None:
    events = ben_comes_through_anna()
    await referrals.receives(*events, a_refund(events[-1], at=START + DAY, amount="42.00"))
    async with (
        referrals.client() as shop,
        referrals.client(member=ANNA) as anna,
        referrals.client(member=CLEO) as cleo,
    ):
        seen = (await anna.get(f"/v1/members/{ANNA}/referrals")).json()["brought"]
        full = (await shop.get(f"/v1/members/{ANNA}/referrals")).json()["brought"]
        assert [(each["state"], each["reasons"], each["counterpart_id"]) for each in seen] == [
            ("voided", ["order_not_kept"], None)
        ]
        assert [(each["state"], each["reasons"], each["counterpart_id"]) for each in full] == [
            ("voided", ["order_refunded"], BEN)
        ]
        address = f"/v1/referrals/{full[0]['referral_id']}"
        assert (await shop.get(address)).json()["friend_id"] == BEN
        assert BEN not in (await anna.get(address)).text
        assert (await anna.get(address)).json()["role"] == "advocate"
        assert (await cleo.get(address)).status_code == 404
        assert (await cleo.get(f"/v1/members/{ANNA}/referrals")).status_code == 403


async def test_the_list_comes_in_pages(referrals: Running) -> None:
    await referrals.receives(
        a_sign_up(ANNA, at=START),
        *(a_sign_up(f"f-{n}", at=START + n * DAY, referral_code=code_of(ANNA)) for n in range(5)),
    )
    found: list[str] = []
    async with referrals.client() as client:
        address: str | None = f"/v1/members/{ANNA}/referrals?limit=2"
        while address:
            page = (await client.get(address)).json()
            found += [each["counterpart_id"] for each in page["brought"]]
            cursor = page["next"]
            address = f"/v1/members/{ANNA}/referrals?limit=2&cursor={cursor}" if cursor else None
    assert found == ["f-4", "f-3", "f-2", "f-1", "f-0"]


async def test_a_shop_sees_the_codes_that_did_not_count_and_why(referrals: Running) -> None:
    await referrals.receives(a_sign_up(BEN, at=START, referral_code=code_of(BEN)))
    async with referrals.client() as client:
        attempts = (await client.get(f"/v1/members/{BEN}/referrals")).json()["attempts"]
    assert [(each["code"], each["reasons"]) for each in attempts] == [(code_of(BEN), ["same_member"])]


async def test_a_link_leads_to_the_shop_with_code_and_click(referrals: Running) -> None:
    await referrals.receives(a_sign_up(ANNA, at=START))
    async with referrals.client(token=False) as client:
        known = await client.get(f"/r/{code_of(ANNA).lower()}")
        unknown = await client.get("/r/nobodys")
    ((click,),) = await rows(referrals, "SELECT click_id FROM referrals.click")
    assert (known.status_code, known.headers["location"]) == (
        302,
        f"https://shop.example/hello?lang=fr&ref={code_of(ANNA)}&click={click}",
    )
    assert (unknown.status_code, unknown.headers["location"]) == (302, "https://shop.example/hello?lang=fr")


async def test_an_erased_member_has_no_code_any_more(referrals: Running) -> None:
    await referrals.receives(
        a_sign_up(ANNA, at=START), an_event(CustomerDeleted(customer_id=ANNA), at=START + DAY)
    )
    async with referrals.client() as client:
        answer = await client.get(f"/v1/members/{ANNA}/referrals")
        link = await client.get(f"/r/{code_of(ANNA)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "member_erased")
    assert link.headers["location"] == "https://shop.example/hello?lang=fr"


async def test_who_may_not_read_gets_nothing(referrals: Running) -> None:
    async with referrals.client(token=False) as nobody, referrals.client(scopes="ledger:read") as other:
        for client, status in ((nobody, 401), (other, 403)):
            assert (await client.get(f"/v1/members/{ANNA}/referrals")).status_code == status
            assert (
                await client.get("/v1/referrals/018f6d3e-5b0a-8c55-9d7e-0f5f5a3f6a10")
            ).status_code == status


def test_a_missing_key_is_named_clearly() -> None:
    with pytest.raises(SettingsError, match=r"REFERRALS_HASH_KEY \(or HASH_KEY\): is not set"):
        SERVICE.settings.read(database_url="postgresql://localhost/x")


def test_a_member_is_known_by_program_and_id() -> None:
    assert Member(PROGRAM, ANNA, code_of(ANNA), START).key == (PROGRAM, ANNA)
