"""The ledger on real Postgres: events in batches, commands over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from services.ledger.main import SERVICE
from shared.events import Grant, ReferralApproved, ReferralVoided, RefundLine, TierLowered, TierRaised
from tests.support.events import (
    MEMBER,
    NOON,
    a_cancellation,
    a_fulfilment,
    a_line,
    a_record,
    a_refund,
    a_review,
    a_review_removed,
    a_share,
    a_sign_up,
    an_event,
    an_order_paid,
)
from tests.support.keys import KeyPair
from tests.support.programs import tea_and_cups
from tests.support.services import Running, running

Database = Callable[[], Awaitable[str]]
TEA = a_line("25.00", line_id="tea", categories=("tea",))
CUP = a_line("40.00", line_id="cup")
WAITS = {"pending": {"order.paid": "14 days after order.fulfilled"}}


@pytest.fixture
async def ledger(fresh_database: Database, keys: KeyPair) -> AsyncIterator[Running]:
    async with running(SERVICE, await fresh_database(), keys) as ledger:
        await ledger.applies(tea_and_cups())
        yield ledger
        assert await ledger.differences() == []


async def balance(ledger: Running, member: str = MEMBER) -> tuple[int, int, int]:
    """Pending, available, held."""
    row = await ledger.ports.pool.fetchrow(
        "SELECT pending, available, held FROM ledger.balance WHERE member_id = $1 AND asset = 'points'",
        member,
    )
    return tuple(row) if row else (0, 0, 0)  # type: ignore[return-value]


def the_example_order(**more: Any) -> Any:
    return an_order_paid("64.90", lines=(TEA, CUP), discount="5.00", shipping="4.90", **more)


async def test_a_redelivered_order_earns_once(ledger: Running) -> None:
    order = an_order_paid("42.00")
    done = await ledger.receives(order, order)
    again = await ledger.receives(order)
    assert (done.applied, done.duplicates, again.duplicates) == (1, 1, 1)
    assert await balance(ledger) == (0, 42, 0)


async def test_the_worked_example_earns_133_points_and_says_why(ledger: Running) -> None:
    order = the_example_order()
    await ledger.receives(order)
    async with ledger.client() as client:
        answer = await client.get(f"/v1/members/{MEMBER}/decisions/{order.id}")
    (award,) = answer.json()["awards"]
    assert (award["points"], award["by_line"], award["bonus"]) == (133, [46, 37], 50)
    assert {rule["rule"]: rule["points"] for rule in award["rules"]} == {
        "base": "60",
        "tea counts double": "23.08",
        "big basket": "50",
    }


async def test_refunds_of_the_worked_example_end_at_zero_in_either_order(ledger: Running) -> None:
    first, second = the_example_order(member="one"), the_example_order(member="two")
    await ledger.receives(first, second)
    await ledger.receives(
        a_refund(first, lines=(RefundLine(line_id="cup"),)),
        a_refund(second, lines=(RefundLine(line_id="tea"),)),
    )
    assert (await balance(ledger, "one"), await balance(ledger, "two")) == ((0, 46, 0), (0, 36, 0))
    await ledger.receives(
        a_refund(first, lines=(RefundLine(line_id="tea"),)),
        a_refund(second, lines=(RefundLine(line_id="cup"),)),
    )
    assert (await balance(ledger, "one"), await balance(ledger, "two")) == ((0, 0, 0), (0, 0, 0))


async def test_a_refund_and_an_edit_explain_what_their_order_holds(ledger: Running) -> None:
    """The worked example: the cup leaves 23.08 of base and as much of tea's doubling; without it there is no bonus."""
    order = the_example_order()
    refund = a_refund(order, lines=(RefundLine(line_id="cup"),))
    edit = an_order_paid("42.00", order_id=order.data.order_id, at=NOON + timedelta(hours=1))
    await ledger.receives(order, refund)
    async with ledger.client(member=MEMBER) as client:
        path, mine = "/v1/decisions", {"member_id": MEMBER}
        (award,) = (await client.get(f"{path}/{refund.id}", params=mine)).json()["awards"]
        await ledger.receives(edit)
        (edited,) = (await client.get(f"{path}/{edit.id}", params=mine)).json()["awards"]
        other = await client.get(f"{path}/{edit.id}", params={"member_id": "somebody"})
    assert (award["points"], award["reversed"]) == (133, 87)
    left = {rule["rule"]: rule["left"] for rule in award["rules"] if rule["matched"]}
    assert left == {"base": "23.08", "tea counts double": "23.08", "big basket": "0"}
    assert other.json()["code"] == "other_member"
    assert (edited["points"], edited["reversed"]) == (42, 0), "the cup is no longer in it"


