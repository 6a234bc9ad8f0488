"""The ledger's section of a program file: its words, and what they become (`domain.program`).

What a newcomer would get wrong: the models say how a merchant writes, the domain how the ledger reckons. A word that
both would know is read here once, with an error that names the path and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from services.ledger.domain import conditions
from services.ledger.domain.conditions import Condition, LineIn
from services.ledger.domain.program import (
    After,
    Checkout,
    LedgerProgram,
    PointsPolicy,
    Wait,
)
from services.ledger.domain.rules import Cap, Effect, Rule
from services.ledger.words import EXPIRY, EarnRule, Head, If, LedgerSection, Wanted
from shared.calendar import Period, midnight, zone
from shared.errors import ServiceError
from shared.money import minor_units
from shared.orders import Basis
from shared.program_file import Path, check, invalid

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WAIT = re.compile(r"immediate|(?P<days>\d{1,3}) days? after (?P<event>[a-z_.]+)")
PERIOD = "day|week|month|year"
LIMIT = re.compile(
    rf"(?P<count>\d+) (?:per|a) (?P<by>{PERIOD}|lifetime|product|network|subject)(?: and (?P<and>{PERIOD}))?"
)
PERIODS = {"day": Period.DAY, "month": Period.MONTH, "quarter": Period.QUARTER, "year": Period.YEAR}


def parse(document: Mapping[str, Any]) -> LedgerProgram:
    """The program as the ledger reckons with it.

    Raises:
        InvalidProgram: with the path of each fault and what would be right.
    """
    head: Head = check(Head, "", dict(document))
    section: LedgerSection = check(LedgerSection, "ledger", document.get("ledger", {}))
    return _Reader(head, section).program()


class _Reader:
    """Turns words into values, and collects every fault on the way."""

    def __init__(self, head: Head, section: LedgerSection) -> None:
        self._head = head
        self._section = section
        self._faults: list[tuple[Path, str]] = []
        self._zone = self._read(("time_zone",), lambda: zone(head.time_zone)) or ZoneInfo("UTC")

    def program(self) -> LedgerProgram:
        rules: dict[str, tuple[Rule, ...]] = {}
        names: set[str] = set()
        for number, words in enumerate(self._section.earn):
            path: Path = ("ledger", "earn", number)
            if words.rule in names:
                self._faults.append(
                    ((*path, "rule"), f"another rule is called {words.rule!r}; each needs its name")
                )
            names.add(words.rule)
            rule = self._rule(words, path)
            rules[rule.trigger] = (*rules.get(rule.trigger, ()), rule)
        waits = {event: self._wait(event, text) for event, text in self._section.pending.items()}
        checkout = self._checkout()
        if self._faults:
            raise invalid(self._faults)
        return LedgerProgram(self._head.currency, self._zone, self._policy(), rules, waits, checkout)

    def _read(self, path: Path, read: Any) -> Any:
        try:
            return read()
        except (ServiceError, ValueError) as error:
            self._faults.append((path, str(error)))
            return None

    def _money(self, text: str, path: Path) -> tuple[int, str]:
        amount, currency = text.split(" ")
        return self._read(path, lambda: minor_units(amount, currency)) or 0, currency

    def _policy(self) -> PointsPolicy:
        words = self._section.points
        found = EXPIRY.fullmatch(words.expire)
        months = int(found["months"]) if found and found["months"] else None
        return PointsPolicy(self._zone, months, PERIODS[words.rounded_to], words.negative, words.rounding)

    def _wait(self, event: str, text: str) -> Wait:
        found = WAIT.fullmatch(text)
        path: Path = ("ledger", "pending", event)
        if found is None:
            self._faults.append((path, f"write `immediate` or `14 days after {event}`, not {text!r}"))
            return Wait()
        if found["days"] is None:
            return Wait()
        if found["event"] == event:
            return Wait(After.EVENT, int(found["days"]))
        if found["event"] == "order.fulfilled" and event == "order.paid":
            return Wait(After.FULFILMENT, int(found["days"]))
        self._faults.append((path, f"points of {event} can wait for {event} only, not for {found['event']}"))
        return Wait()

    def _checkout(self) -> Checkout | None:
        words = self._section.spend.at_checkout
        if words is None:
            return None
        path: Path = ("ledger", "spend", "at_checkout")
        worth, currency = self._money(words.are_worth, (*path, "are_worth"))
        least, least_currency = self._money(
            words.order_at_least or f"0 {currency}", (*path, "order_at_least")
        )
        if least_currency != currency:
            self._faults.append(((*path, "order_at_least"), f"write it in {currency}, as `are_worth`"))
        share = Fraction(words.at_most.rstrip(" %")) / 100
        return Checkout(
            words.points, worth, currency, least, min(share, Fraction(1)), int(words.hold.split()[0])
        )

    def _rule(self, words: EarnRule, path: Path) -> Rule:
        effect, per_minor = self._effect(words, path)
        whole, lines = self._conditions(words.if_, (*path, "if"))
        return Rule(
            name=words.rule,
            trigger=words.on,
            effect=effect,
            rate=Fraction(words.times or words.points or "0"),
            per_minor=per_minor,
            whole_units=words.whole_units,
            basis=Basis(total=words.basis == "total", tax=words.tax, shipping=words.shipping),
            conditions=(*self._validity(words), *whole),
            line_conditions=lines,
            caps=self._caps(words, path),
            priority=words.priority,
            stackable=words.stackable,
        )

    def _validity(self, words: EarnRule) -> list[Condition]:
        """A plain end date includes that day."""
        if words.from_ is None and words.until is None:
            return []
        start = midnight(words.from_, self._zone) if words.from_ else None
        end = midnight(words.until + timedelta(days=1), self._zone) if words.until else None
        return [conditions.Between(start, end)]

    def _effect(self, words: EarnRule, path: Path) -> tuple[Effect, dict[str, Fraction]]:
        if words.times is not None:
            return Effect.TIMES, {}
        if words.per is None:
            return Effect.FIXED, {}
        if words.per == "item":
            return Effect.PER_ITEM, {}
        per_minor = {}
        for text in [words.per] if isinstance(words.per, str) else words.per:
            if not re.fullmatch(r"\d{1,12}(\.\d{1,4})? [A-Z]{3}", text):
                self._faults.append(
                    ((*path, "per"), f"write an amount like `1.00 EUR`, or `item`, not {text!r}")
                )
                continue
            minor, currency = self._money(text, (*path, "per"))
            if minor:
                per_minor[currency] = Fraction(words.points or "0") / minor
        return (Effect.BONUS_PER_AMOUNT if words.bonus else Effect.PER_AMOUNT), per_minor

    def _caps(self, words: EarnRule, path: Path) -> tuple[Cap, ...]:
        caps = []
        for name, text in (("limit", words.limit or _usual_limit(words)), ("at_most", words.at_most)):
            if text is None:
                continue
            found = LIMIT.fullmatch(text)
            if found is None:
                self._faults.append(
                    ((*path, name), f"write `1 per product` or `500 per month`, not {text!r}")
                )
                continue
            by = tuple(part for part in (found["by"], found["and"]) if part and part != "lifetime")
            count = int(found["count"])
            rejects = words.beyond == "reject"
            caps.append(
                Cap(times=count, by=by, rejects=rejects)
                if name == "limit"
                else Cap(points=count, by=by, rejects=rejects)
            )
        return tuple(caps)

    def _conditions(self, words: If, path: Path) -> tuple[tuple[Condition, ...], tuple[LineIn, ...]]:
        whole: list[Condition] = []
        if words.order_at_least is not None:
            whole.append(
                conditions.OrderAtLeast(*self._money(words.order_at_least, (*path, "order_at_least")))
            )
        if words.currency is not None:
            whole.append(conditions.InCurrency(words.currency))
        for name in ("channel", "payment_method", "card_partner", "network", "level"):
            if (wanted := getattr(words, name)) is not None:
                whole.append(conditions.OneOf(name, _set(wanted)))
        for name in ("verified_purchase", "photo", "video"):
            if (answer := getattr(words, name)) is not None:
                whole.append(conditions.Is(name, answer))
        whole += self._when(words, path)
        return tuple(whole), tuple(_line_conditions(words))

    def _when(self, words: If, path: Path) -> list[Condition]:
        found: list[Condition] = []
        if words.text_at_least is not None:
            found.append(conditions.TextAtLeast(words.text_at_least))
        if words.first_order:
            found.append(conditions.NthOrder(1))
        if words.order_number is not None:
            found.append(conditions.NthOrder(words.order_number))
        if words.every_nth_order is not None:
            found.append(conditions.NthOrder(words.every_nth_order, every=True))
        if words.weekday is not None:
            unknown = sorted(_set(words.weekday) - set(WEEKDAYS))
            if unknown:
                self._faults.append(
                    ((*path, "weekday"), f"{unknown[0]!r} is no day; write {', '.join(WEEKDAYS)}")
                )
            found.append(
                conditions.Weekdays(
                    frozenset(i for i, day in enumerate(WEEKDAYS) if day in _set(words.weekday))
                )
            )
        if words.hours is not None:
            hours = self._read(
                (*path, "hours"), lambda: [time.fromisoformat(x) for x in words.hours.split(" to ")]
            )
            if hours:
                found.append(conditions.Hours(hours[0], hours[1]))
        return found


def _line_conditions(words: If) -> list[LineIn]:
    found: list[LineIn] = []
    for name in ("category", "brand", "product", "sku", "collection"):
        for excluded in (False, True):
            wanted = getattr(words, f"not_{name}" if excluded else name)
            if wanted is not None:
                found.append(conditions.LineIn(name, _set(wanted), excluded))
    return found


def _usual_limit(words: EarnRule) -> str | None:
    """One review per product, one share per network and day, unless the rule says otherwise."""
    return {"review.published": "1 per product", "content.shared": "1 per network and day"}.get(words.on)


def _set(wanted: Wanted) -> frozenset[str]:
    return frozenset([wanted] if isinstance(wanted, str) else wanted)


def schema() -> dict[str, Any]:
    """The JSON Schema of the section, for editors."""
    return LedgerSection.model_json_schema()
