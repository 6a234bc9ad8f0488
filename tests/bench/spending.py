"""How fast the spend endpoint answers, against a POST with the same body that does nothing.

Both are endpoints of one server process with the same middleware, the same token and the same body; the requests come
from this process over kept connections, as from a shop. `python -m tests.bench.spending` is that server.

What a newcomer would get wrong: the client speaks HTTP by hand, since a comfortable one takes longer than the server.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from services.ledger.api.door import Writer
from services.ledger.main import SERVICE
from services.ledger.schemas.checkout import SpendIn
from shared.http.idempotency import door_router
from shared.running import Role, run
from tests.bench.books import FILL, FILL_SECONDS, TRANSFERS_A_MEMBER
from tests.bench.ground import PROGRAM, Bench, fresh, named
from tests.support.keys import a_key_pair

MEMBERS = 5_000
REQUESTS = 6_000
CLIENTS = 128  # a sale: they keep one server process busy
FEW_CLIENTS = 32
START_SECONDS = 30
ROUNDS = 3

nothing = door_router(tags=["bench"])


@nothing.post("/members/{member_id}/nothing", status_code=201)
async def do_nothing(member_id: str, body: SpendIn, caller: Writer) -> SpendIn:
    """Read the same body with the same token, and answer."""
    del member_id, caller
    return body


async def compare(bench: Bench) -> dict[str, Any]:
    """Answers per second of both, taken in turn, and the ratio."""
    kinds = [(what, clients) for clients in (CLIENTS, FEW_CLIENTS) for what in ("spends", "nothing")]
    rates: dict[tuple[str, int], list[float]] = {kind: [] for kind in kinds}
    async with fresh(bench, "spending") as (ports, _):
        await _fill(bench)
        async with _server(ports.settings.dsn, bench.stack.kafka_bootstrap) as (port, token):
            for number in range(ROUNDS):
                for (what, clients), found in rates.items():
                    found.append(await _rate(port, token, what, clients, number))
        wrong = await SERVICE.verify(ports)
        assert not wrong, wrong[:3]
    spends, noop, few, few_noop = (max(found) for found in rates.values())
    return {
        "spends_per_s": round(spends),
        "noop_posts_per_s": round(noop),
        "spend_per_noop": round(spends / noop, 2),
        "few_clients_spends_per_s": round(few),
        "few_clients_spend_per_noop": round(few / few_noop, 2),
    }


async def _rate(port: int, token: str, what: str, clients: int, turn: int) -> float:
    """Answers per second, by so many clients at once; every answer must be 201."""
    numbers = iter(range(REQUESTS))
    began = time.perf_counter()
    await asyncio.gather(
        *[
            _client(port, lambda: next(numbers, None), token, what, f"{clients}-{turn}")
            for _ in range(clients)
        ]
    )
    return REQUESTS / (time.perf_counter() - began)


async def _client(port: int, next_number: Callable[[], int | None], token: str, what: str, turn: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while (number := next_number()) is not None:
            spend = f"{what}-{turn}-{number}"
            body = json.dumps({"spend_id": spend, "points": 1}).encode()
            head = (
                f"POST /v1/members/m{number % MEMBERS + 1:08}/{what} HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {spend}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            content = await reader.readexactly(length)
            assert answer.startswith(b"HTTP/1.1 201"), answer + content
    finally:
        writer.close()


async def _fill(bench: Bench) -> None:
    filler = await asyncpg.connect(named(bench.stack.database_url, "bench_spending"))
    try:
        for statement in FILL:
            values = (PROGRAM, MEMBERS, TRANSFERS_A_MEMBER) if "$1" in statement else ()
            await filler.execute(statement, *values, timeout=FILL_SECONDS)
    finally:
        await filler.close()


@asynccontextmanager
async def _server(dsn: str, bootstrap: str) -> AsyncIterator[tuple[int, str]]:
    """The ledger's HTTP door as a process of its own, and a token for it."""
    with TemporaryDirectory() as folder:
        keys = a_key_pair(Path(folder))
        port = _free_port()
        settings = {
            "LEDGER_DATABASE_URL": dsn,
            "LEDGER_KAFKA_BOOTSTRAP": bootstrap,
            "LEDGER_HASH_KEY": "only-for-the-bench",
            "LEDGER_TOKEN_KEYS": str(keys.public),
            "LEDGER_HTTP_PORT": str(port),
            "LEDGER_LOG_LEVEL": "warning",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.spending", env=os.environ | settings
        )
        try:
            await _answers(port)
            now = datetime.now(UTC) + timedelta(minutes=1)
            yield port, keys.token("ledger:read ledger:write", program=PROGRAM, now=now)
        finally:
            process.terminate()
            await process.wait()


async def _answers(port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    run(dataclasses.replace(SERVICE, routers=(*SERVICE.routers, nothing)), Role.API)
