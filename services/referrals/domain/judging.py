"""Where a referral stands by all that is known of its friend's orders.

What a newcomer would get wrong: there is no "next state" here. The verdict is a function of the papers and of how far
time has come, and it is the same whatever was decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.referrals.domain.book import Book
from services.referrals.domain.model import Reason, State, Touch
from services.referrals.domain.program import Offer, ReferralProgram
from services.referrals.domain.purchases import Purchase, due_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a referral stands, by which order, and what ended it.

    `due_at` is when time itself moves (or moved) it on; `approves_at` is the same where it is approved then, and None
    where it waits for a fulfilment.
    """

    state: State
    order_id: str | None = None
    due_at: datetime | None = None
    approves_at: datetime | None = None
    reason: Reason | None = None


def judge(book: Book, touch: Touch, purchases: Sequence[Purchase], horizon: datetime) -> Verdict:
    """Where the referral of this touch stands, with what was due up to and including `horizon`."""
    rules = book.rules_at(touch.program_id, touch.at)
    assert rules.offer is not None, "a touch without an offer is blocked"
    for purchase in purchases:
        waiting = book.rules_at(touch.program_id, purchase.paid_at)
        verdict = _by_order(purchase, rules.offer, waiting, horizon)
        if verdict is not None:
            return verdict
        if rules.offer.first_order:
            return Verdict(
                State.VOIDED, order_id=purchase.order_id, reason=Reason.FIRST_ORDER_DOES_NOT_QUALIFY
            )
    return Verdict(State.STARTED)


def _by_order(
    purchase: Purchase, offer: Offer, program: ReferralProgram, horizon: datetime
) -> Verdict | None:
    """Where the referral stands by this order; None if the order is not one that counts."""
    due = due_of(purchase, program.wait, program.zone)
    least = max(offer.minimum_minor, 1)  # an order of nothing brings nobody
    if purchase.best_value(offer.currency, program.currency, due.at) < least:
        return None
    if purchase.kept_value(offer.currency, program.currency, due.at) < least:
        cancelled = purchase.cancelled_before(due.at)
        reason = Reason.ORDER_CANCELLED if cancelled else Reason.ORDER_REFUNDED
        return Verdict(State.VOIDED, purchase.order_id, reason=reason)
    if horizon < due.at:
        return Verdict(State.PENDING, purchase.order_id, due.at, due.at if due.approves else None)
    if due.approves:
        return Verdict(State.APPROVED, purchase.order_id, due.at, due.at)
    return Verdict(State.VOIDED, purchase.order_id, due.at, reason=Reason.NOT_FULFILLED)
