"""`migrate`, `topics` and `verify`: what a deployment runs before, and an operator now and then.

What a newcomer would get wrong: `migrate` is the only command that does not run as the service's own role. It takes
`DATABASE_ADMIN_URL`, since it makes that role.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated

import typer

from shared import kafka, migrations
from shared.cli.offsets import Offsets, offsets_of
from shared.cli.session import NotAvailable, away, ports_of, service_of, settings_of
from shared.cli.speech import cell, command, console, counted, say, say_json, table, warn
from shared.service import Service
from shared.worker.records import Partition

PASSWORD = "DATABASE_PASSWORD"
METADATA_SECONDS = 5.0  # a new topic is known to every broker well before

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@command
async def migrate(
    context: typer.Context,
    role_password: Annotated[
        str | None,
        typer.Option(
            help="Let the service's role log in with this password. Better given by the environment as "
            "LEDGER_DATABASE_PASSWORD (with this service's name) or DATABASE_PASSWORD: a command line can be "
            "read by others.",
        ),
    ] = None,
) -> None:
    """Bring the schema of this service up to date; safe to repeat, and beside running processes.

    Connects with DATABASE_ADMIN_URL (else DATABASE_URL), as somebody who may create schemas and roles. It makes the
    service's role, its schema, and applies each migration that is missing, in order, each in a transaction of its own.
    Without a password the role cannot log in; others may still take it on (SET ROLE).
    """
    service = service_of(context)
    settings = settings_of(service)
    try:
        applied = await migrations.migrate(
            settings.admin_dsn,
            service.package.__name__,
            schema=service.name,
            role_password=role_password or _password_from_environment(service),
        )
    except OSError as error:
        raise away(error) from error
    for name in applied:
        say(f"applied {name}")
    if not applied:
        say(f"the schema {service.name} is up to date")


@command
async def topics(context: typer.Context, as_json: Json = False) -> None:
    """Create the topics that this service reads and writes, where they are missing.

    TOPIC_PARTITIONS and TOPIC_REPLICATION say how; topics that are there stay as they are. All should have the same
    number of partitions: a warning says where they do not.
    """
    service = service_of(context)
    settings = settings_of(service, needs_kafka=True)
    names = sorted({*service.topics, *service.own_topics})
    created = await kafka.create_topics(
        settings.kafka_bootstrap,
        names,
        partitions=settings.topic_partitions,
        replication=settings.topic_replication,
    )
    async with offsets_of(settings.kafka_bootstrap) as offsets:
        await _until_known(offsets, names)
        counts = _counts(await offsets.partitions(names))
    if as_json:
        say_json({"topics": counts, "created": created})
    else:
        rows = table("topic", "partitions", "", numbers=["partitions"])
        for name in names:
            rows.add_row(cell(name), cell(counts[name]), cell("created" if name in created else "was there"))
        console().print(rows)
    if len(set(counts.values())) > 1:
        warn("the topics differ in their number of partitions: events of a member will meet in no lane")


@command
async def verify(context: typer.Context, as_json: Json = False) -> None:
    """Recompute what this service keeps and name each place that differs.

    Works beside live traffic. The status is 0 where all is well and 1 where anything differs.
    """
    service = service_of(context)
    async with ports_of(service) as ports:
        began = time.perf_counter()
        differences = await service.verify(ports)
        seconds = time.perf_counter() - began
    if as_json:
        say_json({"service": service.name, "differences": differences, "seconds": round(seconds, 3)})
    else:
        for difference in differences:
            say(f"differs: {difference}")
        found = f"{counted(len(differences), 'difference')} found" if differences else "all is well"
        say(f"{service.name}: {found} ({seconds:.2f} s)")
    if differences:
        raise typer.Exit(1)


def _password_from_environment(service: Service) -> str | None:
    prefix = str(service.settings.model_config.get("env_prefix", "")).upper()
    return os.environ.get(prefix + PASSWORD) or os.environ.get(PASSWORD) or None


async def _until_known(offsets: Offsets, names: list[str]) -> None:
    """
    Raises:
        NotAvailable: Kafka did not make them, which it says of too many copies for too few brokers.
    """
    deadline = time.monotonic() + METADATA_SECONDS
    while missing := await offsets.missing(names):
        if time.monotonic() > deadline:
            raise NotAvailable(
                f"Kafka did not create {', '.join(missing)}; has it fewer brokers than TOPIC_REPLICATION asks for?"
            )
        await asyncio.sleep(0.1)


def _counts(partitions: list[Partition]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in partitions:
        counts[key.topic] = counts.get(key.topic, 0) + 1
    return counts
