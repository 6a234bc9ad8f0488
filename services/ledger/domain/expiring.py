"""Tells members in time what will expire: by default 30 days before, 7 days and 1 day, once per lot group and step.

A group is all open lots of an asset that expire at one moment. Example: 50 and 30 points expire at the end of 31 May.
At the midnight that is 30 days before, the member hears of 80; spends 60; and 7 days before hears of the 20 left.

A lot that comes late joins a group of which a step was told already: 40 points of an order of last May that arrives on
26 May. It says nothing of its own as long as there is a further step, at which all is told of together; after the last
one the member hears of these 40 alone. So no step tells of a point twice, and whatever expires was told of.

What a newcomer would get wrong: this too is a thing that falls due (`settling`), at its own midnight, so that a replay
tells the same at the same moments. `told_at` of a lot says up to when nothing is left to be told of it: a step before
that is over. What comes back into a lot, or lives longer since, is told of from then on only.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.ledger.domain.book import SOURCE, Book
from services.ledger.domain.records import Lot, MemberKey
from shared.calendar import day_of, midnight
from shared.cloudevents import derived_id
from shared.events import Balance, Event, PointsExpiring, event_type
from shared.rows import Row, replace

MOMENTS_REMEMBERED = 4_096  # ten years of one policy, under a megabyte


class Expiring(Row, frozen=True, gc=False):
    """So many days from `at`, what is left of these lots will expire."""

    at: datetime
    asset: str
    expires_at: datetime
    days: int


def next_told(book: Book, lot: Lot) -> Expiring | None:
    """What is to be told of the lot next, by the version that holds at that moment."""
    days = days_in(book, lot.program_id, lot.asset)
    if lot.expires_at is None or not days:
        return None
    since = lot.opened_at if lot.told_at is None else max(lot.opened_at, lot.told_at)
    versions = book.versions_of(lot.program_id)
    for at, left in _moments(lot.expires_at, days, versions.newest.rules.zone):
        if at > since and left in versions.at(at).rules.policy_for(lot.asset).announce:
            return Expiring(at, lot.asset, lot.expires_at, left)
    return None


def first_look(book: Book, lot: Lot) -> datetime | None:
    """When something falls due for an open lot: the next time that it is told of, else its expiry."""
    found = next_told(book, lot)
    return lot.expires_at if found is None else found.at


def first_step(book: Book, program_id: str, asset: str, expires_at: datetime) -> datetime:
    """Before this moment no version tells of what expires then, and it does not expire either."""
    days = days_in(book, program_id, asset)
    if not days:
        return expires_at
    moments = _moments(expires_at, days, book.versions_of(program_id).newest.rules.zone)
    return moments[0][0]


def without_past(book: Book, lot: Lot, at: datetime) -> Lot:
    """The lot as it comes back or lives on from `at`: no step that passed meanwhile is told of any more."""
    found = next_told(book, lot)
    return lot if found is None or found.at > at else replace(lot, told_at=at)


def tell_of(book: Book, key: MemberKey, what: Expiring) -> None:
    """Tell what is left of the group at this step; of lots that joined it after it was told, at the last step alone."""
    group = [
        lot
        for lot in book.lots.of(key).values()
        if (lot.asset, lot.expires_at) == (what.asset, what.expires_at)
    ]
    known = any(lot.told_at is not None and lot.told_at >= what.at for lot in group)
    told = [replace(lot, told_at=what.at) for lot in group if _is_to_be_told(lot, what)]
    for lot in told:
        book.put_lot(lot)
    if not known or next_told(book, told[0]) is None:
        # Named by a lot that is told of this step once: of what was told and then spent, nothing is in memory any more.
        first = min(lot.lot_no for lot in told)
        book.outgoing.append(_event(book, key, what, sum(lot.remaining for lot in told), first))


def _is_to_be_told(lot: Lot, what: Expiring) -> bool:
    """Whether something was in it at that moment, and is left, of which this step was not told."""
    is_known = lot.told_at is not None and lot.told_at >= what.at
    return bool(lot.remaining) and lot.opened_at <= what.at and not is_known


def _event(book: Book, key: MemberKey, what: Expiring, points: int, first_lot: int) -> Event[PointsExpiring]:
    program_id, member_id = key
    has = book.balance(key, what.asset)
    step = (what.asset, what.expires_at.isoformat(), str(what.days), str(first_lot))
    return Event(
        id=derived_id("ledger", program_id, member_id, "expiring", *step),
        source=SOURCE,
        type=event_type(PointsExpiring),
        program_id=program_id,
        time=what.at,
        data=PointsExpiring(
            member_id=member_id,
            asset=what.asset,
            points=points,
            expires_at=what.expires_at,
            days_left=what.days,
            balance=Balance(pending=has.pending, available=has.available, held=has.held),
        ),
    )


def days_in(book: Book, program_id: str, asset: str) -> tuple[int, ...]:
    """How many days before an expiry any version of the program tells of it, the most first."""
    found = book.announced_days.get((program_id, asset))
    if found is None:
        versions = book.versions_of(program_id).all
        days = {each for version in versions for each in version.rules.policy_for(asset).announce}
        found = tuple(sorted(days, reverse=True))
        book.announced_days[(program_id, asset)] = found
    return found


@lru_cache(maxsize=MOMENTS_REMEMBERED)
def _moments(expires_at: datetime, days: tuple[int, ...], zone: ZoneInfo) -> tuple[tuple[datetime, int], ...]:
    """The midnights that lie so many days before, the earliest first."""
    day = day_of(expires_at, zone)
    return tuple((midnight(day - timedelta(days=each), zone), each) for each in days)
