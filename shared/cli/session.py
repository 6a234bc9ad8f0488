"""The service, its settings and its database, as a command needs them.

What a newcomer would get wrong: settings are read when a command asks for them, not before. `program check` and
`--help` work on a machine that has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer

from shared.database import Connection, DatabaseAway, connect
from shared.errors import Kind, ServiceError
from shared.service import Ports, Service, open_ports
from shared.settings import ServiceSettings, SettingsError


class NotAvailable(ServiceError):
    """What the command works on is not there."""

    kind = Kind.NOT_FOUND
    code = "not_available"


def service_of(context: typer.Context) -> Service:
    """The service whose command line this is."""
    service = context.obj
    assert isinstance(service, Service), "application() puts the service into the context"
    return service


def settings_of(service: Service, *, needs_kafka: bool = False) -> ServiceSettings:
    """Its settings from the environment.

    Raises:
        SettingsError: names each variable that is missing or wrong.
    """
    settings = service.settings.read()
    if needs_kafka and not settings.kafka_bootstrap:
        raise SettingsError(f"{service.settings.variables('kafka_bootstrap')}: is not set")
    return settings


@asynccontextmanager
async def database_of(service: Service, settings: ServiceSettings) -> AsyncIterator[Connection]:
    """One connection, as the service's role.

    Raises:
        DatabaseAway: nothing answers.
    """
    try:
        connection = await connect(settings.dsn, schema=service.name, application=_application(service))
    except OSError as error:
        raise away(error) from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def ports_of(service: Service) -> AsyncIterator[Ports]:
    """The ports of the service, for a command that works with all of it.

    Raises:
        SettingsError, DatabaseAway: see there.
    """
    ports = await open_ports(service, settings_of(service), application=_application(service))
    try:
        yield ports
    finally:
        await ports.pool.close()


def _application(service: Service) -> str:
    return f"habitue {service.name} command"


def away(error: OSError) -> DatabaseAway:
    """The error for a database to which no connection can be made."""
    return DatabaseAway(f"no answer from the database: {error}; is it running?")
