"""`verify` finds whatever somebody changed by hand in the tables, and says where; and nothing beside live traffic.

What a newcomer would get wrong: the faults are seeded by the superuser. The role of the service may not even change or
remove a transfer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from services.ledger.main import SERVICE
from tests.support.events import NOON, a_refund, a_review, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.rewards import a_reward
from tests.support.seeding import Seeded, is_found_and_named, keep, restore
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running

ADA, BEN = "ada", "ben"
PROGRAM = a_document(
    PER_EURO | {"at_most": "900 per month"},
    a_rule("hello", on="customer.signed_up", points="1000"),
    a_rule("review", on="review.published", points="20", limit="2 per year"),
    pending={"order.paid": "14 days after order.paid"},
    points={"expire": "12 months"},
    transfers={"older_than": "0 days"},
    spend={
        "rewards": [a_reward("five off", "80"), a_reward("mug", "30", stock=9, gives={"product": "mug-1"})]
    },
)
CHANGED = (
    "transfer", "balance", "lot", "hold", "award", "usage", "account", "reward", "reward_stock", "coupon_use",
    "adjustment", "gift",
)  # fmt: skip
"""The tables that a fault is seeded in."""
HERS = "member_id = 'ada' AND asset = 'points'"


SEEDS = {
    "a transfer of another amount": Seeded(
        f"UPDATE transfer SET amount = amount + 1 WHERE {HERS} AND version = 3",
        ("transfer 3 of points",),
        ("account redeemed",),
    ),
    "a transfer that is missing": Seeded(
        f"DELETE FROM transfer WHERE {HERS} AND version = 3",
        ("transfer 3 of points is missing",),
        ("account redeemed",),
    ),
    "the last transfer is missing": Seeded(
        f"DELETE FROM transfer WHERE {HERS} AND version = (SELECT max(version) FROM ledger.transfer WHERE {HERS})",
        ("points has pending",),
        ("account redeemed",),
    ),
    "a balance after a transfer": Seeded(
        f"UPDATE transfer SET available = available + 1 WHERE {HERS} AND version = 3",
        ("transfer 3 of points",),
    ),
    "a transfer to another account": Seeded(
        f"UPDATE transfer SET from_account = 'adjusted' WHERE {HERS} AND version = 1",
        ("award event:",),
        ("account issued", "account adjusted"),
    ),
    "a balance": Seeded(
        f"UPDATE balance SET available = available + 7 WHERE {HERS}",
        ("points has pending", "remain in lots"),
        ("sum to 7, not 0",),
    ),
    "a lot with too much in it": Seeded(
        f"UPDATE lot SET remaining = remaining + 7 WHERE {HERS} AND lot_no = 1",
        ("997 remain in lots -1, 1,",),
    ),
    "a lot that is lost": Seeded(
        f"DELETE FROM lot WHERE {HERS} AND lot_no = 1", ("remain in lots", "lot 1 of points")
    ),
    "a lot of nothing": Seeded(
        "INSERT INTO lot (program_id, member_id, asset, lot_no, opened_at, amount, remaining)"
        " VALUES ('demo', 'ada', 'points', 99, now(), 50, 50)",
        ("remain in lots", "lot 99 of points"),
    ),
    "a hold without points": Seeded(
        "UPDATE hold SET state = 'released' WHERE member_id = 'ada' AND hold_id = 'open'", ("hold open",)
    ),
    "a hold of points that were never taken": Seeded(
        "INSERT INTO hold (program_id, member_id, hold_id, asset, points, state, held_at, held_until, draws)"
        " VALUES ('demo', 'ada', 'made up', 'points', 5, 'open', now(), now() + interval '1 day', '[[1, 5]]')",
        ("hold made up",),
    ),
    "a hold that is lost": Seeded(
        "DELETE FROM hold WHERE member_id = 'ada' AND hold_id = 'open'", ("hold open",)
    ),
    "a spend of another size": Seeded(
        "UPDATE hold SET captured = captured - 1 WHERE member_id = 'ada' AND hold_id = 'spend'",
        ("hold spend",),
    ),
    "an award of which more came back": Seeded(
        "UPDATE award SET reversed = reversed + 1 WHERE award_id = 'order:ada-1:points'",
        ("award order:ada-1:points",),
    ),
    "an award that is lost": Seeded(
        "DELETE FROM award WHERE award_id LIKE 'review:%' AND member_id = 'ada'", ("award review:",)
    ),
    "an award that waits no more": Seeded(
        "UPDATE award SET state = 'available', due_at = NULL WHERE award_id = 'order:ada-0:points'",
        ("points are pending", "award order:ada-0:points"),
    ),
    "a cap that counted too little": Seeded(
        "UPDATE usage SET points = '1' WHERE member_id = 'ada' AND rule = 'base'",
        ("rule 'base' counted 1 in",),
    ),
    "a cap that counted too much": Seeded(
        "UPDATE usage SET points = '41' WHERE member_id = 'ada' AND rule = 'review'",
        ("rule 'review' counted 41 in",),
    ),
    "an account of the program": Seeded(
        "UPDATE account SET amount = amount + 5 WHERE account = 'issued'",
        (),
        ("account issued", "sum to 5, not 0"),
    ),
    "two accounts against each other": Seeded(
        "UPDATE account SET amount = amount + CASE account WHEN 'issued' THEN 5 ELSE -5 END"
        " WHERE account IN ('issued', 'redeemed')",
        (),
        ("account issued", "account redeemed"),
    ),
    "a reward that nobody paid for": Seeded(
        "UPDATE reward SET source = 'bought', price = 30 WHERE member_id = 'ada' AND reward_id = 'present'",
        ("were paid for rewards", "reward present"),
    ),
    "a coupon that was used too often": Seeded(
        "INSERT INTO coupon_use (program_id, code, use_id, state, member_id, named, changed_at)"
        " SELECT program_id, code, n::text, 'used', member_id, false, now() FROM coupon, generate_series(1, 2) AS n"
        " WHERE member_id = 'ada' AND reward_id = 'bought'",
        ("coupon",),
    ),
    "a stock": Seeded("UPDATE reward_stock SET sold = sold - 1", (), ("of 'mug' are said to be gone",)),
    "an adjustment": Seeded(
        "UPDATE adjustment SET moved = moved + 1 WHERE member_id = 'ada'", ("adjustments say",)
    ),
    "a gift": Seeded("UPDATE gift SET points = points + 1 WHERE member_id = 'ada'", ("gifts say",)),
}


@pytest.fixture(scope="module")
async def town(servers: Servers, keys: KeyPair) -> AsyncIterator[Running]:
    async with a_database(servers) as url, running(SERVICE, url, keys) as ledger:
        await ledger.applies(PROGRAM)
        for member, other in ((ADA, BEN), (BEN, ADA)):
            await lived(ledger, member, other)
        async with ledger.client() as client:
            await client.post(f"/v1/members/{ADA}/spends", json={"spend_id": "last", "points": 5})
        await ledger.runs("fold_and_check")
        await keep(ledger, CHANGED)
        yield ledger


@pytest.fixture
async def ledger(town: Running) -> Running:
    """The books as they were before the first fault."""
    await restore(town, CHANGED)
    assert await town.differences() == []
    return town


async def lived(ledger: Running, member: str, other: str) -> None:
    """One of everything."""
    ledger.now = NOON
    orders = [
        an_order_paid("70.00", member=member, order_id=f"{member}-{n}", at=NOON - timedelta(days=20 * n))
        for n in (0, 1, 2)
    ]
    await ledger.receives(
        a_sign_up(member, at=NOON - timedelta(days=60)), a_sign_up(other, at=NOON - timedelta(days=60))
    )
    async with ledger.client(scopes="ledger:read ledger:write") as client:

        async def asks(path: str, **body: Any) -> None:
            answer = await client.post(f"/v1/members/{member}/{path}", json=body)
            assert answer.is_success, answer.text

        await asks("holds", hold_id="open", points=50, minutes=9_999)
        await asks("spends", spend_id="spend", points=40)
        await asks("redemptions", reward_id="bought", reward="five off")
        await asks("gifts", gift_id="present", reward="mug", reason="thank you")
        await asks("adjustments", adjustment_id=f"{member}-late", points=25, reason="a late parcel")
        await ledger.receives(
            *orders[::-1], a_refund(orders[1], amount="20.00"), a_review(member, product=member)
        )
        await asks("transfers", transfer_id="gift", to=other, points=15)


@pytest.mark.parametrize("name", SEEDS)
async def test_what_somebody_changed_by_hand_is_found_and_named(ledger: Running, name: str) -> None:
    await is_found_and_named(ledger, SEEDS[name], ADA)


async def test_beside_live_traffic_nothing_is_found_that_is_not_wrong(ledger: Running) -> None:
    members = [f"busy-{n}" for n in range(10)]
    await ledger.receives(*(a_sign_up(member) for member in members))
    done = asyncio.Event()

    async def orders() -> None:
        for n in range(60):
            paid = [an_order_paid("12.00", member=member, order_id=f"{member}-{n}") for member in members]
            await ledger.receives(
                *paid, a_refund(paid[0], amount="5.00"), a_review(members[n % 10], product=f"p{n}")
            )
        done.set()

    async def commands(client: AsyncClient, member: str, other: str) -> None:
        for n in range(10):
            spend, hold, gift = (
                {"spend_id": f"s{n}"},
                {"hold_id": f"h{n}"},
                {"transfer_id": f"g{n}", "to": other},
            )
            for path, words in (("spends", spend), ("holds", hold), ("transfers", gift)):
                answer = await client.post(f"/v1/members/{member}/{path}", json=words | {"points": 3})
                assert answer.status_code == 201, answer.text
            await client.post(f"/v1/members/{member}/holds/h{n}/capture", json={"points": 2})

    async def verifies() -> None:
        while not done.is_set():
            assert await ledger.differences() == []
            await ledger.runs("fold_and_check")

    async with ledger.client() as client:
        pairs = zip(members, members[1:] + members[:1], strict=True)
        await asyncio.gather(
            verifies(), orders(), *(commands(client, member, other) for member, other in pairs)
        )
    assert await ledger.differences() == []
