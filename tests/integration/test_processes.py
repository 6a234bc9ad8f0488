"""Processes that are started together live and end together, whoever is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30
CHILD = """
import asyncio, os
from shared.processes import until_starter_ends

async def main():
    stop = asyncio.Event()
    os.write(1, b"child\\n")  # at once: `print` may write the end of the line by itself
    await until_starter_ends(stop)

asyncio.run(main())
"""
STARTER = f"""
import asyncio, sys
from shared.processes import run_side_by_side

sys.exit(asyncio.run(run_side_by_side(["-c", {CHILD!r}], [{{"NUMBER": "0"}}, {{"NUMBER": "1"}}])))
"""


@pytest.fixture
async def starter() -> AsyncIterator[asyncio.subprocess.Process]:
    """A starter whose two children are at work."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            heard = 0
            while heard < 2:
                heard += (await process.stdout.readline()).strip() == b"child"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def children_of(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children()
    assert len(found) == 2
    return found


async def all_end(processes: list[psutil.Process]) -> None:
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=SECONDS)
    assert not alive


async def test_a_signal_to_the_starter_ends_all(starter: asyncio.subprocess.Process) -> None:
    children = children_of(starter)
    starter.send_signal(signal.SIGTERM)
    async with asyncio.timeout(SECONDS):
        await starter.wait()
    await all_end(children)


async def test_children_end_when_their_starter_is_killed(starter: asyncio.subprocess.Process) -> None:
    children = children_of(starter)
    starter.kill()
    await all_end(children)


async def test_one_that_dies_ends_the_others_and_its_status_is_told(
    starter: asyncio.subprocess.Process,
) -> None:
    children = children_of(starter)
    children[0].kill()
    async with asyncio.timeout(SECONDS):
        assert await starter.wait() == 128 + signal.SIGKILL
    await all_end(children)
