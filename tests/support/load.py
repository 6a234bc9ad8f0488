"""A shop that never rests: sign-ups and orders, some of them sent twice, while a test breaks things."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from aiokafka.errors import KafkaError

from services.referrals.domain.hashes import Secret
from shared.errors import Unavailable
from shared.events import CustomerSignedUp, Event, OrderPaid, event_type
from shared.kafka import producer_client, started
from shared.relay import publish
from tests.support.house import LOOK_SECONDS, SECRETS, House, message_of

BURST = 10  # events that are published at once
FIRST_MEMBERS = 20  # before the first order
JOINING = 0.3  # so large a share of the events are sign-ups
REPEATED = 0.1  # so large a share of the orders is sent once more


class Load:
    """Publishes until the block ends; remembers what was acknowledged."""

    def __init__(self, house: House, *, per_second: int = 50, seed: int = 1) -> None:
        self._house = house
        self._per_second = per_second
        self._source = _events(random.Random(seed))
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


def _events(rng: random.Random) -> Iterator[Event[Any]]:
    """Orders without end, and ever more members, most of them sent by one who was there before."""
    codes = Secret(SECRETS["REFERRALS_HASH_KEY"].encode())
    start = datetime.now(UTC) - timedelta(days=2)
    members = 0
    for number in itertools.count(1):
        at = start + timedelta(seconds=number)
        if members < FIRST_MEMBERS or rng.random() < JOINING:
            advocate = f"member-{rng.randrange(members)}" if members else None
            code = codes.code("demo", advocate) if advocate else None
            name = f"member-{members}"
            joins = CustomerSignedUp(
                customer_id=name, email=f"{name}@example.org", language="en", referral_code=code
            )
            members += 1
            yield _event(f"signup-{number}", joins, at)
            continue
        cents = rng.randint(500, 9_000)
        order = OrderPaid(
            order_id=f"order-{number}",
            customer_id=f"member-{rng.randrange(members)}",
            currency="USD",
            total=f"{cents / 100:.2f}",
        )
        event = _event(f"paid-{number}", order, at)
        yield event
        if rng.random() < REPEATED:
            yield event


def _event(event_id: str, data: Any, at: datetime) -> Event[Any]:
    return Event(
        id=event_id, source="load", type=event_type(type(data)), program_id="demo", time=at, data=data
    )
