"""The clock door of the notifier: nothing of its own is periodic.

What a newcomer would get wrong: the mails are not sent here. A job runs on one machine at a time, and mail must not; so
senders run side by side in the background of every worker (`sender`).
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.jobs import Job


def jobs_of() -> Sequence[Job]:
    """The jobs of the notifier, beside those that every service has."""
    return ()
