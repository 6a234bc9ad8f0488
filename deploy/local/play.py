"""One replay from beginning to end, on servers that run: prepare, publish, wait, probe, verify, compare.

What a newcomer would get wrong: the services run in processes of their own and know nothing of the demo. It is a shop
that publishes, a caller of their HTTP doors, and at the end an auditor who reckons anew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

import asyncpg

from deploy.local import latency
from deploy.local.audit import Check, audit
from deploy.local.expected import Expected, Terms, expect
from deploy.local.figures import Figures, read_figures
from deploy.local.history import Row, place
from deploy.local.invention import Story, advocates_of, customers_of, tell
from deploy.local.prepare import NotReady, apply_program, prepare, until_ready
from deploy.local.services import LOOK_SECONDS, ROOT, Supervisor
from deploy.local.settled import Standing, Watch
from deploy.local.wiring import DOORS_OF_HTTP, PROGRAM, SERVICES, Wiring
from shared.calendar import midnight_after
from shared.cli.offsets import offsets_of
from shared.events import Event
from shared.http.client import http_client
from shared.kafka import producer_client, started
from shared.outbox import message_of
from shared.program_file import read_program
from shared.relay import publish

SEED = 1997
PUBLISHED_AT_ONCE = 1_000
FLOW_SECONDS = 120.0  # For the start of the flow, on a busy machine; and then:
SLOWEST_PER_SECOND = 50  # events; a machine that is slower than this has something else to do.
DUE_SECONDS = 60.0  # The slowest job looks every few seconds, and waits until a replay has been quiet.
CODES_AT_ONCE = 10


class Steps(Protocol):
    """Where a play says what it does."""

    def step(self, text: str) -> AbstractContextManager[None]:
        """The time that a step takes."""

    def progress(self, done: int, of: int) -> None:
        """How far the step is."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the replay went.

    `flow_seconds` is from the first event published until the last of all events, the services' own included, was
    handled; `handled` counts those over all services. `due_seconds` is how long what was due by the clock took then.
    """

    events: int
    flow_seconds: float
    handled: int
    due_seconds: float

    @property
    def events_per_second(self) -> float:
        """Events of the shop, end to end: through all services and the loops between them."""
        return self.events / self.flow_seconds

    @property
    def handled_per_second(self) -> float:
        """Events that the four services handled together."""
        return self.handled / self.flow_seconds


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay came to."""

    story: Story
    last_day: date
    speed: Speed
    latency: latency.Latency
    expected: Expected
    figures: Figures
    checks: Sequence[Check]
    mails: int

    @property
    def balances(self) -> bool:
        """Whether every claim about the books holds."""
        return all(check.holds for check in self.checks)


