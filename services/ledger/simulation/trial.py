"""What is tried: a program, what it gives and what that is worth, and what is assumed of its customers.

Example: `at_checkout: {points: 100, are_worth: 2.00 USD}` makes a point worth 2 cents; 262,018 points are then worth
5,240.36 USD. A program that says nothing of the kind needs `--point-value "2.00 USD per 100"`, or has no cost in money.
Store credit is money already; stamps and the like are worth what nobody can say.

What a newcomer would get wrong: an assumption is part of the result. Each one becomes a sentence of the report, so that
nobody takes a trial without spending for a forecast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from services.ledger.domain.donations import PREFIX
from services.ledger.domain.program import After, LedgerProgram
from services.ledger.domain.records import POINTS
from shared.calendar import midnight_after
from shared.errors import InvalidInput
from shared.money import digits_of, rounded
from shared.programs import Versions

CREDIT = "credit:"  # store credit of a currency; its unit is the minor unit
MONEY = (CREDIT, PREFIX)  # so is that of what the merchant donates
USUAL_FULFILMENT_DAYS = 3  # a parcel within a country
_VALUE = re.compile(
    r"(?P<amount>\d{1,9}(?:\.\d{1,6})?) (?P<currency>[A-Z]{3})(?: per (?P<points>[1-9]\d{0,8}))?"
)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?) ?%")


@dataclass(frozen=True, slots=True)
class Value:
    """What one unit of an asset is worth, in exact minor units of a currency, and who says so."""

    minor: Fraction
    currency: str
    words: str

    def worth(self, amount: int) -> int:
        """What so many are worth, in whole minor units, half a one up."""
        return rounded(self.minor * amount + Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the orders do not tell: until when members are watched, and what they and the shop do besides ordering."""

    closing_day: date
    redeemed_share: Fraction = Fraction(0)
    sign_ups: bool = True
    fulfilled_after: timedelta = timedelta(days=USUAL_FULFILMENT_DAYS)


@dataclass(frozen=True, slots=True)
class Trial:
    """A program to be tried; `label` tells it from the one beside it, `values` say what its assets are worth."""

    label: str
    title: str
    program_id: str
    rules: LedgerProgram
    values: Mapping[str, Value]

    @property
    def asset(self) -> str:
        """What the report is about: points where any rule gives them, else store credit, else what comes first."""
        assets = self.rules.assets
        if POINTS in assets or not assets:
            return POINTS
        return next((asset for asset in assets if asset.startswith(CREDIT)), assets[0])

    @property
    def value(self) -> Value | None:
        """What one unit of that is worth; None for unknown."""
        return self.values.get(self.asset)

    @property
    def versions(self) -> Versions[LedgerProgram]:
        """The program as the only version, in force from the beginning of time."""
        return Versions.only(self.program_id, self.rules)

    @property
    def waits_for_fulfilment(self) -> bool:
        """Whether any award waits until the order is handed over."""
        waits = [self.rules.waits, *self.rules.asset_waits.values()]
        return any(wait.after is After.FULFILMENT for each in waits for wait in each.values())

    def closing(self, assumptions: Assumptions) -> datetime:
        """The end of the closing day in the program's zone; what is due at that midnight is done."""
        return midnight_after(assumptions.closing_day, self.rules.zone)


def values_of(program: LedgerProgram, said: str | None) -> dict[str, Value]:
    """What the assets of a program are worth, where that is known: points as `--point-value` says, else as they pay.

    Raises:
        InvalidInput: what was said is no value of a point.
    """
    money = [asset for asset in program.assets if asset.startswith(MONEY)]
    values = {asset: Value(Fraction(1), asset.partition(":")[2], "as money") for asset in money}
    checkout = program.checkout
    if said is not None:
        values[POINTS] = _said(said)
    elif checkout is not None:
        minor = Fraction(checkout.block_minor, checkout.block_points)
        values[POINTS] = Value(minor, checkout.currency, "as the program pays them at checkout")
    return values


def share_of(text: str) -> Fraction:
    """A share such as `60%`.

    Raises:
        InvalidInput: it is none between 0 % and 100 %.
    """
    found = _SHARE.fullmatch(text.strip())
    share = Fraction(found[1]) / 100 if found else Fraction(2)
    if share > 1:
        raise InvalidInput(f"--redeem: write a share from 0% to 100%, such as 60%, not {text!r}")
    return share


def require_checkout(trials: Sequence[Trial]) -> None:
    """Members can spend points at an order only where a program says how.

    Raises:
        InvalidInput: none does.
    """
    if all(trial.rules.checkout is None for trial in trials):
        raise InvalidInput(
            f"--redeem: {trials[0].label} does not say what points pay at checkout; add `spend: {{at_checkout: "
            f"{{points: 100, are_worth: 1.00 {trials[0].rules.currency}}}}}` to its section `ledger`"
        )


def _said(text: str) -> Value:
    found = _VALUE.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(
            f'--point-value: write what points are worth, such as "2.00 EUR per 100" or "0.02 EUR", not {text!r}'
        )
    scale = 10 ** digits_of(found["currency"])
    minor = Fraction(found["amount"]) * scale / int(found["points"] or 1)
    return Value(minor, found["currency"], "as --point-value says")
