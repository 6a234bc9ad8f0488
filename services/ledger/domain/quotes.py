"""What a cart could pay with points, and why not with more.

Worked example: 100 points are worth 1.00 EUR, in orders from 20.00 EUR on, for at most 50 % of the items after
discounts. A cart of 64.90 (items 60.00, shipping 4.90) and 4,210 points: the share allows 30.00, so 3,000 points; the
balance would allow 42 whole blocks, 4,200 points. Usable are 3,000, worth 30.00 EUR, and what stops there is the share.

What a newcomer would get wrong: points pay for items, never for their delivery, and not for gift cards: those would
turn points into money. What a gift card pays already is out of their reach as well.
"""

from __future__ import annotations

from services.ledger.domain.spending import Checkout
from services.ledger.errors import NotUsable, NotWholeBlocks
from shared.money import to_decimal_string
from shared.orders import Order, items_after_discounts
from shared.rows import Row

CURRENCY, ORDER_AT_LEAST, AT_MOST, TO_PAY, BALANCE, AT_LEAST = (
    "currency", "order_at_least", "at_most", "to_pay", "balance", "at_least",
)  # fmt: skip


class Limit(Row, frozen=True, gc=False):
    """One thing that limits how many points a cart can use: so many, in whole blocks, and why."""

    limit: str
    points: int
    why: str


class Quote(Row, frozen=True, gc=False):
    """What a cart can use: `points` in whole blocks, and every limit; those that allow no more than this stop there."""

    checkout: Checkout
    points: int
    limits: tuple[Limit, ...]

    @property
    def blocks(self) -> int:
        """How many whole blocks."""
        return self.points // self.checkout.block_points

    @property
    def worth_minor(self) -> int:
        """What they are worth, in minor units."""
        return self.checkout.worth_of(self.points)

    @property
    def stops(self) -> tuple[Limit, ...]:
        """The limits that do not allow more."""
        return tuple(limit for limit in self.limits if limit.points <= self.points)


def quote(checkout: Checkout, order: Order, available: int) -> Quote:
    """What this order could use of what is available; nothing is changed."""
    limits = [*limits_of(checkout, order), _balance(checkout, available)]
    usable = min(limit.points for limit in limits)
    if usable < checkout.at_least:
        why = f"at least {checkout.at_least} are used at once, {usable} could be used here"
        limits.append(Limit(AT_LEAST, 0, why))
        usable = 0
    return Quote(checkout, usable, tuple(limits))


def limits_of(checkout: Checkout, order: Order) -> list[Limit]:
    """What the order itself allows, whoever pays."""
    if order.currency != checkout.currency:
        why = f"they are worth {checkout.currency}, and the order is in {order.currency}"
        return [Limit(CURRENCY, 0, why)]
    items = int(items_after_discounts(order))
    limits = [_to_pay(checkout, order, items)]
    if checkout.largest_share != 1:
        limits.insert(0, _share(checkout, items))
    if items < checkout.order_at_least_minor:
        said, asked = (_money(minor, checkout) for minor in (items, checkout.order_at_least_minor))
        limits.append(Limit(ORDER_AT_LEAST, 0, f"items after discounts are {said}, {asked} asked for"))
    return limits


def require_usable(checkout: Checkout, points: int, order: Order | None) -> None:
    """Refuse what the program's words about the checkout do not allow; without an order, what concerns the points.

    Raises:
        NotWholeBlocks: it is no whole number of blocks.
        NotUsable: fewer than pay at all, or more than the order can use; `limit` names what stops it.
    """
    if points % checkout.block_points:
        nearest = max(1, points // checkout.block_points) * checkout.block_points
        raise NotWholeBlocks(
            f"{points} are no whole blocks of {checkout.block_points}; {nearest} would be",
            block=checkout.block_points,
            nearest=nearest,
        )
    if points < checkout.at_least:
        raise NotUsable(f"at least {checkout.at_least} are used at once", limit=AT_LEAST, usable=0)
    if order is not None:
        least = min(limits_of(checkout, order), key=lambda limit: limit.points)
        if points > least.points:
            raise NotUsable(
                f"this order can use {least.points}, {points} asked for: {least.why}",
                limit=least.limit,
                usable=least.points,
            )


def _share(checkout: Checkout, items: int) -> Limit:
    most = int(items * checkout.largest_share)
    percent = checkout.largest_share * 100
    why = f"at most {percent} % of the items after discounts, {_money(items, checkout)}: {_money(most, checkout)}"
    return Limit(AT_MOST, checkout.points_within(most), why)


def _to_pay(checkout: Checkout, order: Order, items: int) -> Limit:
    left = items - sum(line.otherwise for line in order.lines if not line.is_gift_card)
    return Limit(
        TO_PAY, checkout.points_within(left), f"{_money(left, checkout)} of the items are left to be paid"
    )


def _balance(checkout: Checkout, available: int) -> Limit:
    blocks = max(0, available) // checkout.block_points
    said = f"{available} are available" if available >= 0 else f"{-available} are owed"
    whole = "" if checkout.block_points == 1 else f": {blocks} whole blocks of {checkout.block_points}"
    return Limit(BALANCE, blocks * checkout.block_points, said + whole)


def _money(minor: int, checkout: Checkout) -> str:
    return f"{to_decimal_string(minor, checkout.currency)} {checkout.currency}"
