"""Downloads from a Maven repository of our own that can be slow to the truth: it cuts lines and serves other bytes."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import stamina

from deploy.local.downloads import DownloadFailed, Jar, from_maven, locked_jars, provide


class Repository:
    """A Maven repository on 127.0.0.1 with one jar; `answers` says how each request in turn ends, then all go well."""

    jar_bytes = b"the jar's bytes" * 1_000

    def __init__(self) -> None:
        self.jar = Jar("org.example", "example", "1.0", hashlib.sha256(self.jar_bytes).hexdigest())
        self.answers: list[str] = []
        self.requests: Counter[str] = Counter()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def fetched(self) -> int:
        return self.requests["example-1.0.jar"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                repository.requests[name] += 1
                self.send_response(200 if name.endswith(".jar") else 404)
                body = repository.jar_bytes if name.endswith(".jar") else b""
                answer = repository.answers.pop(0) if body and repository.answers else "whole"
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write({"cut": body[:500], "other": body[::-1]}.get(answer, body))

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()
    thread = threading.Thread(target=repository.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with stamina.set_testing(True, attempts=3):
        yield repository
    repository.server.shutdown()
    repository.server.server_close()
    thread.join()


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "jars").iterdir() if path.name != ".lock")


def provided(repository: Repository, cache: Path) -> bytes:
    (path,) = provide([repository.jar], cache, from_maven({"own": repository.url}))
    return path.read_bytes()


def test_a_jar_is_downloaded_once(repository: Repository, tmp_path: Path) -> None:
    assert [provided(repository, tmp_path) for _ in range(3)] == [repository.jar_bytes] * 3
    assert repository.fetched() == 1
    assert left_in(tmp_path) == [repository.jar.file_name]


@pytest.mark.parametrize("fault", ["cut", "other"])
def test_a_download_that_fails_once_is_tried_again(
    fault: str, repository: Repository, tmp_path: Path
) -> None:
    repository.answers = [fault]
    assert provided(repository, tmp_path) == repository.jar_bytes
    assert repository.fetched() == 2


@pytest.mark.parametrize("fault", ["cut", "other"])
def test_a_download_that_keeps_failing_leaves_nothing(
    fault: str, repository: Repository, tmp_path: Path
) -> None:
    repository.answers = [fault] * 3
    with pytest.raises(DownloadFailed, match=r"org\.example:example:1\.0"):
        provided(repository, tmp_path)
    assert left_in(tmp_path) == []


def test_an_interrupted_download_leaves_no_half_file(repository: Repository, tmp_path: Path) -> None:
    def interrupted(jar: Jar, into: Path) -> Path:
        (into / "example.jar").write_bytes(repository.jar_bytes[:500])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        provide([repository.jar], tmp_path, interrupted)
    assert left_in(tmp_path) == []
    assert provided(repository, tmp_path) == repository.jar_bytes


def test_what_a_killed_download_left_is_swept_away(repository: Repository, tmp_path: Path) -> None:
    left = tmp_path / "jars" / ".partial-killed"
    left.mkdir(parents=True)
    (left / "example.jar").write_bytes(b"half")
    assert provided(repository, tmp_path) == repository.jar_bytes
    assert left_in(tmp_path) == [repository.jar.file_name]


def test_a_jar_that_was_damaged_in_the_cache_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    provided(repository, tmp_path)
    (tmp_path / "jars" / repository.jar.file_name).write_bytes(b"damaged")
    assert provided(repository, tmp_path) == repository.jar_bytes


def test_two_at_the_same_time_download_once(repository: Repository, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: provided(repository, tmp_path), range(4)))
    assert results == [repository.jar_bytes] * 4
    assert repository.fetched() == 1


def test_the_lock_names_every_jar_with_its_sum() -> None:
    jars = locked_jars()
    assert ("org.apache.kafka", "kafka_2.13", "4.3.1") in {(j.group, j.artifact, j.version) for j in jars}
    assert {j.version for j in jars if j.group == "org.apache.kafka"} == {"4.3.1"}
    assert all(len(j.sha256) == 64 for j in jars)
    assert len({j.file_name for j in jars}) == len(jars)
