"""The HTTP door of the ledger, a module per idea. Dull: parse, call one action, translate."""

from __future__ import annotations

from services.ledger.api import (
    adjustments,
    budgets,
    bulk,
    bulk_members,
    checkout,
    coupons,
    exports,
    gifts,
    imports,
    leaving,
    merging,
    partners,
    points,
    pools,
    previews,
    reports,
    rewards,
    waiting,
)

routers = (
    points.router,
    checkout.router,
    rewards.router,
    waiting.router,
    coupons.router,
    budgets.router,
    previews.router,
    adjustments.router,
    imports.router,
    exports.router,
    leaving.router,
    partners.router,
    pools.router,
    gifts.router,
    merging.router,
    reports.router,
    bulk.router,
    bulk_members.router,
)
