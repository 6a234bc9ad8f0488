"""What all services share: the event contract, the arithmetic of an order, and the machinery of a service.

Nothing here knows a loyalty rule, and nothing here imports a service (a test in `tests/architecture` checks both
directions). The pure modules (`errors`, `events`, `money`, `orders`, `calendar`, `rows`) may be imported by a
service's `domain`; the rest is machinery.
"""
