"""What of an order counts, line by line, as a rule or a ladder says it.

What a newcomer would get wrong: shipping and fees belong to no line. Where they count, they are spread over
the lines that count, so that an order whose lines all came back counts nothing. Lines that cost nothing at all
have equal parts of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from shared.orders.paid import Line, Order, Share, plain
from shared.orders.refunds import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What of an order counts, as a rule or a ladder says it.

    Default: the items after discounts, with the tax as charged, without shipping, without gift cards that
    were bought and without what points, credit or gift cards paid.
    """

    total: bool = False
    """Count the order's total instead of its items: what it has beside items and shipping comes in too."""
    tax: bool = True
    """As charged; False takes the tax out."""
    shipping: bool = False
    gift_cards: bool = False
    paid_otherwise: bool = False


ITEMS: Final = Basis()
"""The default of every rule."""


def basis_by_line(order: Order, basis: Basis = ITEMS, kept: Kept | None = None) -> tuple[Share, ...]:
    """What of each line counts, in minor units; the sum is what of the order counts.

    Shipping, and what the total has beside items and shipping (such as tax that is added), belongs to no
    line: where it counts it is spread over the lines that count, by what they cost. Tax is taken out as an
    exact fraction. With `kept`, every line counts in the share of it that is kept.
    """
    if basis is ITEMS or basis == ITEMS:
        is_plain = not (order.added_tax and order.paid_with)
        parts: list[Share] = [
            0 if line.item.gift_card else line.cost - line.otherwise if is_plain else line.cost_in_money
            for line in order.lines
        ]
    else:
        parts = [_counting(line, basis) for line in order.lines]
    if kept is not None:
        parts = [plain(part * share) for part, share in zip(parts, kept.shares, strict=True)]
    if basis.shipping or basis.total:
        parts = _with_extras(order, basis, kept, parts)
    return tuple(parts)


def items_after_discounts(order: Order, kept: Kept | None = None) -> Share:
    """What `order_at_least` looks at, in minor units: the items after discounts over the whole order, however
    they were paid, gift cards that were bought left out."""
    if kept is None:
        return sum([line.cost for line in order.lines if not line.item.gift_card])
    return plain(
        sum(
            line.cost * share
            for line, share in zip(order.lines, kept.shares, strict=True)
            if not line.item.gift_card
        )
    )


def quantities(order: Order, kept: Kept | None = None, basis: Basis = ITEMS) -> tuple[Share, ...]:
    """How much of each line counts for rules by the item: its quantity, in the share of it that is kept; none of
    a gift card that was bought, unless the basis counts these."""
    counting = [line.quantity if basis.gift_cards or not line.item.gift_card else 0 for line in order.lines]
    if kept is None:
        return tuple(counting)
    return tuple(plain(quantity * share) for quantity, share in zip(counting, kept.shares, strict=True))


def _counting(line: Line, basis: Basis) -> Share:
    if line.item.gift_card and not basis.gift_cards:
        return 0
    part = line.cost if basis.paid_otherwise else line.cost_in_money
    if basis.tax or not line.tax_share:
        return part
    return plain(part * (1 - line.tax_share))


def _with_extras(order: Order, basis: Basis, kept: Kept | None, parts: list[Share]) -> list[Share]:
    """Add what belongs to no line, spread over the lines that count by what they cost."""
    counting = [basis.gift_cards or not line.item.gift_card for line in order.lines]
    costs = [line.cost if counts else 0 for line, counts in zip(order.lines, counting, strict=True)]
    if not any(costs):
        costs = [int(counts) for counts in counting]
    weights: list[Share] = (
        [*costs] if kept is None else [cost * share for cost, share in zip(costs, kept.shares, strict=True)]
    )
    whole = sum(weights)
    if not whole:
        return parts
    extra = (_shipping(order, basis, kept) if basis.shipping else 0) + (
        _beside(order, basis) * Fraction(whole) / sum(costs) if basis.total else 0
    )
    return [
        plain(part + Fraction(extra) * weight / whole) for part, weight in zip(parts, weights, strict=True)
    ]


def _shipping(order: Order, basis: Basis, kept: Kept | None) -> Share:
    """What of the delivery's price counts."""
    price: Share = order.shipping if kept is None else kept.shipping
    if not price:
        return 0
    if not basis.paid_otherwise:
        price -= order.shipping_otherwise * Fraction(price) / (order.shipping + order.shipping_tax)
    return price if basis.tax else price * (1 - order.shipping_tax_share)


def _beside(order: Order, basis: Basis) -> Share:
    """What the total has beside items and shipping: fees, and tax where it is added to prices.

    A total below what items and shipping cost takes nothing away: the lines say more than a sum does, and what
    lowers an order is said as its discount.
    """
    beside: Share = order.total - order.items - order.shipping
    if not basis.tax:
        beside -= order.added_tax
    elif order.added_tax and order.paid_with and not basis.paid_otherwise:
        beside -= _added_tax_paid_otherwise(order)
    return max(0, beside)


def _added_tax_paid_otherwise(order: Order) -> Share:
    of_lines = sum(line.otherwise - (line.cost - line.cost_in_money) for line in order.lines)
    of_shipping = order.shipping + order.shipping_tax
    return of_lines + (
        Fraction(order.shipping_otherwise * order.shipping_tax, of_shipping) if of_shipping else 0
    )
