"""An order as it was paid: what each line costs after the order's discount, and what paid it.

What a newcomer would get wrong: `value` of a line is before the discount of the order, `cost` after it; what
points, credit or gift cards paid is a part of the cost, never off it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from shared.errors import Kind, ServiceError
from shared.events import OrderLine, OrderPaid, PaidWith
from shared.money import largest_remainder, minor_units

Share = int | Fraction
"""An exact number; a plain `int` wherever nothing had to be divided."""

_NONE_REMOVED: Final[frozenset[str]] = frozenset()


class DuplicateLine(ServiceError):
    """Two lines of an order have the same id."""

    kind = Kind.INVALID
    code = "duplicate_line"


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of an order; amounts in minor units.

    `value` is before the discount of the order and `cost` after it. `tax_share` is the part of the price that
    is tax, `added_tax` what was added to it; `otherwise` is how much of the cost and of the added tax points,
    credit or gift cards paid.
    """

    id: str
    value: int
    cost: int
    otherwise: int
    quantity: Share
    tax_share: Share
    added_tax: int
    item: OrderLine

    @property
    def money(self) -> int:
        """What was paid for it in money, with the tax that was added to its price."""
        return self.cost - self.otherwise + self.added_tax

    @property
    def cost_in_money(self) -> Share:
        """What was paid of its cost in money: a payment in part covers cost and added tax in the same share."""
        if not (self.added_tax and self.otherwise):
            return self.cost - self.otherwise
        return plain(Fraction(self.money * self.cost, self.cost + self.added_tax))

    @property
    def is_gift_card(self) -> bool:
        """True where a gift card was bought."""
        return self.item.gift_card


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as it was paid, before any refund; amounts in minor units of `currency`.

    `shipping_otherwise` covers shipping and the tax added to it. `removed` are the lines that an earlier
    version of the order had: a refund of one of them counts nothing.
    """

    id: str
    currency: str
    total: int
    lines: tuple[Line, ...]
    shipping: int
    shipping_otherwise: int
    shipping_tax_share: Share
    added_tax: int
    paid_with: tuple[PaidWith, ...]
    removed: frozenset[str]

    @property
    def items(self) -> int:
        """The items after discounts, however they were paid, without shipping."""
        return sum([line.cost for line in self.lines])

    @property
    def shipping_tax(self) -> int:
        """The tax that was added to shipping."""
        return self.added_tax - sum([line.added_tax for line in self.lines])


def order_of(paid: OrderPaid, program_currency: str, removed: Iterable[str] = ()) -> Order:
    """The order that an `order.paid` states.

    An order that gives only a total is one line of that value, less its shipping and the tax that was added.
    A discount larger than the lines is cut to them, and what paid the order otherwise to its cost with tax.
    `removed` names the lines of earlier versions of this order; those that are in it again do not count as
    removed.

    Raises:
        DuplicateLine: two lines have the same id.
        InvalidAmount: an amount is finer than its currency.
        UnknownCurrency: the currency is not in ISO 4217.
    """
    currency = paid.currency or program_currency
    total = minor_units(paid.total, currency)
    shipping = minor(paid.shipping, currency)
    discount = minor(paid.discount, currency)
    items: Sequence[OrderLine] = paid.lines
    if items:
        values = [minor_units(item.total, currency) for item in items]
    else:
        added = 0 if paid.tax_included or paid.tax is None else minor_units(paid.tax, currency)
        items, values = _only_line(paid), [max(0, total - shipping - added) + discount]
    ids = _line_ids(items)
    costs = _less_discount(values, discount) if discount else values
    nothing: list[int] = [0] * len(costs)
    otherwise, shipping_otherwise = nothing, 0
    taxes = _taxes(paid, currency, values, costs, shipping)
    if paid.paid_with:
        otherwise, shipping_otherwise = _paid_otherwise(paid, currency, costs, shipping, taxes)
    return Order(
        id=paid.order_id,
        currency=currency,
        total=total,
        lines=tuple(
            map(
                Line,
                ids,
                values,
                costs,
                otherwise,
                [1 if item.quantity == "1" else exact(item.quantity) for item in items],
                taxes.shares or nothing,
                taxes.added or nothing,
                items,
            )
        ),
        shipping=shipping,
        shipping_otherwise=shipping_otherwise,
        shipping_tax_share=taxes.shipping_share,
        added_tax=taxes.all_added,
        paid_with=paid.paid_with,
        removed=frozenset(removed).difference(ids) if removed else _NONE_REMOVED,
    )


def exact(decimal: str) -> Share:
    """The exact number of a decimal string, an `int` where it is whole."""
    return int(decimal) if decimal.isdecimal() else plain(Fraction(decimal))


def plain(number: Share) -> Share:
    """An `int` where the number is whole: ten times faster to go on with."""
    return number.numerator if number.denominator == 1 else number


def minor(amount: str, currency: str) -> int:
    """`minor_units`, quick about the zero that most orders have for discount and shipping."""
    return 0 if amount == "0" else minor_units(amount, currency)


def _only_line(paid: OrderPaid) -> Sequence[OrderLine]:
    return (OrderLine(total=paid.total),)


def _line_ids(items: Sequence[OrderLine]) -> list[str]:
    """The lines' ids; one without is known by its place."""
    ids = [item.line_id or str(place) for place, item in enumerate(items, 1)]
    if len(ids) > 1 and len(set(ids)) != len(ids):
        twice = sorted(line_id for line_id in set(ids) if ids.count(line_id) > 1)
        raise DuplicateLine(f"More than one line is called {twice[0]!r}.", lines=twice[:20])
    return ids


