"""Recomputes every member's spend and level from the stored orders, and names each place where they differ.

What a newcomer would get wrong: it runs beside live traffic, page by page. All that concerns one member is read in one
snapshot, in which a batch is there wholly or not at all.
"""

from __future__ import annotations

from services.tiers import program
from services.tiers.actions import Courses
from services.tiers.domain import auditing
from services.tiers.domain.book import MemberKey
from services.tiers.store import Store
from shared.programs import Programs
from shared.service import Ports

PAGE = 1_000  # members compared in one snapshot
MOST = 1_000  # differences named; where there are more, the first ones tell enough


async def differences(ports: Ports) -> list[str]:
    """Every difference in words, at most a thousand; empty = all is well."""
    store, courses = Store(ports.sql), Courses(Programs(ports.machinery, program.parse))
    found: list[str] = []
    after: MemberKey = ("", "")
    while len(found) <= MOST:
        async with (
            ports.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            keys = await store.page_of_members(connection, after, PAGE)
            if not keys:
                return found
            known = await courses.of(connection, {key[0] for key in keys})
            book = await store.read_all(connection, keys, known, ports.clock())
        found += [each for key in keys if key[0] in known for each in auditing.differences(book, key)]
        after = keys[-1]
    return [*found[:MOST], f"… and more; stopped at member {after[0]}:{after[1]}"]
