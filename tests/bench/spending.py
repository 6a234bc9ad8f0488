"""How fast the spend endpoint answers, against a POST with the same body that does nothing.

Both are endpoints of one server process with the same middleware, the same token and the same body; the requests come
from this process over kept connections, as from a shop.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from services.ledger.main import SERVICE
from tests.bench.books import filled
from tests.bench.ground import Bench, fresh
from tests.bench.serving import Door, connected, served

MEMBERS = 5_000
REQUESTS = 6_000
CLIENTS = 128  # a sale: they keep one server process busy
FEW_CLIENTS = 32
ROUNDS = 5


async def compare(bench: Bench) -> dict[str, Any]:
    """Answers per second of both, taken in turn, and the ratio: medians."""
    result: dict[str, Any] = {}
    async with fresh(bench, "spending") as (ports, _):
        await filled(bench, "spending", MEMBERS)
        async with served(ports.settings.dsn, bench.stack.kafka_bootstrap) as door:
            for name, clients in (("", CLIENTS), ("few_clients_", FEW_CLIENTS)):
                pairs = [
                    [await _rate(door, what, clients, turn) for what in ("spends", "nothing")]
                    for turn in range(ROUNDS)
                ]
                spends, noop = (statistics.median(each) for each in zip(*pairs, strict=True))
                result[f"{name}spends_per_s"] = round(spends)
                result[f"{name}noop_posts_per_s"] = round(noop)
                ratio = statistics.median(of_spends / of_noop for of_spends, of_noop in pairs)
                result[f"{name}spend_per_noop"] = round(ratio, 2)
        wrong = await SERVICE.verify(ports)
        assert not wrong, wrong[:3]
    return result


async def _rate(door: Door, what: str, clients: int, turn: int) -> float:
    """Answers per second, by so many clients at once."""
    numbers = iter(range(REQUESTS))
    began = time.perf_counter()
    await asyncio.gather(*[_client(door, numbers, what, f"{clients}-{turn}") for _ in range(clients)])
    return REQUESTS / (time.perf_counter() - began)


async def _client(door: Door, numbers: Iterator[int], what: str, turn: str) -> None:
    async with connected(door) as client:
        for number in numbers:
            spend = f"{what}-{turn}-{number}"
            body = json.dumps({"spend_id": spend, "points": 1}).encode()
            path = f"/v1/members/m{number % MEMBERS + 1:08}/{what}"
            await client.ask("POST", path, key=spend, body=body)