def _less_discount(values: list[int], discount: int) -> list[int]:
    cut = largest_remainder(min(discount, sum(values)), values)
    return [value - part for value, part in zip(values, cut, strict=True)]


def _paid_otherwise(
    paid: OrderPaid, currency: str, costs: list[int], shipping: int, taxes: _Taxes
) -> tuple[list[int], int]:
    """What points, credit or gift cards paid of each line and of shipping, by cost with the tax that was added."""
    weights = [*costs, shipping]
    if taxes.added is not None:
        added = [*taxes.added, taxes.all_added - sum(taxes.added)]
        weights = [cost + tax for cost, tax in zip(weights, added, strict=True)]
    amount = sum(minor_units(part.amount, currency) for part in paid.paid_with)
    *of_lines, of_shipping = largest_remainder(min(amount, sum(weights)), weights)
    return of_lines, of_shipping


class _Taxes(msgspec.Struct, frozen=True):
    """The share of tax in each line's price, or the tax added to each; None where there is none."""

    shares: list[Share] | None = None
    added: list[int] | None = None
    shipping_share: Share = 0
    all_added: int = 0


_NO_TAXES: Final = _Taxes()


def _taxes(paid: OrderPaid, currency: str, values: list[int], costs: list[int], shipping: int) -> _Taxes:
    """The lines' own word comes first; without any, the order's tax is spread over lines and shipping by
    cost: exactly where prices hold it, in minor units where it is added, since then it is money that was paid."""
    for item in paid.lines:
        if item.tax is not None:
            taxes = [0 if item.tax is None else minor_units(item.tax, currency) for item in paid.lines]
            if not paid.tax_included:
                return _Taxes(added=taxes, all_added=sum(taxes))
            return _Taxes(shares=[_tax_share(tax, value) for tax, value in zip(taxes, values, strict=True)])
    if paid.tax is None:
        return _NO_TAXES
    tax = minor_units(paid.tax, currency)
    if paid.tax_included:
        share = _tax_share(tax, sum(costs) + shipping)
        return _Taxes(shares=[share] * len(costs), shipping_share=share)
    *taxes, _ = largest_remainder(tax, [*costs, shipping])
    return _Taxes(added=taxes, all_added=tax)


def _tax_share(tax: int, price: int) -> Share:
    """Which part of a price is tax, at most all of it."""
    return plain(Fraction(min(tax, price), price)) if price else 0
