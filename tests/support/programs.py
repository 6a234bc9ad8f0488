"""Programs that tests use."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

TEA_AND_CUPS: dict[str, Any] = {
    "program": "demo",
    "name": "Tea & Cup Club",
    "currency": "EUR",
    "time_zone": "Europe/Paris",
    "ledger": {
        "points": {"expire": "12 months", "rounded_to": "month", "negative": "allow"},
        "earn": [
            {"rule": "base", "on": "order.paid", "points": "1", "per": "1.00 EUR"},
            {"rule": "tea counts double", "on": "order.paid", "if": {"category": "tea"}, "times": "2"},
            {"rule": "big basket", "on": "order.paid", "if": {"order_at_least": "60.00 EUR"}, "points": "50"},
            {"rule": "welcome", "on": "customer.signed_up", "points": "100"},
            {
                "rule": "review",
                "on": "review.published",
                "points": "20",
                "if": {"text_at_least": "10"},
                "limit": "1 per product",
            },
            {"rule": "share", "on": "content.shared", "points": "5"},
        ],
        "spend": {"at_checkout": {"points": "100", "are_worth": "1.00 EUR"}},
    },
}


def tea_and_cups(**ledger: Any) -> dict[str, Any]:
    """The example program, with parts of its ledger section replaced."""
    document = deepcopy(TEA_AND_CUPS)
    document["ledger"] |= ledger
    return document
