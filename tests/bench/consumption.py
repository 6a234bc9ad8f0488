"""How much CPU the worker and the servers have used so far.

What a newcomer would get wrong: all of them work with several processes, and Postgres's come and go. So the CPU time of
each is that of its whole tree: what lives, and what its main process has buried.
"""

from __future__ import annotations

import psutil

from deploy.local.stack import EmbeddedStack


def used(stack: EmbeddedStack, worker: int) -> dict[str, float]:
    """CPU seconds by who used them; `worker` is the pid of the command that was started."""
    postgres, kafka = stack.postgres.pid, stack.kafka.pid
    assert postgres is not None, "PostgreSQL runs"
    assert kafka is not None, "Kafka runs"
    return {"worker": _of_tree(worker), "postgres": _of_tree(postgres), "kafka": _of_tree(kafka)}


def _of_tree(pid: int) -> float:
    root = psutil.Process(pid)
    buried = root.cpu_times()
    total = buried.children_user + buried.children_system
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)
