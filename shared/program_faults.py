"""What is wrong with a part of a program file, in words that a merchant can act on.

Example: `points: 1,5` answers "write a number such as 1 or 2.5, not '1,5'", and `categroy: tea` "this word is not known
here; did you mean `category`?".

What a newcomer would get wrong: where a word may be a text or a list, the model tells of both, at places that no
document has. Only places of the document are told, and of each only what fits to what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, StringConstraints, ValidationError

Path = tuple[str | int, ...]

ALIKE = 0.75  # of two words, from which on one may be meant with the other
MOST_SHOWN = 60  # characters of what stands there
WORDS = re.compile(r"\^\(([\w| -]+)\)\$")
"""A pattern that only lists words."""
_LIKE: dict[str, str] = {}
"""What is to be written where a pattern does not fit, as `written` was told."""


def written(pattern: str, like: str) -> StringConstraints:
    """A text of this pattern; where it does not fit, people are told to write something `like` that."""
    known = _LIKE.setdefault(pattern, like)
    assert known == like, f"{pattern} is explained in two ways"
    return StringConstraints(pattern=pattern)


def faults_of(error: ValidationError, model: type[BaseModel], content: object) -> list[tuple[Path, str]]:
    """The place of each fault in `content`, which `model` refused, and what is wrong there."""
    found = [(_place(fault, content), fault) for fault in error.errors(include_url=False)]
    by_place: dict[Path, list[Any]] = {}
    for place, fault in found:
        by_place.setdefault(place, []).append(fault)
    told = []
    for place, faults in by_place.items():
        inner = any(len(other) > len(place) and other[: len(place)] == place for other in by_place)
        left = [fault for fault in faults if not _is_of_shape(fault)] or ([] if inner else faults)
        told += [(place, _message(fault, model, place)) for fault in left[:1]]
    return told


def closest(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` where one of the known words is much like this one, else nothing."""
    alike = get_close_matches(word, known, n=1, cutoff=ALIKE)
    return f"; did you mean `{alike[0]}`?" if alike else ""


def _place(fault: Any, content: object) -> Path:
    """The parts of a fault's place that lead somewhere in the document; others name a branch of the model."""
    here: Any = content
    kept: list[str | int] = []
    *around, last = fault["loc"] or ("",)
    for part in around:
        if _leads_on(here, part):
            here = here[part]
            kept.append(part)
    if last != "" and (fault["type"] == "missing" or _leads_on(here, last)):
        kept.append(last)
    return tuple(kept)


def _leads_on(here: object, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(here, (list, tuple)) and part < len(here)
    return isinstance(here, Mapping) and part in here


def _is_of_shape(fault: Any) -> bool:
    """Whether it only says that a branch of the model is not meant."""
    return fault["type"] in ("string_type", "list_type", "tuple_type")


def _message(fault: Any, model: type[BaseModel], place: Path) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "missing":
        return "this is missing"
    if kind == "extra_forbidden":
        return f"this word is not known here{closest(str(place[-1]), _words_at(model, place[:-1]))}"
    if kind == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    wanted = _wanted(kind, context)
    return str(fault["msg"]) if wanted is None else f"write {wanted}, not {_shown(fault['input'])}"


def _wanted(kind: str, context: Mapping[str, Any]) -> str | None:
    """What is to be written instead; None where only the model can say."""
    if kind == "string_pattern_mismatch":
        return _like(str(context["pattern"]))
    if kind in ("enum", "literal_error"):
        return re.sub(r"'([^']*)'", r"`\1`", str(context["expected"]))
    if kind in _BOUNDS:
        word, name, unit = _BOUNDS[kind]
        return f"{word} {context[name]}{unit}"
    return next((wanted for start, wanted in _SHAPES.items() if kind.startswith(start)), None)


_BOUNDS = {
    "greater_than_equal": ("at least", "ge", ""),
    "greater_than": ("more than", "gt", ""),
    "less_than_equal": ("at most", "le", ""),
    "less_than": ("less than", "lt", ""),
    "too_short": ("at least", "min_length", " of them"),
    "too_long": ("at most", "max_length", " of them"),
    "string_too_short": ("at least", "min_length", " character"),
    "string_too_long": ("at most", "max_length", " characters"),
}
_SHAPES = {
    "bool_": "`true` or `false`",
    "int_": "a whole number",
    "date_": "a day such as 2026-12-31",
    "string_type": "a text, or a list where there are several",
    "list_": "a list, such as [one, two]",
    "tuple_": "a list, such as [one, two]",
    "dict_": "words with their values, such as `{word: value}`",
    "model_": "words with their values, such as `{word: value}`",
}


def _like(pattern: str) -> str | None:
    if pattern in _LIKE:
        return _LIKE[pattern]
    listed = WORDS.fullmatch(pattern)
    return " or ".join(f"`{word}`" for word in listed[1].split("|")) if listed else None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}…")
    if isinstance(value, Mapping):
        return "words with values"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    return repr(value)


def _words_at(model: type[BaseModel], place: Path) -> list[str]:
    """The words that the model knows at a place of the document."""
    models = [model]
    for part in place:
        inner = [
            each
            for known in models
            for name, field in known.model_fields.items()
            if part in _names(name, field)
            for each in _models_in(field.annotation)
        ]
        models = inner or models  # else a number of a list, or a name of the merchant's own
    return sorted({_names(name, field)[0] for known in models for name, field in known.model_fields.items()})


def _names(name: str, field: Any) -> list[str]:
    """As documents call a field, the usual name first."""
    alias = field.serialization_alias or field.alias
    choices = getattr(field.validation_alias, "choices", [field.validation_alias])
    return [str(each) for each in (alias, *choices, name) if each]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
