"""Warns of a program that works and is hard to live with: of words without effect, and of riddles.

A riddle is what a member cannot work out in the head. Example: 100 points are worth 1.00 EUR, or 250 points 5.00 EUR:
anybody sees what 400 points are worth. 27 points for 5 % are a riddle: what are 50 points worth?

What a newcomer would get wrong: a warning refuses nothing. It stands beside the answer when a program is checked or
applied, and the merchant decides.

What is easy: so many points make 1.00 (or 1 %), or one point makes so much, and that number has one digit that is not
zero (30, 0.02), or two of which the second is a five (25, 150, 0.75).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from services.ledger.domain.deeds import RESERVED
from services.ledger.words import LedgerSection
from services.ledger.words.earning import EarnRule
from services.ledger.words.rewards import CatalogueReward, Gives
from services.ledger.words.spending import Spend
from shared.money import digits_of, minor_units, to_decimal_string
from shared.program_faults import closest
from shared.program_file import Path, check

POINTS = "points"
COUNTING = ("whole_units", "basis", "tax", "shipping", "gift_cards", "paid_otherwise")
"""The words that say how something is counted."""
ROUND = (1, 2, 5, 10, 20, 25, 50)
Worth = tuple[Fraction, str]
"""How much, in units that people count in (1.00 EUR, 1 %), and it in words."""


def warnings_of(document: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What somebody should think about again, each with its place; of a document that `parse` accepts."""
    section: LedgerSection = check(LedgerSection, "ledger", document.get("ledger", {}))
    return [
        *_without_effect(section.earn),
        *_never_asked(section.earn, section.pending),
        *_values(section.spend),
    ]


def is_easy(points_for_one: Fraction) -> bool:
    """Whether somebody can reckon with so many points for one unit (1.00 EUR, 1 %) in the head."""
    return _is_short(points_for_one) or _is_short(1 / points_for_one)


def _without_effect(rules: Iterable[EarnRule]) -> Iterator[tuple[Path, str]]:
    """What a merchant says of a bonus, which always comes on top of everything."""
    path: Path
    for number, rule in enumerate(rules):
        counts = rule.per is not None or rule.cashback is not None or rule.for_spending is not None
        for word in () if counts else COUNTING:
            if word in rule.model_fields_set:
                path = ("ledger", "earn", number, word)
                yield path, f"`{word}` means nothing here: it says how `per` an amount or item is counted"
        if not counts and rule.points is not None and not Fraction(rule.points):
            yield ("ledger", "earn", number, "points"), "a bonus of nothing gives nothing; leave the rule out"
        is_bonus = rule.times is None and (rule.bonus or (rule.per is None and rule.cashback is None))
        for word in ("stackable", "priority") if is_bonus else ():
            if word in rule.model_fields_set:
                path = ("ledger", "earn", number, word)
                yield path, f"`{word}` means nothing for a bonus: it comes on top of whatever else is given"


def _never_asked(rules: Iterable[EarnRule], pending: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Names that are taken for those of activities, and are much like an event's; and waits of what earns nothing."""
    triggers = {rule.on for rule in rules}
    for number, rule in enumerate(rules):
        meant = "" if rule.on in RESERVED else closest(rule.on, sorted(RESERVED))
        if meant:
            yield (
                ("ledger", "earn", number, "on"),
                f"{rule.on} is taken for an activity of the shop's own{meant}",
            )
    for name in pending:
        meant = closest(name, sorted({*triggers, *RESERVED} - {name}))
        if name not in triggers | RESERVED and meant:
            yield ("ledger", "pending", name), f"no rule is `on: {name}`{meant}"


def _values(spend: Spend) -> Iterator[tuple[Path, str]]:
    place: Path = ("ledger", "spend")
    if spend.at_checkout is not None:
        yield from _judged(
            (*place, "at_checkout"), spend.at_checkout.points, POINTS, _money(spend.at_checkout.are_worth)
        )
    for asset, also in spend.also_at_checkout.items():
        if also.units is not None and also.are_worth is not None:
            path: Path = (*place, "also_at_checkout", asset)
            yield from _judged(path, also.units, asset, _money(also.are_worth))
    for number, reward in enumerate(spend.rewards):
        count, asset = _price(reward)
        worth = _worth(reward.gives)
        if count and worth is not None and not asset.startswith("credit"):
            yield from _judged((*place, "rewards", number, "costs"), count, asset, worth)


def _judged(path: Path, count: int, asset: str, worth: Worth) -> Iterator[tuple[Path, str]]:
    value, said = worth
    if not value or is_easy(Fraction(count) / value):
        return
    one = f"100 {asset} would be about {_about(value * 100 / count)} {said.split(' ')[-1]}"
    better = " or ".join(f"{each} {asset}" for each in _rounder(count, value))
    message = f"{count} {asset} for {said}: nobody works that out in the head ({one})"
    yield path, f"{message}; take {better}" if better else message


def _rounder(count: int, value: Fraction) -> list[int]:
    """The nearest easy numbers below and above."""
    size = 10 ** (len(str(count)) - 1)
    easy = [step * size // 10 for step in (*ROUND, 100, 200) if step * size % 10 == 0 and step * size >= 10]
    easy = [each for each in easy if is_easy(Fraction(each) / value)]
    below, above = [each for each in easy if each < count], [each for each in easy if each > count]
    return [*below[-1:], *above[:1]]


def _worth(gives: Gives) -> Worth | None:
    """What a reward is worth, where that is a number."""
    text = gives.money_off or gives.gift_card or gives.credit
    if text is not None:
        return _money(text)
    if gives.percent_off is not None:
        return Fraction(gives.percent_off.rstrip(" %")), f"{gives.percent_off.rstrip(' %')} %"
    return None


def _money(text: str) -> Worth:
    amount, currency = text.split(" ")
    minor = minor_units(amount, currency)
    return Fraction(minor, 10 ** digits_of(currency)), f"{to_decimal_string(minor, currency)} {currency}"


def _price(reward: CatalogueReward) -> tuple[int, str]:
    count, _, asset = (reward.costs or "0").partition(" ")
    return int(count), asset or POINTS


def _is_short(number: Fraction) -> bool:
    """At most two digits that are not zeros around them, the second of two a five."""
    for _ in range(12):
        if number.denominator == 1:
            break
        number *= 10
    digits = str(number.numerator).rstrip("0")
    return number.denominator == 1 and (len(digits) == 1 or (len(digits) == 2 and digits[1] == "5"))


def _about(value: Fraction) -> str:
    whole, cents = divmod(int(value * 100 + Fraction(1, 2)), 100)
    return f"{whole}.{cents:02}"
