"""What kind of value each field of an expression has, and which variables an event of a trigger brings.

What a newcomer would get wrong: what the fields say stands in `domain.when`; here stands only of what kind it is. A
test holds that the two name the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TEXT: Final = "text"
NUMBER: Final = "number"
YES_OR_NO: Final = "yes or no"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of things of one kind."""

    of: Kind

    def __str__(self) -> str:
        return f"list of {self.of}s" if isinstance(self.of, str) else "list"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with fields."""

    name: str
    fields: Mapping[str, Kind]

    def __str__(self) -> str:
        return self.name


Kind = str | ListOf | Thing
TEXTS: Final = ListOf(TEXT)

ORDER: Final = Thing(
    "order",
    {
        "items": NUMBER,
        "shipping": NUMBER,
        "currency": TEXT,
        "channel": TEXT,
        "payment_method": TEXT,
        "card_partner": TEXT,
        "country": TEXT,
        "coupon_codes": TEXTS,
        "number": NUMBER,
    },
)
LINE: Final = Thing(
    "line",
    {
        "cost": NUMBER,
        "quantity": NUMBER,
        "sku": TEXT,
        "product": TEXT,
        "brand": TEXT,
        "categories": TEXTS,
        "collections": TEXTS,
        "gift_card": YES_OR_NO,
    },
)
MEMBER: Final = Thing(
    "member", {"level": TEXT, "segments": TEXTS, "days": NUMBER, "days_from_birthday": NUMBER}
)
TIME: Final = Thing(
    "time",
    {"year": NUMBER, "month": NUMBER, "day": NUMBER, "weekday": TEXT, "hour": NUMBER, "minute": NUMBER},
)
REVIEW: Final = Thing(
    "event",
    {
        "product": TEXT,
        "verified_purchase": YES_OR_NO,
        "text_length": NUMBER,
        "photo": YES_OR_NO,
        "video": YES_OR_NO,
    },
)
SHARE: Final = Thing("event", {"network": TEXT, "url": TEXT})
SIGN_UP: Final = Thing("event", {"country": TEXT, "language": TEXT})
ACTIVITY: Final = Thing("event", {"subject": TEXT, "amount": NUMBER, "currency": TEXT, "url": TEXT})
ALWAYS: Final[Mapping[str, Kind]] = {"member": MEMBER, "time": TIME}


def variables_for(trigger: str, *, by_the_calendar: bool) -> Mapping[str, Kind]:
    """The variables that an event of this trigger brings; one that is due by the calendar brings no data of its own."""
    if trigger == "order.paid":
        return {"order": ORDER, "lines": ListOf(LINE), **ALWAYS}
    if by_the_calendar:
        return ALWAYS
    events = {"review.published": REVIEW, "content.shared": SHARE, "customer.signed_up": SIGN_UP}
    return {"event": events.get(trigger, ACTIVITY), **ALWAYS}
