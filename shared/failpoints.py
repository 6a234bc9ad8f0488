"""Named points at which a test may kill the process, to prove that a crash there loses and doubles nothing.

What a newcomer would get wrong: nothing happens unless `HABITUE_CRASH_AT` names the point, as `name` or `name:N`
(the Nth time it is passed). It is a real SIGKILL: no clean-up, no flushing, as a machine that loses power.
"""

from __future__ import annotations

import os
import signal

AFTER_FETCH = "after_fetch"
INSIDE_TRANSACTION = "inside_transaction"
AFTER_COMMIT = "after_commit"
DURING_REBALANCE = "during_rebalance"
BETWEEN_PUBLISH_AND_DELETE = "between_publish_and_delete"
ALL = (AFTER_FETCH, INSIDE_TRANSACTION, AFTER_COMMIT, DURING_REBALANCE, BETWEEN_PUBLISH_AND_DELETE)

_name, _, _count = os.environ.get("HABITUE_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def pass_point(name: str) -> None:
    """Die here if this is the point and the time that the environment names."""
    global _left  # noqa: PLW0603 - a countdown of the process
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
