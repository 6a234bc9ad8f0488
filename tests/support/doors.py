"""The HTTP door of a running service on a real port, for tests in which many callers come at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from httpx import AsyncClient, Limits

from deploy.local.ports import free_port
from shared.service import app_of
from tests.support.services import Running

MOST_CALLERS = 200


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the test run keeps them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def on_a_port(running: Running, *, scopes: str) -> AsyncIterator[AsyncClient]:
    """A caller of the service's door over TCP; it may ask many things at once."""
    port = free_port()
    app = app_of(running.service, running.settings, running.ports, running.doors)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, loop="none", http="httptools", ws="none", lifespan="off",
        log_config=None, access_log=False,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        async with AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {running.keys.token(scopes)}"},
            limits=Limits(max_connections=MOST_CALLERS, max_keepalive_connections=MOST_CALLERS),
            timeout=30,
            trust_env=False,
        ) as client:
            while not server.started:
                assert not serving.done(), f"the door could not open on port {port}"
                await asyncio.sleep(0.01)
            yield client
    finally:
        server.should_exit = True
        await serving
