"""Reads caps and budgets: of each rule, and of the program.

Example: `at_most: [50 per day, 20.00 EUR per month]` on a rule that gives store credit: 50 cents a day, 2,000 a month.

What a newcomer would get wrong: a cap counts the smallest unit of what its rule gives. So an amount may be named with
its asset, and then it has to be that of the rule.
"""

from __future__ import annotations

import re

from services.ledger.domain.budgets import Budget
from services.ledger.domain.deeds import RESERVED
from services.ledger.domain.donations import is_donation
from services.ledger.domain.rules import Cap
from services.ledger.program.assets import amount_of, credit_in
from services.ledger.program.reading import Reader
from services.ledger.words.earning import EarnRule
from shared.calendar import Period
from shared.program_file import Path

PERIOD = "day|week|month|year"
LIMIT = re.compile(
    rf"(?P<count>\d{{1,12}}) (?:per|a) (?P<by>{PERIOD}|lifetime|product|network|subject)(?: and (?P<and>{PERIOD}))?"
)
AMOUNT = re.compile(
    rf"(?P<amount>.+?) (?:per|a) (?P<by>{PERIOD}|lifetime|product|network|subject)(?: and (?P<and>{PERIOD}))?"
)
BUDGET = re.compile(r"(?P<amount>.+?)(?: (?:per|a) (?P<period>day|week|month|quarter|year))?")
TIMES = re.compile(r"(\d{1,12}) times?")
COUNT = re.compile(r"\d{1,12}")


def caps_of(reader: Reader, words: EarnRule, asset: str, path: Path) -> tuple[Cap, ...]:
    """How often and how much a rule gives one member."""
    caps: list[Cap] = []
    rejects = words.beyond == "reject"
    for place, text in _each(words.limit or _usual_limit(words), (*path, "limit")):
        found = LIMIT.fullmatch(text)
        if found is None:
            reader.fault(place, f"write `1 per product` or `500 per month`, not {text!r}")
            continue
        _check_subject(reader, words.on, found["by"], place)
        _add(reader, caps, Cap(times=int(found["count"]), by=_by(found), rejects=rejects), place)
    for place, text in _each(words.at_most, (*path, "at_most")):
        found = AMOUNT.fullmatch(text)
        points = _points(reader, found["amount"], asset, place) if found is not None else None
        if found is None:
            reader.fault(place, f"write `500 per month` or `50 per day`, not {text!r}")
        elif points is not None:
            _check_subject(reader, words.on, found["by"], place)
            _add(reader, caps, Cap(points=points, by=_by(found), rejects=rejects), place)
    return tuple(caps)


def budget_of(reader: Reader, words: EarnRule, asset: str, path: Path) -> Budget | None:
    """How much or how often a rule gives everybody together."""
    if words.budget is None:
        return None
    return _budget(reader, words.budget, asset, f"rule:{words.rule}", words.beyond, (*path, "budget"))


def program_caps_of(reader: Reader) -> dict[str, tuple[Cap, ...]]:
    """How many whole points all rules together give one member, by asset."""
    caps: dict[str, tuple[Cap, ...]] = {}
    for number, words in enumerate(reader.section.caps):
        path: Path = ("ledger", "caps", number, "at_most")
        if words.at_most is None:
            continue
        found = AMOUNT.fullmatch(words.at_most)
        by = _by(found) if found is not None else ()
        if found is None or not set(by) <= set(PERIOD.split("|")):
            reader.fault(
                path, f"write `500 points per day` or `20.00 EUR per lifetime`, not {words.at_most!r}"
            )
            continue
        asset, points = amount_of(reader, found["amount"], path)
        if points.denominator != 1:
            reader.fault(path, "a cap of the program counts whole points")
        known = list(caps.get(asset, ()))
        _add(reader, known, Cap(points=int(points), by=by, rejects=words.beyond == "reject"), path)
        caps[asset] = tuple(known)
    return caps


def program_budgets_of(reader: Reader) -> dict[str, tuple[Budget, ...]]:
    """How many whole points all rules together give everybody, by asset."""
    budgets: dict[str, tuple[Budget, ...]] = {}
    for number, words in enumerate(reader.section.caps):
        path: Path = ("ledger", "caps", number, "budget")
        if words.budget is None:
            continue
        found = BUDGET.fullmatch(words.budget)
        assert found is not None, "any text is an amount, perhaps with a period"
        asset, _ = amount_of(reader, found["amount"], path)
        budget = _budget(reader, words.budget, asset, f"asset:{asset}", words.beyond, path)
        if budget is None:
            continue
        if any(each.terms == budget.terms for each in budgets.get(asset, ())):
            reader.fault(path, f"there is a budget of {asset} for this period already")
        budgets[asset] = (*budgets.get(asset, ()), budget)
    return budgets


def _budget(reader: Reader, text: str, asset: str, name: str, beyond: str, path: Path) -> Budget | None:
    found = BUDGET.fullmatch(text)
    assert found is not None, "any text is an amount, perhaps with a period"
    times = TIMES.fullmatch(found["amount"])
    if not text[:1].isdecimal():
        what = "write `100000 points`, `500 times` or `200.00 EUR per month`"
        reader.fault(path, f"{what}, not {text!r}")
        return None
    amount = int(times[1]) if times else _points(reader, found["amount"], asset, path)
    if amount is None:
        return None
    if not amount:
        reader.fault(path, "a budget of nothing gives nothing; leave the rule out")
    period = Period(found["period"]) if found["period"] else None
    return Budget(name, amount, bool(times), period, beyond == "reject")


def _points(reader: Reader, text: str, asset: str, path: Path) -> int | None:
    """A bare number, or an amount of the very asset that is bounded."""
    if COUNT.fullmatch(text):
        return int(text)
    before = len(reader.faults)
    of, points = amount_of(reader, text, path)
    if len(reader.faults) > before:
        return None
    if of != asset and not (is_donation(asset) and of == credit_in(asset.partition(":")[2])):
        reader.fault(path, f"the rule gives {asset}; say how many of these, not of {of}")
        return None
    if points.denominator != 1:
        reader.fault(path, f"say a whole number of {asset}")
        return None
    return int(points)


def _add(reader: Reader, caps: list[Cap], cap: Cap, path: Path) -> None:
    """One more cap; two that count the same would count it twice."""
    if any((each.by, each.points is None) == (cap.by, cap.points is None) for each in caps):
        reader.fault(path, "another cap counts the same; keep the smaller one")
    else:
        caps.append(cap)


def _check_subject(reader: Reader, trigger: str, by: str, path: Path) -> None:
    """What no event of the trigger names would make one bucket of all of them: a cap for a lifetime."""
    answering = {"product": "review.published", "network": "content.shared"}.get(by)
    if answering is not None and trigger != answering:
        reader.fault(path, f"{answering} names a {by}, {trigger} does not; write `per day` or `per lifetime`")
    elif by == "subject" and trigger in RESERVED:
        reader.fault(
            path, f"activities have a subject, {trigger} has none; write `per day` or `per lifetime`"
        )


def _by(found: re.Match[str]) -> tuple[str, ...]:
    return tuple(part for part in (found["by"], found["and"]) if part and part != "lifetime")


def _each(texts: str | list[str] | None, path: Path) -> list[tuple[Path, str]]:
    if texts is None:
        return []
    if isinstance(texts, str):
        return [(path, texts)]
    return [((*path, number), text) for number, text in enumerate(texts)]


def _usual_limit(words: EarnRule) -> str | None:
    """One review per product, one share per network and day, unless the rule says otherwise."""
    return {"review.published": "1 per product", "content.shared": "1 per network and day"}.get(words.on)
