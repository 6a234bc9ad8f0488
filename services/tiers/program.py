"""The section `tiers` of a program file: read from the door's text, and exported as JSON Schema for editors.

What a newcomer would get wrong: out of a YAML file every scalar is a text (`true`, `1.25`, `500`), out of JSON it may
be a number or a bool. Both are read to the same.

    python -m services.tiers.program > docs/program/tiers.schema.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from services.tiers.domain.ladder import KeepUntil, Ladder, Level, StepDown, TiersProgram
from shared.calendar import zone
from shared.errors import ServiceError
from shared.events.loyalty import Grant
from shared.money import digits_of, minor_units
from shared.program_file import Path, Section, check, invalid

MAX_LEVELS = 50  # more than any member could tell apart
MAX_ENTITLEMENTS = 100
MAX_POINTS = 1_000_000_000
LARGEST_MULTIPLIER = Decimal(10)  # what the rules allow for any multiplier


def _text(value: object) -> object:
    """A number or bool of JSON as the text that YAML would give."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _natural(value: object) -> object:
    """Free-form content with `true` and `false` as what they mean; everything else as it was written."""
    if isinstance(value, Mapping):
        return {str(name): _natural(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_natural(each) for each in value]
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    return value


def _like(pattern: str, example: str) -> AfterValidator:
    """Refuses a text of another form, and says what would be right."""
    form = re.compile(pattern)

    def check_form(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(f"{text[:40]!r} should read like {example}")
        return text

    return AfterValidator(check_form)


MONEY = r"[0-9]{1,15}(\.[0-9]{1,4})? [A-Z]{3}"
DAYS = r"[0-9]{1,3} days?|never"
MoneyText = Annotated[
    str,
    BeforeValidator(_text),
    _like(MONEY, "350.00 EUR"),
    WithJsonSchema({"type": "string", "pattern": f"^{MONEY}$", "examples": ["350.00 EUR"]}),
]
Factor = Annotated[
    str,
    BeforeValidator(_text),
    _like(r"[0-9]{1,2}(\.[0-9]{1,6})?", "1.25"),
    # An editor reads 1.25 in YAML as a number, and should find no fault in it.
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 10, "examples": [1.25]}),
]
Days = Annotated[
    str,
    _like(DAYS, "30 days, or never"),
    WithJsonSchema({"type": "string", "pattern": f"^({DAYS})$", "examples": ["30 days"]}),
]
Points = Annotated[int, Field(ge=1, le=MAX_POINTS, examples=[500])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")]


class LadderFile(Section):
    """By what members climb, and how long they stay."""

    by: Literal["spend"] = Field(
        default="spend",
        description="What is counted: the items of orders after discounts, in the program's currency.",
    )
    window: Literal["calendar year"] = Field(default="calendar year", description="Over which time.")
    keep_until: Literal["end of this year", "end of next year"] = Field(
        default="end of next year", description="How long a level is valid that was reached in a year."
    )
    step_down: Literal["one level", "to what is met"] = Field(
        default="one level", description="How far a member drops who did not meet the level again."
    )
    warn: Days = Field(
        default="30 days", description="How long before a drop the member is told; or `never`."
    )


class EntryFile(Section):
    """What entering a level gives, once a level and year."""

    points: Points = Field(description="Points that the ledger grants; they do not count as earned.")


class LevelFile(Section):
    """One level."""

    level: Name = Field(description="Its name, as members read it.")
    from_: MoneyText = Field(alias="from", description="The spend that reaches it, inclusive.")
    earn_times: Factor = Field(
        default="1", description="By what the points of an order are multiplied, above 0 and up to 10."
    )
    entitles: Annotated[dict[Name, Any], BeforeValidator(_natural)] = Field(
        default_factory=dict,
        max_length=MAX_ENTITLEMENTS,
        description="What holders may have; the shop reads it: `free_shipping: true`, `early_access: 2 days`, …",
    )
    on_entry: EntryFile | None = Field(default=None, description="What entering it gives.")


class TiersFile(Section):
    """The section `tiers` of a program file: one ladder and its levels, lowest first."""

    ladder: LadderFile = Field(default_factory=LadderFile)
    levels: list[LevelFile] = Field(min_length=1, max_length=MAX_LEVELS)


class _Head(Section):
    """What this service reads outside its own section."""

    model_config = ConfigDict(**Section.model_config | {"extra": "ignore"})

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    time_zone: str
    tiers: Any = None


def parse(document: Mapping[str, Any]) -> TiersProgram:
    """Read this service's part of a program.

    Raises:
        InvalidProgram: names the path to each fault, and what would be right.
    """
    head: _Head = check(_Head, "", document)
    program_zone = _at(("time_zone",), zone, head.time_zone)
    _at(("currency",), digits_of, head.currency)
    ladder = None
    if head.tiers is not None:
        ladder = _ladder(check(TiersFile, "tiers", head.tiers), head.currency)
    return TiersProgram(currency=head.currency, zone=program_zone, ladder=ladder)


def schema() -> dict[str, Any]:
    """The JSON Schema of the section, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TiersFile.model_json_schema()}


def _ladder(section: TiersFile, currency: str) -> Ladder:
    levels = tuple(_level(rank, level, currency) for rank, level in enumerate(section.levels))
    _check_order(levels)
    ladder = section.ladder
    return Ladder(
        levels=levels,
        keep_until=KeepUntil(ladder.keep_until),
        step_down=StepDown(ladder.step_down),
        warn_days=0 if ladder.warn == "never" else int(ladder.warn.split()[0]),
    )


def _level(rank: int, level: LevelFile, currency: str) -> Level:
    path: Path = ("tiers", "levels", rank)
    amount, _, its_currency = level.from_.partition(" ")
    if its_currency != currency:
        raise invalid([((*path, "from"), f"{level.from_!r} should be in {currency}, the program's currency")])
    factor = Decimal(level.earn_times)
    if not 0 < factor <= LARGEST_MULTIPLIER:
        raise invalid([((*path, "earn_times"), f"{level.earn_times} should be above 0 and at most 10")])
    if rank == 0 and level.on_entry is not None:
        everybody = "everybody enters the first level; reward them by a rule on customer.signed_up"
        raise invalid([((*path, "on_entry"), everybody)])
    return Level(
        name=level.level,
        rank=rank,
        from_minor=_at((*path, "from"), minor_units, amount, currency),
        earn_times=f"{factor.normalize():f}",
        entitles=level.entitles,
        on_entry=() if level.on_entry is None else (_points(level.on_entry),),
    )


def _points(entry: EntryFile) -> Grant:
    return Grant(kind="points", asset="points", points=entry.points)


def _check_order(levels: tuple[Level, ...]) -> None:
    faults: list[tuple[Path, str]] = []
    if levels[0].from_minor != 0:
        faults.append((("tiers", "levels", 0, "from"), "should be 0, so that everybody has a level"))
    for level, below in zip(levels[1:], levels, strict=False):
        if level.from_minor <= below.from_minor:
            more = f"should be more than that of {below.name!r}; lowest first"
            faults.append((("tiers", "levels", level.rank, "from"), more))
    names = [level.name for level in levels]
    for rank, name in enumerate(names):
        if name in names[:rank]:
            faults.append((("tiers", "levels", rank, "level"), f"{name!r} stands twice"))
    if faults:
        raise invalid(faults)


def _at(path: Path, read: Any, *arguments: str) -> Any:
    """Read a value; a refusal gets the path to it."""
    try:
        return read(*arguments)
    except ServiceError as error:
        raise invalid([(path, error.message)]) from None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
