"""Merge of two members over HTTP and events: everything moves, and the old id is another name of the survivor."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from asyncpg import LockNotAvailableError
from httpx import Response

from services.ledger.main import SERVICE
from services.ledger.store.merging import JOINED, LEFT, MOVED
from shared.events import CustomerDeleted, Event
from shared.events.fields import MAX_ID_LENGTH
from tests.support.events import MEMBER, NOON, a_record, a_refund, a_sign_up, an_event, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_rule
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
OLD = "old-7"
SCOPES = "ledger:read ledger:write ledger:admin"
PENDING = {"order.paid": "14 days after order.paid"}
MOST_TRIES = 50
WELCOME = a_rule("welcome", on="customer.signed_up", points="100")


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups(earn=[PER_EURO, WELCOME]))
        yield ledger
        assert await ledger.differences() == []


async def merges(
    ledger: Running, old: str = OLD, *, into: str = MEMBER, query: str = "", **client: Any
) -> Response:
    async with ledger.client(**({"scopes": SCOPES} | client)) as person:
        body = {"from": old, "reason": "two accounts of one person"}
        return await person.post(f"/v1/members/{into}/merge{query}", json=body)


async def balance(ledger: Running, member: str = MEMBER) -> tuple[int, int, int]:
    row = await ledger.ports.pool.fetchrow(
        "SELECT pending, available, held FROM ledger.balance WHERE member_id = $1 AND asset = 'points'",
        member,
    )
    return tuple(row) if row is not None else (0, 0, 0)


async def asks(ledger: Running, path: str, member: str = MEMBER, **body: Any) -> Any:
    async with ledger.client(scopes=SCOPES) as shop:
        address = f"/v1/members/{member}/{path}"
        return await (shop.post(address, json=body) if body else shop.get(address))


async def handled(ledger: Running, *events: Event[Any]) -> None:
    """One batch, tried again as a worker does where a row was locked: the first event of an old id waits for nobody."""
    records = [ledger._placed(a_record(event, offset=0)) for event in events]
    for _ in range(MOST_TRIES):
        with contextlib.suppress(LockNotAvailableError):
            await ledger.takes(records)
            return
    raise AssertionError("the batch was never let through")


async def test_balances_lots_and_holds_move_and_verify_agrees(ledger: Running) -> None:
    await ledger.receives(
        an_order_paid("300.00", order_id="o-1"),
        an_order_paid("200.00", member=OLD, order_id="o-2", at=NOON - timedelta(days=40)),
        an_order_paid("100.00", member=OLD, order_id="o-3"),
    )
    await asks(ledger, "spends", OLD, spend_id="s", points=100, order_id="o-9")
    await asks(ledger, "holds", OLD, hold_id="h", points=100)
    ends = await ledger.ports.pool.fetch(
        "SELECT expires_at, remaining FROM ledger.lot WHERE remaining > 0 ORDER BY expires_at, remaining"
    )
    dry = await merges(ledger, query="?dry_run=true")
    assert dry.json()["moved"] == [
        {"asset": "points", "pending": 0, "available": 100, "held": 100, "version": 4}
    ]
    assert await balance(ledger, OLD) == (0, 100, 100)
    made = await merges(ledger)
    assert (made.status_code, made.json() | {"merged_at": ""}) == (200, dry.json() | {"merged_at": ""})
    assert (await balance(ledger), await balance(ledger, OLD)) == ((0, 400, 100), (0, 0, 0))
    assert ends == await ledger.ports.pool.fetch(
        "SELECT expires_at, remaining FROM ledger.lot WHERE remaining > 0 ORDER BY expires_at, remaining"
    )
    async with ledger.client(scopes=SCOPES) as shop:
        released = await shop.post(f"/v1/members/{OLD}/holds/h/release")
        entries = (await shop.get(f"/v1/members/{MEMBER}/statement")).json()["items"]
        told = (await shop.get(f"/v1/members/{OLD}/merges")).json()
    assert released.status_code == 200
    assert await balance(ledger) == (0, 500, 0)
    assert [entry["kind"] for entry in entries][:3] == ["release", "merge", "merge"]
    assert (told["member_id"], told["merges"][0]["merged_id"]) == (MEMBER, OLD)
    event = next(event for event in await ledger.told() if event.type == "member.merged.v1")
    assert (event.data.member_id, event.data.merged_id) == (MEMBER, OLD)


async def test_both_may_have_used_a_code_that_is_good_once_for_each_member(ledger: Running) -> None:
    once = {"code": "TEA-4-ALL", "per_member": 1, "uses": 5, "gives": {"kind": "coupon", "percent": "10"}}
    async with ledger.client() as shop:
        made = await shop.post("/v1/coupons", json=once)
    assert made.status_code == 201, made.text
    paid = {"coupon_codes": ("TEA-4-ALL",)}
    await ledger.receives(
        an_order_paid(order_id="o-1", **paid), an_order_paid(order_id="o-2", member=OLD, **paid)
    )
    assert (await merges(ledger)).status_code == 200
    assert await ledger.differences() == []
    await handled(ledger, an_order_paid(order_id="o-3", member=OLD, **paid))
    uses = await ledger.ports.pool.fetch("SELECT order_id, state FROM ledger.coupon_use ORDER BY order_id")
    assert [tuple(row) for row in uses] == [("o-1", "used"), ("o-2", "used"), ("o-3", "refused")]


async def test_later_events_and_refunds_of_old_orders_reach_the_survivor(ledger: Running) -> None:
    old_order = an_order_paid("200.00", member=OLD, order_id="o-2")
    await ledger.receives(an_order_paid("50.00", order_id="o-1"), old_order)
    await merges(ledger)
    await ledger.receives(
        an_order_paid("30.00", member=OLD, order_id="o-3"), an_order_paid("7.00", order_id="o-4")
    )
    assert await balance(ledger) == (0, 287, 0)
    await ledger.receives(a_refund(old_order, amount="200.00"))
    assert (await balance(ledger), await balance(ledger, OLD)) == ((0, 87, 0), (0, 0, 0))
    spent = await asks(ledger, "spends", OLD, spend_id="s", points=80)
    assert (spent.status_code, spent.json()["balance"]["available"]) == (201, 7)
    assert (await asks(ledger, "balances", OLD)).json()["balances"][0]["available"] == 7


async def test_pending_awards_wait_on_and_become_the_survivors(ledger: Running) -> None:
    await ledger.applies(tea_and_cups(earn=[PER_EURO], pending=PENDING), at=NOON - timedelta(hours=1))
    await ledger.receives(an_order_paid("50.00"), an_order_paid("200.00", member=OLD))
    await merges(ledger)
    assert await balance(ledger) == (250, 0, 0)
    ledger.now += timedelta(days=20)
    await ledger.runs("settle_due")
    assert await balance(ledger) == (0, 250, 0)


async def test_what_was_owed_is_paid_by_the_survivor(ledger: Running) -> None:
    order = an_order_paid("200.00", member=OLD)
    await ledger.receives(an_order_paid("150.00"), order)
    await asks(ledger, "spends", OLD, spend_id="s", points=200)
    await ledger.receives(a_refund(order, amount="200.00"))
    assert await balance(ledger, OLD) == (0, -200, 0)
    await merges(ledger)
    assert (await balance(ledger), await balance(ledger, OLD)) == ((0, -50, 0), (0, 0, 0))


async def test_spent_points_come_back_into_the_lots_that_moved(ledger: Running) -> None:
    order = an_order_paid("60.00", member=OLD, order_id="o-2", paid_with=())
    await ledger.receives(an_order_paid("500.00", member=OLD, at=NOON - timedelta(days=40)), order)
    await asks(ledger, "spends", OLD, spend_id="s", points=500, order_id="o-2")
    await ledger.receives(an_order_paid("40.00"))
    await merges(ledger)
    await ledger.receives(a_refund(order, amount="60.00"))
    assert await balance(ledger) == (0, 540, 0)
    lots = await ledger.ports.pool.fetch(
        "SELECT remaining, lot_no, opened_at FROM ledger.lot WHERE remaining > 0 ORDER BY opened_at"
    )
    assert [row["remaining"] for row in lots] == [500, 40]
    assert lots[0]["opened_at"] == NOON - timedelta(days=40)
    assert lots[0]["lot_no"] < 0


async def test_what_both_have_of_one_kind_is_joined(ledger: Running) -> None:
    document = tea_and_cups(
        earn=[a_rule(points="1", per="1.00 EUR", at_most="100 per month"), WELCOME],
        caps=[{"at_most": "500 points per month"}],
    )
    await ledger.applies(document, at=NOON - timedelta(hours=1))
    await ledger.receives(a_sign_up(), a_sign_up(member=OLD), an_order_paid("60.00"))
    await ledger.receives(an_order_paid("80.00", member=OLD))
    await merges(ledger)
    assert await balance(ledger) == (0, 340, 0)
    await ledger.receives(an_order_paid("50.00", order_id="o-4"), a_sign_up(member=OLD))
    assert await balance(ledger) == (0, 340, 0)


async def test_goals_of_both_are_counted_together(ledger: Running) -> None:
    goal = a_rule("five", points="5", for_spending="each 100.00 EUR per month")
    await ledger.applies(tea_and_cups(earn=[goal]), at=NOON - timedelta(hours=1))
    old_order = an_order_paid("230.00", member=OLD, order_id="o-2")
    await ledger.receives(an_order_paid("150.00", order_id="o-1"), old_order)
    assert (await balance(ledger), await balance(ledger, OLD)) == ((0, 5, 0), (0, 10, 0))
    await merges(ledger)
    assert await balance(ledger) == (0, 15, 0)
    assert await ledger.differences() == []
    await ledger.receives(an_order_paid("20.00", order_id="o-3"))
    assert await balance(ledger) == (0, 20, 0)
    await ledger.receives(a_refund(old_order, amount="230.00"))
    assert await balance(ledger) == (0, 5, 0)


async def test_what_a_refund_took_of_a_goal_stays_taken_until_an_order_reaches_it_again(
    ledger: Running,
) -> None:
    goal = a_rule("five", points="5", for_spending="each 100.00 EUR per month")
    await ledger.applies(tea_and_cups(earn=[goal]), at=NOON - timedelta(hours=1))
    mine, theirs = an_order_paid("150.00"), an_order_paid("150.00", member=OLD)
    await ledger.receives(mine, theirs, a_refund(mine, amount="100.00"))
    await merges(ledger)
    assert await balance(ledger) == (0, 5, 0)
    assert await ledger.differences() == []
    await ledger.receives(a_refund(theirs, amount="10.00", refund_id="r-1"))
    assert await balance(ledger) == (0, 5, 0)
    await ledger.receives(an_order_paid("110.00", member=OLD))
    assert await balance(ledger) == (0, 15, 0)
    assert await ledger.differences() == []
    await ledger.receives(a_refund(theirs, amount="140.00", refund_id="r-2"))
    assert await balance(ledger) == (0, 5, 0)


async def test_what_is_reached_again_after_a_merge_is_not_counted_twice_by_caps(ledger: Running) -> None:
    goal = a_rule("five", points="5", for_spending="each 100.00 EUR per month")
    program = tea_and_cups(earn=[goal], caps=[{"at_most": "10 points per month"}])
    await ledger.applies(program, at=NOON - timedelta(hours=1))
    mine, theirs = an_order_paid("150.00"), an_order_paid("150.00", member=OLD)
    await ledger.receives(mine, theirs, a_refund(mine, amount="100.00"))
    await merges(ledger)
    assert await balance(ledger) == (0, 5, 0)
    await ledger.receives(an_order_paid("20.00", order_id="o-3"))
    assert await balance(ledger) == (0, 10, 0), "the caps had counted ten, and five were taken back"
    assert await ledger.differences() == []
    await ledger.receives(a_refund(theirs, amount="100.00", refund_id="r-1"))
    assert await balance(ledger) == (0, 5, 0)
    await ledger.receives(an_order_paid("400.00", order_id="o-4", member=OLD))
    assert await balance(ledger) == (0, 10, 0), "and there is no room for more"
    assert await ledger.differences() == []


async def test_lots_of_both_follow_a_new_expiry_policy_once(ledger: Running) -> None:
    await ledger.receives(an_order_paid("10.00"), an_order_paid("20.00", member=OLD))
    ledger.now = NOON + timedelta(days=9)
    await ledger.runs("sweep_occasions")
    policy = {"expire": "36 months"}
    await ledger.applies(tea_and_cups(earn=[PER_EURO], points=policy), at=NOON + timedelta(days=9))
    ledger.now += timedelta(hours=1)
    await merges(ledger)
    lots = "SELECT remaining, expires_at::date::text FROM ledger.lot WHERE remaining > 0 ORDER BY 1"
    after = [tuple(row) for row in await ledger.ports.pool.fetch(lots)]
    assert after == [(10, "2029-05-04"), (20, "2029-05-04")]
    await ledger.runs("sweep_occasions")
    await ledger.runs("settle_due")
    assert [tuple(row) for row in await ledger.ports.pool.fetch(lots)] == after
    followed = "SELECT lots_version FROM ledger.member WHERE member_id = $1"
    assert await ledger.ports.pool.fetchval(followed, MEMBER) == 2


async def test_rewards_and_their_codes_move(ledger: Running) -> None:
    reward = {"reward": "five off", "costs": "100 points", "gives": {"money_off": "5.00 EUR"}}
    await ledger.applies(
        tea_and_cups(earn=[PER_EURO], spend={"rewards": [reward]}), at=NOON - timedelta(hours=1)
    )
    await ledger.receives(an_order_paid("150.00", member=OLD), an_order_paid("150.00"))
    for member in (OLD, MEMBER):
        bought = await asks(ledger, "redemptions", member, reward="five off", reward_id="r-1")
        assert bought.status_code == 201, bought.text
    await merges(ledger)
    found = (await asks(ledger, "rewards", OLD)).json()["items"]
    assert sorted(each["reward_id"] for each in found) == ["r-1", f"r-1@{OLD}"]
    voided = await asks(ledger, f"rewards/r-1@{OLD}/void", OLD, reason="mistake")
    assert voided.status_code == 200, voided.text
    assert await balance(ledger) == (0, 200, 0)


async def test_a_chain_leads_to_its_end_and_what_makes_no_sense_is_refused(ledger: Running) -> None:
    await ledger.receives(*(an_order_paid("10.00", member=name) for name in (MEMBER, OLD, "older", "eve")))
    assert (await merges(ledger, "older", into=OLD)).status_code == 200
    assert (await merges(ledger)).status_code == 200
    again = await merges(ledger, "older")
    assert again.status_code == 200  # it is there already, by way of the other
    assert (await merges(ledger)).json()["merged_id"] == OLD
    await ledger.receives(an_order_paid("5.00", member="older"))
    assert await balance(ledger) == (0, 35, 0)
    assert (await merges(ledger, MEMBER, into="older")).json()["code"] == "same_member"
    assert (await merges(ledger, "older", into="eve")).json()["code"] == "already_merged"
    assert (await merges(ledger, "nobody")).json()["code"] == "unknown_member"
    assert (await merges(ledger, "eve", scopes="ledger:write")).json()["code"] == "scope_missing"
    assert (await merges(ledger, "eve", scopes=SCOPES, member=MEMBER)).status_code == 403


async def test_the_old_account_may_be_deleted_and_the_survivor_stays_until_forgotten(ledger: Running) -> None:
    await ledger.receives(an_order_paid("10.00"), an_order_paid("20.00", member=OLD))
    await merges(ledger)
    await ledger.receives(an_event(CustomerDeleted(customer_id=OLD)))
    assert await balance(ledger) == (0, 30, 0)
    await ledger.receives(an_event(CustomerDeleted(customer_id=MEMBER)))
    await ledger.receives(an_order_paid("5.00", member=OLD))
    assert await balance(ledger) == (0, 0, 0)
    assert (await merges(ledger)).json()["code"] == "member_erased"


async def test_a_deletion_beside_the_merge_comes_wholly_before_it_or_means_the_old_name_alone(
    ledger: Running,
) -> None:
    """There is nothing between: points that were merged are the survivor's, and what was forgotten is not joined."""
    pairs = [(f"new-{number}", f"old-{number}") for number in range(8)]
    await ledger.receives(*[an_order_paid("10.00", member=each) for pair in pairs for each in pair])
    ledger.now += timedelta(minutes=1)

    async def forgets(old: str) -> None:
        await handled(ledger, an_event(CustomerDeleted(customer_id=old), at=ledger.now))

    async def one_after_the_other() -> None:
        for _, old in pairs:
            await forgets(old)

    asking = [merges(ledger, old, into=new) for new, old in pairs]
    answers, _ = await asyncio.gather(asyncio.gather(*asking), one_after_the_other())
    for (new, old), answer in zip(pairs, answers, strict=True):
        was_merged = answer.status_code == 200
        assert was_merged or answer.json()["code"] == "member_erased"
        assert await balance(ledger, new) == (0, 20 if was_merged else 10, 0)
        await ledger.receives(an_order_paid("5.00", member=old))
        assert await balance(ledger, new) == (0, 25 if was_merged else 10, 0)
    assert await ledger.differences() == []


