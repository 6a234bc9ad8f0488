"""The jars of Apache Kafka: downloaded once, checked against the lock, kept in a cache that all stacks share.

A newcomer would trust the file name. We trust the SHA-256 sum alone: it is part of the name in the cache, it is
computed again at each start (0.1 s for 43 MB), and a jar that does not have it is fetched again, never run.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import stamina

SPEC = Path(__file__).with_name("jgo.toml")
LOCK = Path(__file__).with_name("jgo.lock.toml")
PARALLEL_DOWNLOADS = (
    8  # A registry serves one client's eight connections gladly; more gain nothing on 46 small files.
)
ATTEMPTS = 4  # A flaky network deserves a few tries; a wrong lock should fail within a minute.
TIMEOUT_SECONDS = 60
_PARTIAL = ".partial-"

log = logging.getLogger(__name__)


class DownloadFailed(Exception):
    """A jar could not be had, or what was served does not have the sum that the lock asks for."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar: its Maven coordinates and the SHA-256 sum of its bytes, in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name in the cache; holds part of the sum, so that two locks never fight for one name."""
        return f"{self.artifact}-{self.version}-{self.sha256[:12]}.jar"


Fetch = Callable[[Jar, Path], Path]
"""Brings a jar into the given (private, empty) folder and returns the file. May raise `OSError` or `RuntimeError`."""


def cache_folder() -> Path:
    """The folder for downloads: `HABITUE_CACHE`, else `~/.cache/habitue` (`XDG_CACHE_HOME` is heeded)."""
    if own := os.environ.get("HABITUE_CACHE"):
        return Path(own).expanduser().resolve()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser().resolve() / "habitue"


def kafka_jars(cache: Path | None = None) -> list[Path]:
    """Every jar of the locked Kafka, present and checked; downloads what is missing (43 MB the first time).

    Raises:
        DownloadFailed: a jar cannot be had with the locked sum.
    """
    return provide(locked_jars(), cache or cache_folder(), from_maven())


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """The jars that the lock names, in its order, which is the order of the class path."""
    entries = tomllib.loads(lock.read_text(encoding="utf-8"))["dependencies"]
    return [Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries]


def provide(jars: list[Jar], cache: Path, fetch: Fetch) -> list[Path]:
    """Paths of `jars` in `cache`, each with its locked sum; missing and damaged ones are fetched first.

    Safe against an interruption at any moment and against other processes doing the same: a jar appears under
    its name only whole (fetched aside, checked, renamed), and one process fetches while the others wait.

    Raises:
        DownloadFailed: a jar cannot be had with the locked sum.
    """
    folder = cache / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    if _missing(jars, folder):
        with exclusive(folder / ".lock"):
            _sweep(folder)
            _fetch_all(_missing(jars, folder), folder, fetch)
    return [folder / jar.file_name for jar in jars]


def from_maven(remote_repos: Mapping[str, str] | None = None) -> Fetch:
    """A `Fetch` from Maven's public repository, or from the named ones (name → base address)."""

    def fetch(jar: Jar, into: Path) -> Path:
        # Imported here: a warm start needs neither jgo nor the HTTP library it brings.
        from jgo.maven import MavenContext  # noqa: PLC0415

        remotes = dict(remote_repos) if remote_repos is not None else None
        context = MavenContext(repo_cache=into, remote_repos=remotes, timeout=TIMEOUT_SECONDS)
        return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())

    return fetch


def write_lock(spec: Path = SPEC, lock: Path = LOCK) -> int:
    """Resolve `spec` anew and write `lock`; returns how many jars it names. For maintainers who raise a version."""
    from jgo.env import EnvironmentBuilder, EnvironmentSpec, LockFile  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=TIMEOUT_SECONDS)
        builder = EnvironmentBuilder(context, cache_dir=Path(scratch) / "environments")
        wanted = builder.spec_to_dependencies(EnvironmentSpec.load(spec))
        inputs, transitive = context.resolver.resolve(wanted)
        LockFile.from_resolved_dependencies([*inputs, *transitive], environment_name="kafka").save(lock)
    return len(locked_jars(lock))


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; waits for another process that holds it. The kernel frees it if we die."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _missing(jars: list[Jar], folder: Path) -> list[Jar]:
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        sums = pool.map(lambda jar: _sum(folder / jar.file_name), jars)
        return [jar for jar, found in zip(jars, sums, strict=True) if found != jar.sha256]


def _sum(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _sweep(folder: Path) -> None:
    """Remove what interrupted downloads left. Under the lock, so nobody is using it."""
    for left in folder.glob(_PARTIAL + "*"):
        shutil.rmtree(left, ignore_errors=True)


def _fetch_all(jars: list[Jar], folder: Path, fetch: Fetch) -> None:
    if not jars:
        return
    log.info("Downloading %d jars of Apache Kafka into %s", len(jars), folder)
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        try:
            list(pool.map(lambda jar: _fetch_one(jar, folder, fetch), jars))
        except BaseException:
            pool.shutdown(cancel_futures=True)  # What one jar could not have, the others need not try.
            raise


def _fetch_one(jar: Jar, folder: Path, fetch: Fetch) -> None:
    try:
        for attempt in stamina.retry_context(
            on=(OSError, RuntimeError, DownloadFailed), attempts=ATTEMPTS, timeout=None
        ):
            with attempt, tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder) as aside:
                fetched = fetch(jar, Path(aside))
                if (found := _sum(fetched)) != jar.sha256:
                    raise DownloadFailed(f"served {found}, the lock says {jar.sha256}")
                fetched.replace(folder / jar.file_name)
    except (OSError, RuntimeError, DownloadFailed) as error:
        raise DownloadFailed(f"{jar.group}:{jar.artifact}:{jar.version}: {error}") from error


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if sys.argv[1:] == ["lock"]:
        sys.stdout.write(f"{write_lock()} jars locked\n")
    else:
        sys.stdout.write(f"{len(kafka_jars())} jars ready\n")
