"""Rules about persons and what the calendar earns, on real Postgres: events in batches, jobs, HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.ledger.actions import occasions
from services.ledger.main import SERVICE
from shared.events import CustomerDeleted, CustomerUpdated, Event, SegmentEntered, SegmentLeft
from tests.support.events import MEMBER, NOON, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule, at
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
BIRTHDAY = a_rule("birthday", on="birthday", points="200", at_most="300 per lifetime")
SIGN_UP = a_rule("anniversary", on="signup_anniversary", points="100")
FIRST = a_rule("first purchase", on="first_purchase_anniversary", points="50")
YEAR = timedelta(days=365)


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        yield ledger
        assert await ledger.differences() == []


def an_update(member: str = MEMBER, *, at: datetime = NOON, **told: Any) -> Event[Any]:
    return an_event(CustomerUpdated(customer_id=member, **told), at=at)


async def given(ledger: Running, member: str = MEMBER) -> list[tuple[datetime, int]]:
    """What was given, and as of when."""
    rows = await ledger.ports.pool.fetch(
        "SELECT happened_at, amount FROM ledger.transfer WHERE member_id = $1 ORDER BY version", member
    )
    return [(row["happened_at"], row["amount"]) for row in rows]


async def passes(ledger: Running, moment: datetime) -> None:
    """The clock goes on, and the jobs run."""
    ledger.now = moment
    await ledger.runs("sweep_occasions")
    await ledger.runs("settle_due")


async def row_of(ledger: Running, table: str, member: str = MEMBER) -> Mapping[str, Any] | None:
    row = await ledger.ports.pool.fetchrow(f"SELECT * FROM ledger.{table} WHERE member_id = $1", member)
    return None if row is None else dict(row)


async def test_a_birthday_comes_at_local_midnight_within_its_cap_and_explains_itself(ledger: Running) -> None:
    await ledger.applies(a_document(BIRTHDAY))
    await ledger.receives(a_sign_up(birthday="1990-06-10", time_zone="Pacific/Auckland"))
    await passes(ledger, at("2026-06-09T11:59"))
    assert await given(ledger) == []
    await passes(ledger, at("2026-06-20"))
    await passes(ledger, at("2027-06-20"))
    await passes(ledger, at("2028-06-20"))
    assert await given(ledger) == [(at("2026-06-09T12:00"), 200), (at("2027-06-09T12:00"), 100)]
    async with ledger.client() as client:
        answer = await client.get(f"/v1/members/{MEMBER}/decisions/birthday:2028")
    (award,) = answer.json()["awards"]
    assert (award["points"], award["award_id"]) == (0, "birthday:2028:points")


async def test_a_replayed_history_celebrates_as_if_it_had_been_lived(ledger: Running) -> None:
    await ledger.applies(a_document(BIRTHDAY, SIGN_UP, FIRST, PER_EURO, zone="UTC"))
    ledger.now = at("2026-05-04")
    await ledger.receives(
        a_sign_up(birthday="--05-04", at=at("2024-01-10T10:00")),
        an_order_paid("1.00", at=at("2024-02-01T10:00")),
        an_order_paid("1.00", at=at("2025-03-01T10:00")),
    )
    assert await given(ledger) == [
        (at("2024-02-01T10:00"), 1),
        (at("2024-05-04"), 200),
        (at("2025-01-10"), 100),
        (at("2025-02-01"), 50),
        (at("2025-03-01T10:00"), 1),
    ]
    await ledger.receives(an_update(birthday="--04-01", at=at("2025-03-02")))
    await passes(ledger, at("2026-04-02"))
    later = (await given(ledger))[5:]
    assert later == [(at("2025-04-01"), 100), (at("2026-01-10"), 100), (at("2026-02-01"), 50)]


async def test_a_version_that_brings_occasions_brings_everybody_up_to_date_in_portions(
    ledger: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occasions, "MEMBERS_AT_ONCE", 3)
    await ledger.applies(a_document(PER_EURO, zone="UTC"))
    members = [f"m{number}" for number in range(8)]
    await ledger.receives(
        *(a_sign_up(member, birthday="--07-01") for member in members),
        *(an_order_paid("1.00", member=member) for member in members),
        an_order_paid("1.00", member="m3", at=NOON - timedelta(days=3)),
        an_event(CustomerDeleted(customer_id="m7")),
    )
    new = a_document(PER_EURO, BIRTHDAY, SIGN_UP, FIRST, zone="UTC")
    ledger.now = NOON + timedelta(days=10)
    await ledger.applies(new)
    assert await ledger.runs("sweep_occasions") == 0, "transactions that began before may still write"
    ledger.now += occasions.LEFT_ALONE
    assert await ledger.runs("sweep_occasions") == 3
    assert await ledger.runs("sweep_occasions") == 0
    await passes(ledger, NOON + YEAR)
    birthday, anniversary = (at("2026-07-01"), 200), (at("2027-05-04"), 100)
    assert await given(ledger, "m0") == [(NOON, 1), birthday, (at("2027-05-04"), 50), anniversary]
    assert (at("2027-05-01"), 50) in await given(ledger, "m3")
    assert len(await given(ledger, "m7")) == 2, "an order, and its erasure"


async def test_a_version_without_the_rule_gives_nothing_from_then_on(ledger: Running) -> None:
    await ledger.applies(a_document(BIRTHDAY, zone="UTC"))
    await ledger.receives(a_sign_up(birthday="--07-01"))
    await ledger.applies(a_document(PER_EURO, zone="UTC"), at=at("2027-06-30"))
    await passes(ledger, at("2028-12-31"))
    assert await given(ledger) == [(at("2026-07-01"), 200)]
    assert (await row_of(ledger, "member") or {})["next_due"] is None


async def test_segments_new_members_and_birthdays_decide_and_a_refund_finds_them_as_they_were(
    ledger: Running,
) -> None:
    conditions = {"segment": "tea lovers", "joined_within": "30 days", "birthday_within": "7 days"}
    await ledger.applies(a_document(PER_EURO, a_rule("for some", points="10", if_=conditions)))
    await ledger.receives(a_sign_up(birthday="--05-06", at=NOON - timedelta(days=9)))
    await ledger.receives(an_event(SegmentEntered(member_id=MEMBER, segment="tea lovers")))
    order = an_order_paid("9.00")
    await ledger.receives(order)
    late = NOON + timedelta(days=300)
    await ledger.receives(an_event(SegmentLeft(member_id=MEMBER, segment="tea lovers"), at=late))
    await ledger.receives(an_update(birthday="--01-01", at=late), a_refund(order, amount="1.00", at=late))
    async with ledger.client() as client:
        balance = (await client.get(f"/v1/members/{MEMBER}/balances")).json()["balances"][0]
        decision = (await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")).json()
    assert balance["available"] == 18
    assert {rule["rule"]: rule["matched"] for rule in decision["awards"][0]["rules"]} == {
        "base": True,
        "for some": True,
    }


async def test_a_when_expression_decides_and_is_refused_with_its_place(ledger: Running) -> None:
    rule = a_rule(
        "tea", points="10", when="lines.exists(line, 'tea' in line.categories) && order.number == 1"
    )
    await ledger.applies(a_document(PER_EURO, rule))
    async with ledger.client(scopes="program:read program:write ledger:read") as client:
        wrong = a_document(a_rule("tea", points="10", when="order.itms > 5"))
        answer = await client.put("/v1/program?dry_run=true", json=wrong, headers={"If-Match": '"1"'})
        assert answer.status_code == 422
        (found,) = answer.json()["errors"]
        assert found["path"] == "ledger.earn[0].when"
        assert found["message"].startswith("column 7: there is no `itms` in order")
        order = an_order_paid("60.00")
        await ledger.receives(order)
        decision = (await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")).json()
    rules = {rule["rule"]: rule["why_not"] for rule in decision["awards"][0]["rules"]}
    assert rules == {"base": None, "tea": f"this is not so: {rule['when']}"}


async def test_who_is_erased_is_forgotten_as_a_person(ledger: Running) -> None:
    await ledger.applies(a_document(BIRTHDAY))
    await ledger.receives(a_sign_up(birthday="--07-01", email="a@example.org", name="Ada"))
    kept = await row_of(ledger, "person") or {}
    assert (kept["birthday"], kept["time_zone"]) == ("07-01", None)
    assert not {"a@example.org", "Ada"} & set(map(str, kept.values()))
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER)))
    assert await row_of(ledger, "person") is None
    await ledger.receives(an_update(birthday="--07-01"))
    await passes(ledger, NOON + YEAR)
    assert await row_of(ledger, "person") is None
    assert await given(ledger) == []


async def test_a_budget_for_birthdays_is_kept_also_where_nobody_foresaw_them(ledger: Running) -> None:
    rule = a_rule("birthday", on="birthday", points="200", budget="300 points per year")
    await ledger.applies(a_document(rule, zone="UTC"))
    await ledger.receives(a_sign_up("a", birthday="--07-01"), a_sign_up("b", birthday="--07-02"))
    await passes(ledger, at("2026-12-31"))
    assert [await given(ledger, name) for name in "ab"] == [
        [(at("2026-07-01"), 200)],
        [(at("2026-07-02"), 100)],
    ]
    ledger.now = at("2029-01-01")
    await ledger.receives(a_sign_up("c", birthday="--07-03"), a_sign_up("c", at=at("2028-12-01")))
    assert await given(ledger, "c") == [(at("2027-07-03"), 200), (at("2028-07-03"), 200)]
    assert await given(ledger, "a") == [(at("2026-07-01"), 200)]
    await ledger.runs("settle_due")
    assert sorted((await given(ledger, "a"))[1:] + (await given(ledger, "b"))[1:]) == [
        (at("2027-07-01"), 100),
        (at("2028-07-01"), 100),
    ]


async def test_a_spend_on_the_birthday_finds_its_points(ledger: Running) -> None:
    await ledger.applies(
        a_document(a_rule("birthday", on="birthday", points="200", budget="1000 points"), zone="UTC")
    )
    await ledger.receives(a_sign_up(birthday="--07-01"))
    ledger.now = at("2026-07-01")
    async with ledger.client() as client:
        answer = await client.post(f"/v1/members/{MEMBER}/holds", json={"hold_id": "h", "points": 200})
    assert answer.status_code == 201, answer.text
    assert await given(ledger) == [(at("2026-07-01"), 200), (at("2026-07-01"), 200)]