async def test_ids_that_both_have_stay_within_the_length_of_an_id(ledger: Running) -> None:
    name = "x" * MAX_ID_LENGTH
    for member in (MEMBER, OLD):
        await ledger.receives(an_order_paid("500.00", member=member, order_id=name))
        await asks(ledger, "holds", member, hold_id=name, points=100)
    assert (await merges(ledger)).status_code == 200
    for table, column in (("purchase", "order_id"), ("hold", "hold_id")):
        found = await ledger.ports.pool.fetch(
            f"SELECT {column} FROM ledger.{table} WHERE member_id = $1", MEMBER
        )
        ids = {row[0] for row in found}
        assert (len(ids), {len(each) for each in ids}) == (2, {MAX_ID_LENGTH})


async def test_who_is_erased_leaves_no_word_of_a_merge_or_of_the_old_id_behind(ledger: Running) -> None:
    await ledger.receives(a_sign_up(MEMBER), a_sign_up(OLD))
    adjustment = await asks(ledger, "adjustments", OLD, adjustment_id="t", points=5, reason="Ana called")
    assert adjustment.status_code == 201
    await merges(ledger)
    assert (await asks(ledger, "erase", reason="asked by letter")).status_code == 200
    words = "SELECT reason FROM ledger.merge UNION ALL SELECT reason FROM ledger.adjustment"
    assert {row["reason"] or "" for row in await ledger.ports.pool.fetch(words)} == {""}


