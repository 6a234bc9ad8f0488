"""A process for tests of the supervisor: `python -m tests.support.ending FILE [STATUS]`.

It adds a line to FILE when it starts. With a status it ends with it at once, else it waits for SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path


def main(file: str, status: str | None = None) -> None:
    """See the module."""
    with Path(file).open("a", encoding="utf-8") as starts:
        starts.write("started\n")
    if status is not None:
        sys.exit(int(status))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
