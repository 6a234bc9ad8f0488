"""A checkout with points from end to end: the shop asks over HTTP, sells and refunds over Kafka, and listens there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from httpx import AsyncClient, ConnectError

from deploy.local.ports import free_port
from shared.cloudevents import decode
from shared.events import CustomerSignedUp, Event, OrderCancelled, OrderPaid, OrderRefunded, PaidWith
from shared.kafka import consumer_client, started
from tests.support.events import an_event
from tests.support.house import PARTITIONS, House, a_house, until
from tests.support.keys import KeyPair

ADA = "ada"
DEADLINE_SECONDS = 45


@dataclass
class Till:
    """The shop's till: it talks to the ledger, and to Kafka."""

    house: House
    client: AsyncClient

    async def tells(self, data: Any, *, days_ago: float = 0) -> None:
        """Publish what happened, and wait until the ledger has told what came of it."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        await self.house.publish(an_event(data, at=at))
        await self.house.caught_up("ledger", seconds=DEADLINE_SECONDS)

    async def asks(self, path: str, **body: Any) -> Any:
        """What the ledger answers to a request about Ada."""
        answer = await self.client.post(f"/v1/members/{ADA}/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def balance(self) -> tuple[int, int]:
        """Available, held."""
        found = (await self.client.get(f"/v1/members/{ADA}/balances")).json()["balances"]
        (points,) = [each for each in found if each["asset"] == "points"]
        return points["available"], points["held"]

    async def heard(self) -> list[Event[Any]]:
        """All that the ledger has told about points, one member's in their order."""
        topic = "loyalty.points"
        async with started(consumer_client(self.house.stack.kafka_bootstrap, group=None)) as consumer:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(found) < sum(ends.values()):
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += records
        return [
            decode(each.value, each.headers, topic=topic, key=each.key, timestamp=datetime.now(UTC))
            for each in found
        ]


@asynccontextmanager
async def a_till(folder: Path, keys: KeyPair) -> AsyncIterator[Till]:
    """The ledger with both doors open, and its starter program: 100 points are 2.00 USD, for half of an order."""
    async with a_house(folder, names=("ledger",)) as house:
        port = free_port()
        await house.start("ledger", role="all", HTTP_PORT=str(port), TOKEN_KEYS=str(keys.public))
        token = keys.token("ledger:read ledger:write", now=datetime.now(UTC))
        async with AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        ) as client:
            await until("the ledger is ready", lambda: _is_ready(client), seconds=DEADLINE_SECONDS)
            yield Till(house, client)


async def _is_ready(client: AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except ConnectError:
        return False


async def test_a_checkout_is_paid_with_points_and_every_refund_gives_its_share_back(
    tmp_path: Path, keys: KeyPair
) -> None:
    async with a_till(tmp_path, keys) as till:
        # Ada has 650 points: she was welcomed, and what she bought two months ago is hers.
        await till.tells(CustomerSignedUp(customer_id=ADA), days_ago=60)
        await till.tells(OrderPaid(order_id="past", customer_id=ADA, total="600.00"), days_ago=60)

        # Her cart could use 500 of them, and hears why not more. The checkout sets them aside.
        cart = {"total": "20.00"}
        quote = await till.asks("quote", **cart)
        assert (quote["points"], quote["worth"]) == (500, "10.00")
        assert [limit["why"] for limit in quote["limits"] if limit["stops"]] == [
            "at most 50 % of the items after discounts, 20.00 USD: 10.00 USD"
        ]
        held = await till.asks("holds", hold_id="c-1", points=500, order_id="o-1", cart=cart)
        assert (held["state"], await till.balance()) == ("open", (150, 500))

        # The order takes 400 of them: it says that points paid 8.00. What it earns waits.
        await till.tells(
            OrderPaid(
                order_id="o-1",
                customer_id=ADA,
                total="20.00",
                hold_id="c-1",
                paid_with=(PaidWith(kind="points", amount="8.00"),),
            )
        )
        assert await till.balance() == (250, 0)

        # A quarter of the money goes back, then the whole order.
        await till.tells(OrderRefunded(order_id="o-1", customer_id=ADA, refund_id="r-1", amount="3.00"))
        assert await till.balance() == (350, 0)
        await till.tells(OrderCancelled(order_id="o-1", customer_id=ADA))
        assert await till.balance() == (650, 0)

        told = [(event.type, event.data.points, event.data.order_id) for event in await till.heard()]
        assert told[-8:] == [
            ("points.held.v1", 500, "o-1"),
            ("points.pending.v1", 12, "o-1"),
            ("points.spent.v1", 400, "o-1"),
            ("points.released.v1", 100, "o-1"),
            ("points.restored.v1", 100, "o-1"),
            ("points.reversed.v1", 3, "o-1"),
            ("points.restored.v1", 300, "o-1"),
            ("points.reversed.v1", 9, "o-1"),
        ]
        assert await till.house.differences("ledger") == {}
        await till.house.stop(*till.house.processes)
