"""The arithmetic of an order: what its lines cost, how they were paid, and what is kept after refunds.

Pure, and no loyalty rule: ledger, tiers and referrals each call it on the shop's events, so that none waits
for another and no two disagree. Only discounts and payments are split in minor units (by largest remainder,
at a tie to the earlier line); everything after that is an exact fraction.

The worked example of this module: tea 25.00 and cup 40.00, an order discount of 5.00, shipping 4.90. The
discount by value is tea -1.92 and cup -3.08, so the basis is tea 23.08 and cup 36.92. The cup comes back for
36.92: 23.08 are kept, all of it tea.

What a newcomer would get wrong: what is kept is a function of the *set* of refunds. Nothing here takes one
refund off a running sum, since refunds arrive in any order, twice, and before their order.

`Order`, `Line`, `Refund` and `Kept` are frozen structs of msgspec, which cost a tenth of a frozen dataclass
to make: every event of an order makes them.
"""

from shared.orders.basis import ITEMS, Basis, basis_by_line, items_after_discounts, quantities
from shared.orders.paid import DuplicateLine, Line, Order, Share, exact, order_of
from shared.orders.refunds import (
    CurrencyMismatch,
    Kept,
    NothingRefunded,
    Refund,
    UnknownLine,
    kept,
    nothing_kept,
    refund_of,
)

__all__ = [
    "ITEMS",
    "Basis",
    "CurrencyMismatch",
    "DuplicateLine",
    "Kept",
    "Line",
    "NothingRefunded",
    "Order",
    "Refund",
    "Share",
    "UnknownLine",
    "basis_by_line",
    "exact",
    "items_after_discounts",
    "kept",
    "nothing_kept",
    "order_of",
    "quantities",
    "refund_of",
]
