"""Reads how long awards wait: `14 days after order.fulfilled`, or `14 days after order.fulfilled, within 60 days`.

What a newcomer would get wrong: `within` counts from the payment, and ends a wait for a fulfilment that never comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.ledger.domain.program import FULFILLED_WITHIN, After, Wait
from services.ledger.program.reading import Reader
from shared.program_file import Path

WAIT = re.compile(
    r"immediate|(?P<days>\d{1,3}) days? after (?P<event>[a-z_.]+)(, within (?P<deadline>[1-9]\d{0,2}) days?)?"
)


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
    if found["event"] == "order.fulfilled" and event == "order.paid":
        deadline = found["deadline"]
        return Wait(After.FULFILMENT, int(found["days"]), int(deadline) if deadline else FULFILLED_WITHIN)
    if found["deadline"] is not None:
        reader.fault(path, "`within` ends a wait for order.fulfilled; leave it out here")
        return Wait()
    if found["event"] == event:
        return Wait(After.EVENT, int(found["days"]))
    known = "order.paid or order.fulfilled" if event == "order.paid" else f"{event} only"
    reader.fault(path, f"points of {event} can wait for {known}, not for {found['event']}")
    return Wait()
