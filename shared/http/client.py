"""The one place that knows which HTTP client we use.

What a newcomer would get wrong: nobody else imports httpx. Changing the client is then one import here
(ADR), and every outgoing call has a deadline, a size we can afford and no proxy or netrc taken from the
environment unseen.
"""

from __future__ import annotations

import httpx

AsyncClient = httpx.AsyncClient
Response = httpx.Response
HTTPError = httpx.HTTPError
ASGITransport = httpx.ASGITransport

# Key sets and webhooks answer in milliseconds; who takes longer is treated as away.
TIMEOUT_SECONDS = 5.0
MAX_CONNECTIONS = 20


def http_client(
    *, base_url: str = "", timeout_seconds: float = TIMEOUT_SECONDS, user_agent: str = "habitue"
) -> AsyncClient:
    """A client for outgoing calls; close it with `async with` or `aclose()`.

    Redirects are not followed: an address that moves is a decision for a person.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=timeout_seconds,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": user_agent},
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
    )


def client_of(app: object, *, base_url: str = "http://habitue.test") -> AsyncClient:
    """A client that calls an ASGI application in this process, without a socket: for tests and tools.

    The application's lifespan is not run; enter it yourself.
    """
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),  # type: ignore[arg-type]
        base_url=base_url,
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
    )