async def test_a_refund_that_overtakes_its_order_is_waited_for(ledger: Running) -> None:
    order = the_example_order()
    refund = a_refund(order, lines=(RefundLine(line_id="cup"),))
    await ledger.receives(refund)
    assert await balance(ledger) == (0, 0, 0)
    await ledger.receives(order)
    assert await balance(ledger) == (0, 46, 0)


async def test_a_refund_of_a_line_that_the_order_never_had_is_a_dead_letter(ledger: Running) -> None:
    order = the_example_order()
    await ledger.receives(order, a_refund(order, lines=(RefundLine(line_id="spoon"),)), an_order_paid("7.00"))
    ((code, _),) = await ledger.dead_letters()
    assert code == "unknown_line"
    assert await balance(ledger) == (0, 140, 0)


async def test_points_wait_for_the_fulfilment_and_then_fourteen_days(ledger: Running) -> None:
    await ledger.applies(tea_and_cups(**WAITS), at=NOON - timedelta(days=1))
    order = an_order_paid("42.00")
    await ledger.receives(order)
    assert await balance(ledger) == (42, 0, 0)
    await ledger.receives(a_fulfilment(order, at=NOON + timedelta(days=2)))
    ledger.now = NOON + timedelta(days=16)
    await ledger.runs("settle_due")
    assert await balance(ledger) == (42, 0, 0), "the midnight after the sixteenth day has not come"
    ledger.now = NOON + timedelta(days=17)
    await ledger.runs("settle_due")
    assert await balance(ledger) == (0, 42, 0)


async def test_an_event_of_next_year_is_refused_and_changes_nothing(ledger: Running) -> None:
    await ledger.takes([a_record(an_order_paid("42.00", at=NOON + timedelta(days=365)), offset=0)])
    assert [code for code, _ in await ledger.dead_letters()] == ["event_from_the_future"]
    assert await balance(ledger) == (0, 0, 0)


async def test_what_is_never_fulfilled_goes_back_after_the_deadline(ledger: Running) -> None:
    await ledger.applies(tea_and_cups(**WAITS), at=NOON - timedelta(days=1))
    await ledger.receives(an_order_paid("42.00"))
    ledger.now = NOON + timedelta(days=92)
    await ledger.runs("settle_due")
    assert await balance(ledger) == (0, 0, 0)


async def test_points_expire_at_the_end_of_their_month(ledger: Running) -> None:
    await ledger.receives(an_order_paid("42.00"))
    async with ledger.client() as client:
        (lot,) = (await client.get(f"/v1/members/{MEMBER}/lots")).json()["lots"]
    assert lot["expires_at"] == "2027-05-31T22:00:00Z"
    ledger.now = NOON + timedelta(days=400)
    await ledger.runs("settle_due")
    assert await balance(ledger) == (0, 0, 0)


