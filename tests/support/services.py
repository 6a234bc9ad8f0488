"""A service under test on real Postgres, without a broker: events go in as batches, time is an argument."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from httpx import AsyncClient

from shared.cloudevents import decode
from shared.events import Event
from shared.http.client import client_of
from shared.migrations import migrate
from shared.outbox import read_bundle
from shared.programs import Programs, Version
from shared.service import Doors, Ports, Service, app_of, open_ports, processor_of
from shared.settings import ServiceSettings
from shared.worker import positions
from shared.worker.batch import BatchProcessor, Done
from shared.worker.records import Partition, Record
from tests.support.events import NOON, PROGRAM, a_record
from tests.support.keys import KeyPair


@dataclass(slots=True)
class Running:
    """A service with its ports, a processor, and a clock that stands where the test put it."""

    service: Service
    settings: ServiceSettings
    ports: Ports
    doors: Doors
    processor: BatchProcessor
    keys: KeyPair
    now: datetime = NOON
    offsets: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    partition: int = 0
    """Which partition its records come from; several workers on one database have one each."""

    async def receives(self, *events: Event[Any]) -> Done:
        """One batch of these events, in this order; the clock stands at the latest of them, or where it was."""
        self.now = max([self.now, *[event.time for event in events]])
        records = []
        for event in events:
            record = a_record(event, offset=0)
            records.append(self._placed(record))
        return await self.takes(records)

    async def takes(self, records: list[Record]) -> Done:
        """One batch of these records."""
        start = {Partition(r.topic, r.partition): r.offset for r in reversed(records)}
        async with self.ports.pool.acquire() as connection:
            await positions.claim(connection, self.ports.machinery, start)
        return await self.processor.process(records, start)

    async def told(self) -> list[Event[Any]]:
        """What it has announced and not published yet, oldest first."""
        rows = await self.ports.pool.fetch(
            f"SELECT messages FROM {self.service.name}.outbox ORDER BY bundle_id"
        )
        return [
            decode(
                message.value or b"",
                message.headers,
                topic=message.topic,
                key=message.key,
                timestamp=self.now,
            )
            for row in rows
            for message in read_bundle(row["messages"])
            if not message.topic.endswith(".dead-letters")
        ]

    async def dead_letters(self) -> list[tuple[str, str]]:
        """Code and message of everything refused for good."""
        rows = await self.ports.pool.fetch(
            f"SELECT code, message FROM {self.service.name}.dead_letter ORDER BY dead_letter_id"
        )
        return [(row["code"], row["message"]) for row in rows]

    async def applies(self, document: Mapping[str, Any], *, at: datetime | None = None) -> Version[Any]:
        """Apply a version of a program."""
        programs: Programs[Any] = self.doors.state["programs"]
        async with self.ports.pool.acquire() as connection, connection.transaction():
            return await programs.apply(connection, str(document["program"]), document, now=at or self.now)

    async def differences(self) -> list[str]:
        """What `verify` finds; empty where all is well."""
        return await self.service.verify(self.ports)

    async def runs(self, job: str) -> int:
        """Run one of its jobs now."""
        return await next(each for each in self.doors.jobs if each.name == job).run()

    def client(
        self,
        *,
        scopes: str | None = None,
        program: str = PROGRAM,
        member: str | None = None,
        partner: str | None = None,
        token: bool = True,
    ) -> AsyncClient:
        """A caller of its HTTP door; by default with all scopes."""
        client = client_of(app_of(self.service, self.settings, self.ports, self.doors))
        if token:
            wanted = scopes if scopes is not None else f"{self.service.name}:read {self.service.name}:write"
            client.headers["Authorization"] = (
                f"Bearer {self.keys.token(wanted, program=program, member=member, partner=partner)}"
            )
        return client

    def _placed(self, record: Record) -> Record:
        partition = Partition(record.topic, record.partition + self.partition)
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        return Record(
            record.topic, partition.number, offset, record.time, record.key, record.value, record.headers
        )


@asynccontextmanager
async def running(
    service: Service, database_url: str, keys: KeyPair, **settings: Any
) -> AsyncIterator[Running]:
    """The service on a migrated database."""
    await migrate(database_url, service.package.__name__, schema=service.name)
    if "hash_key" in service.settings.model_fields:
        settings = {"hash_key": "only-for-tests-and-long-enough"} | settings
    read = service.settings.read(
        database_url=database_url, kafka_bootstrap="127.0.0.1:1", token_keys=str(keys.public), **settings
    )
    ports = await open_ports(service, read)
    doors = service.build(ports)
    found = Running(service, read, ports, doors, processor_of(service, read, ports, doors), keys)
    ports.clock = lambda: found.now
    found.processor.clock = ports.clock
    try:
        yield found
    finally:
        await ports.pool.close()
