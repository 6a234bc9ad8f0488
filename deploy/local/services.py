"""The supervisor of the local stack: keeps service processes running, and leaves none behind.

It does what a container platform does in production: start, start again after a crash or a stall (with a growing
pause), and leave alone what asked for a person (exit status 3). What a newcomer would get wrong: the supervisor may be
killed itself. A guard process, the same as that of the servers, then stops what it left running.

    python -m deploy.local.services FOLDER      # runs the processes of FOLDER/plan.json until SIGTERM
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from deploy.local.process import CLAIM_FILE, ServerProcess, end, living_pid, reap, spawn, write_note

ROOT = Path(__file__).resolve().parents[2]  # Where `services` and `deploy` can be imported from.
PLAN = "plan.json"
FAULTS = "faults"  # What the supervisor gave up, for whoever started it.
EXIT_REFUSED = 3  # A service's word for "a person has to look": starting again does not help.
STOP_SIGNAL = signal.SIGTERM
STOP_SECONDS = 40.0  # A service finishes what is at hand within 20 s; the rest is for a busy machine.
LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
STEADY_SECONDS = 60.0  # Who ran for so long starts with the shortest pause again.
MAX_FAILURES = 8  # So many ends in a row, each soon after the start, are no accident: 1.5 minutes.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONTZPATH", "XDG_CACHE_HOME")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """One process to keep running: `python -m` with these arguments, and nothing in its environment but this."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ServiceProcess(ServerProcess):
    """A process of ours: found by its folder like a server, with its log among the others."""

    logs: Path = Path()

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.logs / f"{self.name}.log"

    def exit_status(self) -> int | None:
        """Its exit status, below zero for a signal; None while it runs. To be asked by whoever started it."""
        try:
            ended, status = os.waitpid(self._started, os.WNOHANG)
        except ChildProcessError:
            return 0
        return os.waitstatus_to_exitcode(status) if ended else None


@dataclass(slots=True)
class Kept:
    """A task with its process, and what is known of its past."""

    task: Task
    process: ServiceProcess
    started_at: float = 0.0
    failures: int = 0
    start_at: float | None = None
    """When it is to be started; None while it runs, or for good."""
    given_up: str | None = None

    def start(self) -> None:
        """Start it now."""
        command = [sys.executable, "-X", f"habitue={self.process.folder}", "-m", *self.task.arguments]
        self.process.start(command, _environment(self.task))
        self.started_at, self.start_at = time.monotonic(), None

    def look(self) -> None:
        """See whether it runs; plan its next start if it ended, or start it if that is due."""
        now = time.monotonic()
        if self.given_up is not None:
            return
        if self.start_at is not None:
            if now >= self.start_at:
                self.start()
        elif (status := self.process.exit_status()) is not None:
            self._ended(status, now)

    def _ended(self, status: int, now: float) -> None:
        self.failures = 1 if now - self.started_at > STEADY_SECONDS else self.failures + 1
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if status == EXIT_REFUSED:
            self.given_up = f"{self.task.name} stopped with status 3: a person has to look"
        elif self.failures >= MAX_FAILURES:
            self.given_up = f"{self.task.name} ended {self.failures} times in a row, at last with {how}"
        else:
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), LONGEST_PAUSE_SECONDS)
            self.start_at = now + pause
            log.warning("%s ended with %s; it starts again in %g s", self.task.name, how, pause)
        if self.given_up is not None:
            log.error("%s; see %s", self.given_up, self.process.log)


class Supervisor:
    """Keeps the tasks running, from `start` to `stop`; `look` has to be called now and then in between.

    `folder` holds one folder a process with its pid; `logs` gets one file a process.
    """

    def __init__(self, folder: Path, logs: Path, tasks: Sequence[Task]) -> None:
        self._folder = folder.resolve()
        self._guard = 0
        self._claim: int | None = None
        logs.mkdir(parents=True, exist_ok=True)
        self.kept = [
            Kept(task, ServiceProcess(task.name, self._folder / task.name, logs=logs.resolve()))
            for task in tasks
        ]

    @property
    def faults(self) -> list[str]:
        """What does not run and will not be started again, with the end of its log."""
        return [
            f"{kept.given_up}\n{kept.process.last_lines()}\nlog: {kept.process.log}"
            for kept in self.kept
            if kept.given_up is not None
        ]

    def start(self) -> None:
        """Start everything; what a killed supervisor left running here is stopped before."""
        for kept in self.kept:
            kept.process.folder.mkdir(parents=True, exist_ok=True)
        self._claim = os.open(self._folder / CLAIM_FILE, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._claim, fcntl.LOCK_EX)
        self._start_guard()
        self._stop_all()
        for kept in self.kept:
            kept.start()

    def look(self) -> None:
        """Start again what has ended."""
        for kept in self.kept:
            kept.look()

    def stop(self) -> None:
        """Stop everything, side by side, and wait for it. Nothing happens if nothing runs."""
        self._stop_all()
        if self._guard:
            with suppress(ProcessLookupError):
                os.kill(self._guard, signal.SIGTERM)
            reap(self._guard)
            self._guard = 0
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _stop_all(self) -> None:
        with ThreadPoolExecutor(max(1, len(self.kept))) as pool:
            list(pool.map(lambda kept: kept.process.stop(STOP_SIGNAL, STOP_SECONDS), self.kept))

    def _start_guard(self) -> None:
        places = [text for kept in self.kept for text in (str(STOP_SIGNAL.value), str(kept.process.folder))]
        ourselves = str(os.getpid())
        command = [sys.executable, "-m", "deploy.local.guard", ourselves, ourselves, "keep"]
        self._guard = spawn([*command, str(self._folder), *places], ROOT)


def stop_left(folder: Path) -> None:
    """Stop what a supervisor that was killed left running, if its guard has not done so yet."""
    for home in folder.resolve().glob("*/"):
        if (pid := living_pid(home)) is not None:
            end(pid, home, STOP_SIGNAL, STOP_SECONDS)


def write_plan(folder: Path, logs: Path, tasks: Sequence[Task]) -> None:
    """Write down for `python -m deploy.local.services FOLDER` what to run; only its owner may read it."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "logs": str(logs.resolve()),
        "tasks": [
            {"name": t.name, "arguments": t.arguments, "environment": dict(t.environment)} for t in tasks
        ],
    }
    write_note(folder / PLAN, json.dumps(plan, indent=2) + "\n")


def read_plan(folder: Path) -> tuple[Path, list[Task]]:
    """Where the logs go, and the tasks."""
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    tasks = [Task(each["name"], tuple(each["arguments"]), each["environment"]) for each in plan["tasks"]]
    return Path(plan["logs"]), tasks


def main(arguments: list[str]) -> None:
    """Keep the processes of the folder's plan running until SIGTERM or SIGINT."""
    folder = Path(arguments[0])
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logs, tasks = read_plan(folder)
    supervisor = Supervisor(folder, logs, tasks)
    write_note(folder / FAULTS, "")
    supervisor.start()
    try:
        while not stop.wait(LOOK_SECONDS):
            supervisor.look()
            write_note(folder / FAULTS, "\n\n".join(supervisor.faults))
    finally:
        supervisor.stop()


def _environment(task: Task) -> dict[str, str]:
    """A short list of our own variables, so that none of a person's shell changes what a service does."""
    ours = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**ours, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **task.environment}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main(sys.argv[1:])
