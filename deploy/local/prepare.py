"""What has to be there before anything can happen: schemas and roles, topics, the program.

What a newcomer would get wrong: the order. A service that meets an event of a program nobody applied puts it among its
dead letters, so programs come before the first event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from deploy.local.wiring import PROGRAM, SERVICES, Wiring
from shared.events import TOPICS
from shared.http.client import AsyncClient, HTTPError, http_client
from shared.kafka import create_topics
from shared.migrations import migrate

READY_SECONDS = 60.0  # A service starts in two seconds; a busy machine takes its time.
LOOK_SECONDS = 0.1
READY = {"mail": "/"}  # The mail sink has no probes, only its page.
YAML = {"Content-Type": "application/yaml"}


class NotReady(Exception):
    """A service did not come up, or did not take the program; the message says why."""


async def prepare(wiring: Wiring) -> None:
    """Bring the schemas up to date, let the roles log in, create the topics; safe to repeat."""
    for name in SERVICES:
        await migrate(
            wiring.database_url, f"services.{name}", schema=name, role_password=wiring.passwords[name]
        )
    await create_topics(wiring.kafka_bootstrap, [*TOPICS, *(f"{name}.dead-letters" for name in SERVICES)])


async def until_ready(wiring: Wiring, doors: Iterable[str], look: Callable[[], Sequence[str]]) -> None:
    """Wait until each door says that it is ready; `look` sees after the processes and names those that gave up.

    Raises:
        NotReady: one gave up, or the time is up.
    """
    waiting = list(doors)
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    async with http_client() as client:
        while waiting:
            if faults := look():
                raise NotReady("\n\n".join(faults))
            if asyncio.get_running_loop().time() > deadline:
                raise NotReady(f"no answer from {', '.join(waiting)} within {READY_SECONDS:g} s")
            waiting = [
                door
                for door in waiting
                if not await _is_ready(client, wiring.url(door) + READY.get(door, "/readyz"))
            ]
            await asyncio.sleep(LOOK_SECONDS)


async def apply_program(wiring: Wiring, text: bytes) -> None:
    """Give the program file to each service that has none yet; each reads its own section.

    A program that is there stays: it may have been changed since, and a file of ours must not undo that.

    Raises:
        NotReady: a service refused it; the message has the line and the reason.
    """
    headers = {"Authorization": f"Bearer {wiring.token()}"}
    async with http_client() as client:
        for name in SERVICES:
            address = f"{wiring.url(name)}/v1/program"
            if (await client.get(address, headers=headers)).status_code == 200:
                continue
            answer = await client.put(address, headers=headers | YAML, content=text)
            if answer.status_code != 200:
                raise NotReady(f"{name} does not take the program {PROGRAM}: {answer.text}")


async def _is_ready(client: AsyncClient, address: str) -> bool:
    try:
        return (await client.get(address)).status_code == 200
    except HTTPError:
        return False
