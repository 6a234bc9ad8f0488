"""Faults seeded by hand into the tables of a ledger, and the tables as they were before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from tests.support.services import Running


@dataclass(frozen=True)
class Seeded:
    """What was changed, and what is said of it: each text somewhere, and nothing about anybody else."""

    sql: str
    told: tuple[str, ...]
    by_program: tuple[str, ...] = ()
    """What is said of the program, and not of a member."""


async def by_hand(ledger: Running, sql: str) -> str:
    """What only the superuser may do; the last command's tag."""
    connection = await asyncpg.connect(ledger.settings.database_url.get_secret_value())
    try:
        await connection.execute("SET search_path = ledger")
        return await connection.execute(sql)
    finally:
        await connection.close()


async def keep(ledger: Running, tables: Sequence[str]) -> None:
    """Keep these tables as they are."""
    await by_hand(ledger, "CREATE SCHEMA kept")
    for table in tables:
        await by_hand(ledger, f"CREATE TABLE kept.{table} AS TABLE {table}")


async def restore(ledger: Running, tables: Sequence[str]) -> None:
    """Make them what they were."""
    for table in tables:
        await by_hand(ledger, f"TRUNCATE {table}")
        await by_hand(ledger, f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept.{table}")


async def is_found_and_named(ledger: Running, seed: Seeded, whose: str) -> None:
    """Seed a fault at one member: `verify` says so, of this member, and of nobody else.

    Raises:
        AssertionError: it does not.
    """
    assert not (await by_hand(ledger, seed.sql)).endswith(" 0"), "nothing was seeded"
    found = await ledger.differences()
    assert found
    for text in (*seed.told, *seed.by_program):
        assert any(text in each for each in found), (text, found)
    for each in found:
        assert each.startswith("program demo"), found
        assert f"member {whose}:" in each or any(text in each for text in seed.by_program), found
    assert bool(seed.told) == any(f"member {whose}:" in each for each in found), found
