"""Watches the pools of the shop's codes: how many are left, and whom to tell before one is empty.

What a newcomer would get wrong: when a pool is low stands with the rewards that draw from it (`warn_below`). Of several
the largest counts, and a pool that no reward draws from is nobody's worry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from prometheus_client import Gauge

from services.ledger.domain.program import LedgerProgram
from shared.programs import Programs
from shared.service import Ports

log = structlog.get_logger(__name__)

SetLeft = Callable[[str, str, int], None]
"""Program, pool, and how many codes are left."""


def gauge_of(ports: Ports) -> SetLeft:
    """Where the metrics show it."""
    gauge = Gauge(
        "coupon_pool_codes",
        "Codes that a pool has left.",
        ("service", "program", "pool"),
        namespace="habitue",
        registry=ports.metrics.registry,
    )
    return lambda program, pool, left: gauge.labels(ports.metrics.service, program, pool).set(left)


async def watch(ports: Ports, programs: Programs[LedgerProgram], set_left: SetLeft) -> int:
    """Measure every pool that was ever filled, and warn of those that are low; how many are."""
    low = 0
    async with ports.pool.acquire() as connection:
        rows = await connection.fetch(ports.sql.pools, None)
        known = await programs.of(connection, {row["program_id"] for row in rows})
    for row in rows:
        program_id, pool, left = row
        set_left(program_id, pool, left)
        versions = known.get(program_id)
        if versions is not None and left < warned_below(versions.newest.rules, pool):
            low += 1
            log.warning("coupon_pool_low", program=program_id, pool=pool, left=left)
    return low


def warned_below(program: LedgerProgram, pool: str) -> int:
    """Below how many codes people are warned; 0 = no reward draws from the pool."""
    return max(_thresholds(program, pool), default=0)


def _thresholds(program: LedgerProgram, pool: str) -> Iterable[int]:
    return (offer.codes.warn_below for offer in program.catalogue.values() if offer.codes.pool == pool)
