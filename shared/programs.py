"""The programs of the merchants, versioned: which rules hold for an event of a certain time.

Each service keeps the whole program file and reads its own section of it. What a newcomer would get wrong: the first
version of a program holds from the beginning of time, so that an imported history is booked by it; every later one
holds from the moment it was applied. Look up `at(event.time)`, never "the newest".
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from shared.database import AnyConnection
from shared.errors import Kind, ServiceError
from shared.queries import Queries

P = TypeVar("P")

BEGINNING_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # no event of the contract is older


class UnknownProgram(ServiceError):
    """There is no program with this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_program"


class ProgramChanged(ServiceError):
    """Somebody else applied a version in between."""

    kind = Kind.PRECONDITION_FAILED
    code = "program_changed"


@dataclass(frozen=True, slots=True)
class Version(Generic[P]):
    """One version of a program: its number (from 1), since when it holds, the document, and what was read in it."""

    program_id: str
    number: int
    since: datetime
    applied_at: datetime
    document: Mapping[str, Any]
    rules: P


@dataclass(frozen=True, slots=True)
class Versions(Generic[P]):
    """All versions of one program, oldest first."""

    all: tuple[Version[P], ...]

    @classmethod
    def only(cls, program_id: str, rules: P) -> Versions[P]:
        """A program that is tried: as though it had been in force from the beginning of time."""
        since = BEGINNING_OF_TIME
        return cls((Version(program_id, 1, since, since, {}, rules),))

    @property
    def newest(self) -> Version[P]:
        """The version applied last."""
        return self.all[-1]

    def at(self, time: datetime) -> Version[P]:
        """The version that holds for something that happened at `time`."""
        newest = self.all[-1]
        if newest.since <= time:
            return newest
        return self.all[bisect_right(self.all, time, key=lambda version: version.since) - 1]

    def numbered(self, number: int) -> Version[P]:
        """The version with this number."""
        return self.all[number - 1]


class Programs(Generic[P]):
    """Reads programs, and keeps what it parsed as long as no newer version is there.

    `parse` turns a document into the service's rules; it also runs before a version is applied, so that a document
    in the database can always be parsed.
    """

    def __init__(self, sql: Queries, parse: Callable[[Mapping[str, Any]], P]) -> None:
        self._sql = sql
        self._parse = parse
        self._known: dict[str, Versions[P]] = {}

    async def of(self, connection: AnyConnection, program_ids: Iterable[str]) -> dict[str, Versions[P]]:
        """The programs with these ids, as this transaction sees them; ids without a program are left out."""
        rows = await connection.fetch(self._sql.program_versions, sorted(set(program_ids)))
        found = {}
        for row in rows:
            known = self._known.get(row["program_id"])
            if known is None or known.newest.number != row["version"]:
                known = await self._read(connection, row["program_id"])
            found[row["program_id"]] = known
        return found

    async def one(self, connection: AnyConnection, program_id: str) -> Versions[P]:
        """The program with this id.

        Raises:
            UnknownProgram: no version of it was ever applied.
        """
        found = await self.of(connection, [program_id])
        if program_id not in found:
            raise unknown(program_id)
        return found[program_id]

    async def apply(
        self,
        connection: AnyConnection,
        program_id: str,
        document: Mapping[str, Any],
        *,
        now: datetime,
        expected_version: int | None = None,
    ) -> Version[P]:
        """Add a version that holds from `now` (the first one: from the beginning of time).

        The same document as the newest version adds nothing. `expected_version` is the number that the caller saw
        last, 0 for "there is none yet".

        Raises:
            ProgramChanged: the newest version is another than expected.
            Whatever `parse` raises for a document that cannot work.
        """
        rules = self._parse(document)
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"program:{program_id}"
        )
        before = (await self.of(connection, [program_id])).get(program_id)
        number = before.newest.number if before else 0
        if expected_version is not None and expected_version != number:
            raise ProgramChanged(
                f"version {number} is in force, not {expected_version}; read it again and repeat"
            )
        if before and before.newest.document == document:
            return before.newest
        since = now if before else BEGINNING_OF_TIME
        await connection.execute(
            self._sql.insert_program, program_id, number + 1, since, json.dumps(document), now
        )
        return Version(program_id, number + 1, since, now, document, rules)

    async def _read(self, connection: AnyConnection, program_id: str) -> Versions[P]:
        versions = []
        for row in await connection.fetch(self._sql.program_documents, program_id):
            document = json.loads(row["document"])
            rules = self._parse(document)
            versions.append(
                Version(program_id, row["version"], row["since"], row["applied_at"], document, rules)
            )
        self._known[program_id] = Versions(tuple(versions))
        return self._known[program_id]


def unknown(program_id: str) -> UnknownProgram:
    """The error for a program that nobody applied."""
    return UnknownProgram(f"there is no program {program_id!r}; apply its file first (`program apply FILE`)")
