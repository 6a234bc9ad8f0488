"""Reads what a rule is asked by: an event of the shop, an activity by its name, or the calendar.

What a newcomer would get wrong: any other name is an activity's. So a name that the contract gives to an event which
earns nothing is a fault, not a rule that is never asked.
"""

from __future__ import annotations

from services.ledger.domain.deeds import RESERVED
from services.ledger.program.reading import Reader
from shared.events import EVENT_TYPES
from shared.program_file import Path

EARN_NOTHING = frozenset(name.rpartition(".v")[0] for name in EVENT_TYPES) - RESERVED


def check_trigger(reader: Reader, trigger: str, path: Path) -> None:
    """Note a fault where no event will ever ask a rule of this trigger."""
    if trigger == "activity.recorded":
        reader.fault(path, "write the activity itself, such as `on: newsletter`")
    elif trigger in EARN_NOTHING:
        known = ", ".join(sorted(RESERVED))
        reader.fault(path, f"{trigger} earns nothing; write {known} or the name of an activity")