async def test_lots_come_in_pages_in_the_order_in_which_they_are_spent(ledger: Running) -> None:
    days = (40, 0, 50, 1)
    await ledger.receives(*(an_order_paid(f"{day + 1}.00", at=NOON + timedelta(days=day)) for day in days))
    async with ledger.client() as client:
        pages, cursor = [], ""
        while cursor is not None:
            page = (
                await client.get(f"/v1/members/{MEMBER}/lots?limit=2{cursor and '&cursor='}{cursor}")
            ).json()
            pages.append([lot["amount"] for lot in page["lots"]])
            cursor = page["next"]
    assert pages == [[1, 2], [41, 51]]


async def test_a_history_that_is_replayed_in_one_batch_comes_out_as_if_it_had_been_lived(
    ledger: Running,
) -> None:
    days = (0, 100, 400, 420)
    await ledger.receives(*(an_order_paid("10.00", at=NOON + timedelta(days=day)) for day in days))
    kinds = await ledger.ports.pool.fetch("SELECT kind FROM ledger.transfer ORDER BY version")
    assert [row["kind"] for row in kinds] == ["award", "award", "expiry", "award", "award"]
    assert await balance(ledger) == (0, 30, 0)


async def test_welcome_share_and_review_points_keep_their_caps(ledger: Running) -> None:
    review = a_review(text="a long enough text", product="tea-1")
    await ledger.receives(
        a_sign_up(),
        a_sign_up(),
        a_share(network="x"),
        a_share(network="x"),
        a_share(network="y"),
        review,
        a_review(text="a long enough text", product="tea-1"),
        a_review(text="short", product="tea-2"),
    )
    assert await balance(ledger) == (0, 100 + 5 + 5 + 20, 0)
    await ledger.receives(a_review_removed(review), a_review(text="written once again", product="tea-1"))
    assert await balance(ledger) == (0, 100 + 5 + 5 + 20, 0)


async def test_a_cancelled_order_holds_nothing(ledger: Running) -> None:
    order = the_example_order()
    await ledger.receives(order, a_cancellation(order))
    assert await balance(ledger) == (0, 0, 0)


async def test_a_hold_is_captured_in_part_and_the_rest_goes_back(ledger: Running) -> None:
    await ledger.applies(tea_and_cups(spend={}), at=NOON - timedelta(days=1))
    await ledger.receives(a_sign_up())
    async with ledger.client() as client:
        held = await client.post(f"/v1/members/{MEMBER}/holds", json={"hold_id": "h1", "points": 80})
        assert held.status_code == 201, held.text
        assert held.json()["balance"]["available"] == 20
        captured = await client.post(f"/v1/members/{MEMBER}/holds/h1/capture", json={"points": 50})
        assert captured.json()["balance"] | {"version": 0} == {
            "asset": "points",
            "pending": 0,
            "available": 50,
            "held": 0,
            "version": 0,
        }
        twice = await client.post(f"/v1/members/{MEMBER}/holds/h1/capture", json={})
        assert (twice.status_code, twice.json()["code"]) == (409, "hold_closed")
        too_much = await client.post(f"/v1/members/{MEMBER}/holds", json={"points": 51})
        assert (too_much.status_code, too_much.json()["code"]) == (409, "insufficient_points")


async def test_a_hold_that_times_out_is_released_when_somebody_looks(ledger: Running) -> None:
    await ledger.receives(a_sign_up())
    async with ledger.client() as client:
        await client.post(f"/v1/members/{MEMBER}/holds", json={"hold_id": "h1", "points": 100, "minutes": 5})
        ledger.now = NOON + timedelta(minutes=5)
        late = await client.post(f"/v1/members/{MEMBER}/holds/h1/capture", json={})
        assert (late.status_code, late.json()["state"]) == (409, "timed_out")
    await ledger.runs("settle_due")
    assert await balance(ledger) == (0, 100, 0)


