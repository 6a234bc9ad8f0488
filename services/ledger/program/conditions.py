"""Reads when a rule holds.

What a newcomer would get wrong: a condition that an event can never meet is a fault, not a rule that sleeps. A share
has no category, and an order has no stars.
"""

from __future__ import annotations

from datetime import time

from services.ledger.domain import conditions
from services.ledger.domain.conditions import Condition, LineIn
from services.ledger.domain.program import OCCASIONS
from services.ledger.domain.when import WEEKDAYS
from services.ledger.program.expressions import ExpressionFault, Look, place_of, when_of
from services.ledger.program.persons import audience_of
from services.ledger.program.reading import Reader
from services.ledger.words.conditions import If
from services.ledger.words.earning import EarnRule
from services.ledger.words.kinds import Wanted
from shared.money import DIGITS
from shared.program_file import Path

LINE_WORDS = ("category", "brand", "product", "sku", "collection")
MIDNIGHT = time(0)
ORDER, REVIEW, SHARE = "order.paid", "review.published", "content.shared"
ASKED_OF = {
    ORDER: {
        "order_at_least", "currency", "channel", "payment_method", "card_partner",
        "first_order", "order_number", "every_nth_order",
        *LINE_WORDS, *(f"not_{word}" for word in LINE_WORDS),
    },
    REVIEW: {"product", "not_product", "verified_purchase", "text_at_least", "photo", "video"},
    SHARE: {"network"},
}  # fmt: skip
"""Which words ask something that events of one kind alone can answer."""

Conditions = tuple[tuple[Condition, ...], tuple[LineIn, ...]]
"""On the whole event, and on its lines."""


def conditions_of(reader: Reader, words: EarnRule, path: Path, looks: dict[str, Look]) -> Conditions:
    """When the rule holds. `looks` are what the expressions of each trigger look at together."""
    asked, inner = words.if_, (*path, "if")
    _check_words(reader, asked, words.on, inner)
    whole = [
        *_of_order(reader, asked, inner),
        *_of_event(asked, words.on),
        *audience_of(asked),
        *_of_history(asked),
        *_of_time(reader, asked, inner),
    ]
    if words.when is not None:
        try:
            by_the_calendar = words.on in OCCASIONS
            look = looks.setdefault(words.on, Look())
            whole.append(when_of(words.when, words.on, look, by_the_calendar=by_the_calendar))
        except ExpressionFault as fault:
            reader.fault((*path, "when"), f"{place_of(words.when, fault.at)}: {fault.message}")
    return tuple(whole), tuple(_on_lines(asked) if words.on == ORDER else ())


def _check_words(reader: Reader, words: If, trigger: str, path: Path) -> None:
    for word in sorted(words.model_fields_set):
        answering = [event for event, asked in ASKED_OF.items() if word in asked]
        if answering and trigger not in answering:
            reader.fault((*path, word), f"{' and '.join(answering)} can answer this, {trigger} cannot")


def _of_order(reader: Reader, words: If, path: Path) -> list[Condition]:
    found: list[Condition] = []
    if words.order_at_least is not None:
        found.append(conditions.OrderAtLeast(*reader.money(words.order_at_least, (*path, "order_at_least"))))
    if words.currency is not None:
        if words.currency not in DIGITS:
            reader.fault(
                (*path, "currency"),
                f"write a currency by its three letters, such as `EUR`, not {words.currency!r}",
            )
        found.append(conditions.InCurrency(words.currency))
    return found


def _of_event(words: If, trigger: str) -> list[Condition]:
    found: list[Condition] = []
    for name in ("channel", "payment_method", "card_partner", "network"):
        if (wanted := getattr(words, name)) is not None:
            found.append(conditions.OneOf(name, _set(wanted)))
    for name in ("verified_purchase", "photo", "video"):
        if (answer := getattr(words, name)) is not None:
            found.append(conditions.Is(name, answer))
    if words.text_at_least is not None:
        found.append(conditions.TextAtLeast(words.text_at_least))
    if trigger == REVIEW:
        for wanted, excluded in ((words.product, False), (words.not_product, True)):
            if wanted is not None:
                found.append(conditions.OneOf("product_id", _set(wanted), excluded))
    return found


def _of_history(words: If) -> list[Condition]:
    found: list[Condition] = []
    if words.first_order is not None:
        found.append(conditions.NthOrder(1, excluded=not words.first_order))
    if words.order_number is not None:
        found.append(conditions.NthOrder(words.order_number))
    if words.every_nth_order is not None:
        found.append(conditions.NthOrder(words.every_nth_order, every=True))
    return found


def _of_time(reader: Reader, words: If, path: Path) -> list[Condition]:
    found: list[Condition] = []
    hours: tuple[time, time] | None = None
    if (text := words.hours) is not None:
        hours = reader.read((*path, "hours"), lambda: _hours(text))
    if words.weekday is not None:
        unknown = sorted(_set(words.weekday) - set(WEEKDAYS))
        if unknown:
            reader.fault((*path, "weekday"), f"{unknown[0]!r} is no day; write {', '.join(WEEKDAYS)}")
        days = frozenset(i for i, day in enumerate(WEEKDAYS) if day in _set(words.weekday))
        nights_end = hours[1] if hours is not None and hours[1] <= hours[0] else MIDNIGHT
        found.append(conditions.Weekdays(days, nights_end=nights_end))
    if hours is not None:
        found.append(conditions.Hours(*hours))
    return found


def _hours(text: str) -> tuple[time, time]:
    start, end = text.split(" to ")
    hours = _time(start), MIDNIGHT if end == "24:00" else _time(end)
    if hours[0] == hours[1]:
        raise ValueError("begin and end are the same; leave `hours` out for the whole day")
    return hours


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no {text} in a day; write 00:00 to 23:59, or 24:00 for its end") from None


def _on_lines(words: If) -> list[LineIn]:
    found: list[LineIn] = []
    for name in LINE_WORDS:
        for excluded in (False, True):
            wanted = getattr(words, f"not_{name}" if excluded else name)
            if wanted is not None:
                found.append(conditions.LineIn(name, _set(wanted), excluded))
    return found


def _set(wanted: Wanted) -> frozenset[str]:
    return frozenset([wanted] if isinstance(wanted, str) else wanted)
