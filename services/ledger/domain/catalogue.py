"""The rewards catalogue: what can be had, for how much, by whom and until when; and why one member cannot have it.

Example: `five off` costs 500 points, of which there are 100 and 1 per member and month. Somebody with 420 points who
had one on 3 May is told both on 20 May: that the next can be had in June, and that 80 points are missing.

What a newcomer would get wrong: a stock is how many there are in all, since the catalogue first named one; raising it
from 100 to 150 adds 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.calendar import Period, add_months, day_of, due_in_days, midnight_after, start_of
from shared.events import Grant
from shared.rows import Row

CREDIT, POINTS_GIVEN, DONATION = "credit", "points", "donation"
AT_ONCE = frozenset({CREDIT, POINTS_GIVEN, DONATION})
"""Kinds of what is given that take effect as they are issued; all others are handed over as a code."""
BY_CODE = frozenset({"coupon", "free_shipping", "product", "gift_card", "ticket"})
LAST_RESORT = "en"


class Reason(Row, frozen=True, gc=False):
    """Why something cannot be had or used: a stable word for programs, and words for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long what is issued is good for: whole days or months from its day, to the end of the last one."""

    days: int = 0
    months: int = 0

    def ends(self, issued_at: datetime, zone: ZoneInfo) -> datetime:
        """The midnight at which it ends: 60 days from any hour of 4 May is the end of 3 July."""
        if not self.months:
            return due_in_days(self.days, issued_at, zone)
        return midnight_after(add_months(day_of(issued_at, zone), self.months), zone)

    def __str__(self) -> str:
        number, unit = (self.months, "month") if self.months else (self.days, "day")
        return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


@dataclass(frozen=True, slots=True)
class PerMember:
    """How many one member may have, in a period of the calendar or (None) ever."""

    times: int
    period: Period | None = None

    def used(self, had: Iterable[datetime], at: datetime, zone: ZoneInfo) -> int:
        """How many of those had at these moments count at `at`."""
        if self.period is None:
            return len(list(had))
        since = start_of(self.period, at, zone)
        return sum(1 for moment in had if moment >= since)

    def __str__(self) -> str:
        return f"{self.times} per {self.period.value}" if self.period else str(self.times)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may have it; empty = everybody."""

    levels: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Text:
    """What members read of a reward, in one language."""

    title: str
    text: str = ""
    terms: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """Where the codes of a reward come from, and how they may be used."""

    uses: int = 1
    anyone: bool = False
    pool: str | None = None
    warn_below: int = 20


@dataclass(frozen=True, slots=True)
class Offer:
    """One reward of the catalogue; `price` 0 = given by hand only. Moments: `since` inclusive, `until` exclusive."""

    name: str
    gives: Grant
    price: int = 0
    asset: str = "points"
    lasting: Lasting | None = None
    codes: Codes = Codes()
    stock: int | None = None
    per_member: PerMember | None = None
    audience: Audience = Audience()
    since: datetime | None = None
    until: datetime | None = None
    charities: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    texts: Mapping[str, Text] = field(default_factory=dict)

    @property
    def needs_code(self) -> bool:
        """Whether it is handed over as a code."""
        return self.gives.kind in BY_CODE


class Buyer(Row, frozen=True, gc=False):
    """What the catalogue looks at in a member: what they have, where they stand, what they had before."""

    available: Mapping[str, int]
    level: str | None = None
    segments: frozenset[str] = frozenset()
    had: Mapping[str, Sequence[datetime]] = {}
    """When each reward was issued to them, by its name; what was voided does not count."""


def reasons_against(
    offer: Offer, buyer: Buyer, *, sold: int, at: datetime, zone: ZoneInfo
) -> tuple[Reason, ...]:
    """Every reason why this member cannot buy this reward now; empty = they can. `sold` counts towards the stock."""
    found = [*_of_the_offer(offer, at, sold), *_of_the_member(offer, buyer, at, zone)]
    available = max(0, buyer.available.get(offer.asset, 0))
    if offer.price > available:
        missing = f"{offer.price} {offer.asset} asked for, {available} available"
        found.append(Reason("not_enough", missing))
    return tuple(found)


def reasons_against_giving(offer: Offer, *, sold: int) -> tuple[Reason, ...]:
    """Why it cannot be given by hand: a person may pass over everything but an empty shelf."""
    return tuple(_of_the_stock(offer, sold))


def _of_the_offer(offer: Offer, at: datetime, sold: int) -> Iterable[Reason]:
    if not offer.price:
        yield Reason("not_for_sale", "it is given by hand only")
    if offer.since is not None and at < offer.since:
        yield Reason("not_yet", f"it can be had from {offer.since.isoformat()}")
    if offer.until is not None and at >= offer.until:
        yield Reason("over", f"it could be had until {offer.until.isoformat()}")
    yield from _of_the_stock(offer, sold)


def _of_the_stock(offer: Offer, sold: int) -> Iterable[Reason]:
    if offer.stock is not None and sold >= offer.stock:
        yield Reason("sold_out", f"all {offer.stock} are gone")


def _of_the_member(offer: Offer, buyer: Buyer, at: datetime, zone: ZoneInfo) -> Iterable[Reason]:
    levels, segments = offer.audience.levels, offer.audience.segments
    if levels and buyer.level not in levels:
        yield Reason("not_at_this_level", f"it is for {' and '.join(sorted(levels))}")
    if segments and not segments & buyer.segments:
        yield Reason("not_in_segment", f"it is for {' and '.join(sorted(segments))}")
    limit = offer.per_member
    if limit is not None and limit.used(buyer.had.get(offer.name, ()), at, zone) >= limit.times:
        yield Reason("limit_reached", f"{limit} for each member, and this one has had as many")


def text_in(texts: Mapping[str, Text], wanted: Iterable[str], default: str) -> tuple[str, Text] | None:
    """The text in the language nearest to those wanted (`ro-MD`, then `ro`), else in the default, else in any."""
    known = {tag.replace("_", "-").lower(): tag for tag in texts}
    for tag in (*wanted, default, LAST_RESORT):
        parts = tag.replace("_", "-").lower().split("-")
        while parts:
            if (found := known.get("-".join(parts))) is not None:
                return found, texts[found]
            parts.pop()
    return next(iter(texts.items()), None)