@dataclass(slots=True)
class Play:
    """A replay of `rows` under the program of `program_text`, on the stack of `wiring`."""

    rows: Sequence[Row]
    source: str
    program_text: bytes
    wiring: Wiring
    supervisor: Supervisor
    steps: Steps

    async def run(self) -> Played:
        """Play it.

        Raises:
            NotReady, NotSettled, OtherRules: something did not work; the message says what.
        """
        terms = Terms.of(read_program(self.program_text.decode()).document)
        with self.steps.step("Schemas, topics and the four services"):
            await self._start()
        async with _tended(self.supervisor), _watch(self.wiring) as watch:
            last_day = datetime.now(terms.zone).date() - timedelta(days=1)
            with self.steps.step("Orders and what a shop would tell about them"):
                story, codes = await self._story(terms, last_day)
            speed = await self._replay(watch, story)
            found, probes = await self._probe(watch)
            events = [*story.events, *probes]
            with self.steps.step("Books verified and reckoned anew"):
                verified = await self._verify()
                expected = expect(events, terms, codes, datetime.now(UTC))
                figures = await read_figures(watch.connection, PROGRAM, events)
                repeated = _repeated(story)
                mails = len(list(self.wiring.mails.glob("*.eml")))
                checks = audit(figures, expected, terms, events, repeated, verified, mails)
        return Played(story, last_day, speed, found, expected, figures, checks, mails)

    async def _start(self) -> None:
        await prepare(self.wiring)
        await asyncio.to_thread(self.supervisor.start)
        async with _tended(self.supervisor):
            await until_ready(self.wiring, DOORS_OF_HTTP, lambda: self.supervisor.faults)
            await apply_program(self.wiring, self.program_text)

    async def _story(self, terms: Terms, last_day: date) -> tuple[Story, dict[str, str]]:
        """The events, and the code of each member whose code is named: the shop asks for it over HTTP."""
        orders = place(self.rows, last_day=last_day, zone=terms.zone, seed=SEED)
        customers = customers_of(orders, seed=SEED)
        codes = await _codes(self.wiring, advocates_of(customers))
        until = midnight_after(last_day, terms.zone)
        story = tell(customers, codes, program_id=PROGRAM, source=self.source, until=until, seed=SEED)
        return story, codes

    async def _replay(self, watch: Watch, story: Story) -> Speed:
        before = (await watch.look()).handled
        limit = FLOW_SECONDS + len(story.records) / SLOWEST_PER_SECOND
        began = time.perf_counter()
        with self.steps.step(f"{len(story.records):,} events replayed through all services"):
            publishing = asyncio.create_task(_publish(self.wiring.kafka_bootstrap, story.records))
            await watch.until(lambda _: publishing.done(), limit, self._report)
            await publishing
            flowed = await watch.until(lambda standing: not standing.flows, limit, self._report)
            flow_seconds = time.perf_counter() - began
        with self.steps.step("What fell due meanwhile: waits, expiry, levels, referrals"):
            await watch.until(lambda standing: standing.is_settled, DUE_SECONDS, self._report)
        due_seconds = time.perf_counter() - began - flow_seconds
        return Speed(len(story.records), flow_seconds, flowed.handled - before, due_seconds)

    async def _probe(self, watch: Watch) -> tuple[latency.Latency, list[Event[Any]]]:
        """Measure, and let everything come to rest again: the probe's members rise, and are written to."""
        with self.steps.step(f"{latency.ORDERS} orders one by one, to measure the latency"):
            joined = latency.sign_ups(PROGRAM, datetime.now(UTC))
            await _publish(self.wiring.kafka_bootstrap, joined)
            await watch.until(lambda standing: standing.is_settled, DUE_SECONDS, self._look)
            found, orders = await latency.probe(
                self.wiring.kafka_bootstrap,
                PROGRAM,
                lambda done: self.steps.progress(done, latency.ORDERS),
            )
            await watch.until(lambda standing: standing.is_settled, DUE_SECONDS, self._look)
        return found, [*joined, *orders]

    async def _verify(self) -> dict[str, list[str]]:
        """What each service finds when it verifies its own books, all at once."""
        found = await asyncio.gather(*(_verify(name, self.wiring) for name in SERVICES))
        return dict(zip(SERVICES, found, strict=True))

    def _report(self, standing: Standing) -> None:
        self._look(standing)
        left = sum(standing.behind.values()) + standing.unpublished
        self.steps.progress(standing.handled, standing.handled + left)

    def _look(self, _: Standing) -> None:
        if faults := self.supervisor.faults:
            raise NotReady("\n\n".join(faults))


@asynccontextmanager
async def _tended(supervisor: Supervisor) -> AsyncIterator[None]:
    """Start again what ends, as long as the block lasts."""

    async def tend() -> None:
        while True:
            supervisor.look()
            await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.create_task(tend())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _watch(wiring: Wiring) -> AsyncIterator[Watch]:
    connection = await asyncpg.connect(wiring.database_url)
    try:
        async with offsets_of(wiring.kafka_bootstrap) as offsets:
            yield await Watch.over(connection, offsets)
    finally:
        await connection.close()


async def _publish(bootstrap: str, events: Sequence[Event[Any]]) -> None:
    """All events in their order, each to its topic and, by its key, its partition; all acknowledged at the end."""
    async with started(producer_client(bootstrap)) as producer:
        for first in range(0, len(events), PUBLISHED_AT_ONCE):
            chunk = events[first : first + PUBLISHED_AT_ONCE]
            await publish(producer, [message_of(event) for event in chunk])


async def _codes(wiring: Wiring, members: Sequence[str]) -> dict[str, str]:
    """Each member's code, as the referrals service gives it."""
    gate = asyncio.Semaphore(CODES_AT_ONCE)
    headers = {"Authorization": f"Bearer {wiring.token('demo')}"}
    async with http_client(base_url=wiring.url("referrals")) as client:

        async def code_of(member_id: str) -> str:
            async with gate:
                answer = await client.get(
                    f"/v1/members/{quote(member_id, safe='')}/referrals", headers=headers
                )
            if answer.status_code != 200:
                raise NotReady(f"referrals does not give the code of {member_id}: {answer.text}")
            return str(answer.json()["code"])

        return dict(zip(members, await asyncio.gather(*map(code_of, members)), strict=True))


async def _verify(service: str, wiring: Wiring) -> list[str]:
    command = [sys.executable, "-m", f"services.{service}", "verify", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **wiring.environment(service)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    try:
        found: Mapping[str, Any] = json.loads(said)
    except ValueError:
        return [f"verify did not answer: {complained.decode(errors='replace').strip()}"]
    return [str(each) for each in found["differences"]]


def _repeated(story: Story) -> list[Event[Any]]:
    """The records that were published a second time."""
    seen: set[tuple[str, str]] = set()
    again = []
    for event in story.records:
        if (event.source, event.id) in seen:
            again.append(event)
        seen.add((event.source, event.id))
    return again
