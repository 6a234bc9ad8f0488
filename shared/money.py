"""Money and points as whole numbers: minor units by ISO 4217, exact splits, rounding.

Pure. Money comes in and goes out as a decimal string; inside, it is an integer of minor units of its
currency.

What a newcomer would get wrong: a currency does not have two decimals. JPY has none, KWD three, CLF four,
gold has no minor unit at all; the digits always come from the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from iso4217 import Currency as _IsoCurrency

from shared.errors import Kind, ServiceError

DIGITS: Final = MappingProxyType(
    {entry.code: entry.exponent for entry in _IsoCurrency if entry.exponent is not None}
)
"""Decimals of every currency that has minor units."""

AMOUNTS_REMEMBERED: Final = 16_384  # three megabytes

_SCALES: Final = {code: (digits, 10**digits) for code, digits in DIGITS.items()}
_AMOUNT: Final = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,4}))?").fullmatch


class InvalidAmount(ServiceError):
    """An amount of money is not a decimal number that its currency can pay."""

    kind = Kind.INVALID
    code = "invalid_amount"


class UnknownCurrency(ServiceError):
    """A currency code is not in ISO 4217, or has no minor unit, as gold."""

    kind = Kind.INVALID
    code = "unknown_currency"


class Rounding(Enum):
    """How a fraction becomes a whole number."""

    DOWN = "down"
    HALF_UP = "half-up"
    UP = "up"


def digits_of(currency: str) -> int:
    """How many decimals the currency has.

    Raises:
        UnknownCurrency: the code is not in the table, or has no minor unit.
    """
    return _scale(currency)[0]


@lru_cache(maxsize=AMOUNTS_REMEMBERED)
def minor_units(amount: str, currency: str) -> int:
    """The amount in minor units, exactly: `minor_units("12.3", "EUR") == 1230`.

    Trailing zeros beyond the currency's decimals are no fraction: `"5.00"` JPY is 5. Amounts are remembered: a shop has
    few prices.

    Raises:
        InvalidAmount: not a decimal number, or a fraction smaller than the currency has.
        UnknownCurrency: the code is not in the table, or has no minor unit.
    """
    digits, scale = _SCALES.get(currency) or _scale(currency)
    whole, dot, fraction = amount.partition(".")
    number = whole + fraction
    # Nearly every amount is written with just the decimals of its currency: no need for the pattern then.
    usual = len(fraction) == digits and bool(dot) == bool(digits) and 0 < len(whole) <= 15
    if usual and number.isdecimal() and number.isascii():
        return int(number)
    match = _AMOUNT(amount)
    if match is None:
        raise InvalidAmount(f"{amount[:40]!r} is no amount of money, such as 12.50.", amount=amount[:40])
    sign, whole, fraction = match.groups(default="")
    minor = int(whole) * scale + _fraction(fraction, digits, amount, currency)
    return -minor if sign else minor


def to_decimal_string(minor: int, currency: str) -> str:
    """The decimal string of an amount in minor units, with all decimals of its currency.

    Raises:
        UnknownCurrency: the code is not in the table, or has no minor unit.
    """
    digits, scale = _scale(currency)
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), scale)
    return f"{sign}{whole}.{fraction:0{digits}d}" if digits else f"{sign}{whole}"


def largest_remainder(total: int, weights: Sequence[int | Fraction]) -> list[int]:
    """Split a whole number by weights into whole numbers that add up to it.

    Each part is the exact share rounded down; what is left goes one by one to the largest remainders, at a
    tie to the earlier part. A part of weight 0 gets nothing; weights that are all 0 split evenly, by the same
    rule. A negative total is the mirror image of the positive one.

    `largest_remainder(500, [2500, 4000]) == [192, 308]`
    """
    assert weights, "nothing to split over"
    assert min(weights) >= 0, "a weight is never below zero"
    if total < 0:
        return [-part for part in largest_remainder(-total, weights)]
    whole = sum(weights)
    if not whole:
        return largest_remainder(total, [1] * len(weights))
    parts, remainders = [], []
    for weight in weights:
        part, remainder = divmod(total * weight, whole)
        parts.append(part)
        remainders.append(remainder)
    missing = total - sum(parts)
    if missing == 1:
        parts[remainders.index(max(remainders))] += 1
    elif missing:
        # `sorted` is stable also in reverse, so among equal remainders the earlier part comes first.
        for index in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:missing]:
            parts[index] += 1
    return parts


def rounded(value: int | Fraction, rounding: Rounding = Rounding.DOWN) -> int:
    """A whole number of a value that is not below zero.

    `half-up` means that exactly half a point is a point.
    """
    assert value >= 0, "what is earned is never below zero"
    if rounding is Rounding.DOWN:
        return value.__floor__()
    if rounding is Rounding.UP:
        return value.__ceil__()
    return (value + Fraction(1, 2)).__floor__()


def _scale(currency: str) -> tuple[int, int]:
    try:
        return _SCALES[currency]
    except KeyError:
        raise UnknownCurrency(
            f"{currency[:10]!r} is no currency of ISO 4217 that has minor units.", currency=currency[:10]
        ) from None


def _fraction(fraction: str, digits: int, amount: str, currency: str) -> int:
    if len(fraction) > digits:
        if fraction[digits:].strip("0"):
            raise InvalidAmount(
                f"{amount} {currency} is finer than the currency: it has {digits} decimals.",
                amount=amount,
                currency=currency,
            )
        fraction = fraction[:digits]
    return int(fraction.ljust(digits, "0") or "0")
