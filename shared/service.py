"""What a service is made of: its description, the ports it is given, the doors it opens.

A service's `main.py` describes itself as a `Service`; `shared.running` runs it. What a newcomer would get wrong:
nothing in a service reads a clock, opens a connection or looks at the environment itself. All of that comes in through
`Ports`, so that a test or a simulation drives the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random, SystemRandom
from types import ModuleType
from typing import Any

from fastapi import APIRouter, FastAPI

from shared.clock import Clock, system_clock
from shared.database import Pool, Timeouts, connect_pool
from shared.events import topic_of
from shared.http.app import create_app
from shared.http.client import http_client
from shared.http.gathering import Decide, Gathering
from shared.http.health import Health, database_answers
from shared.http.program import program_router
from shared.jobs import Job
from shared.metrics import Metrics
from shared.program_documents import Fault, no_warnings
from shared.queries import Queries, load_queries
from shared.settings import ServiceSettings
from shared.tokens import verifier_from
from shared.worker.batch import BatchProcessor
from shared.worker.dead_letters import Limits
from shared.worker.records import HandleBatch


@dataclass(slots=True)
class Ports:
    """What a service gets from outside: nothing in it reads a clock, opens a connection or draws a number itself."""

    settings: Any
    pool: Pool
    sql: Queries
    machinery: Queries
    metrics: Metrics
    clock: Clock
    wake_relay: Callable[[], None]
    random: Random = field(default_factory=SystemRandom)
    """Where codes and ids are drawn from; unguessable, unless a simulation gives another."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What a service builds from its ports."""

    handle: HandleBatch
    jobs: Sequence[Job] = ()
    decide: Decide | None = None
    """Decides the commands that come over HTTP at the same moment, together."""
    state: dict[str, Any] = field(default_factory=dict)
    """Put on `app.state`, where the endpoints find it."""
    background: Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = ()
    """Further work of the worker that runs until the stop, such as sending mail."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its `main.py` describes it.

    `name` is also the schema and the Kafka group; `listens` and `announces` are data classes of the contract.
    """

    name: str
    package: ModuleType
    version: str
    settings: type[ServiceSettings]
    listens: Sequence[type]
    announces: Sequence[type]
    routers: Sequence[APIRouter]
    build: Callable[[Ports], Doors]
    verify: Callable[[Ports], Coroutine[Any, Any, list[str]]]
    """Recomputes what the service keeps, and names each place where it differs; empty = all is well."""
    parse_program: Callable[[Mapping[str, Any]], Any]
    """Reads this service's part of a program's document; raises for one that cannot work."""
    program_schema: Callable[[], dict[str, Any]]
    """The JSON Schema of that part, for editors."""
    program_warnings: Callable[[Mapping[str, Any]], Sequence[Fault]] = no_warnings
    """What of a document that it accepts somebody should think about again, each with its place."""
    public_routers: Sequence[APIRouter] = ()
    """Addresses that members' browsers open, without a token."""
    commands: Sequence[Callable[..., None]] = ()
    """What its command line has beside the commands of all services, each a function as typer reads it."""

    @property
    def topics(self) -> list[str]:
        """The topics it reads, sorted."""
        return sorted({topic_of(data) for data in self.listens})

    @property
    def own_topics(self) -> list[str]:
        """The topics it writes, sorted."""
        return sorted({topic_of(data) for data in self.announces} | {f"{self.name}.dead-letters"})

    def load_queries(self) -> Queries:
        """The named queries of the service."""
        return load_queries(self.package.__name__, schema=self.name)

    def load_machinery(self) -> Queries:
        """The named queries of the machinery, in the schema of the service."""
        return load_queries("shared", schema=self.name)


async def open_ports(
    service: Service,
    settings: ServiceSettings,
    *,
    clock: Clock = system_clock,
    metrics: Metrics | None = None,
    application: str | None = None,
) -> Ports:
    """Connect to the database; everything else is at hand.

    Its sessions there are named `application`, or after the service.

    Raises:
        DatabaseAway: it does not answer.
    """
    pool = await connect_pool(
        settings.dsn,
        schema=service.name,
        min_size=settings.database_pool_min,
        max_size=settings.database_pool_max,
        timeouts=Timeouts(settings.statement_timeout_seconds, settings.lock_timeout_seconds),
        application=application or f"habitue {service.name}",
    )
    return Ports(
        settings=settings,
        pool=pool,
        sql=service.load_queries(),
        machinery=service.load_machinery(),
        metrics=metrics or Metrics(service.name, version=service.version),
        clock=clock,
        wake_relay=lambda: None,
    )


def processor_of(service: Service, settings: ServiceSettings, ports: Ports, doors: Doors) -> BatchProcessor:
    """A processor for one lane of this service."""
    return BatchProcessor(
        service=service.name,
        pool=ports.pool,
        sql=ports.machinery,
        handle=doors.handle,
        clock=ports.clock,
        metrics=ports.metrics,
        default_program=settings.default_program,
        limits=Limits(
            settings.dead_letter_consecutive_limit,
            settings.dead_letter_share_limit,
            settings.dead_letter_window,
        ),
    )


def app_of(service: Service, settings: ServiceSettings, ports: Ports, doors: Doors) -> FastAPI:
    """The HTTP door of the service on these ports.

    Raises:
        KeysUnusable: nobody may call, since the settings name no key that signs tokens.
    """
    verifier = verifier_from(
        settings.token_keys,
        client=http_client(),
        clock=ports.clock,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
    )
    app = create_app(
        title=f"Habitué {service.name}",
        description=(service.package.__doc__ or "").strip(),
        service=service.name,
        version=service.version,
        routers=(*service.routers, program_router(service.name, service.program_warnings)),
        public_routers=service.public_routers,
        metrics=ports.metrics,
        verifier=verifier,
        health=health_of(ports),
        clock=ports.clock,
        max_body_bytes=settings.http_max_body_bytes,
    )
    app.state.pool = ports.pool
    app.state.acquire_seconds = settings.database_acquire_timeout_seconds
    app.state.wake_relay = ports.wake_relay
    if doors.decide is not None:
        acquire = partial(ports.pool.acquire, timeout=settings.database_acquire_timeout_seconds)
        app.state.gathering = Gathering(acquire, ports.machinery, doors.decide, ports.clock, ports.wake_relay)
    for name, value in doors.state.items():
        setattr(app.state, name, value)
    return app


def health_of(ports: Ports) -> Health:
    """What a process says of itself: ready as long as the database answers."""
    return Health(checks={"database": database_answers(ports.pool)})
