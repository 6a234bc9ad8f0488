"""Reads how long awards wait: `14 days after order.fulfilled`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.ledger.domain.program import After, Wait
from services.ledger.program.reading import Reader
from shared.program_file import Path

WAIT = re.compile(r"immediate|(?P<days>\d{1,3}) days? after (?P<event>[a-z_.]+)")


def waits_of(reader: Reader, words: Mapping[str, str], path: Path) -> dict[str, Wait]:
    """How long awards of each trigger are pending, as the words at `path` say."""
    return {event: _wait(reader, event, text, (*path, event)) for event, text in words.items()}


def _wait(reader: Reader, event: str, text: str, path: Path) -> Wait:
    found = WAIT.fullmatch(text)
    if found is None:
        reader.fault(path, f"write `immediate` or `14 days after {event}`, not {text!r}")
        return Wait()
    if found["days"] is None:
        return Wait()
    if found["event"] == event:
        return Wait(After.EVENT, int(found["days"]))
    if found["event"] == "order.fulfilled" and event == "order.paid":
        return Wait(After.FULFILMENT, int(found["days"]))
    reader.fault(path, f"points of {event} can wait for {event} only, not for {found['event']}")
    return Wait()
