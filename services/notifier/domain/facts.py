"""What an event means in words: the facts that the templates of its message may use.

What a newcomer would get wrong: facts are stored and read for years, so they are plain JSON values, times in ISO 8601,
and a fact may be added but never renamed. Templates are checked against `SAMPLES` before the service starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from shared.events import Grant, PointsEarned, PointsExpiring, ReferralApproved, TierRaised

Facts = dict[str, Any]

MAX_CAUSES: Final = 200
"""So many causes of a day's digest are remembered one by one, to count none twice."""


def of_points_earned(data: PointsEarned) -> Facts:
    """How many of what, and what the member has now."""
    return {
        "asset": data.asset,
        "points": data.points,
        "balance": data.balance.available,
        "times": 1,
    }


def of_points_expiring(data: PointsExpiring) -> Facts:
    """How many run out when."""
    return {
        "asset": data.asset,
        "points": data.points,
        "balance": data.balance.available,
        "expires_at": _text(data.expires_at),
        "days_left": data.days_left,
    }


def of_tier_raised(data: TierRaised) -> Facts:
    """Which level, until when, and what comes with it."""
    return {
        "level": data.level,
        "previous_level": data.previous_level,
        "valid_until": _text(data.valid_until),
        "earn_times": data.earn_times,
        "rewards": _rewards(data.rewards),
    }


def of_referral_approved(data: ReferralApproved) -> Facts:
    """What this side gets; never who the other side is."""
    return {"rewards": _rewards(data.rewards), "limit_reached": data.limit_reached}


def added(facts: Mapping[str, Any], more: Mapping[str, Any], cause: str, *, is_later: bool) -> Facts:
    """A day's digest of points with one more cause; one that it has already changes nothing."""
    causes = list(facts.get("causes", ()))
    if cause in causes:
        return dict(facts)
    if len(causes) < MAX_CAUSES:
        causes.append(cause)
    return {
        **facts,
        "points": facts["points"] + more["points"],
        "times": facts["times"] + 1,
        "balance": more["balance"] if is_later else facts["balance"],
        "causes": causes,
    }


def folded(facts: Mapping[str, Any], other: Mapping[str, Any], *, is_later: bool) -> Facts:
    """Two digests of one day, of two ids of a person, as one; `is_later`: the other one's balance is the newer."""
    causes = dict.fromkeys((*facts.get("causes", ()), *other.get("causes", ())))
    return {
        **facts,
        "points": facts["points"] + other["points"],
        "times": facts["times"] + other["times"],
        "balance": other["balance"] if is_later else facts["balance"],
        "causes": list(causes)[:MAX_CAUSES],
    }


def _rewards(grants: Iterable[Grant]) -> list[Facts]:
    return [
        {
            "kind": grant.kind,
            "asset": grant.asset or "points",
            "points": grant.points,
            "percent": grant.percent,
            "amount": grant.amount,
            "currency": grant.currency,
            "code": grant.code,
            "valid_until": _text(grant.valid_until),
        }
        for grant in grants
    ]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _reward(kind: str, **values: Any) -> Facts:
    nothing = dict.fromkeys(("points", "percent", "amount", "currency", "code", "valid_until"))
    return {"kind": kind, "asset": "points", **nothing, **values}


_REWARDS: Final = [
    _reward("points", points=500),
    _reward("points", points=250, asset="credit:EUR"),
    _reward("points", points=1, asset="stamps"),
    _reward("coupon", percent="10", code="TEA-4F7K", valid_until="2026-12-31T22:59:59+00:00"),
    _reward("coupon", amount="5.00", currency="EUR"),
    _reward("gift_card", amount="20.00", currency="EUR", code="GIFT-9QX2"),
    _reward("product"),
    _reward("something_new"),
]
_COUNTS: Final = (0, 1, 2, 3, 5, 11, 21, 101, 1_234, 1_000_000)

SAMPLES: Final[Mapping[str, tuple[Facts, ...]]] = {
    "points.earned": tuple(
        {"asset": asset, "points": count, "balance": balance, "times": times}
        for asset in ("points", "credit:EUR", "stamps")
        for count in _COUNTS
        for balance, times in ((count, 1), (-5, 3))
    ),
    "points.expiring": tuple(
        {
            "asset": asset,
            "points": count,
            "balance": count + 10,
            "expires_at": "2026-12-31T23:00:00+00:00",
            "days_left": days,
        }
        for asset in ("points", "credit:EUR", "stamps")
        for count in _COUNTS
        for days in (0, 1, 7, 30)
    ),
    "tier.raised": tuple(
        {
            "level": "Habitué",
            "previous_level": previous,
            "valid_until": until,
            "earn_times": times,
            "rewards": rewards,
        }
        for previous in (None, "Regular")
        for until in (None, "2027-12-31T23:00:00+00:00")
        for times in ("1", "1.25")
        for rewards in ([], _REWARDS[:1], _REWARDS)
    ),
    **{
        f"referral.approved.{role}": tuple(
            {"rewards": rewards, "limit_reached": limit}
            for rewards in ([], _REWARDS[:1], _REWARDS)
            for limit in (False, True)
        )
        for role in ("advocate", "friend")
    },
}
"""For each template, facts of every kind that it may meet."""
