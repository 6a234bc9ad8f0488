"""Forward-only migrations in plain SQL: those of the machinery first, then the service's own.

What a newcomer would get wrong: an applied file is never edited. Its SHA-256 is kept, and a file that changed
stops the migration with an error that names it; write a further file instead (expand, then contract).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources

import asyncpg
import stamina

from shared.database import CONNECT_SECONDS, Connection, role_of
from shared.errors import Kind, ServiceError
from shared.queries import in_schema

NO_TRANSACTION = "-- no-transaction"
# A migration that cannot get its lock soon gives up, instead of holding up everybody who comes after it.
TIMEOUTS = "SET lock_timeout = '10s'; SET statement_timeout = '30min'"
LOCK = 0x4861_6269_7475_65  # any constant of our own: one migration at a time in a database


class MigrationChanged(ServiceError):
    """A migration that was applied has been edited since."""

    kind = Kind.CONFLICT
    code = "migration_changed"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name (`shared/0001_machinery`), its text for the schema, and the hash of that text."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(package: str, *, schema: str) -> list[Migration]:
    """All migrations of a service, in order: the machinery's, then those of `package`."""
    found: list[Migration] = []
    for origin in ("shared", package):
        folder = resources.files(origin).joinpath("migrations")
        for path in sorted(folder.iterdir(), key=lambda path: path.name):
            if path.name.endswith(".sql"):
                name = f"{origin.rsplit('.', 1)[-1]}/{path.name.removesuffix('.sql')}"
                found.append(Migration(name, in_schema(path.read_text(encoding="utf-8"), schema)))
    return found


async def migrate(url: str, package: str, *, schema: str, role_password: str | None = None) -> list[str]:
    """Bring the schema of a service up to date; the names of what was applied now.

    `url` must belong to a role that may create schemas and roles. The service's own role is created without
    the right to log in, unless `role_password` is given.

    Raises:
        MigrationChanged: an applied file was edited.
    """
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(TIMEOUTS)
        await _ensure_role(connection, schema, role_password)
        await _ensure_schema(connection, schema)
        return await _apply_missing(connection, migrations_of(package, schema=schema), schema)
    finally:
        await connection.close()


async def _apply_missing(connection: Connection, migrations: list[Migration], schema: str) -> list[str]:
    rows = await connection.fetch(f"SELECT name, sha256 FROM {schema}.migration")
    applied = {row["name"]: row["sha256"] for row in rows}
    done = []
    for migration in migrations:
        if migration.name not in applied:
            await _apply(connection, migration, schema)
            done.append(migration.name)
        elif applied[migration.name] != migration.sha256:
            raise MigrationChanged(
                f"{migration.name} was edited after it was applied; restore it and write a further migration"
            )
    return done


async def _apply(connection: Connection, migration: Migration, schema: str) -> None:
    record = f"INSERT INTO {schema}.migration (name, sha256) VALUES ($1, $2)"
    if migration.text.startswith(NO_TRANSACTION):
        await connection.execute(migration.text)
        await connection.execute(record, migration.name, migration.sha256)
        return
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(record, migration.name, migration.sha256)


async def _ensure_schema(connection: Connection, schema: str) -> None:
    await connection.execute(f"""
        CREATE SCHEMA IF NOT EXISTS {schema};
        GRANT USAGE ON SCHEMA {schema} TO {role_of(schema)};
        CREATE TABLE IF NOT EXISTS {schema}.migration (
            name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
        );
        GRANT SELECT ON {schema}.migration TO {role_of(schema)};
    """)


@stamina.retry(on=asyncpg.InternalServerError, attempts=10, wait_initial=0.05)
async def _ensure_role(connection: Connection, schema: str, password: str | None) -> None:
    """Roles belong to the whole server, and two databases may be migrated at once: "already there" is success."""
    role = role_of(schema)
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute(f"CREATE ROLE {role} NOLOGIN")
    if password is not None:
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD {quoted}")
