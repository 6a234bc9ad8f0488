"""Runs a service: its HTTP door, its worker, or both, until it is told to stop.

What a newcomer would get wrong: troubles with Kafka or Postgres are waited out inside the process, but a worker that
has stalled, or that has refused too much, ends it with a status of its own, since starting again (or a person) is what
helps then.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from enum import Enum
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette

from shared.clock import Clock, system_clock
from shared.database import NOT_NOW, DatabaseAway
from shared.errors import ServiceError
from shared.http.health import create_probe_app
from shared.jobs import Job, run_jobs
from shared.kafka import KAFKA_NOT_NOW
from shared.logs import configure_logs
from shared.processes import run_side_by_side, until_starter_ends
from shared.pruning import pruning
from shared.relay import Relay
from shared.service import Doors, Ports, Service, app_of, health_of, open_ports, processor_of
from shared.settings import ServiceSettings
from shared.worker.consumer import Worker, WorkerOptions, WorkerStalled
from shared.worker.dead_letters import TooManyDeadLetters

log = structlog.get_logger(__name__)

EXIT_REFUSED = 3  # a person has to look: starting again does not help
EXIT_STALLED = 75  # the conventional "try again": a supervisor starts it anew
RETRY_SECONDS = 1.0


class Role(Enum):
    """Which doors a process opens."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


def run(service: Service, role: Role) -> None:
    """Run until SIGTERM or SIGINT.

    Exits 0 after a graceful stop, 3 where a person has to look, 75 to be started again.
    """
    settings = service.settings.read()
    configure_logs(service.name, role.value, level=settings.log_level, log_format=settings.log_format)
    if role is Role.WORKER and settings.worker_processes > 1:
        sys.exit(uvloop.run(_run_processes(service, settings)))
    calm_garbage_collector()
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


async def _run_processes(service: Service, settings: ServiceSettings) -> int:
    """The command `worker` in as many processes as the settings say; each has a port and an instance of its own."""
    prefix = service.settings.model_config.get("env_prefix", "").upper()
    port, name = settings.worker_metrics_port, settings.worker_instance
    environments = [
        {
            f"{prefix}WORKER_PROCESSES": "1",
            f"{prefix}WORKER_METRICS_PORT": str(port + number if port else 0),
            f"{prefix}WORKER_INSTANCE": f"{name}-{number}" if name else "",
        }
        for number in range(settings.worker_processes)
    ]
    return await run_side_by_side(["-m", service.package.__name__, Role.WORKER.value], environments)


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
        work.append(until_starter_ends(stop))
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
        return create_probe_app(health_of(ports), ports.metrics)
    return app_of(service, settings, ports, doors)
