"""A worker as several processes: one Python process decides on one core, a machine has more.

Each process is a member of the consumer group with partitions of its own, as if it had been started by hand; they live
and end together. What a newcomer would get wrong: whoever started them may be killed at once and say nothing. So each
process looks whether its starter is still there, and stops gracefully where it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

import structlog

log = structlog.get_logger(__name__)

STARTER = "HABITUE_STARTER_PID"
LOOK_SECONDS = 1.0


async def run_side_by_side(command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> int:
    """Run a process of this interpreter for each environment until one ends or a signal comes; then end them all.

    Returns the status of the first that failed, or 0.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, *command, env=os.environ | {STARTER: str(os.getpid())} | dict(environment)
        )
        for environment in environments
    ]
    log.info("processes_started", pids=[child.pid for child in children])
    ends = [asyncio.create_task(child.wait()) for child in children]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *ends], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    first = [end.result() for end in ends if end.done()]
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
    statuses = [*first, *await asyncio.gather(*ends)]
    return next((_as_status(each) for each in statuses if each), 0)


async def until_starter_ends(stop: asyncio.Event) -> None:
    """Set `stop` when the process that started this one is gone; returns at once where nobody waits for it."""
    starter = os.environ.get(STARTER)
    while starter is not None and not stop.is_set():
        if os.getppid() != int(starter):
            log.warning("starter_is_gone", pid=int(starter))
            stop.set()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await stop.wait()


def _as_status(code: int) -> int:
    """Of a process that a signal ended: as shells say it."""
    return code if code >= 0 else 128 - code
