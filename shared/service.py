"""Runs a service: its HTTP door, its worker, or both, until it is told to stop.

A service's `main.py` describes itself as a `Service`; everything here is the same for all. What a newcomer would get
wrong: troubles with Kafka or Postgres are waited out inside the process, but a worker that has stalled, or that has
refused too much, ends it with a status of its own, since starting again (or a person) is what helps then.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette

from shared.clock import Clock, system_clock
from shared.database import NOT_NOW, DatabaseAway, Pool, Timeouts, connect_pool
from shared.errors import ServiceError
from shared.events import topic_of
from shared.http.app import create_app
from shared.http.client import http_client
from shared.http.health import Health, create_probe_app, database_answers
from shared.http.program import program_router
from shared.jobs import Job, run_jobs
from shared.kafka import KAFKA_NOT_NOW
from shared.logs import configure_logs
from shared.metrics import Metrics
from shared.pruning import pruning
from shared.queries import Queries, load_queries
from shared.relay import Relay
from shared.settings import ServiceSettings
from shared.tokens import verifier_from
from shared.worker.batch import BatchProcessor
from shared.worker.consumer import Worker, WorkerOptions, WorkerStalled
from shared.worker.dead_letters import Limits, TooManyDeadLetters
from shared.worker.records import HandleBatch

log = structlog.get_logger(__name__)

EXIT_REFUSED = 3  # a person has to look: starting again does not help
EXIT_STALLED = 75  # the conventional "try again": a supervisor starts it anew
RETRY_SECONDS = 1.0


class Role(Enum):
    """Which doors a process opens."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


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


