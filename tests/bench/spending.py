"""How fast the spend endpoint answers, against a POST with the same body that does nothing, and for one hot member.

Both are endpoints of one server process with the same middleware, the same token and the same body; the requests come
from this process over kept connections, as from a shop.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
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
HOT_MEMBER = 1
HOT_POINTS = 1_000_000  # more than all rounds together spend


async def compare(bench: Bench) -> dict[str, Any]:
    """Answers per second of each, taken in turn, and the ratios: medians. The hot member's is to uniform spends."""
    result: dict[str, Any] = {}
    async with fresh(bench, "spending") as (ports, _):
        await filled(bench, "spending", MEMBERS)
        async with served(ports.settings.dsn, bench.stack.kafka_bootstrap) as door:
            await _give(door, HOT_MEMBER, HOT_POINTS)
            for name, clients in (("", CLIENTS), ("few_clients_", FEW_CLIENTS)):
                rounds = [
                    (
                        await _rate(door, "spends", clients, turn),
                        await _rate(door, "nothing", clients, turn),
                        await _rate(door, "spends", clients, turn, hot=True),
                    )
                    for turn in range(ROUNDS)
                ]
                spends, noop, hot = (statistics.median(rates) for rates in zip(*rounds, strict=True))
                result[f"{name}spends_per_s"] = round(spends)
                result[f"{name}noop_posts_per_s"] = round(noop)
                result[f"{name}hot_spends_per_s"] = round(hot)
                result[f"{name}spend_per_noop"] = _ratio([(one, other) for one, other, _ in rounds])
                result[f"{name}hot_spend_per_spend"] = _ratio([(one, other) for other, _, one in rounds])
        wrong = await SERVICE.verify(ports)
        assert not wrong, wrong[:3]
    return result


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return round(statistics.median(one / other for one, other in pairs), 2)


async def _give(door: Door, number: int, points: int) -> None:
    async with connected(door) as client:
        body = json.dumps(
            {"adjustment_id": "for-the-bench", "points": points, "reason": "to be spent"}
        ).encode()
        await client.ask("POST", f"/v1/members/{_member(number)}/adjustments", key="give", body=body)


async def _rate(door: Door, what: str, clients: int, turn: int, *, hot: bool = False) -> float:
    """Answers per second, by so many clients at once, for members in turn or for one."""
    numbers = iter(range(REQUESTS))
    label = f"{'hot-' if hot else ''}{what}-{clients}-{turn}"
    members = (lambda _: HOT_MEMBER) if hot else (lambda number: number % MEMBERS + 1)
    began = time.perf_counter()
    await asyncio.gather(*[_client(door, numbers, what, label, members) for _ in range(clients)])
    return REQUESTS / (time.perf_counter() - began)


async def _client(
    door: Door, numbers: Iterator[int], what: str, label: str, member_of: Callable[[int], int]
) -> None:
    async with connected(door) as client:
        for number in numbers:
            spend = f"{label}-{number}"
            body = json.dumps({"spend_id": spend, "points": 1}).encode()
            path = f"/v1/members/{_member(member_of(number))}/{what}"
            await client.ask("POST", path, key=spend, body=body)


def _member(number: int) -> str:
    return f"m{number:08}"
