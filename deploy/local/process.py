"""A server process that can be found again by others: by its pid file and by what its command line says.

A pid alone names a stranger once the server is gone and the number is used again. So a process counts as ours only
if its command line names our folder. The pid file is written by the process itself *before* it becomes the server:
at no moment is there a server without a pid file, even if whoever starts it dies in between.

Server processes are let go as soon as they are started: whoever knows the folder can stop them. Only the standard
library is imported here, since the guard, which must be there in no time, uses it too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

POLL_SECONDS = 0.02
PID_FILE = "pid"
LOG_FILE = "log"
CLAIM_FILE = ".lock"  # Locked by the process that a stack's folder belongs to.
_LOG_LIMIT_BYTES = 10 * 2**20  # A log of more than this is set aside at the next start; one old log is kept.
_PROC = Path("/proc")  # Linux; elsewhere we ask ps.
_KILL_SECONDS = 10.0
_EXEC_LOOKS, _EXEC_SECONDS = 50, 0.002  # A command line is empty while the process becomes another program.
_WRITE_PID_THEN_BECOME = 'umask 077; echo $$ > "$0"; exec "$@"'


class ServerFailed(Exception):
    """A server did not start, did not answer in time, or did not stop."""


@dataclass(slots=True)
class ServerProcess:
    """One server process with its own `folder`, which holds its pid file and its log.

    `name` is for messages; `user` is the numeric user (and group) it runs as, None for ours.
    """

    name: str
    folder: Path
    user: int | None = None
    _started: int = field(default=0, init=False)

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return self.folder / LOG_FILE

    @property
    def pid(self) -> int | None:
        """The pid of the running server, also if another process started it; None if it does not run."""
        return living_pid(self.folder)

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `command`, which must name the folder, in a session of its own: Ctrl-C at a terminal is not for it."""
        self._set_old_log_aside()
        with self.log.open("ab") as output:
            self._started = spawn(self._known(command), self.folder, environment, output, self.user)

    def prepare(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a command that must be done before the server can start; others find it like the server itself.

        Raises:
            ServerFailed: it did not succeed; the message has what it said.
        """
        done = subprocess.run(
            self._known(command),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **_as_user(self.user),
        )
        if done.returncode:
            raise ServerFailed(f"{self.name} could not be prepared:\n{done.stdout}{done.stderr}")

    def _known(self, command: Sequence[str]) -> list[str]:
        return ["/bin/sh", "-c", _WRITE_PID_THEN_BECOME, str(self.folder / PID_FILE), *command]

    def wait_until(self, answers: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait until `answers()`.

        Raises:
            ServerFailed: the process ended, or the time is up; the message ends with the last lines of the log.
        """
        deadline = time.monotonic() + timeout_seconds
        while not answers():
            if not is_alive(self._started):
                reap(self._started)
                raise ServerFailed(f"{self.name} stopped while starting:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} did not answer within {timeout_seconds} s:\n{self.last_lines()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self, signal_number: int, timeout_seconds: float) -> None:
        """Send the signal and wait until the process is gone; when the time is up, kill it. It need not run."""
        if (pid := self.pid) is not None:
            end(pid, self.folder, signal_number, timeout_seconds)
        (self.folder / PID_FILE).unlink(missing_ok=True)

    def signal(self, signal_number: int) -> None:
        """Send a signal (for example SIGSTOP) and return at once.

        Raises:
            ServerFailed: it does not run.
        """
        if (pid := self.pid) is None:
            raise ServerFailed(f"{self.name} does not run")
        os.kill(pid, signal_number)

    def last_lines(self, count: int = 20) -> str:
        """The end of the log, for messages to people."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
        except FileNotFoundError:
            return "(no log)"

    def _set_old_log_aside(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".old"))


def spawn(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    user: int | None = None,
) -> int:
    """Start a process that may outlive us, in `folder` and in a session of its own, and return its pid."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **_as_user(user),
    )
    process.returncode = 0  # We let it go on purpose; without this its destructor would complain.
    return process.pid


def _as_user(user: int | None) -> dict[str, Any]:
    """The arguments of `subprocess` for running as `user` without our supplementary groups."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def write_note(path: Path, text: str) -> None:
    """Write a small private file so that a crash leaves the old one or the new one, never a half."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    aside = path.with_name(path.name + ".new")
    aside.touch(mode=0o600)
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def living_pid(folder: Path) -> int | None:
    """The pid in the folder's pid file, if that process lives and its command line names the folder."""
    try:
        pid = int((folder / PID_FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    return pid if names_folder(pid, folder) else None


def names_folder(pid: int, folder: Path) -> bool:
    """Whether process `pid` lives and its command line names `folder`."""
    for _ in range(_EXEC_LOOKS):
        if not is_alive(pid):
            return False
        if line := _command_line(pid):
            return str(folder) in line
        time.sleep(_EXEC_SECONDS)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process has this pid; a zombie is not alive."""
    if _PROC.exists():
        try:
            # The state follows the program's name, which may hold spaces and brackets of its own.
            return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
        except OSError:
            return False
    state = _ps(pid, "stat=")
    return state != "" and not state.startswith("Z")


def end(pid: int, folder: Path, signal_number: int, timeout_seconds: float) -> None:
    """Send the signal, wait until the process is gone, kill it when the time is up.

    Raises:
        ServerFailed: it is there even after SIGKILL.
    """
    for number, seconds in ((signal_number, timeout_seconds), (signal.SIGKILL, _KILL_SECONDS)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # A process stopped by SIGSTOP hears nothing until it continues.
        if _gone(pid, folder, time.monotonic() + seconds):
            return
    raise ServerFailed(f"process {pid} of {folder} survived SIGKILL")


def _gone(pid: int, folder: Path, deadline: float) -> bool:
    while names_folder(pid, folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    reap(pid)
    return True


def reap(pid: int) -> None:
    """Take an ended child out of the process table; nothing if it is not our child."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _command_line(pid: int) -> str:
    """The command line; "" for a zombie, and for the moment in which a process becomes another program."""
    if _PROC.exists():
        try:
            return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _ps(pid, "command=")


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-ww", "-o", column, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
