"""What a customer keeps of an order after its refunds.

What a newcomer would get wrong: what is kept is a function of the *set* of refunds. Nothing here takes one
refund off a running sum, since refunds arrive in any order, twice, and before their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from shared.errors import Kind, ServiceError
from shared.events import OrderRefunded, RefundLine
from shared.money import minor_units
from shared.orders.paid import Line, Order, Share, exact, minor, plain


class UnknownLine(ServiceError):
    """A refund names a line that the order never had."""

    kind = Kind.INVALID
    code = "unknown_line"


class CurrencyMismatch(ServiceError):
    """A refund is in another currency than its order."""

    kind = Kind.INVALID
    code = "currency_mismatch"


class NothingRefunded(ServiceError):
    """A refund names neither lines, nor an amount, nor shipping, nor anything given back."""

    kind = Kind.INVALID
    code = "nothing_refunded"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """One refund of an order; amounts in minor units.

    `items` is the money given back for items where the refund says a sum; None = the worth of the lines it
    names. `lines` are the shares of the lines that came back and what was given back for each, where it is
    said.
    """

    id: str
    items: Share | None
    shipping: int
    lines: tuple[tuple[str, Share, int | None], ...]
    otherwise: int


class Kept(msgspec.Struct, frozen=True):
    """What a customer keeps of an order after its refunds.

    `shares[i]` is the kept part of line `i`, from 0 to 1: every basis and quantity of the line shrinks by it.
    `items` is the money kept for items, `of_items` and `items_total` the items after discounts however they
    were paid, kept and bought, without shipping; `shipping` is what is kept of the delivery's price. All in
    minor units. `excess` is by how much more was given back than the order cost; somebody should look at it.
    """

    shares: tuple[Share, ...]
    items: Share
    of_items: Share
    items_total: int
    shipping: int
    excess: Share = 0


def refund_of(refunded: OrderRefunded, order: Order) -> Refund:
    """The refund that an `order.refunded` states, of the lines of this order.

    Its `amount` is all of it in money, named shipping included. A line that an edit removed counts nothing,
    nor does the money of a refund that names such lines alone; where it names others too and one sum, that
    sum counts up to the worth of the others.

    Raises:
        UnknownLine: it names a line that the order never had.
        CurrencyMismatch: it is in another currency than the order.
        NothingRefunded: it names nothing at all.
        InvalidAmount: an amount is finer than its currency.
    """
    if refunded.currency is not None and refunded.currency != order.currency:
        raise CurrencyMismatch(
            f"The refund is in {refunded.currency}, the order in {order.currency}.", order_id=order.id
        )
    if not (refunded.lines or refunded.amount or refunded.shipping or refunded.given_back):
        raise NothingRefunded(
            f"The refund {refunded.refund_id} names neither lines nor an amount.", order_id=order.id
        )
    known = {line.id: line for line in order.lines}
    lines = tuple(
        _returned(known[named.line_id], named, order.currency)
        for named in refunded.lines
        if _is_in(order, known, named)
    )
    shipping = minor(refunded.shipping or "0", order.currency)
    return Refund(
        id=refunded.refund_id,
        items=_items_money(refunded, order, known, lines, shipping),
        shipping=shipping,
        lines=lines,
        otherwise=sum(minor_units(part.amount, order.currency) for part in refunded.given_back),
    )


def kept(order: Order, refunds: Sequence[Refund] = ()) -> Kept:
    """What is kept of the order after these refunds, whatever their order.

    The money kept for items is `min(money paid for the lines still kept, money paid for items - money given
    back for items)`, never below 0, spread over the lines still kept by value. A line gives back at most its
    value. An order for which no money was paid is reckoned the same way by what paid it otherwise.
    """
    if not refunds:
        return _all_kept(order)
    unreturned = _unreturned(order, refunds)
    paid = [line.money for line in order.lines]
    given_back = _money_back(order, refunds)
    ratio, items, excess = _kept_ratio(paid, unreturned, given_back)
    if not any(paid):
        paid = [line.otherwise for line in order.lines]
        ratio, _, more = _kept_ratio(paid, unreturned, sum(refund.otherwise for refund in refunds))
        excess += more
    shares = tuple(plain(share * ratio) for share in unreturned)
    shipping_back = sum(refund.shipping for refund in refunds)
    return Kept(
        shares=shares,
        items=plain(items),
        of_items=plain(sum(line.cost * share for line, share in zip(order.lines, shares, strict=True))),
        items_total=order.items,
        shipping=max(0, order.shipping - shipping_back),
        excess=plain(excess + max(0, shipping_back - order.shipping)),
    )


def nothing_kept(order: Order) -> Kept:
    """What is kept of an order that was called off."""
    return Kept(shares=(0,) * len(order.lines), items=0, of_items=0, items_total=order.items, shipping=0)


def _is_in(order: Order, known: Mapping[str, Line], named: RefundLine) -> bool:
    """False for a line that an edit removed.

    Raises:
        UnknownLine: the order never had it.
    """
    if named.line_id in known:
        return True
    if named.line_id in order.removed:
        return False
    raise UnknownLine(
        f"The order {order.id} has no line {named.line_id!r}.", order_id=order.id, line_id=named.line_id
    )


def _returned(line: Line, named: RefundLine, currency: str) -> tuple[str, Share, int | None]:
    """Which share of a line came back and what was given back for it, where the refund says so."""
    amount = None if named.amount is None else minor_units(named.amount, currency)
    if named.quantity is not None:
        share = Fraction(exact(named.quantity)) / line.quantity if line.quantity else 1
    elif amount is not None:
        share = Fraction(amount, line.money) if line.money else 1
    else:
        share = 1
    return line.id, min(share, 1), amount


def _items_money(
    refunded: OrderRefunded,
    order: Order,
    known: Mapping[str, Line],
    lines: Sequence[tuple[str, Share, int | None]],
    shipping: int,
) -> Share | None:
    """The sum of money that a refund says it gave back for items; None = it says none."""
    if refunded.amount is None:
        return None if lines else 0
    amount = max(0, minor_units(refunded.amount, order.currency) - shipping)
    if len(lines) == len(refunded.lines):
        return amount
    worth = sum(
        known[line_id].money * share if said is None else min(said, known[line_id].money)
        for line_id, share, said in lines
    )
    return min(amount, plain(worth))


def _unreturned(order: Order, refunds: Sequence[Refund]) -> list[Share]:
    """Which share of each line never came back."""
    returned: dict[str, Share] = {}
    for refund in refunds:
        for line_id, share, _ in refund.lines:
            returned[line_id] = returned.get(line_id, 0) + share
    return [max(0, 1 - returned.get(line.id, 0)) for line in order.lines]


def _money_back(order: Order, refunds: Sequence[Refund]) -> Share:
    """The money given back for items: sums as they are said, lines without a sum up to their worth."""
    said: Share = 0
    by_line: dict[str, Share] = {}
    worth = {line.id: line.money for line in order.lines}
    for refund in refunds:
        if refund.items is not None:
            said += refund.items
            continue
        for line_id, share, amount in refund.lines:
            by_line[line_id] = by_line.get(line_id, 0) + (
                worth[line_id] * share if amount is None else amount
            )
    return said + sum(min(back, worth[line_id]) for line_id, back in by_line.items())


def _kept_ratio(
    paid: Sequence[int], unreturned: Sequence[Share], given_back: Share
) -> tuple[Share, Share, Share]:
    """What is kept as a ratio of the lines not returned, as an amount, and how much too much went back."""
    of_lines = sum(amount * share for amount, share in zip(paid, unreturned, strict=True))
    left = sum(paid) - given_back
    amount = max(0, min(of_lines, left))
    # A line that cost nothing is kept like the others; where all that was paid for came back, it goes with them.
    ratio = Fraction(amount) / of_lines if of_lines else int(not any(paid))
    return plain(ratio), amount, max(0, -left)


def _all_kept(order: Order) -> Kept:
    items = order.items
    return Kept(
        shares=(1,) * len(order.lines),
        items=sum([line.money for line in order.lines]),
        of_items=items,
        items_total=items,
        shipping=order.shipping,
    )
