"""The section `referrals` of a program file: how a merchant writes it, and what it becomes (`domain.program`).

What a newcomer would get wrong: how long a referral waits does not stand here. It waits as the points of the order do,
and that is read from `ledger.pending` of the same file; only where those are immediate, `pending` below counts.

    python -m services.referrals.program > docs/program/referrals.schema.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from services.referrals.domain.program import After, Offer, ReferralProgram, Wait
from shared.calendar import zone
from shared.errors import ServiceError
from shared.events import Grant
from shared.money import minor_units
from shared.program_file import Path, Section, check, invalid

POINTS: Final = "points"
_WAIT: Final = re.compile(
    r"immediate|(?P<days>[0-9]{1,3}) days? after (?P<event>order\.paid|order\.fulfilled)"
    r"(?:(?<=fulfilled), within (?P<deadline>[1-9][0-9]{0,2}) days?)?"
).fullmatch


MoneyText = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})? [A-Z]{3}$"),
    Field(examples=["30.00 EUR"]),
]
Days = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3} days?$"), Field(examples=["14 days"])]
Percent = Annotated[
    str,
    Field(pattern=r"^(100|[1-9]?[0-9](\.[0-9]{1,2})?) ?%$", examples=["10 %"]),
]


class Reward(Section):
    """What one side gets: points, a coupon, or both."""

    points: Annotated[int, Field(ge=1, le=10**9, examples=[500])] | None = None
    coupon: Percent | None = Field(default=None, description="A percentage off one order.")

    @model_validator(mode="after")
    def _gives_something(self) -> Reward:
        if self.points is None and self.coupon is None:
            raise ValueError("say what is given: `points: 500` or `coupon: 10 %`")
        return self


class FirstCoupon(Section):
    """What greets a friend: something off the first order, which is worth nothing without one."""

    coupon: Percent


class Welcome(Section):
    """What a friend gets at the start."""

    friend: FirstCoupon


class Rewards(Section):
    """What each side gets once the referral is approved."""

    advocate: Reward | None = None
    friend: Reward | None = None


class Qualifies(Section):
    """Which order makes a referral count."""

    first_order: bool = Field(default=True, description="Only the friend's first order can.")
    order_at_least: MoneyText | None = Field(
        default=None, description="The items after discounts, however they were paid; inclusive."
    )


class ReferralsSection(Section):
    """The section `referrals` of a program file."""

    welcome: Welcome | None = None
    reward: Rewards = Rewards()
    qualifies: Qualifies = Qualifies()
    pending: Days = Field(
        default="14 days",
        description="How long after the payment a referral waits, where the points of the order are immediate.",
    )
    window: Days = Field(
        default="30 days", description="How long after signing up the first order still counts as brought."
    )
    landing: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None,
        description="The page of the shop to which links lead; `ref` and `click` are added to it.",
        examples=["https://tea-and-cup.example/welcome"],
    )


class _Head(Section):
    """What stands above the sections, for all services."""

    model_config = ConfigDict(**Section.model_config | {"extra": "ignore"})

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    time_zone: str = "UTC"


def parse(document: Mapping[str, Any]) -> ReferralProgram:
    """The program as referrals decides by it; a document without the section `referrals` offers nothing.

    Raises:
        InvalidProgram: with the path of each fault and what would be right.
    """
    head: _Head = check(_Head, "", dict(document))
    said = document.get("referrals")
    section: ReferralsSection = check(ReferralsSection, "referrals", {} if said is None else said)
    faults: list[tuple[Path, str]] = []
    found = ReferralProgram(
        currency=head.currency,
        zone=_zone(head, faults),
        wait=_wait(document, section, faults),
        offer=None if said is None else _offer(head, section, faults),
        landing=_landing(section, faults),
    )
    if faults:
        raise invalid(faults)
    return found


def schema() -> dict[str, Any]:
    """The JSON Schema of the section, for editors and checkers."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ReferralsSection.model_json_schema()}


def _zone(head: _Head, faults: list[tuple[Path, str]]) -> ZoneInfo:
    try:
        return zone(head.time_zone)
    except ServiceError as error:
        faults.append((("time_zone",), error.message))
        return ZoneInfo("UTC")


def _offer(head: _Head, section: ReferralsSection, faults: list[tuple[Path, str]]) -> Offer:
    minimum, currency = 0, head.currency
    if section.qualifies.order_at_least is not None:
        amount, currency = section.qualifies.order_at_least.split(" ")
        try:
            minimum = minor_units(amount, currency)
        except ServiceError as error:
            faults.append((("referrals", "qualifies", "order_at_least"), error.message))
    welcome = section.welcome.friend.coupon if section.welcome else None
    return Offer(
        currency=currency,
        minimum_minor=minimum,
        first_order=section.qualifies.first_order,
        window_days=_days(section.window),
        welcome=_grants(None, welcome),
        friend_reward=_reward(section.reward.friend),
        advocate_reward=_reward(section.reward.advocate),
    )


def _reward(reward: Reward | None) -> tuple[Grant, ...]:
    return () if reward is None else _grants(reward.points, reward.coupon)


def _grants(points: int | None, coupon: str | None) -> tuple[Grant, ...]:
    found = []
    if points is not None:
        found.append(Grant(kind=POINTS, asset=POINTS, points=points))
    if coupon is not None:
        found.append(Grant(kind="coupon", percent=coupon.rstrip(" %")))
    return tuple(found)


def _wait(document: Mapping[str, Any], section: ReferralsSection, faults: list[tuple[Path, str]]) -> Wait:
    """How long the points of an order wait, as the ledger's section says."""
    ledger = document.get("ledger")
    pending = ledger.get("pending") if isinstance(ledger, Mapping) else None
    said = pending.get("order.paid", "immediate") if isinstance(pending, Mapping) else "immediate"
    found = _WAIT(said) if isinstance(said, str) else None
    if found is None:
        path = ("ledger", "pending", "order.paid")
        faults.append((path, f"write `immediate` or `14 days after order.fulfilled`, not {said!r}"))
    if found is None or found["days"] is None:
        return Wait(days=_days(section.pending))
    wait = Wait(days=int(found["days"]), after=After(found["event"]))
    return wait if found["deadline"] is None else replace(wait, deadline_days=int(found["deadline"]))


def _landing(section: ReferralsSection, faults: list[tuple[Path, str]]) -> str | None:
    if section.landing is not None:
        parts = urlsplit(section.landing)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            faults.append((("referrals", "landing"), "write the whole address, with `https://`"))
    return section.landing


def _days(text: str) -> int:
    return int(text.split(" ", maxsplit=1)[0])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
