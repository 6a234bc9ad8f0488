"""What all readers of the section share: its words, and the faults found on the way."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from services.ledger.words import Head, LedgerSection
from shared.calendar import zone
from shared.errors import ServiceError
from shared.money import minor_units
from shared.program_file import Path


class Reader:
    """The words of a program file, and every fault that its readers find."""

    def __init__(self, head: Head, section: LedgerSection) -> None:
        self.head = head
        self.section = section
        self.faults: list[tuple[Path, str]] = []
        self.zone: ZoneInfo = self.read(("time_zone",), lambda: zone(head.time_zone)) or ZoneInfo("UTC")

    def fault(self, path: Path, what: str) -> None:
        """Note what is wrong at a place, and what would be right."""
        self.faults.append((path, what))

    def read(self, path: Path, read: Any) -> Any:
        """What `read` returns; None where it fails, with the fault noted."""
        try:
            return read()
        except (ServiceError, ValueError) as error:
            self.fault(path, str(error))
            return None

    def money(self, text: str, path: Path) -> tuple[int, str]:
        """An amount such as `1.00 EUR` in minor units, and its currency."""
        amount, currency = text.split(" ")
        return self.read(path, lambda: minor_units(amount, currency)) or 0, currency