async def test_adjustments_of_before_a_merge_are_listed_under_either_id(ledger: Running) -> None:
    await ledger.receives(a_sign_up(MEMBER), a_sign_up(OLD), a_sign_up("other"))
    for member in (MEMBER, OLD, "other"):
        made = await asks(
            ledger, "adjustments", member, adjustment_id=f"of-{member}", points=5, reason="kind"
        )
        assert made.status_code == 201
    await merges(ledger)
    async with ledger.client() as client:
        for name in (MEMBER, OLD):
            listed = (await client.get("/v1/adjustments", params={"member_id": name})).json()["items"]
            assert {each["adjustment_id"] for each in listed} == {f"of-{MEMBER}", f"of-{OLD}"}


async def test_events_requests_and_merges_at_once_lose_and_double_nothing(ledger: Running) -> None:
    names = [MEMBER, OLD, "a-1", "z-1"]
    await ledger.receives(*(an_order_paid("100.00", member=name) for name in names))

    async def spends(number: int) -> str:
        answer = await asks(ledger, "spends", names[number % 4], spend_id=f"s-{number}", points=1)
        return str(answer.status_code)

    async def merging() -> list[Response]:
        return await asyncio.gather(*(merges(ledger, name) for name in (OLD, "a-1", "z-1", OLD)))

    async def in_turn() -> None:
        for n in range(4):
            late = an_order_paid("10.00", member=names[n]), an_order_paid("1.00", member=names[-n % 4])
            await handled(ledger, *late)

    done, merged, _ = await asyncio.gather(
        asyncio.gather(*(spends(n) for n in range(40))), merging(), in_turn()
    )
    found = Counter(done)
    assert set(found) <= {"201", "409"}
    for answer, name in zip(merged, (OLD, "a-1", "z-1", OLD), strict=True):
        if answer.status_code != 200:
            assert (await merges(ledger, name)).status_code == 200
    assert await balance(ledger) == (0, 444 - found["201"], 0)


async def test_of_two_orders_of_one_id_a_refund_takes_back_the_survivors_alone(ledger: Running) -> None:
    mine = an_order_paid("100.00", order_id="o-1")
    await ledger.receives(mine, an_order_paid("300.00", member=OLD, order_id="o-1"))
    await asks(ledger, "spends", OLD, spend_id="s", points=100, order_id="o-1")
    await merges(ledger)
    assert await balance(ledger) == (0, 300, 0)
    await ledger.receives(a_refund(mine, amount="100.00"))
    assert await balance(ledger) == (0, 200, 0)
    rows = "SELECT order_id, points - reversed FROM ledger.award WHERE order_id IS NOT NULL ORDER BY 1"
    assert [tuple(row) for row in await ledger.ports.pool.fetch(rows)] == [("o-1", 0), (f"o-1@{OLD}", 300)]


async def test_every_table_about_a_member_has_its_place_in_a_merge(ledger: Running) -> None:
    rows = await ledger.ports.pool.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'ledger' AND column_name = 'member_id'"
    )
    tables = {row["table_name"] for row in rows}
    assert tables == MOVED | JOINED | LEFT, (
        "say in store/merging.py what a merge does with the rows of a new table"
    )
