"""The codes of a shop as they are uploaded: JSON, or what a spreadsheet calls CSV.

What a newcomer would get wrong: half of Europe's spreadsheets separate columns by semicolons. Read as commas, a code
would be `SUN-17;summer`, and the first member who buys it finds out.
"""

from __future__ import annotations

import csv
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import from_json

from services.ledger.schemas.coupons import CsvIn, PoolIn
from shared.http.problems import BodyUnreadable, UnsupportedMediaType

CSV_TYPES = ("text/csv", "application/csv")
SEPARATORS = ",;\t"
HEADING = "code"


def codes_of(content_type: str, body: bytes) -> list[str]:
    """The codes of an upload, in JSON or CSV.

    Raises:
        UnsupportedMediaType: it says that it is neither.
        BodyUnreadable: it is not what it says, or not UTF-8.
        RequestValidationError: a code cannot be one, or there are too many.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (*CSV_TYPES, "application/json"):
        raise UnsupportedMediaType("Send the codes as `application/json` or as `text/csv`.")
    shape, said = (CsvIn, {"codes": _first_column(body)}) if kind in CSV_TYPES else (PoolIn, _json(body))
    try:
        return shape.model_validate(said).codes
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults, body=said) from None


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        raise BodyUnreadable from None


def _first_column(body: bytes) -> list[str]:
    """What stands first on each line, but for the heading. Further columns are not looked at, however a spreadsheet
    separates them."""
    try:
        lines = body.decode("utf-8-sig").splitlines()
        separator = next((mark for mark in SEPARATORS if lines and mark in lines[0]), ",")
        cells = [row[0].strip() for row in csv.reader(lines, delimiter=separator) if row]
    except UnicodeDecodeError:
        raise BodyUnreadable("The body is not UTF-8.") from None
    except csv.Error:
        raise BodyUnreadable("A cell is too long for a code, or a quotation mark is not closed.") from None
    codes = [cell for cell in cells if cell]
    return codes[1:] if codes and codes[0].lower() == HEADING else codes
