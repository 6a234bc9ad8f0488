"""What a customer keeps of a purchase, from all that is known of it so far.

What a newcomer would get wrong: a refund that waited for its order and then does not fit it (a line that the order
never had) counts nothing. The order is not to suffer for it, and people are told (`unfitting`).
"""

from __future__ import annotations

from collections.abc import Iterator

from services.ledger.domain.program import LedgerProgram
from services.ledger.domain.records import Purchase
from shared.errors import ServiceError
from shared.orders import Kept, Order, kept, nothing_kept, order_of, refund_of
from shared.programs import Versions


def order_of_purchase(purchase: Purchase, versions: Versions[LedgerProgram]) -> Order | None:
    """The order as it was paid, by its newest statement; None while it has not come."""
    if purchase.paid is None:
        return None
    program = versions.numbered(purchase.program_version or 1).rules
    return order_of(purchase.paid, program.currency, purchase.removed_lines)


def kept_of(purchase: Purchase, order: Order) -> Kept | None:
    """What is kept after the refunds known so far; None where nothing came back."""
    if purchase.cancelled_at is not None:
        return nothing_kept(order)
    fitting = []
    for refunded in purchase.refunds:
        try:
            fitting.append(refund_of(refunded.said, order))
        except ServiceError:
            continue
    return kept(order, fitting) if fitting else None


def unfitting(purchase: Purchase, order: Order) -> Iterator[tuple[str, ServiceError]]:
    """The refunds that came before their order and count nothing since they do not fit it: their ids, and why."""
    for refunded in purchase.refunds:
        try:
            refund_of(refunded.said, order)
        except ServiceError as error:
            yield refunded.said.refund_id, error
