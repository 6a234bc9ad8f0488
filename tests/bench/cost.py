"""Where the worker's own code spends its time: the dearest places, from a profile."""

from __future__ import annotations

import cProfile
import pstats
import time
from pathlib import Path

from services.ledger.main import SERVICE
from shared.service import processor_of
from tests.bench.ground import Bench, fresh
from tests.bench.throughput import batches, claimed

DEAREST = 3
ROOT = Path(__file__).resolve().parents[2]


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
