"""Free TCP ports of 127.0.0.1 for servers.

The obvious way, binding to port 0, hands out *ephemeral* ports. A client that keeps reconnecting to a stopped server
on such a port may be given that very port as its own and connect to itself, and the server cannot come back. So ports
are drawn from below the ephemeral range. Between looking and binding somebody else may take one: callers start again
with another port when their server cannot bind.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST = 15_000  # Below are ports that people know by heart.
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_ELSEWHERE = 32_768  # The lowest first ephemeral port of the systems we know.
_TRIES = 1_000


def free_port() -> int:
    """A port that nobody listens on now, outside the range that the system gives to clients.

    Raises:
        OSError: none was found.
    """
    draw = random.SystemRandom()
    highest = max(_first_ephemeral(), _LOWEST + 2_000)
    for _ in range(_TRIES):
        port = draw.randrange(_LOWEST, highest)
        if is_free(port):
            return port
    raise OSError(f"no free port of {HOST} between {_LOWEST} and {highest}")


def is_free(port: int) -> bool:
    """Whether a server could bind `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether somebody accepts connections on `port` of 127.0.0.1."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_ELSEWHERE
