"""Numbers as people read them: `6,919`, `2.1 %`, `5,240.36 USD`, `1 Jan 1997`.

What a newcomer would get wrong: an amount is no number without its asset. 500 are 500 points, but 5.00 EUR of credit.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from services.ledger.simulation.trial import CREDIT, MONEY
from shared.money import digits_of, rounded, to_decimal_string

UNKNOWN = "not known"


def whole(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def counted(number: int, thing: str) -> str:
    """`1 order`, `6,919 orders`."""
    return f"{whole(number)} {thing}{'' if number == 1 else 's'}"


def amount(asset: str, number: int) -> str:
    """So much of an asset: `357,294` points, `5.00 EUR` of store credit or donations."""
    return money(number, asset.partition(":")[2]) if asset.startswith(MONEY) else whole(number)


def short(asset: str, number: int) -> str:
    """The same beside an axis: no currency, and no cents where there are none."""
    if not asset.startswith(MONEY):
        return whole(number)
    units, cents = divmod(number, 10 ** digits_of(asset.partition(":")[2]))
    return amount(asset, number).partition(" ")[0] if cents else whole(units)


def noun(asset: str) -> str:
    """What is counted, in words."""
    kind = "store credit" if asset.startswith(CREDIT) else "donations"
    return f"{kind} in {asset.partition(':')[2]}" if asset.startswith(MONEY) else asset


def signed(text: str, number: int) -> str:
    """A difference: the number as it is told, with its sign."""
    return f"{'+' if number > 0 else '' if number else '±'}{text}"


def percent(share: Fraction | None) -> str:
    """A share in percent, to one decimal, half a one up."""
    if share is None:
        return UNKNOWN
    tenths = _tenths(share)
    return f"{tenths // 10:,}.{tenths % 10} %"


def percent_difference(before: Fraction | None, after: Fraction | None) -> str:
    """By how many percentage points two shares differ as they are shown."""
    if before is None or after is None:
        return ""
    tenths = _tenths(after) - _tenths(before)
    sign = "±" if not tenths else "+" if tenths > 0 else "-"
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10} pp"


def decimal(number: Fraction) -> str:
    """A number to two decimals, half a one up."""
    hundredths = rounded(number * 100 + Fraction(1, 2))
    return f"{hundredths // 100:,}.{hundredths % 100:02}"


def money(minor: int, currency: str) -> str:
    """An amount with its currency, its thousands apart."""
    sign = "-" if minor < 0 else ""
    units, dot, fraction = to_decimal_string(abs(minor), currency).partition(".")
    return f"{sign}{int(units):,}{dot}{fraction} {currency}"


def day(moment: date) -> str:
    """A day, with its month in letters, so that nobody takes it for another."""
    return f"{moment.day} {moment:%b %Y}"


def _tenths(share: Fraction) -> int:
    return rounded(share * 1000 + Fraction(1, 2))
