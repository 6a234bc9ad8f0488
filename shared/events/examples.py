"""One example of the data of every event type, as JSON values; they stand in the exported documents.

What a newcomer would get wrong: these are documentation, so each shows what the event is for, not every field
it could have. A test holds that each is valid, and that none is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MEMBER: Final = {"member_id": "c-17"}
_AWARD: Final = {
    **_MEMBER,
    "cause": "evt-5001",
    "asset": "points",
    "points": 133,
    "order_id": "1001",
    "order_points": 133,
    "kind": "award",
    "rules": [
        {"rule": "base", "points": 60},
        {"rule": "tea counts double", "points": 23},
        {"rule": "big basket", "points": 50},
    ],
}
_REWARD: Final = {
    **_MEMBER,
    "reward_id": "rw-8",
    "reward": "five off",
    "asset": "points",
    "points": 500,
    "grant": {"kind": "coupon", "amount": "5.00", "currency": "EUR", "code": "K7QF-2M9X"},
}
_REGULAR: Final = {
    **_MEMBER,
    "level": "Regular",
    "since": "2026-11-05T10:00:00Z",
    "valid_until": "2027-12-31T23:00:00Z",
    "earn_times": "1.25",
}
_REFERRAL: Final = {
    "member_id": "c-3",
    "referral_id": "rf-12",
    "role": "advocate",
    "counterpart_id": "c-17",
    "code": "ANNA7",
}
_MESSAGE: Final = {
    **_MEMBER,
    "message_id": "m-77",
    "channel": "email",
    "template": "points.earned",
    "language": "fr",
    "cause": "evt-5001",
}
_CLUB: Final = {**_MEMBER, "membership": "Tea Club", "level": "Regular"}


def _moved(
    points: int, *, pending: int = 0, available: int = 0, held: int = 0, **more: Any
) -> dict[str, Any]:
    """A movement of points and what the member has after it."""
    balance = {"pending": pending, "available": available, "held": held}
    return {**_MEMBER, "asset": "points", "points": points, "balance": balance, **more}


EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "order.paid.v1": {
        "order_id": "1001",
        "customer_id": "c-17",
        "total": "64.90",
        "currency": "EUR",
        "discount": "5.00",
        "shipping": "4.90",
        "lines": [
            {"line_id": "1", "sku": "TEA-250", "total": "25.00", "categories": ["tea"]},
            {"line_id": "2", "sku": "CUP-1", "total": "40.00", "categories": ["cups"]},
        ],
        "channel": "web",
    },
    "order.fulfilled.v1": {"order_id": "1001", "customer_id": "c-17", "line_ids": ["1", "2"]},
    "order.refunded.v1": {
        "refund_id": "r-1",
        "order_id": "1001",
        "customer_id": "c-17",
        "currency": "EUR",
        "amount": "36.92",
        "lines": [{"line_id": "2", "quantity": "1"}],
    },
    "order.cancelled.v1": {"order_id": "1001", "customer_id": "c-17", "reason": "out of stock"},
    "customer.signed_up.v1": {
        "customer_id": "c-17",
        "email": "anna@example.com",
        "name": "Anna",
        "language": "fr",
        "time_zone": "Europe/Paris",
        "birthday": "--06-15",
        "referral_code": "ANNA7",
        "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "proof": "form 3"}],
    },
    "customer.updated.v1": {"customer_id": "c-17", "language": "ro-MD", "time_zone": "Europe/Chisinau"},
    "customer.deleted.v1": {"customer_id": "c-17"},
    "content.shared.v1": {
        "customer_id": "c-17",
        "network": "instagram",
        "url": "https://social.example/p/123",
        "share_id": "s-9",
    },
    "review.published.v1": {
        "review_id": "rv-4",
        "customer_id": "c-17",
        "product_id": "TEA-250",
        "rating": 4,
        "text": "Light, with a little smoke. I drink it in the afternoon.",
        "photo": True,
        "verified_purchase": True,
    },
    "review.removed.v1": {"review_id": "rv-4", "customer_id": "c-17", "product_id": "TEA-250"},
    "activity.recorded.v1": {
        "customer_id": "c-17",
        "activity": "cart_abandoned",
        "subject": "cart-55",
        "amount": "42.00",
        "currency": "EUR",
        "url": "https://shop.example/cart/55",
    },
    "points.pending.v1": {**_AWARD, "balance": {"pending": 133}, "available_at": "2026-11-19T23:00:00Z"},
    "points.earned.v1": {**_AWARD, "balance": {"available": 133}, "expires_at": "2027-11-30T23:00:00Z"},
    "points.held.v1": _moved(500, available=133, held=500, hold_id="h-2", held_until="2026-11-05T10:30:00Z"),
    "points.released.v1": _moved(500, available=633, hold_id="h-2"),
    "points.spent.v1": _moved(
        500, available=133, hold_id="h-2", order_id="1002", order_spent=500, kind="capture"
    ),
    "points.restored.v1": _moved(
        200, available=333, hold_id="h-2", order_id="1002", order_spent=300, kind="return", cause="evt-5003"
    ),
    "points.reversed.v1": _moved(87, available=46, order_id="1001", order_points=46, cause="evt-5002"),
    "points.expired.v1": _moved(46, kind="expiry"),
    "points.transferred.v1": _moved(100, available=33, direction="sent", counterpart_id="c-3", kind="gift"),
    "points.donated.v1": _moved(100, available=33, charity="reforestation", kind="donation"),
    "member.merged.v1": {**_MEMBER, "merged_id": "c-3", "reason": "two accounts of one person"},
    "pool.joined.v1": {**_MEMBER, "pool_id": "household-12", "members": ["c-3", "c-17"]},
    "pool.left.v1": {**_MEMBER, "pool_id": "household-12", "members": ["c-3"], "how": "left"},
    "points.expiring.v1": {
        **_MEMBER,
        "asset": "points",
        "points": 46,
        "expires_at": "2027-11-30T23:00:00Z",
        "days_left": 30,
        "balance": {"available": 46},
    },
    "reward.issued.v1": _REWARD,
    "reward.used.v1": {**_REWARD, "order_id": "1003"},
    "reward.voided.v1": {**_REWARD, "reason": "the order behind it was refunded"},
    "reward.expired.v1": _REWARD,
    "tier.raised.v1": {
        **_REGULAR,
        "previous_level": "Guest",
        "rewards": [{"kind": "points", "asset": "points", "points": 200}],
    },
    "tier.kept.v1": {**_REGULAR, "previous_level": "Regular"},
    "tier.lowered.v1": {
        **_MEMBER,
        "level": "Guest",
        "previous_level": "Regular",
        "since": "2027-12-31T23:00:00Z",
    },
    "tier.will_lower.v1": {
        **_REGULAR,
        "next_level": "Guest",
        "measure": "spend",
        "missing": "32.50",
        "currency": "EUR",
        "days_left": 30,
    },
    "membership.bought.v1": {
        **_CLUB,
        "since": "2026-11-05T10:00:00Z",
        "valid_until": "2027-11-05T23:00:00Z",
        "order_id": "1001",
    },
    "membership.lapsed.v1": {**_CLUB, "since": "2027-11-05T23:00:00Z"},
    "segment.entered.v1": {**_MEMBER, "segment": "tea lovers"},
    "segment.left.v1": {**_MEMBER, "segment": "tea lovers"},
    "referral.started.v1": {
        **_REFERRAL,
        "member_id": "c-17",
        "counterpart_id": "c-3",
        "role": "friend",
        "rewards": [{"kind": "coupon", "percent": "10", "code": "HELLO-4T8W"}],
    },
    "referral.qualified.v1": {**_REFERRAL, "order_id": "1001", "approves_at": "2026-11-19T23:00:00Z"},
    "referral.flagged.v1": {**_REFERRAL, "order_id": "1001", "signals": ["same_device", "same_address"]},
    "referral.approved.v1": {
        **_REFERRAL,
        "order_id": "1001",
        "rewards": [{"kind": "points", "asset": "points", "points": 500}],
    },
    "referral.voided.v1": {**_REFERRAL, "order_id": "1001", "reason": "the order was refunded"},
    "ambassador.applied.v1": {**_MEMBER, "application_id": "a-1"},
    "ambassador.approved.v1": {**_MEMBER, "application_id": "a-1", "code": "ANNA-TEA"},
    "message.sent.v1": _MESSAGE,
    "message.deferred.v1": {**_MESSAGE, "reason": "quiet hours", "deferred_until": "2026-11-06T07:00:00Z"},
    "message.failed.v1": {**_MESSAGE, "reason": "the mailbox does not exist"},
    "message.suppressed.v1": {**_MESSAGE, "reason": "no consent to marketing by email"},
    "member.unsubscribed.v1": {**_MEMBER, "purpose": "marketing", "channel": "email"},
}
