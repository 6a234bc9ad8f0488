"""The kinds of values that fields of events have, each with its limits.

Every limit stands twice: `msgspec.Meta` is what the workers obey, pydantic's `Field` is what the HTTP doors
and the exported schemas obey; a test holds that both accept and refuse the same bytes.

What a newcomer would get wrong: a pattern for msgspec must end in `\\Z`, since `$` of Python's `re` also
matches before a closing newline; a pattern for pydantic and JSON Schema must end in `$`, which means the very
end there. And no pattern captures: a group of `(…)` doubles the time that msgspec takes for it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from pydantic import BeforeValidator, Field, WithJsonSchema

MAX_ID_LENGTH = 200
MAX_TEXT_LENGTH = 2_000
MAX_LONG_TEXT_LENGTH = 20_000
# A review of a whole season fits, a basket of a wholesaler fits; what is longer is an attack or a mistake.
MAX_LINES = 2_000
MAX_LABELS = 100
MAX_SAFE_INTEGER = 2**53 - 1
"""Above this, JavaScript readers of our events would silently round."""

# Postgres cannot store NUL in a text, so no text of an event may carry one.
NO_NUL = r"^[^\u0000]*$"

Id = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_ID_LENGTH),
    Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=NO_NUL),
]
"""An opaque name given by whoever made the thing; never parsed, never counted with."""

Text = Annotated[str, Meta(max_length=MAX_TEXT_LENGTH), Field(max_length=MAX_TEXT_LENGTH, pattern=NO_NUL)]
"""A short text for people, or a URL."""

LongText = Annotated[
    str, Meta(max_length=MAX_LONG_TEXT_LENGTH), Field(max_length=MAX_LONG_TEXT_LENGTH, pattern=NO_NUL)
]
"""What a person wrote, such as a review."""


def bounded_id(name: str, *, spare: int = 0) -> str:
    """A name that was put together, as long as an id may be: itself, or its beginning and what follows from all of it.

    `adjustment:` and an id of 200 characters would be longer than any reader of our events accepts. `spare` characters
    are left for what is put behind it, such as a number.
    """
    most = MAX_ID_LENGTH - spare
    if len(name) <= most:
        return name
    ending = "~" + hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return name[: most - len(ending)] + ending


_WORD = r"^[a-z][a-z0-9_.-]{0,63}"
Word = Annotated[str, Meta(pattern=_WORD + r"\Z"), Field(pattern=_WORD + "$")]
"""A name out of a list that may grow: readers treat one they do not know as `other`."""

_PROGRAM_ID = r"^[a-z0-9][a-z0-9_-]{0,63}"
ProgramId = Annotated[str, Meta(pattern=_PROGRAM_ID + r"\Z"), Field(pattern=_PROGRAM_ID + "$")]
"""A merchant's program. It has no colon, so that a record key `program_id:member_id` has one reading."""

_AMOUNT = r"^[0-9]{1,15}(?:\.[0-9]{1,4})?"
Amount = Annotated[str, Meta(pattern=_AMOUNT + r"\Z"), Field(pattern=_AMOUNT + "$", examples=["42.00"])]
"""Money that is never below zero, as a decimal string; its currency stands beside it."""

_MONEY = r"^-?[0-9]{1,15}(?:\.[0-9]{1,4})?"
Money = Annotated[str, Meta(pattern=_MONEY + r"\Z"), Field(pattern=_MONEY + "$", examples=["-4.20"])]
"""Money of either sign, as a decimal string; its currency stands beside it."""

_QUANTITY = r"^[0-9]{1,9}(?:\.[0-9]{1,6})?"
Quantity = Annotated[str, Meta(pattern=_QUANTITY + r"\Z"), Field(pattern=_QUANTITY + "$", examples=["1"])]
"""How many or how much of a product: pieces, metres, kilograms."""

_FACTOR = r"^[0-9]{1,3}(?:\.[0-9]{1,6})?"
Factor = Annotated[str, Meta(pattern=_FACTOR + r"\Z"), Field(pattern=_FACTOR + "$", examples=["1.25"])]
"""By how much something is multiplied, such as the points of a level."""

_CURRENCY = r"^[A-Z]{3}"
Currency = Annotated[str, Meta(pattern=_CURRENCY + r"\Z"), Field(pattern=_CURRENCY + "$", examples=["EUR"])]
"""An ISO 4217 code. That the code exists is checked where it is counted with (`shared.money`)."""

_COUNTRY = r"^[A-Z]{2}"
Country = Annotated[str, Meta(pattern=_COUNTRY + r"\Z"), Field(pattern=_COUNTRY + "$", examples=["FR"])]
"""An ISO 3166-1 alpha-2 code."""

_LANGUAGE = r"^[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}"
Language = Annotated[str, Meta(pattern=_LANGUAGE + r"\Z"), Field(pattern=_LANGUAGE + "$", examples=["ro-MD"])]
"""A BCP 47 tag; the underscore of POSIX names is forgiven."""

_TIME_ZONE = r"^[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}"
TimeZone = Annotated[
    str, Meta(pattern=_TIME_ZONE + r"\Z"), Field(pattern=_TIME_ZONE + "$", examples=["Europe/Paris"])
]
"""A name of the IANA time zone database. That it exists is checked where it is used."""

_BIRTHDAY = (
    r"^(?:-|[0-9]{4})-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|[12][0-9]))"
)
Birthday = Annotated[
    str,
    Meta(pattern=_BIRTHDAY + r"\Z"),
    Field(pattern=_BIRTHDAY + "$", examples=["--02-29", "1990-06-15"]),
]
"""Month and day as `--MM-DD`; a year in front of them is allowed and never kept."""

_ASSET = r"^[a-z][a-z0-9_]{0,31}(?::[A-Za-z0-9_]{1,31})?"
Asset = Annotated[
    str, Meta(pattern=_ASSET + r"\Z"), Field(pattern=_ASSET + "$", examples=["points", "credit:EUR"])
]
"""What is counted: `points`, `credit:EUR`, `stamps`, …"""

Flag = Annotated[bool, Field(strict=True)]
"""Yes or no, and nothing that looks like it."""

Points = Annotated[
    int,
    Meta(ge=0, le=MAX_SAFE_INTEGER),
    Field(strict=True, ge=0, le=MAX_SAFE_INTEGER),
]
"""A number of an asset's smallest unit that moved; the event's type says in which direction."""

SignedPoints = Annotated[
    int,
    Meta(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER),
    Field(strict=True, ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER),
]
"""A balance of an asset: it may be below zero where a refund took more than there was."""

Stars = Annotated[int, Meta(ge=1, le=5), Field(strict=True, ge=1, le=5)]
Count = Annotated[int, Meta(ge=0, le=1_000_000), Field(strict=True, ge=0, le=1_000_000)]


def _read_time(value: Any) -> datetime:
    """Read an RFC 3339 time exactly as msgspec does, so that the doors and the workers agree.

    Raises:
        ValueError: not an RFC 3339 text, or one without an offset (pydantic alone would take epoch numbers
            and naive times).
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs an offset, such as Z")
        return value
    if not isinstance(value, str):
        raise ValueError("a time is a text in RFC 3339, such as 2026-11-05T10:00:00Z")
    try:
        moment: datetime = msgspec.convert(value, Annotated[datetime, Meta(tz=True)])
    except msgspec.ValidationError as fault:
        raise ValueError(f"not a time in RFC 3339 with an offset: {fault}") from None
    return moment


Timestamp = Annotated[
    datetime,
    Meta(tz=True),
    BeforeValidator(_read_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-05T10:00:00Z"]}),
]
"""A moment, aware; written in UTC."""
