"""The rate of all four services together: the demo's replay of real orders, end to end.

`python -m tests.bench.demo`, or `make bench-demo`. Prints the figures and writes them to `.local/bench/demo.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console

RESULT = Path(".local/bench/demo.json")
DEADLINE_SECONDS = 600


def main() -> int:
    """Run the demo, keep what it counted; its own exit status, since a rate of wrong books is worth nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local.demo", "--json"],
        check=False,
        stdout=subprocess.PIPE,
        timeout=DEADLINE_SECONDS,
    )
    if done.returncode == 0:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_bytes(done.stdout)
        Console().print_json(json.dumps({"written to": str(RESULT), **_rates(json.loads(done.stdout))}))
    return done.returncode


def _rates(summary: dict[str, object]) -> dict[str, object]:
    names = ("events_published", "events_per_second", "handled_per_second", "latency_ms", "books_balance")
    return {name: summary[name] for name in names}


if __name__ == "__main__":
    sys.exit(main())
