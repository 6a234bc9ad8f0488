"""Records the statements that a worker sends, so that the same SQL can be looped with everything already decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from shared.database import AnyConnection, Pool

Statement = tuple[str, tuple[Any, ...], dict[str, Any]]


class Recorder:
    """A pool whose connections remember, transaction by transaction, what was asked of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.transactions: list[list[Statement]] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        self.transactions.append([])
        async with self._pool.acquire() as connection:
            yield _Recording(connection, self.transactions[-1])


class _Recording:
    """A connection that remembers."""

    def __init__(self, connection: AnyConnection, statements: list[Statement]) -> None:
        self._connection = connection
        self._statements = statements

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return self._connection.transaction()

    async def execute(self, *args: Any) -> Any:
        return await self._call("execute", args, {})

    async def executemany(self, *args: Any) -> Any:
        return await self._call("executemany", args, {})

    async def fetch(self, *args: Any) -> Any:
        return await self._call("fetch", args, {})

    async def copy_records_to_table(self, *args: Any, **options: Any) -> Any:
        return await self._call("copy_records_to_table", args, options)

    async def _call(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self._statements.append((name, args, options))
        return await getattr(self._connection, name)(*args, **options)


async def send_again(connection: AnyConnection, transactions: list[list[Statement]]) -> None:
    """Send it all again, one statement after the other."""
    for statements in transactions:
        async with connection.transaction():
            for name, args, options in statements:
                await getattr(connection, name)(*args, **options)
