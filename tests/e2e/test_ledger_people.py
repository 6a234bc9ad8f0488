"""A guest becomes a member, through Kafka and HTTP alone: a process of the ledger on real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from httpx import AsyncClient, ConnectError

from deploy.local.ports import free_port
from shared.events import CustomerSignedUp, OrderCancelled, OrderPaid, OrderRefunded, SegmentEntered
from tests.support.events import MEMBER, a_line, an_event
from tests.support.house import House, a_house, until
from tests.support.keys import KeyPair
from tests.support.ledger import PER_EURO, a_document, a_rule

SECONDS = 60
SCOPES = "ledger:read program:read program:write"
TEA = a_line("40.00", line_id="tea", categories=("tea",))
CUP = a_line("20.00", line_id="cup")
RULES = (
    PER_EURO,
    a_rule("tea", points="10", when="lines.exists(line, 'tea' in line.categories) && order.items >= 3000"),
    a_rule("tea lovers", points="5", if_={"segment": "tea lovers"}),
)


@dataclass
class Ledger:
    """A running ledger: the shop tells it over Kafka, and asks it over HTTP."""

    house: House
    client: AsyncClient

    async def hears(self, data: Any) -> str:
        """Publish what just happened, and wait until it is handled; the id of the event."""
        event = an_event(data, at=datetime.now(UTC))
        await self.house.publish(event)
        await self.house.caught_up("ledger", seconds=SECONDS)
        return event.id

    async def points(self) -> int:
        """What the member has available."""
        found = (await self.client.get(f"/v1/members/{MEMBER}/balances")).json()
        return sum(each["available"] for each in found.get("balances", []))

    async def is_ready(self) -> bool:
        try:
            return (await self.client.get("/readyz")).status_code == 200
        except ConnectError:
            return False


@asynccontextmanager
async def a_ledger(folder: Path, keys: KeyPair) -> AsyncIterator[Ledger]:
    """The ledger as a process, with both doors open."""
    port = free_port()
    headers = {"Authorization": f"Bearer {keys.token(SCOPES, now=datetime.now(UTC))}"}
    address = f"http://127.0.0.1:{port}"
    async with (
        a_house(folder, names=("ledger",)) as house,
        AsyncClient(base_url=address, headers=headers, timeout=30, trust_env=False) as client,
    ):
        await house.start("ledger", role="all", HTTP_PORT=str(port), TOKEN_KEYS=str(keys.public))
        ledger = Ledger(house, client)
        await until("the ledger is ready", ledger.is_ready, seconds=SECONDS)
        yield ledger
        assert await house.differences("ledger") == {}


async def test_a_guest_buys_gives_back_signs_up_and_buys_again(tmp_path: Path, keys: KeyPair) -> None:
    async with a_ledger(tmp_path, keys) as ledger:
        document = a_document(*RULES, guests={"keep": "90 days"})
        applied = await ledger.client.put("/v1/program", json=document, headers={"If-Match": '"1"'})
        assert applied.status_code == 200, applied.text

        paid = await ledger.hears(
            OrderPaid(order_id="A", total="60.00", lines=(TEA, CUP), email="ada@example.org")
        )
        await ledger.hears(OrderRefunded(order_id="A", refund_id="r1", amount="20.00"))
        await ledger.hears(CustomerSignedUp(customer_id=MEMBER, email="Ada@Example.org", birthday="--02-29"))
        assert await ledger.points() == 40 + 10
        decision = (await ledger.client.get(f"/v1/members/{MEMBER}/decisions/{paid}")).json()
        assert {rule["rule"]: rule["matched"] for rule in decision["awards"][0]["rules"]} == {
            "base": True,
            "tea": True,
            "tea lovers": False,
        }

        await ledger.hears(SegmentEntered(member_id=MEMBER, segment="tea lovers"))
        await ledger.hears(OrderPaid(order_id="B", customer_id=MEMBER, total="10.00"))
        assert await ledger.points() == 50 + 15
        await ledger.hears(OrderCancelled(order_id="A"))
        assert await ledger.points() == 15
