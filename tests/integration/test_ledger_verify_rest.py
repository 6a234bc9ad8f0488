"""`verify` beyond balances, lots and holds: rewards and what they were drawn from, dues, orders, partners, donations,
pools, and whoever was forgotten. Each fault is found, and said of whom it is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.ledger.main import SERVICE
from tests.support.events import NOON, a_line, a_refund, a_sign_up, an_order_paid
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule
from tests.support.rewards import a_reward
from tests.support.seeding import Seeded, is_found_and_named, keep, restore
from tests.support.servers import Servers, a_database
from tests.support.services import Running, running

ADA, KIN, GONE = "ada", "kin", "gone"
PROGRAM = a_document(
    PER_EURO,
    a_rule("hello", on="customer.signed_up", points="1000"),
    a_rule("stamp", on="customer.signed_up", gives="3 stamps"),
    a_rule("food", donate="2.00 EUR", per="item", to="food bank"),
    pending={"order.paid": "14 days after order.paid"},
    assets={"stamps": {"expire": "1 month"}},
    guests={"keep": "90 days"},
    partners=[{"partner": "river-bank", "gives": "points", "budget": "900 points per month"}],
    pools={"members": "3"},
    spend={
        "rewards": [
            a_reward("five off", "80"),
            a_reward("five more", "50", gives={"credit": "5.00 EUR"}),
            a_reward("a tree", "10", gives={"donate_to": ["forest", "sea"]}),
        ]
    },
)
CHANGED = (
    "member", "transfer", "lot", "hold", "award", "purchase", "reward", "coupon", "coupon_use", "budget_slot", "person",
    "partner_credit", "partner_reversal", "pool",
)  # fmt: skip
SEEDS = {
    "what a reward gave": Seeded(
        """UPDATE reward SET gives = gives || '{"points": 600}' WHERE reward_id = 'credit'""",
        ("rewards say that they gave 600 credit:EUR",),
    ),
    "a donation of a member to another charity": Seeded(
        """UPDATE reward SET gives = gives || '{"charity": "sea"}' WHERE reward_id = 'tree'""",
        ("reward tree costs 10 points",),
    ),
    "a hold that says too little of its lots": Seeded(
        "UPDATE hold SET draws = '[[1, 1]]'", ("hold h is of 50 points, and drew 1",)
    ),
    "a hold of a lot that is not there": Seeded(
        "UPDATE hold SET draws = '[[77, 50]]'", ("hold h is of 50 points, and drew 50, among them from lots 77",)
    ),
    "a reward that was drawn from less": Seeded(
        "UPDATE reward SET draws = '[]' WHERE reward_id = 'five'", ("reward five is of 80 points, and drew 0",)
    ),
    "what expired in a lot": Seeded(
        "UPDATE lot SET expired = 2 WHERE expired = 3 AND member_id = 'ada'",
        ("lots 1 of stamps say that 2 expired in them, but 3 did",),
    ),
    "a member whom nobody looks at": Seeded(
        "UPDATE member SET next_due = NULL WHERE member_id = 'ada'", ("the first award is due", "looked at never")
    ),
    "an award that waits for ever": Seeded(
        "UPDATE award SET due_at = NULL WHERE award_id = 'order:late:points'", ("the first award is due never",)
    ),
    "an explanation": Seeded(
        """UPDATE award SET breakdown = breakdown || '{"bonus": 7}' WHERE award_id = 'order:late:points'""",
        ("award order:late:points is of 30, but its lines and bonus make 37",),
    ),
    "an order that is lost": Seeded(
        "DELETE FROM purchase WHERE order_id = 'late'", ("awards of order late, but no such order",)
    ),
    "an order of a guest that is lost": Seeded(
        "DELETE FROM purchase WHERE order_id = 'by-guest'",
        ("awards of order by-guest, but no such order", "order by-guest of a guest was credited"),
    ),
    "a refund that is lost": Seeded(
        "UPDATE purchase SET refunds = '[]', cancelled_at = now() WHERE order_id = 'back'",
        ("award order:back:points holds 10, what is kept of order back makes 0",),
    ),
    "a donation of the merchant that went astray": Seeded(
        "UPDATE transfer SET to_account = 'redeemed' WHERE asset = 'donation:EUR' AND order_id = 'late'",
        ("the donation of donation:EUR for order late went astray with 200",),
        ("account redeemed of donation:EUR", "account charity:food bank"),
    ),
    "a use of a code that is not there": Seeded(
        "INSERT INTO coupon_use (program_id, code, use_id, state, member_id, named, changed_at)"
        " VALUES ('demo', 'NOWHERE', 'u', 'used', 'ada', false, now())",
        ("code NOWHERE was used 1 times",),
    ),
    "a code that one member used too often": Seeded(
        "INSERT INTO coupon_use (program_id, code, use_id, state, member_id, named, changed_at)"
        " SELECT program_id, code, n::text, 'used', 'ada', false, now() FROM coupon, generate_series(1, 2) AS n"
        " WHERE per_member = 1",
        ("was used 2 times, 1 are allowed each",),
        ("says 0 of 9 uses",),
    ),
    "a code of another reward": Seeded(
        "UPDATE coupon SET reward_id = 'other' WHERE reward_id = 'five'",
        ("is of reward other", "reward five is issued"),
    ),
    "a code of no pool": Seeded(
        "UPDATE coupon SET pool = 'nowhere' WHERE reward_id = 'five'", ("of pool nowhere",)
    ),
    "a credit of a partner that is lost": Seeded(
        "DELETE FROM partner_credit WHERE transaction_id = 't-2'",
        ("award partner:river-bank:t-2 is of no credit",),
        ("budget partner:river-bank points:month:2026-05-01 says that it gave 70, but 40 were credited",),
    ),
    "a budget of a partner": Seeded(
        "UPDATE budget_slot SET used = '65', rest = (rest::int + 5)::text",
        (),
        ("says that it gave 65, but 70 were credited",),
    ),
    "a reversal of nothing": Seeded(
        "UPDATE partner_reversal SET transaction_id = 't-9'",
        ("credit t-1 of partner river-bank",),
        ("10 of credit t-9 of partner river-bank were taken back, but it is not there",),
    ),
    "a pool that was dissolved": Seeded(
        "UPDATE pool SET dissolved_at = now()", ("is in pool home",), ("member kin: is in pool home",)
    ),
    "somebody who was forgotten and is known": Seeded(
        "INSERT INTO person (program_id, member_id, birthday) VALUES ('demo', 'gone', '07-01')",
        (),
        ("member gone: was forgotten, but there is still facts as a person",),
    ),
    "an erasure that was not done": Seeded(
        "UPDATE member SET erased_at = NULL WHERE member_id = 'gone'",
        (),
        ("member gone: was forgotten, but there is still an erasure that was not done",),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
async def town(servers: Servers, keys: KeyPair) -> AsyncIterator[Running]:
    async with a_database(servers) as url, running(SERVICE, url, keys) as ledger:
        await ledger.applies(PROGRAM)
        await lived(ledger)
        await ledger.runs("fold_and_check")
        await keep(ledger, CHANGED)
        yield ledger


@pytest.fixture
async def ledger(town: Running) -> Running:
    """The books as they were before the first fault."""
    await restore(town, CHANGED)
    assert await town.differences() == []
    return town


async def lived(ledger: Running) -> None:
    """One of everything."""
    ledger.now = NOON
    day = timedelta(days=1)
    address = "ada@example.org"
    guest: dict[str, Any] = {"member": None, "email": address}
    back = an_order_paid("50.00", order_id="back", member=ADA, at=NOON - 20 * day)
    await ledger.receives(
        an_order_paid("12.00", order_id="by-guest", at=NOON - 61 * day, **guest),
        *(a_sign_up(member, at=NOON - 60 * day) for member in (KIN, GONE)),
        a_sign_up(ADA, email=address, at=NOON - 60 * day),
        back,
        an_order_paid("30.00", order_id="late", member=ADA, lines=(a_line("30.00", line_id="tea"),)),
        a_refund(back, amount="40.00"),
    )
    await ledger.runs("settle_due")
    async with ledger.client() as client:

        async def asks(path: str, **body: Any) -> None:
            answer = await client.post(f"/v1/{path}", json=body)
            assert answer.is_success, answer.text

        await of_ada(asks)
        credits = [{"transaction_id": f"t-{n}", "member_id": ADA, "points": p} for n, p in ((1, 40), (2, 30))]
        await asks("partners/river-bank/credits", credits=credits)
        await asks("partners/river-bank/reversals", reversals=[{"transaction_id": "t-1", "kept_points": 30}])
        await asks("coupons", gives={"kind": "coupon", "percent": "10"}, uses=9, per_member=1)
        await asks(f"members/{GONE}/erase", reason="asked")


async def of_ada(asks: Any) -> None:
    await asks(f"members/{ADA}/holds", hold_id="h", points=50, minutes=9_999)
    for reward_id, reward in (("five", "five off"), ("credit", "five more")):
        await asks(f"members/{ADA}/redemptions", reward_id=reward_id, reward=reward)
    await asks(f"members/{ADA}/redemptions", reward_id="tree", reward="a tree", charity="forest")
    await asks(f"members/{ADA}/pool", pool_id="home")
    await asks(f"members/{ADA}/pool/invitations", invited_id=KIN)
    await asks(f"members/{KIN}/pool/join", pool_id="home")


@pytest.mark.parametrize("name", SEEDS)
async def test_what_somebody_changed_by_hand_is_found_and_named(ledger: Running, name: str) -> None:
    await is_found_and_named(ledger, SEEDS[name], ADA)


async def test_the_guide_says_of_every_table_what_verify_proves_of_it(ledger: Running) -> None:
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ledger'"
    tables = {row["table_name"] for row in await ledger.ports.pool.fetch(query)}
    guide = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    section = guide.partition("## What `verify` of the ledger proves")[2].partition("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert told == tables
