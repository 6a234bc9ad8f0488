"""The guard of an embedded stack: waits until the owner is gone, then stops what the owner left running.

A newcomer would ask the servers to die with their parent (`PR_SET_PDEATHSIG`): that follows the *thread* which started
them, knows no other systems than Linux, and would kill PostgreSQL where a stop is wanted. The guard is a process and a
session of its own, so neither Ctrl-C nor the end of a terminal reaches it before its work is done.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from deploy.local import process

STOP_SECONDS = 15
# A server that was being started at the moment of the owner's death may write its pid file a little later.
SECOND_LOOK_SECONDS = 1.0
_POLL_SECONDS = 0.2


def main(arguments: list[str]) -> None:
    """`OWNER STARTER keep|remove FOLDER (SIGNAL SERVER_FOLDER)…`: wait for the owner's end, then clear up.

    `STARTER` is the process that starts the servers. As a rule it is the owner; if not, it may be in the middle of a
    start when the owner dies, so we go on stopping what it starts until it is gone as well.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    owner, starter, ending, folder, *rest = arguments
    servers = [(int(number), Path(home)) for number, home in zip(rest[::2], rest[1::2], strict=True)]
    wait_for_end(int(owner))
    claim = None if ending == "remove" else _claim(Path(folder))
    if ending == "keep" and claim is None:
        return  # The folder has a new owner already, who takes over what the old one left.
    _stop_all(servers, int(starter))
    if ending == "remove":
        for left in (*(home for _, home in servers), Path(folder)):
            shutil.rmtree(left, ignore_errors=True)


def wait_for_end(pid: int) -> None:
    """Return once process `pid` has ended, also if nobody has fetched its exit status yet."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # Not Linux, or a sandbox without this call.
        while process.is_alive(pid):
            time.sleep(_POLL_SECONDS)
    else:
        select.select([watched], [], [])


def _claim(folder: Path) -> IO[str] | None:
    """Have the folder for ourselves as long as the file is open; None if somebody else has it."""
    try:
        claim = (folder / process.CLAIM_FILE).open("a")
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    return claim


def _stop_all(servers: list[tuple[int, Path]], starter: int) -> None:
    while process.is_alive(starter):
        _stop(servers)
        time.sleep(_POLL_SECONDS)
    _stop(servers)
    time.sleep(SECOND_LOOK_SECONDS)
    _stop(servers)


def _stop(servers: list[tuple[int, Path]]) -> None:
    """Ask all of them first, and only then wait for each: one that is slow to end keeps no other running."""
    living = [
        (pid, home, number) for number, home in servers if (pid := process.living_pid(home)) is not None
    ]
    for pid, _, number in living:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    for pid, home, number in living:
        process.end(pid, home, number, STOP_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
