"""`/livez`, `/readyz` and `/metrics`, on every role of every service.

What a newcomer would get wrong: *live* and *ready* are different questions. A database that is away makes a process
unready (send it no requests), never dead: restarting it would help nobody. Only the watchdog, which sees a worker
stand still with work waiting, may call a process dead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.database import Pool
from shared.logs import get_logger
from shared.metrics import Metrics

log = get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns if all is well, raises if not."""

# A probe that hangs is a failed probe; orchestrators give up after a few seconds themselves.
CHECK_SECONDS = 2.0


def always_alive() -> bool:
    """For a process without a watchdog: who answers is alive."""
    return True


@dataclass(frozen=True, slots=True)
class Health:
    """What a process can say about itself.

    `checks` by name decide whether it is ready; `alive` is the watchdog's word.
    """

    checks: Mapping[str, Check] = field(default_factory=dict)
    alive: Callable[[], bool] = always_alive
    timeout_seconds: float = CHECK_SECONDS

    async def readiness(self) -> dict[str, dict[str, object]]:
        """The outcome of each check; all run side by side, each within the timeout."""
        outcomes = await asyncio.gather(*(self._run(name, check) for name, check in self.checks.items()))
        return dict(zip(self.checks, outcomes, strict=True))

    async def _run(self, name: str, check: Check) -> dict[str, object]:
        began = time.monotonic()
        outcome: dict[str, object] = {"ok": True}
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await check()
        except Exception as error:
            log.warning("check_failed", check=name, error=repr(error))
            outcome = {"ok": False, "error": type(error).__name__}
        return {**outcome, "seconds": round(time.monotonic() - began, 6)}


def database_answers(pool: Pool) -> Check:
    """A check that the database answers; waits no longer for a free connection than the check may take."""

    async def check() -> None:
        await pool.fetchval("SELECT 1")

    return check


def probe_routes(health: Health, metrics: Metrics) -> list[Route]:
    """The three addresses; none needs a token, so they show no more than names and numbers."""

    async def livez(_: Request) -> Response:
        alive = health.alive()
        return _json({"status": "alive" if alive else "stalled"}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        checks = await health.readiness()
        ready = all(outcome["ok"] for outcome in checks.values())
        return _json({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)

    async def exposition(_: Request) -> Response:
        text, content_type = metrics.render()
        return Response(text, headers={"Content-Type": content_type})

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", exposition)]


def create_probe_app(health: Health, metrics: Metrics) -> Starlette:
    """A small application with nothing but the three addresses: the HTTP side of a worker."""
    return Starlette(routes=probe_routes(health, metrics))


def _json(members: Mapping[str, object], status: int) -> Response:
    return Response(msgspec.json.encode(members), status_code=status, media_type="application/json")