@dataclass(frozen=True, slots=True)
class Doors:
    """What a service builds from its ports."""

    handle: HandleBatch
    jobs: Sequence[Job] = ()
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
    public_routers: Sequence[APIRouter] = ()
    """Addresses that members' browsers open, without a token."""

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
) -> Ports:
    """Connect to the database; everything else is at hand.

    Raises:
        DatabaseAway: it does not answer.
    """
    pool = await connect_pool(
        settings.dsn,
        schema=service.name,
        min_size=settings.database_pool_min,
        max_size=settings.database_pool_max,
        timeouts=Timeouts(settings.statement_timeout_seconds, settings.lock_timeout_seconds),
        application=f"habitue {service.name}",
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


def run(service: Service, role: Role) -> None:
    """Run until SIGTERM or SIGINT.

    Exits 0 after a graceful stop, 3 where a person has to look, 75 to be started again.
    """
    settings = service.settings.read()
    calm_garbage_collector()
    configure_logs(service.name, role.value, level=settings.log_level, log_format=settings.log_format)
    try:
        uvloop.run(serve(service, settings, role))
    except TooManyDeadLetters as error:
        log.error("worker_refuses", code=error.code, reason=error.message)
        sys.exit(EXIT_REFUSED)
    except WorkerStalled as error:
        log.error("worker_stalled", reason=error.message)
        sys.exit(EXIT_STALLED)
    except ServiceError as error:
        log.error("service_stopped", code=error.code, reason=error.message)
        sys.exit(EXIT_REFUSED)


def calm_garbage_collector() -> None:
    """Look for reference cycles seldom, and never in what was there at the start.

    The batches at hand hold some hundred thousand objects and free them by counting; looking through them again and
    again for cycles, of which they make none, takes a tenth of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)  # above what two lanes of 1,000 events hold, with room


async def serve(
    service: Service, settings: ServiceSettings, role: Role, *, clock: Clock = system_clock
) -> None:
    """Open the doors of `role` until a signal comes, then finish what is at hand.

    Raises:
        TooManyDeadLetters, WorkerStalled, PositionLost: see there.
    """
    stop = _stop_on_signals()
    ports = await _open_patiently(service, settings, clock, stop)
    if ports is None:
        return
    relay = _relay(service, settings, ports)
    ports.wake_relay = relay.wake.set
    doors = service.build(ports)
    work: list[Coroutine[Any, Any, None]] = [
        _serve_http(_app(service, settings, ports, doors, role), settings, role, stop)
    ]
    if role is not Role.API:
        work.append(_consume(service, settings, ports, doors, stop))
        work.append(relay.run(stop))
        work.append(run_jobs(ports.pool, service.name, [*doors.jobs, _pruning(settings, ports)], stop))
        work += [each(stop) for each in doors.background]
    try:
        await _all_until_first_fault(work, stop)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.shutdown_seconds):
                await ports.pool.close()


async def _consume(
    service: Service, settings: ServiceSettings, ports: Ports, doors: Doors, stop: asyncio.Event
) -> None:
    """Work in the consumer group; where Kafka or Postgres is away, come back a little later."""
    worker = Worker(
        WorkerOptions(
            bootstrap=settings.kafka_bootstrap,
            group=f"habitue-{service.name}",
            topics=service.topics,
            lanes=settings.lanes,
            batch_size=settings.batch_size,
            watchdog_seconds=settings.watchdog_seconds,
            session_timeout_ms=int(settings.session_timeout_seconds * 1000),
            rebalance_timeout_ms=int(settings.rebalance_timeout_seconds * 1000),
            instance=settings.worker_instance,
        ),
        lambda: processor_of(service, settings, ports, doors),
        ports.wake_relay,
    )
    while not stop.is_set():
        try:
            await worker.run(stop)
        except WorkerStalled:
            raise
        except (*NOT_NOW, *KAFKA_NOT_NOW) as error:
            log.warning("worker_waits", reason=f"{type(error).__name__}: {error}", again_in=RETRY_SECONDS)
            await _pause(stop, RETRY_SECONDS)


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


def _pruning(settings: ServiceSettings, ports: Ports) -> Job:
    return pruning(ports.pool, ports.machinery, ports.clock, inbox_days=settings.inbox_days)


def _relay(service: Service, settings: ServiceSettings, ports: Ports) -> Relay:
    return Relay(
        url=settings.dsn,
        schema=service.name,
        bootstrap=settings.kafka_bootstrap,
        sql=ports.machinery,
        metrics=ports.metrics,
        poll_seconds=settings.outbox_poll_seconds,
    )


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: one place decides when this process stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_http(app: Starlette, settings: ServiceSettings, role: Role, stop: asyncio.Event) -> None:
    port = settings.worker_metrics_port if role is Role.WORKER else settings.http_port
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=port,
        loop="none",
        http="httptools",
        ws="none",
        server_header=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving
    if not stop.is_set():
        raise ServiceError(f"the HTTP door could not open on {settings.http_host}:{port}")


async def _open_patiently(
    service: Service, settings: ServiceSettings, clock: Clock, stop: asyncio.Event
) -> Ports | None:
    """The ports, as soon as the database answers; None if the stop comes first."""
    while not stop.is_set():
        try:
            return await open_ports(service, settings, clock=clock)
        except DatabaseAway as error:
            log.warning("database_away", reason=error.message, again_in=RETRY_SECONDS)
            await _pause(stop, RETRY_SECONDS)
    return None


async def _all_until_first_fault(work: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """Run side by side until all have ended; a fault in one stops the others gracefully, and is raised."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stop.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _app(service: Service, settings: ServiceSettings, ports: Ports, doors: Doors, role: Role) -> Starlette:
    """The endpoints of the service; a mere worker answers its probes only."""
    if role is Role.WORKER:
        return create_probe_app(_health(ports), ports.metrics)
    return app_of(service, settings, ports, doors)


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
        routers=(*service.routers, program_router(service.name)),
        public_routers=service.public_routers,
        metrics=ports.metrics,
        verifier=verifier,
        health=_health(ports),
        clock=ports.clock,
        max_body_bytes=settings.http_max_body_bytes,
    )
    app.state.pool = ports.pool
    app.state.acquire_seconds = settings.database_acquire_timeout_seconds
    app.state.wake_relay = ports.wake_relay
    for name, value in doors.state.items():
        setattr(app.state, name, value)
    return app


def _health(ports: Ports) -> Health:
    return Health(checks={"database": database_answers(ports.pool)})
