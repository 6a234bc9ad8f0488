"""What an order of another system holds: known by its total and its points, not by the rules that gave them.

Worked example: imported with 80.00 EUR kept and 120 points. 20.00 come back: kept 60.00, so floor(120 x 60 / 80) = 90
points stay, 30 are taken. Then the rest: 0 stay, 90 are taken. In any other order: the same.

What a newcomer would get wrong: the points of such an order lie in the opening balance already (or are spent). So its
award moved nothing when it was made, and still a refund takes its share, by target, as of every other order.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from shared.orders import Kept, Order

IMPORT = "import"
"""The kind of all that was brought in from another system; it counts for no level, cap or budget."""
IMPORTED = "imported"
"""The program's account that opening balances come from."""
ITEMS = "imported_items"


def explanation_of_import(items: int) -> dict[str, Any]:
    """What is stored with the award of an imported order: the minor units of its items after discounts."""
    return {"rules": [], ITEMS: items}


def imported_target(breakdown: Mapping[str, Any], points: int, order: Order, left: Kept | None) -> int:
    """What an imported order may hold where this much of it is kept (None: all of it as it was stated last)."""
    items = int(breakdown[ITEMS])
    if left is not None and not any(left.shares):
        return 0
    if not items:
        return points
    kept = order.items if left is None else left.of_items
    return min(points, int(Fraction(points) * kept / items))
