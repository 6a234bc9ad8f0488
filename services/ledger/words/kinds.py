"""The kinds of values that the words of a program file have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from shared.program_faults import written

Whole = Annotated[int, Field(ge=0, le=10**12)]
Number = Annotated[str, written(r"^\d{1,12}(\.\d{1,6})?$", "a number such as 1 or 2.5")]
MoneyText = Annotated[
    str,
    written(r"^\d{1,12}(\.\d{1,4})? [A-Z]{3}$", "an amount and its currency, such as `60.00 EUR`"),
    Field(examples=["60.00 EUR"]),
]
BEYOND = written(r"^(shrink|reject)$", "`shrink` or `reject`")
Names = Annotated[list[str], Field(min_length=1, max_length=500)]
Wanted = str | Names
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
EXPIRY = re.compile(
    r"never|(?P<months>\d{1,3}) months?|after (?P<idle>\d{1,3}) months? without activity"
    rf"|every (?P<day>\d{{1,2}}) (?P<month>{'|'.join(MONTHS)})"
)
