"""Reads earning rules."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from services.ledger.domain import conditions
from services.ledger.domain.conditions import Condition
from services.ledger.domain.earned import LEVEL
from services.ledger.domain.rules import Effect, Rule
from services.ledger.program.caps import budget_of, caps_of
from services.ledger.program.conditions import conditions_of
from services.ledger.program.expressions import Look
from services.ledger.program.giving import cashback_currency, giving_of
from services.ledger.program.reading import Reader
from services.ledger.program.triggers import check_trigger
from services.ledger.words.earning import EarnRule
from shared.calendar import midnight
from shared.orders import Basis
from shared.program_file import Path


def rules_of(reader: Reader) -> dict[str, tuple[Rule, ...]]:
    """The earning rules by trigger, in the order of the file."""
    rules: dict[str, tuple[Rule, ...]] = {}
    names: set[str] = set()
    looks: dict[str, Look] = {}
    for number, words in enumerate(reader.section.earn):
        path: Path = ("ledger", "earn", number)
        if words.rule in names:
            reader.fault((*path, "rule"), f"another rule is called {words.rule!r}; each needs its name")
        if words.rule == LEVEL:
            reader.fault(
                (*path, "rule"),
                f"{LEVEL!r} is how decisions call the level's own multiplier; take another",
            )
        names.add(words.rule)
        check_trigger(reader, words.on, (*path, "on"))
        if words.for_spending is not None:
            continue  # a goal
        rule = _rule(reader, words, path, looks)
        rules[rule.trigger] = (*rules.get(rule.trigger, ()), rule)
    return rules


def _rule(reader: Reader, words: EarnRule, path: Path, looks: dict[str, Look]) -> Rule:
    asset, rate = giving_of(reader, words, path)
    effect, per_minor = _effect(reader, words, rate, path)
    whole, lines = conditions_of(reader, words, path, looks)
    return Rule(
        name=words.rule,
        trigger=words.on,
        effect=effect,
        rate=rate,
        asset=asset,
        per_minor=per_minor,
        whole_units=words.whole_units,
        basis=basis_of(words),
        conditions=(*validity_of(reader, words), *whole),
        line_conditions=lines,
        caps=caps_of(reader, words, asset, path),
        budget=budget_of(reader, words, asset, path),
        priority=words.priority,
        stackable=words.stackable,
    )


def basis_of(words: EarnRule) -> Basis:
    """What of an order counts for a rule."""
    return Basis(
        total=words.basis == "total",
        tax=words.tax,
        shipping=words.shipping,
        gift_cards=words.gift_cards,
        paid_otherwise=words.paid_otherwise,
    )


def validity_of(reader: Reader, words: EarnRule) -> list[Condition]:
    """When a rule is in force. A plain end date includes that day."""
    if words.from_ is None and words.until is None:
        return []
    start = midnight(words.from_, reader.zone) if words.from_ else None
    end = midnight(words.until + timedelta(days=1), reader.zone) if words.until else None
    return [conditions.Between(start, end)]


def _effect(
    reader: Reader, words: EarnRule, rate: Fraction, path: Path
) -> tuple[Effect, dict[str, Fraction]]:
    if words.times is not None:
        return Effect.TIMES, {}
    by_amount = Effect.BONUS_PER_AMOUNT if words.bonus else Effect.PER_AMOUNT
    if words.cashback is not None:
        return by_amount, {cashback_currency(reader, words): rate}
    if words.per is None:
        return Effect.FIXED, {}
    if words.per == "item":
        return Effect.PER_ITEM, {}
    per_minor = {}
    for text in [words.per] if isinstance(words.per, str) else words.per:
        if not re.fullmatch(r"\d{1,12}(\.\d{1,4})? [A-Z]{3}", text):
            reader.fault((*path, "per"), f"write an amount like `1.00 EUR`, or `item`, not {text!r}")
            continue
        minor, currency = reader.money(text, (*path, "per"))
        if currency in per_minor:
            reader.fault((*path, "per"), f"there is a unit for {currency} already; keep one")
        elif minor:
            per_minor[currency] = rate / minor
        elif not Fraction(text.split(" ")[0]):
            reader.fault((*path, "per"), "a unit of nothing is never reached; name an amount above 0")
    return by_amount, per_minor
