"""Twenty realistic rules: what a merchant with some ideas has after two years."""

from __future__ import annotations

from typing import Any

TWENTY_RULES: dict[str, Any] = {
    "program": "bench",
    "currency": "EUR",
    "time_zone": "Europe/Paris",
    "ledger": {
        "points": {"expire": "12 months", "rounded_to": "month"},
        "pending": {"order.paid": "14 days after order.paid"},
        "earn": [
            {"rule": "base", "on": "order.paid", "points": "1", "per": "1.00 EUR"},
            {"rule": "tea counts double", "on": "order.paid", "if": {"category": "tea"}, "times": "2"},
            {"rule": "big basket", "on": "order.paid", "if": {"order_at_least": "60.00 EUR"}, "points": "50"},
            {
                "rule": "huge basket",
                "on": "order.paid",
                "if": {"order_at_least": "120.00 EUR"},
                "points": "100",
            },
            {
                "rule": "app bonus",
                "on": "order.paid",
                "if": {"channel": "app"},
                "points": "10",
                "at_most": "100 per month",
            },
            {
                "rule": "house brand",
                "on": "order.paid",
                "if": {"brand": "habitue"},
                "points": "1",
                "per": "item",
            },
            {"rule": "new collection", "on": "order.paid", "if": {"collection": "spring"}, "times": "1.5"},
            {
                "rule": "weekend",
                "on": "order.paid",
                "if": {"weekday": ["saturday", "sunday"]},
                "times": "1.2",
            },
            {"rule": "happy hour", "on": "order.paid", "if": {"hours": "17:00 to 19:00"}, "points": "5"},
            {
                "rule": "card partner",
                "on": "order.paid",
                "if": {"card_partner": "bank"},
                "points": "1",
                "per": "2.00 EUR",
                "bonus": "true",
            },
            {
                "rule": "spring sale",
                "on": "order.paid",
                "times": "2",
                "from": "2020-03-01",
                "until": "2020-04-30",
            },
            {
                "rule": "one kettle",
                "on": "order.paid",
                "if": {"product": "kettle"},
                "points": "25",
                "limit": "1 per lifetime",
            },
            {
                "rule": "cups",
                "on": "order.paid",
                "if": {"category": "cups", "not_brand": "outlet"},
                "points": "2",
                "per": "item",
            },
            {"rule": "gold", "on": "order.paid", "if": {"level": "Gold"}, "points": "15"},
            {
                "rule": "paid by invoice",
                "on": "order.paid",
                "if": {"payment_method": "invoice"},
                "points": "3",
            },
            {
                "rule": "sample sku",
                "on": "order.paid",
                "if": {"sku": ["S-1", "S-2"]},
                "points": "1",
                "per": "item",
            },
            {"rule": "welcome", "on": "customer.signed_up", "points": "100"},
            {"rule": "review", "on": "review.published", "if": {"text_at_least": "40"}, "points": "20"},
            {"rule": "share", "on": "content.shared", "points": "5"},
            {"rule": "quiz", "on": "quiz", "points": "30", "limit": "1 per month"},
        ],
    },
}
