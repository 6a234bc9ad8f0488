"""Which processes of this machine have to do with a folder, and waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROC = Path("/proc")
SECONDS = 60  # A deadline, not an expectation: the machine may be busy.


def processes_naming(folder: Path) -> dict[int, str]:
    """The command lines, by pid, of all processes that name the folder."""
    if not PROC.exists():
        pytest.skip("command lines of all processes are read from /proc")
    found = {}
    for entry in PROC.glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found[int(entry.name)] = line
    return found


def wait_until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
