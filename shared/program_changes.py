"""What differs between two versions of a program, place by place, as a merchant would name the places.

What a newcomer would get wrong: entries of a list are known by their name, not by their number. A rule put in front of
a list is one addition, not a change of every rule behind it: `ledger.earn[tea counts double].times`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs; `before` is None where something was added, `after` where it was removed."""

    kind: Literal["added", "changed", "removed"]
    path: str
    before: Any = None
    after: Any = None


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every place that was added, changed or removed, in the order of the newer document."""
    return list(_compare("", before, after))


def _compare(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before is _ABSENT:
        yield Change("added", path, after=after)
    elif after is _ABSENT:
        yield Change("removed", path, before=before)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _compare_entries(path, before, after, "{path}.{name}" if path else "{name}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(path, before, after)
    elif before != after:
        yield Change("changed", path, before, after)


def _compare_entries(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], place: str
) -> Iterator[Change]:
    for name in [*after, *(name for name in before if name not in after)]:
        where = place.format(path=path, name=name)
        yield from _compare(where, before.get(name, _ABSENT), after.get(name, _ABSENT))


def _compare_lists(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    if before == after:
        return
    if not any(isinstance(item, dict | list) for item in [*before, *after]):
        yield Change("changed", path, before, after)
        return
    key = _naming_key(before, after)
    named = [
        {(item[key] if key else str(index)): item for index, item in enumerate(items)}
        for items in (before, after)
    ]
    yield from _compare_entries(path, named[0], named[1], "{path}[{name}]")
    common = [name for name in named[0] if name in named[1]]
    if key and common != [name for name in named[1] if name in named[0]]:
        yield Change("changed", f"{path}[order]", list(named[0]), list(named[1]))


def _naming_key(before: list[Any], after: list[Any]) -> str | None:
    """The key whose text names each entry of both lists: the first one that all have, each with another value."""
    items = [*before, *after]
    if not all(isinstance(item, dict) for item in items):
        return None
    for key in items[0]:
        texts = [[item.get(key) for item in each] for each in (before, after)]
        if all(all(isinstance(text, str) for text in each) and len(set(each)) == len(each) for each in texts):
            return str(key)
    return None
