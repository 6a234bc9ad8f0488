"""A change of the program in sentences that a merchant reads aloud, made from the words of both files.

Example: `double tea` had `points: 2, per: 1.00 EUR` and has `points: 3` now: "rule `double tea` gives 3 points per 1.00
EUR instead of 2 points per 1.00 EUR". A rule that is only in the new file "is new", one that is only in the old one "is
gone: it gives nothing from then on".

What a newcomer would get wrong: rules are known by their names. Whoever renames one is told that one is gone and one
is new, since its caps begin anew, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

GIVING = ("points", "per", "gives", "credit", "cashback", "donate", "to", "times", "of", "for_spending")
"""The words of a rule that say together what it gives."""


def sentences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the ledger's sections of two programs; `before` and `after` are whole documents."""
    old, new = (_section(document) for document in (before, after))
    found = [*_of_entries("rule", old.get("earn"), new.get("earn"))]
    old_spend, new_spend = (_mapping(section.get("spend")) for section in (old, new))
    found += _of_entries("reward", old_spend.get("rewards"), new_spend.get("rewards"))
    found += _of_words("", _without(old, "earn", "spend"), _without(new, "earn", "spend"))
    found += _of_words("spend", _without(old_spend, "rewards"), _without(new_spend, "rewards"))
    return found


def gift_of(rule: Mapping[str, Any]) -> str:
    """What a rule gives: `2 points per 1.00 EUR`, `2 times as much`, `5.00 EUR of store credit`."""
    parts = []
    if "times" in rule:
        parts.append(f"{rule['times']} times as much")
    if "points" in rule:
        parts.append(_counted(rule["points"], "point"))
    parts += [_said(rule["gives"])] if "gives" in rule else []
    parts += [f"{rule['credit']} of store credit"] if "credit" in rule else []
    parts += [f"{rule['cashback']} of the spend as credit"] if "cashback" in rule else []
    parts += [f"{rule['donate']} to {rule.get('to', 'a charity')}"] if "donate" in rule else []
    text = " and ".join(parts) or "nothing"
    text += f" per {_said(rule['per'])}" if "per" in rule else ""
    text += f", of {rule['of']}" if "of" in rule else ""
    return text + (f" for spending {rule['for_spending']}" if "for_spending" in rule else "")


def _of_entries(kind: str, before: Any, after: Any) -> Iterator[str]:
    old, new = (_named(kind, entries) for entries in (before, after))
    for name, entry in new.items():
        who = f"{kind} `{name}`"
        if name not in old:
            yield f"{who} is new: it {_does(kind, entry)}"
        elif old[name] != entry:
            yield from _of_entry(kind, who, old[name], entry)
    for name in old:
        if name not in new:
            what = "gives nothing" if kind == "rule" else "is not to be had"
            yield f"{kind} `{name}` is gone: it {what} from then on"


def _of_entry(kind: str, who: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if kind == "rule" and gift_of(before) != gift_of(after):
        yield f"{who} gives {gift_of(after)} instead of {gift_of(before)}"
    elif kind == "reward" and before.get("costs") != after.get("costs"):
        yield f"{who} {_does(kind, after)} instead of {_price(before)}"
    said = GIVING if kind == "rule" else ("costs",)
    yield from _of_words(who, _without(before, *said), _without(after, *said))


def _of_words(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Each word that differs; of a word that is a section of its own, its words."""
    for word in [*after, *(word for word in before if word not in after)]:
        old, new = before.get(word), after.get(word)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _of_words(f"{where} {word}".strip(), old, new)
            continue
        what = f"{where}: `{word}`" if where else f"`{word}`"
        if old is None:
            yield f"{what} is new: {_said(new)}"
        elif new is None:
            yield f"{what} is gone; it was {_said(old)}"
        else:
            yield f"{what} is {_said(new)} instead of {_said(old)}"


def _does(kind: str, entry: Mapping[str, Any]) -> str:
    if kind == "reward":
        return f"costs {_price(entry)}" if "costs" in entry else "is given by hand"
    on = f" on {entry['on']}" if "on" in entry else ""
    return f"gives {gift_of(entry)}{on}"


def _price(entry: Mapping[str, Any]) -> str:
    costs = entry.get("costs")
    return "nothing" if costs is None else _counted(costs, "point") if str(costs).isdecimal() else str(costs)


def _counted(number: Any, thing: str) -> str:
    return f"{number} {thing}" if str(number) == "1" else f"{number} {thing}s"


def _named(kind: str, entries: Any) -> dict[str, Mapping[str, Any]]:
    return {str(each[kind]): _without(each, kind) for each in entries or () if isinstance(each, Mapping)}


def _section(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(document.get("ledger"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without(entry: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: said for word, said in entry.items() if word not in words}


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{word} {_said(said)}" for word, said in value.items())
    if isinstance(value, Iterable):
        return " and ".join(_said(each) for each in value)
    return json.dumps(value)