async def test_the_statement_tells_every_entry_newest_first_page_by_page(ledger: Running) -> None:
    await ledger.receives(*(an_order_paid(f"{n}.00") for n in range(1, 6)))
    async with ledger.client() as client:
        first = (await client.get(f"/v1/members/{MEMBER}/statement?limit=3")).json()
        rest = (await client.get(f"/v1/members/{MEMBER}/statement?limit=3&cursor={first['next']}")).json()
    assert [entry["amount"] for entry in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next"] is None


async def test_each_entry_is_announced_with_the_balance_after_it(ledger: Running) -> None:
    order = an_order_paid("42.00")
    await ledger.receives(order, a_refund(order, amount="40.00"))
    told = await ledger.told()
    assert [(event.type, event.data.points, event.data.balance.available) for event in told] == [
        ("points.earned.v1", 42, 42),
        ("points.reversed.v1", 40, 2),
    ]
    assert told[1].data.order_points == 2


def raised(level: str, points: int, *, at: Any = NOON, times: str = "1.5") -> Any:
    rewards = (Grant(kind="points", points=points),) if points else ()
    return an_event(
        TierRaised(member_id=MEMBER, level=level, since=at, earn_times=times, rewards=rewards), at=at
    )


async def test_a_level_multiplies_what_later_orders_earn_and_not_earlier_ones(ledger: Running) -> None:
    await ledger.receives(raised("Gold", 0))
    later = an_order_paid("10.00", at=NOON + timedelta(hours=1))
    await ledger.receives(an_order_paid("10.00", at=NOON - timedelta(hours=1)), later)
    assert await balance(ledger) == (0, 10 + 15, 0)
    async with ledger.client() as client:
        decision = (await client.get(f"/v1/members/{MEMBER}/decisions/{later.id}")).json()
    assert decision["awards"][0]["earn_times"] == "1.5"


async def test_an_entry_reward_is_taken_back_with_the_level_that_a_refunded_order_gained(
    ledger: Running,
) -> None:
    await ledger.receives(raised("Silver", 100), raised("Gold", 250, at=NOON + timedelta(hours=1)))
    assert await balance(ledger) == (0, 350, 0)
    lowered = TierLowered(
        member_id=MEMBER, level="Silver", since=NOON, rewards_taken_back=(Grant(kind="points", points=250),)
    )
    await ledger.receives(an_event(lowered, at=NOON + timedelta(days=1)))
    assert await balance(ledger) == (0, 100, 0)


async def test_a_referral_that_is_approved_voided_and_approved_again_pays_once(ledger: Running) -> None:
    def changed(data: type, hours: int) -> Any:
        rewards = (Grant(kind="points", points=300),)
        event = data(member_id=MEMBER, referral_id="r-1", role="advocate", rewards=rewards)
        return an_event(event, at=NOON + timedelta(hours=hours))

    held = []
    for data, hours in (
        (ReferralApproved, 1),
        (ReferralVoided, 2),
        (ReferralApproved, 3),
        (ReferralApproved, 4),
    ):
        await ledger.receives(changed(data, hours))
        held.append((await balance(ledger))[1])
    assert held == [300, 0, 300, 300]


@pytest.mark.parametrize("member", ["shop/17", "a/b/../c", "50 % off?", "é/😀", "..."])
async def test_any_id_can_stand_in_an_address(ledger: Running, member: str) -> None:
    await ledger.receives(an_order_paid("42.00", member=member))
    address = f"/v1/members/{quote(member, safe='')}"
    async with ledger.client(member=member) as own, ledger.client(member=member.partition("/")[0]) as other:
        answer = await own.get(f"{address}/balances")
        assert (answer.status_code, answer.json()["member_id"]) == (200, member), answer.text
        spend = {"spend_id": "s", "points": 2}
        assert (await own.post(f"{address}/spends", json=spend)).json()["balance"]["available"] == 40
        if "/" in member:
            assert (await other.get(f"{address}/balances")).json()["code"] == "other_member"
            refused = (await own.get(f"{address}/decisions/none")).json()
            assert refused["instance"].startswith(f"/v1/members/{member.replace('/', '%2F')}/")
            assert (await own.get(f"/v1/members/{member}/balances")).json()["code"] == "route_not_found"
