"""A shop that never rests: sign-ups and orders, some of them sent twice, while a test breaks things."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from aiokafka.errors import KafkaError

from shared.errors import Unavailable
from shared.events import CustomerSignedUp, Event, OrderPaid, event_type
from shared.kafka import producer_client, started
from shared.relay import publish
from tests.support.house import LOOK_SECONDS, House, message_of

BURST = 10  # events that are published at once
REPEATED = 0.1  # so large a share of the orders is sent once more


class Load:
    """Publishes until the block ends; remembers what was acknowledged."""

    def __init__(self, house: House, *, per_second: int = 60, members: int = 150, seed: int = 1) -> None:
        self._house = house
        self._per_second = per_second
        self._source = _events(random.Random(seed), members)
        self._unsent: deque[Event[Any]] = deque()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.orders: dict[str, Event[OrderPaid]] = {}
        self.signed_up: set[str] = set()
        self.repeated = 0

    @property
    def spent_cents(self) -> Counter[str]:
        """What each member spent."""
        total: Counter[str] = Counter()
        for order in self.orders.values():
            total[str(order.data.customer_id)] += round(float(order.data.total) * 100)
        return total

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        assert self._task is not None, "the load was started"
        await self._task

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                async with started(producer_client(self._house.stack.kafka_bootstrap)) as producer:
                    while not self._stop.is_set():
                        await self._burst(producer)
            except (KafkaError, Unavailable, OSError, TimeoutError):
                await asyncio.sleep(LOOK_SECONDS)  # the broker was killed on purpose
        if self._unsent:
            await self._house.publish(*self._unsent)
            self._note(list(self._unsent))

    async def _burst(self, producer: Any) -> None:
        """What was not acknowledged stays and is sent again: at least once, as a shop would."""
        while len(self._unsent) < BURST:
            self._unsent.append(next(self._source))
        events = list(self._unsent)
        async with asyncio.timeout(20):
            await publish(producer, [message_of(event) for event in events])
        self._unsent.clear()
        self._note(events)
        await asyncio.sleep(len(events) / self._per_second)

    def _note(self, events: Sequence[Event[Any]]) -> None:
        for event in events:
            if isinstance(event.data, CustomerSignedUp):
                self.signed_up.add(event.data.customer_id)
            elif event.id in self.orders:
                self.repeated += 1
            else:
                self.orders[event.id] = event


def _events(rng: random.Random, members: int) -> Iterator[Event[Any]]:
    """Sign-ups first, then orders without end."""
    start = datetime.now(UTC) - timedelta(days=2)
    for number in range(members):
        data = CustomerSignedUp(customer_id=f"member-{number}", email=f"m{number}@example.org", language="en")
        yield _event(f"signup-{number}", data, start)
    number = 0
    while True:
        number += 1
        cents = rng.randint(500, 9_000)
        order = OrderPaid(
            order_id=f"order-{number}",
            customer_id=f"member-{rng.randrange(members)}",
            currency="USD",
            total=f"{cents / 100:.2f}",
        )
        event = _event(f"paid-{number}", order, start + timedelta(seconds=number))
        yield event
        if rng.random() < REPEATED:
            yield event


def _event(event_id: str, data: Any, at: datetime) -> Event[Any]:
    return Event(
        id=event_id, source="load", type=event_type(type(data)), program_id="demo", time=at, data=data
    )
