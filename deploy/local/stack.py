"""`EmbeddedStack`: PostgreSQL and Kafka together, in one folder, owned by one process.

What a newcomer would get wrong is the end: `with` and `atexit` do not run when the owner is killed. A small guard
process waits for the owner's end, whatever it is, and stops what is still running.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local import kafka, postgres
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from deploy.local.process import CLAIM_FILE, reap, spawn

_ROOT = Path(__file__).resolve().parents[2]  # Where `deploy` can be imported from.


class EmbeddedStack:
    """A real PostgreSQL and a real Kafka for as long as the `with` block, or the process, lasts.

    `folder` keeps the data, and the next stack in it goes on with them, on the same ports if they are free; without a
    folder the stack lives in a temporary one. A temporary folder is removed at the end. `durable=False` is for tests:
    faster, and data may be lost in a power cut. `detached=True` lets the servers outlive this process, until `stop`, of
    any process. `owner` is the pid of the process whose end ends the stack, if it is not this one.

    Blocking: in a coroutine use `asyncio.to_thread`.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        durable: bool = True,
        detached: bool = False,
        temporary: bool = False,
        owner: int | None = None,
    ) -> None:
        if folder is None and detached:
            raise ValueError("a detached stack needs a folder, or nobody could find it again")
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="habitue-"))).resolve()
        self.temporary = temporary or folder is None
        self.detached = detached
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.temporary:
            self.folder.chmod(0o711)  # Root's PostgreSQL runs as nobody and must be able to pass.
        self.postgres = Postgres(self.folder / "postgres", durable=durable)
        self.kafka = Kafka(self.folder / "kafka")
        self._owner = owner or os.getpid()
        self._guard = 0
        self._claim: int | None = None

    @property
    def database_url(self) -> str:
        """Connection string of PostgreSQL's superuser."""
        return self.postgres.url

    @property
    def kafka_bootstrap(self) -> str:
        """Kafka's bootstrap server, `host:port`."""
        return self.kafka.bootstrap

    @property
    def running(self) -> bool:
        """Whether both servers run, whoever started them."""
        return self.postgres.pid is not None and self.kafka.pid is not None

    def answers(self) -> bool:
        """Whether both servers answer their clients now."""
        return self.postgres.answers() and self.kafka.answers()

    def start(self) -> Self:
        """Start both servers side by side; returns once both answer. Servers that a killed owner left are taken over.

        Raises:
            DownloadFailed, ServerFailed: nothing is left running then.
        """
        self._claim_folder()
        try:
            if not self.detached:
                self._start_guard()
            _side_by_side(self.postgres.start, self.kafka.start)
        except BaseException:
            self.stop()
            raise
        if self.detached:
            self._release_folder()
        return self

    def recall(self) -> Self:
        """Know the addresses of a stack that another process started in the same folder; starts nothing."""
        self.postgres.recall()
        self.kafka.recall()
        return self

    def stop(self) -> None:
        """Stop both; a temporary folder is removed. Nothing happens if they are stopped already."""
        _side_by_side(self.postgres.stop, self.kafka.stop)
        if self.temporary:
            self.remove()
        self._dismiss_guard()
        self._release_folder()

    def remove(self) -> None:
        """Remove the data of a stopped stack."""
        shutil.rmtree(self.postgres.home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _claim_folder(self) -> None:
        """Wait for another owner (or a guard still cleaning up after one), then have the folder for ourselves."""
        if self._claim is None:
            self._claim = os.open(self.folder / CLAIM_FILE, os.O_CREAT | os.O_RDWR)
            fcntl.flock(self._claim, fcntl.LOCK_EX)

    def _release_folder(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _start_guard(self) -> None:
        if not self._guard:
            ending = "remove" if self.temporary else "keep"
            homes = (int(postgres.STOP_SIGNAL), self.postgres.home, int(kafka.STOP_SIGNAL), self.kafka.home)
            arguments = map(str, (self._owner, os.getpid(), ending, self.folder, *homes))
            self._guard = spawn([sys.executable, "-m", "deploy.local.guard", *arguments], _ROOT)

    def _dismiss_guard(self) -> None:
        if self._guard:
            with suppress(ProcessLookupError):
                os.kill(self._guard, signal.SIGTERM)
            reap(self._guard)
            self._guard = 0


def _side_by_side(*steps: Callable[[], None]) -> None:
    """Run the steps at the same time; the first failure is raised once all have ended."""
    with ThreadPoolExecutor(len(steps)) as pool:
        futures = [pool.submit(step) for step in steps]
    for future in futures:
        future.result()
