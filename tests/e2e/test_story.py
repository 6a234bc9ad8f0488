"""Stories through all four services, as processes on real servers: a friend comes, buys, rises, and sends back; two
accounts turn out to be one person's.

They are told in the past, so that what has to wait is over by now. The shop talks over Kafka; everything is looked at
as an integrator would, over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from httpx import AsyncClient, ConnectError

from deploy.local.ports import free_port
from shared.events import CustomerDeleted, CustomerSignedUp, Event, OrderPaid, OrderRefunded
from tests.support.events import an_event
from tests.support.house import NAMES, House, a_house, until
from tests.support.keys import KeyPair

ANNA, BEN, CLEO, OLD = "anna", "ben", "cleo", "old-7"
DEADLINE_SECONDS = 45
SCOPES = " ".join(f"{name}:{verb}" for name in (*NAMES, "program") for verb in ("read", "write"))
SCOPES += " ledger:admin"


@dataclass
class Shop:
    """A shop with the four services behind it."""

    house: House
    clients: dict[str, AsyncClient]
    opened: datetime

    def on_day(self, day: int) -> datetime:
        """A moment in the history of the shop."""
        return self.opened + timedelta(days=day)

    async def tells(self, day: int, data: Any) -> Event[Any]:
        """Publish what happened that day."""
        event = an_event(data, at=self.on_day(day))
        await self.house.publish(event)
        return event

    async def tells_now(self, data: Any) -> None:
        """Publish what happens just now."""
        await self.house.publish(an_event(data, at=datetime.now(UTC)))

    async def asks(self, service: str, path: str) -> Any:
        """The JSON that a service answers; None where it knows of nothing (yet)."""
        answer = await self.clients[service].get(f"/v1/members/{path}")
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    async def points(self, member: str) -> tuple[int, int]:
        """Still waiting, and available."""
        found = await self.asks("ledger", f"{member}/balances")
        of_points = found["balances"] if found else []
        return sum(each["pending"] for each in of_points), sum(each["available"] for each in of_points)

    async def level(self, member: str) -> str | None:
        found = await self.asks("tiers", f"{member}/standing")
        return found["level"] if found else None

    async def inbox(self, member: str) -> dict[str, str]:
        """Titles, by what the message is called."""
        found = await self.asks("notifier", f"{member}/inbox")
        return {entry["name"]: entry["title"] for entry in found["items"]}

    async def has(self, what: str, member: str, points: int, *, waiting: bool = False) -> None:
        """Wait until the member has so many points, all of them available unless some may still be `waiting`."""

        async def so() -> bool:
            pending, available = await self.points(member)
            return pending + available == points and (waiting or not pending)

        try:
            await until(what, so, seconds=DEADLINE_SECONDS)
        except AssertionError as late:
            raise AssertionError(f"{late}: {member} has {await self.points(member)}, not {points}") from None


@asynccontextmanager
async def a_shop(folder: Path, keys: KeyPair) -> AsyncIterator[Shop]:
    """All four services, with both doors open."""
    token = keys.token(SCOPES, now=datetime.now(UTC))
    async with a_house(folder) as house:
        clients: dict[str, AsyncClient] = {}
        for name in NAMES:
            port = free_port()
            await house.start(
                name,
                role="all",
                HTTP_PORT=str(port),
                TOKEN_KEYS=str(keys.public),
                REFERRALS_APPROVAL_QUIET_SECONDS="0.5",
            )
            headers = {"Authorization": f"Bearer {token}"}
            clients[name] = AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30, trust_env=False
            )
        try:
            await asyncio.gather(*(_is_ready(name, client) for name, client in clients.items()))
            yield Shop(house, clients, datetime.now(UTC) - timedelta(days=60))
        finally:
            for client in clients.values():
                await client.aclose()


async def _is_ready(name: str, client: AsyncClient) -> None:
    async def answers() -> bool:
        try:
            return (await client.get("/readyz")).status_code == 200
        except ConnectError:
            return False

    await until(f"{name} is ready", answers, seconds=DEADLINE_SECONDS)


async def test_a_friend_comes_buys_rises_and_sends_back(tmp_path: Path, keys: KeyPair) -> None:
    async with a_shop(tmp_path, keys) as shop:
        # Anna joins, and gets a code that she can give to friends.
        await shop.tells(0, CustomerSignedUp(customer_id=ANNA, email="anna@example.org", language="fr"))
        await shop.has("Anna is welcomed", ANNA, 50)
        code = (await shop.asks("referrals", f"{ANNA}/referrals"))["code"]

        # Ben signs up with it, and buys for 400 dollars: a point a dollar, which wait for fourteen days.
        await shop.tells(
            10,
            CustomerSignedUp(customer_id=BEN, email="ben@example.org", language="en-US", referral_code=code),
        )
        await shop.tells(11, OrderPaid(order_id="first", customer_id=BEN, total="400.00"))

        # With 350 dollars in a year he is a Collector, at once and with a present.
        await shop.has("Ben has his entry reward", BEN, 50 + 400 + 100, waiting=True)
        assert await shop.level(BEN) == "Collector"

        # So his next order earns a quarter more; meanwhile the points of the first have become his.
        await shop.tells(30, OrderPaid(order_id="second", customer_id=BEN, total="100.00"))

        # The first order is beyond return: the referral is approved, and both are rewarded.
        await shop.has("Ben is rewarded", BEN, 50 + 400 + 100 + 125 + 100)
        await shop.has("Anna is rewarded", ANNA, 50 + 300)
        (referral,) = (await shop.asks("referrals", f"{ANNA}/referrals"))["brought"]
        assert (referral["role"], referral["state"], referral["counterpart_id"]) == (
            "advocate",
            "approved",
            BEN,
        )

        # Ben sends the second order back; what it earned is taken back, his level stays: the first one carries it.
        refund = OrderRefunded(order_id="second", customer_id=BEN, refund_id="r-1", amount="100.00")
        await shop.tells(50, refund)
        await shop.has("the refund is booked", BEN, 50 + 400 + 100 + 100)
        await shop.house.caught_up(*NAMES, seconds=DEADLINE_SECONDS)
        standing = await shop.asks("tiers", f"{BEN}/standing")
        assert (standing["level"], standing["next"]["level"]) == ("Collector", "Curator")

        # Each has read of it in their own language.
        assert (await shop.inbox(ANNA))[
            "referral.approved"
        ] == "Merci pour votre parrainage\N{NO-BREAK SPACE}: 300 points"
        english = await shop.inbox(BEN)
        assert english["tier.raised"] == "You have reached the level Collector"
        assert english.keys() == {"tier.raised", "referral.approved", "points.earned"}

        # The statement tells it all, and every number in it follows from the one before.
        statement = await shop.asks("ledger", f"{BEN}/statement")
        assert [(entry["kind"], entry["amount"]) for entry in reversed(statement["items"])][-1] == (
            "reversal",
            125,
        )
        assert await shop.house.differences(*NAMES) == {}
        for name in NAMES:
            assert await shop.house.query(f"SELECT count(*) FROM {name}.dead_letter") == 0, name
        await shop.house.stop(*shop.house.processes)


async def test_two_accounts_turn_out_to_be_one_persons(tmp_path: Path, keys: KeyPair) -> None:
    async with a_shop(tmp_path, keys) as shop:
        # Anna has two accounts, and a code in each. Cleo came through the old one.
        for member in (ANNA, OLD):
            await shop.tells(
                0, CustomerSignedUp(customer_id=member, email=f"{member}@example.org", language="fr")
            )
        await shop.has("Anna is welcomed", ANNA, 50)
        await shop.has("and under her other name", OLD, 50)
        old_code = (await shop.asks("referrals", f"{OLD}/referrals"))["code"]
        await shop.tells(
            10, CustomerSignedUp(customer_id=CLEO, email="cleo@example.org", referral_code=old_code)
        )
        await shop.tells(11, OrderPaid(order_id="c-1", customer_id=CLEO, total="40.00"))
        await shop.has("the old account is rewarded for Cleo", OLD, 50 + 300)

        # She buys for 200 dollars with each: not enough for a level. Then the shop merges the two.
        for number, member in enumerate((ANNA, OLD)):
            await shop.tells_now(OrderPaid(order_id=f"a-{number}", customer_id=member, total="200.00"))
            await shop.has("it is booked", member, 250 + 300 * number, waiting=True)
        await shop.house.caught_up(*NAMES, seconds=DEADLINE_SECONDS)
        assert await shop.level(ANNA) == await shop.level(OLD) == "Listener"
        merge = await shop.clients["ledger"].post(
            f"/v1/members/{ANNA}/merge", json={"from": OLD, "reason": "the same person"}
        )
        assert merge.status_code == 200, merge.text

        # Together they are 400 dollars: she is a Collector, with the entry reward.
        await shop.has("Anna has both, and rises", ANNA, 250 + 550 + 100, waiting=True)
        assert await shop.level(ANNA) == await shop.level(OLD) == "Collector"

        # An order under the old name earns a quarter more; one of that name comes back, and takes what it gave.
        await shop.tells_now(OrderPaid(order_id="a-2", customer_id=OLD, total="100.00"))
        await shop.has("the order under the old name", ANNA, 900 + 125, waiting=True)
        await shop.tells_now(OrderRefunded(order_id="a-1", customer_id=OLD, refund_id="r-1", amount="200.00"))
        await shop.has("the refund under the old name", ANNA, 900 + 125 - 200, waiting=True)

        # Ben comes with the old code: Anna is rewarded. The shop deletes the old account: that forgets nobody.
        await shop.tells_now(CustomerDeleted(customer_id=OLD))
        await shop.tells(
            12, CustomerSignedUp(customer_id=BEN, email="ben@example.org", referral_code=old_code)
        )
        await shop.tells(13, OrderPaid(order_id="b-1", customer_id=BEN, total="40.00"))
        await shop.has("Anna is rewarded for Ben", ANNA, 825 + 300, waiting=True)
        await shop.has("and Ben, too", BEN, 50 + 40 + 100)
        await shop.house.caught_up(*NAMES, seconds=DEADLINE_SECONDS)

        # Under either name everybody finds the same.
        for service, path in (("referrals", "referrals"), ("notifier", "inbox"), ("ledger", "balances")):
            mine, same = [await shop.asks(service, f"{member}/{path}") for member in (ANNA, OLD)]
            assert mine | {"member_id": ""} == same | {"member_id": ""}
        brought = (await shop.asks("referrals", f"{OLD}/referrals"))["brought"]
        assert {(each["counterpart_id"], each["state"]) for each in brought} == {
            (CLEO, "approved"),
            (BEN, "approved"),
        }
        standing = await shop.asks("tiers", f"{OLD}/standing")
        assert (standing["level"], standing["progress"]["spent"]["amount"]) == ("Collector", "300.00")
        found = await shop.asks("notifier", f"{ANNA}/inbox")
        names = sorted(entry["name"] for entry in found["items"] if entry["name"] != "points.earned")
        assert names == ["referral.approved", "referral.approved", "tier.raised"]

        # The books balance, everywhere, and nothing was refused.
        assert await shop.house.differences(*NAMES) == {}
        for name in NAMES:
            assert await shop.house.query(f"SELECT count(*) FROM {name}.dead_letter") == 0, name
        await shop.house.stop(*shop.house.processes)
