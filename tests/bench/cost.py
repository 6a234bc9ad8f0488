"""What a million events cost: CPU seconds of worker, Postgres and Kafka, and the dearest places of the worker.

What a newcomer would get wrong: the servers work with many processes that come and go. So the CPU time of a server is
that of its whole tree: what lives, and what its main process has buried.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.stack import EmbeddedStack
from services.ledger.main import SERVICE
from shared.service import processor_of
from tests.bench.ground import Bench, fresh
from tests.bench.throughput import batches, claimed

DEAREST = 3
MILLION = 1_000_000
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Cost:
    """CPU seconds while something ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    def per_million(self, events: int) -> dict[str, float]:
        """CPU seconds per million events, by who used them."""
        return {name: round(used / events * MILLION, 1) for name, used in self.seconds.items()}


@contextmanager
def measured(stack: EmbeddedStack) -> Iterator[Cost]:
    """The CPU seconds of what this process starts, and of both servers, during the block."""
    assert stack.postgres.pid is not None and stack.kafka.pid is not None, "the servers run"  # noqa: PT018
    servers = {"postgres": psutil.Process(stack.postgres.pid), "kafka": psutil.Process(stack.kafka.pid)}
    cost = Cost()
    before = {name: _used(server) for name, server in servers.items()}
    began = _children()
    yield cost
    cost.seconds["worker"] = _children() - began
    for name, server in servers.items():
        cost.seconds[name] = _used(server) - before[name]


async def dearest(bench: Bench, events: int) -> list[dict[str, object]]:
    """The places of the worker that take most CPU time by themselves, with their share of it.

    The processor handles the records without a broker, so that the profile shows the service, not the wait.
    """
    async with fresh(bench, "profile") as (ports, doors):
        processor = processor_of(SERVICE, ports.settings, ports, doors)
        start = await claimed(ports)
        profile = cProfile.Profile(time.process_time)
        for batch in batches(bench.records[:events]):
            profile.enable()
            done = await processor.process(batch, start)
            profile.disable()
            start |= done.positions
    return _top(pstats.Stats(profile))


def _top(stats: pstats.Stats) -> list[dict[str, object]]:
    """Functions of the project by the time spent in them and in what they call of the interpreter's."""
    own: dict[str, float] = {}
    for (file, _, name), (_, _, self_time, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        if _is_ours(file):
            own[_label(file, name)] = own.get(_label(file, name), 0.0) + self_time
            continue
        for (caller_file, _, caller_name), (_, _, inner, _) in callers.items():
            if _is_ours(caller_file):
                label = _label(caller_file, caller_name)
                own[label] = own.get(label, 0.0) + inner
    total = sum(own.values()) or 1.0
    ranked = sorted(own.items(), key=lambda pair: -pair[1])[:DEAREST]
    return [{"place": label, "share": round(seconds / total, 3)} for label, seconds in ranked]


def _is_ours(file: str) -> bool:
    return file.startswith((str(ROOT / "services"), str(ROOT / "shared")))


def _label(file: str, name: str) -> str:
    return f"{Path(file).relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}.{name}"


def _children() -> float:
    """The CPU seconds of the processes that this one started and that have ended: the worker and its own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _used(server: psutil.Process) -> float:
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process == server:
            total += times.children_user + times.children_system
    return total
