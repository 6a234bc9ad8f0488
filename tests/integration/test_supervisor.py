"""The supervisor of the local stack: what it starts again, what it leaves alone, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import is_alive
from deploy.local.services import ROOT, Supervisor, Task, write_plan
from tests.support.processes import processes_naming, wait_until


def a_task(tmp_path: Path, name: str, *status: str) -> Task:
    return Task(name, ("tests.support.ending", str(tmp_path / f"{name}.starts"), *status))


def starts(tmp_path: Path, name: str) -> int:
    file = tmp_path / f"{name}.starts"
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "services"
    wait_until(lambda: not processes_naming(tmp_path), "nothing is left running")


def a_supervisor(tmp_path: Path, *tasks: Task) -> Supervisor:
    return Supervisor(tmp_path / "services", tmp_path / "logs", tasks)


def looked(supervisor: Supervisor, holds: bool) -> bool:
    supervisor.look()
    return holds


def test_it_stops_all_that_it_started(tmp_path: Path, folder: Path) -> None:
    supervisor = a_supervisor(tmp_path, a_task(tmp_path, "one"), a_task(tmp_path, "two"))
    supervisor.start()
    wait_until(lambda: starts(tmp_path, "one") == starts(tmp_path, "two") == 1, "both start")
    supervisor.stop()
    assert [kept.process.pid for kept in supervisor.kept] == [None, None]


def test_a_stalled_process_is_started_again_and_one_that_asks_for_a_person_is_not(
    tmp_path: Path, folder: Path
) -> None:
    supervisor = a_supervisor(tmp_path, a_task(tmp_path, "stalled", "75"), a_task(tmp_path, "refused", "3"))
    supervisor.start()
    try:
        wait_until(lambda: looked(supervisor, starts(tmp_path, "stalled") >= 3), "it starts again")
        assert starts(tmp_path, "refused") == 1
        assert [fault.splitlines()[0] for fault in supervisor.faults] == [
            "refused stopped with status 3: a person has to look"
        ]
    finally:
        supervisor.stop()


def test_a_killed_process_is_started_again(tmp_path: Path, folder: Path) -> None:
    supervisor = a_supervisor(tmp_path, a_task(tmp_path, "one"))
    supervisor.start()
    try:
        wait_until(lambda: starts(tmp_path, "one") == 1, "it starts")
        pid = supervisor.kept[0].process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: looked(supervisor, starts(tmp_path, "one") == 2), "it starts again")
    finally:
        supervisor.stop()


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path, folder: Path) -> None:
    write_plan(folder, tmp_path / "logs", [a_task(tmp_path, "one")])
    running = subprocess.Popen([sys.executable, "-m", "deploy.local.services", str(folder)], cwd=ROOT)
    with running:
        wait_until(lambda: starts(tmp_path, "one") == 1, "it starts")
        pids = [pid for pid in processes_naming(folder / "one") if pid != running.pid]
        assert pids
        running.kill()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "all end")


def test_sigterm_to_the_supervisor_stops_everything(tmp_path: Path, folder: Path) -> None:
    write_plan(folder, tmp_path / "logs", [a_task(tmp_path, "one")])
    running = subprocess.Popen([sys.executable, "-m", "deploy.local.services", str(folder)], cwd=ROOT)
    with running:
        wait_until(lambda: starts(tmp_path, "one") == 1, "it starts")
        running.terminate()
        assert running.wait() == 0
    assert not processes_naming(folder)


def test_a_process_sees_nothing_of_the_shell_that_started_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://elsewhere")
    task = Task("one", ("tests.support.ending", str(tmp_path / "one.starts")), {"KAFKA_BOOTSTRAP": "k:1"})
    supervisor = a_supervisor(tmp_path, task)
    supervisor.start()
    try:
        wait_until(lambda: starts(tmp_path, "one") == 1, "it starts")
        environment = Path(f"/proc/{supervisor.kept[0].process.pid}/environ").read_bytes().split(b"\0")
        assert b"KAFKA_BOOTSTRAP=k:1" in environment
        assert not any(line.startswith(b"LEDGER_") for line in environment)
    finally:
        supervisor.stop()
