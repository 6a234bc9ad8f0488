"""The rules of a trigger, prepared: what follows from the program alone is reckoned once, not at every event.

A set of rules is a whole number here, with one bit for each rule of the trigger: to ask which rules both an event and
a line leave over is one `&`, whatever the number of rules. Example: `app bonus` is bit 1, `tea doubles` bit 2; an order
in the app leaves `11`, its line of cups `01`.

What a newcomer would get wrong: a bit says only that a rule *may* hold. Its other conditions (amounts, times, the
how many-th order) are still to be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from fractions import Fraction
from operator import attrgetter
from typing import Any, TypeVar

from services.ledger.domain.conditions import Facts, OneOf
from services.ledger.domain.rules import Effect, Rule
from shared.events import OrderLine
from shared.money import Rounding

V = TypeVar("V")

SETS_REMEMBERED = 4_096  # of a dozen rules, every set
WORDS_REMEMBERED = 1_000  # channels, levels, ways of paying: few, unless a shop puts numbers into them
PRODUCTS_REMEMBERED = 20_000  # some megabytes, and most of what a larger shop sells


class ReadyRule:
    """A rule with its bit, and with what it gives in whole numbers of `1 / scale` points.

    `words` are its conditions on the words of an event, `asks` the others. `lined` is true where it names lines,
    `counts` where it counts what lines have, `bounded` where what it gives may shrink. They are kept, since comparing
    with a member of an enumeration takes longer than most of what is decided by it.
    """

    __slots__ = (
        "asks", "bit", "bounded", "by_currency", "by_item", "counts", "lined", "name", "number", "rule", "times",
        "words",
    )  # fmt: skip

    def __init__(self, rule: Rule, bit: int, scale: int) -> None:
        self.rule = rule
        self.name = rule.name
        self.bit = bit
        self.lined = bool(rule.line_conditions)
        self.by_item = rule.effect is Effect.PER_ITEM
        self.counts = rule.effect not in (Effect.FIXED, Effect.TIMES)
        self.bounded = rule.whole_units or rule.bounded
        self.words = tuple(each for each in rule.conditions if isinstance(each, OneOf))
        self.asks = tuple(each.holds for each in rule.conditions if not isinstance(each, OneOf))
        self.times = (rule.rate.numerator, rule.rate.denominator)
        self.number = _whole(rule.rate, scale)
        self.by_currency = {currency: _whole(rate, scale) for currency, rate in rule.per_minor.items()}

    def number_in(self, currency: str) -> int | None:
        """What it gives for one minor unit (or item); None where it has no unit for the currency."""
        return self.number if self.by_item else self.by_currency.get(currency)


class Alike:
    """Rules that give in the same way, in the order of the file. Few sets of them ever hold: these are remembered."""

    __slots__ = ("_bits", "_known", "_rules")

    def __init__(self, rules: Sequence[ReadyRule]) -> None:
        self._rules = rules
        self._bits = sum(each.bit for each in rules)
        self._known: dict[Any, tuple[ReadyRule, ...]] = {}

    def among(self, bits: int) -> tuple[ReadyRule, ...]:
        """Those of them that are in this set."""
        mine = bits & self._bits
        found = self._known.get(mine)
        if found is None:
            found = tuple(each for each in self._rules if each.bit & mine)
            _remember(self._known, mine, found, SETS_REMEMBERED)
        return found


class OfAsset:
    """The rules that give one asset: all of them, and by what they give.

    `bounded` is true where the program bounds what all of them give together, `levelled` where the member's level
    multiplies it: not what goes to a charity.
    """

    __slots__ = (
        "asset",
        "base",
        "bonuses",
        "bounded",
        "levelled",
        "multipliers",
        "rounding",
        "rounds_down",
        "rules",
    )

    def __init__(self, asset: str, rules: Sequence[ReadyRule], rounding: Rounding, bounded: bool) -> None:
        self.asset = asset
        self.levelled = not asset.startswith("donation:")
        self.rounding = rounding
        self.rounds_down = rounding is Rounding.DOWN
        self.bounded = bounded
        self.rules = rules
        self.base = _alike(rules, Effect.PER_AMOUNT, Effect.PER_ITEM)
        self.multipliers = _alike(rules, Effect.TIMES)
        self.bonuses = _alike(rules, Effect.FIXED, Effect.BONUS_PER_AMOUNT)


class Prepared:
    """All rules of one trigger. `unlined` are those that name no lines, `loners` those that are not stackable."""

    __slots__ = (
        "_asking", "_by_labels", "_by_words", "_labels_of", "_ready", "_words_of",
        "assets", "loners", "scale", "unlined",
    )  # fmt: skip

    def __init__(
        self,
        rules: Sequence[Rule],
        scale: int,
        rounding_of: Callable[[str], Rounding],
        bounded: Container[str],
    ) -> None:
        self.scale = scale
        ready = self._ready = [ReadyRule(rule, 1 << place, scale) for place, rule in enumerate(rules)]
        self.unlined = sum(each.bit for each in ready if not each.lined)
        self.loners = sum(each.bit for each in ready if not each.rule.stackable)
        self.assets = tuple(
            OfAsset(
                asset,
                tuple(each for each in ready if each.rule.asset == asset),
                rounding_of(asset),
                asset in bounded,
            )
            for asset in dict.fromkeys(rule.asset for rule in rules)
        )
        self._asking = [each for each in ready if each.asks]
        self._words_of = _reader(word.name for each in ready for word in each.words)
        self._by_words: dict[Any, int] = {}
        self._labels_of = _reader(each.label for rule in rules for each in rule.line_conditions)
        self._by_labels: dict[Any, int] = {}

    def holding(self, facts: Facts, bits: int) -> int:
        """Those of these rules whose conditions on the whole event hold."""
        bits &= self._by_words_of(facts)
        for ready in self._asking:
            if bits & ready.bit:
                for ask in ready.asks:
                    if not ask(facts):
                        bits &= ~ready.bit
                        break
        return bits

    def _by_words_of(self, facts: Facts) -> int:
        """The rules that the words of an event (its channel, the member's level, ...) leave over."""
        words = self._words_of(facts)
        bits = self._by_words.get(words)
        if bits is None:
            bits = sum(each.bit for each in self._ready if all(word.holds(facts) for word in each.words))
            _remember(self._by_words, words, bits, WORDS_REMEMBERED)
        return bits

    def by_labels(self, line: OrderLine) -> int:
        """The rules that a line leaves over, those among them that name no lines.

        Remembered for all its labels together: a product has always the same.
        """
        labels = self._labels_of(line)
        bits = self._by_labels.get(labels)
        if bits is None:
            bits = sum(each.bit for each in self._ready if each.rule.covers(line))
            _remember(self._by_labels, labels, bits, PRODUCTS_REMEMBERED)
        return bits


def _reader(names: Iterable[str]) -> Callable[[Any], Any]:
    """Reads all of these attributes at once, as a key."""
    asked = sorted(set(names))
    return attrgetter(*asked) if asked else lambda _: None


def _remember(known: dict[Any, V], key: Any, answer: V, limit: int) -> None:
    if len(known) >= limit:
        known.clear()
    known[key] = answer


def _alike(rules: Sequence[ReadyRule], *effects: Effect) -> Alike:
    return Alike([each for each in rules if each.rule.effect in effects])


def _whole(rate: Fraction, scale: int) -> int:
    return rate.numerator * (scale // rate.denominator)
