"""The ledger's HTTP door as a process of its own, and a client that costs little: what the bench asks over HTTP.

`python -m tests.bench.serving` is that process.

What a newcomer would get wrong: the client speaks HTTP by hand, since a comfortable one takes longer than the server.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.ports import free_port
from services.ledger.api.door import Writer
from services.ledger.main import SERVICE
from services.ledger.schemas.checkout import SpendIn
from shared.http.idempotency import door_router
from shared.running import Role, run
from tests.bench.ground import PROGRAM
from tests.support.house import until
from tests.support.keys import a_key_pair

START_SECONDS = 30

nothing = door_router(tags=["bench"])


@nothing.post("/members/{member_id}/nothing", status_code=201)
async def do_nothing(member_id: str, body: SpendIn, caller: Writer) -> SpendIn:
    """Read the same body as a spend with the same token, and answer."""
    del member_id, caller
    return body


@dataclass(frozen=True, slots=True)
class Door:
    """Where the process listens, and a token for it."""

    port: int
    token: str


@dataclass(frozen=True, slots=True)
class Client:
    """One kept connection, as a shop has it."""

    door: Door
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, method: str, path: str, *, key: str = "", body: bytes = b"") -> bytes:
        """The content of an answer, which must be 200 or 201."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.door.token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        content = await self.reader.readexactly(length)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), answer + content
        return content


@asynccontextmanager
async def connected(door: Door) -> AsyncIterator[Client]:
    """A client, for as long as the block lasts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        yield Client(door, reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def served(dsn: str, bootstrap: str) -> AsyncIterator[Door]:
    """The process, for as long as the block lasts."""
    with TemporaryDirectory() as folder:
        keys = a_key_pair(Path(folder))
        port = free_port()
        settings = {
            "LEDGER_DATABASE_URL": dsn,
            "LEDGER_KAFKA_BOOTSTRAP": bootstrap,
            "LEDGER_HASH_KEY": "only-for-the-bench",
            "LEDGER_TOKEN_KEYS": str(keys.public),
            "LEDGER_HTTP_PORT": str(port),
            "LEDGER_LOG_LEVEL": "warning",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.serving", env=os.environ | settings
        )
        try:
            await until(f"port {port} answers", partial(_answers, port), seconds=START_SECONDS)
            now = datetime.now(UTC) + timedelta(minutes=1)
            yield Door(port, keys.token("ledger:read ledger:write", program=PROGRAM, now=now))
        finally:
            process.terminate()
            await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    run(dataclasses.replace(SERVICE, routers=(*SERVICE.routers, nothing)), Role.API)
