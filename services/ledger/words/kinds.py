"""The kinds of values that the words of a program file have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints

Whole = Annotated[int, Field(ge=0, le=10**12)]
Number = Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,6})?$")]
MoneyText = Annotated[
    str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,4})? [A-Z]{3}$"), Field(examples=["60.00 EUR"])
]
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
